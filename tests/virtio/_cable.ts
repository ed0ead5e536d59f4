/**
 * A network card's cable for tests.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { GuestMemory } from "../../lib/memory.ts";
import type { NetBackend } from "../../lib/net/backend.ts";
import type { Segment } from "../../lib/virtio/queue.ts";

/** A cable whose other end is the test. */
export class TestCable implements NetBackend {
  /** Packets that the card sent. */
  readonly sent: Uint8Array[] = [];
  /** How long the header of each of them was said to be. */
  readonly headers: (number | undefined)[] = [];
  /** Packets that the card has not taken yet. */
  readonly coming: Uint8Array[] = [];
  /** What was set last. */
  offloads = -1;
  linkUp = true;
  refuses = false;

  constructor(readonly memory: GuestMemory) {}

  send(segments: readonly Segment[], length: number, header?: number): boolean {
    if (this.refuses) return false;
    this.headers.push(header);
    const bytes = segments.flatMap(({ address, length }) => [...this.memory.slice(address, length)]);
    assertEquals(bytes.length, length);
    this.sent.push(Uint8Array.from(bytes));
    return true;
  }

  peek(): Uint8Array | undefined {
    return this.coming[0];
  }

  release(): void {
    this.coming.shift();
  }

  setOffloads(flags: number): void {
    this.offloads = flags;
  }
}
