/**
 * A tap as the Guest's network card sees it, in the virtual CPU's thread. Packets that came are in a ring
 * (`packet_ring.ts`), read by a Worker. Packets that go are written to the tap here and at once: the kernel takes them
 * straight from the Guest's memory, and a write to a tap never waits. That costs less than handing them to another
 * thread would: measured 0.6 µs for 1500 bytes and 3.5 µs for 65000, while copying the latter into a ring takes 2.5 µs
 * and waking another thread 3 µs; of a Guest that sends TCP as fast as it can it takes 3 % of the time. Read next:
 * `lib/virtio/net.ts`.
 *
 * @module
 */
import { type Library, openLibrary } from "../../ffi/library.ts";
import type { GuestMemory } from "../memory.ts";
import type { Segment } from "../virtio/queue.ts";
import { split } from "../virtio/segments.ts";
import { MAX_PACKET, NET_HEADER, type NetBackend } from "./backend.ts";
import { PacketRing } from "./packet_ring.ts";
import { TUNSETOFFLOAD } from "./tap.ts";
import type { TapSetup } from "./tap_workers.ts";

/** The most pieces that the kernel takes at once (UIO_MAXIOV). */
const MAX_PIECES = 1024;
const WORD = 2 ** 32;

/** Sends to a tap, and takes what its Worker has read. */
export class TapBackend implements NetBackend {
  readonly #fd: number;
  readonly #library: Library;
  readonly #ring: PacketRing;
  readonly #memory: GuestMemory;
  /** Where the Guest's physical address 0 stands in this process. */
  readonly #base: number;
  /** `struct iovec`s: address and length, two words each. */
  readonly #vector = new Uint32Array(MAX_PIECES * 4);
  /** Stands for the end of a header that a legacy driver makes shorter; its address in this process. */
  readonly #zeros = new Uint8Array(NET_HEADER);
  readonly #zerosAt: number;

  /**
   * @param setup what `startTapWorkers()` gave
   * @param memory the Guest's memory
   * @throws {GuestError} if the C library cannot be opened in this thread
   */
  constructor(setup: TapSetup, memory: GuestMemory) {
    this.#fd = setup.fd;
    this.#library = openLibrary(setup.library);
    this.#ring = new PacketRing(setup.ring);
    this.#memory = memory;
    // User space ends far below 2^53.
    this.#base = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory.bytes)));
    this.#zerosAt = Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(this.#zeros)));
  }

  /** Whether packets can still come; read them first. */
  get linkUp(): boolean {
    return !this.#ring.ended;
  }

  /** Write a packet to the tap; one that the kernel refuses (a header that makes no sense, an interface down) is lost. */
  send(segments: readonly Segment[], length: number, header: number = NET_HEADER): boolean {
    const missing = NET_HEADER - header;
    // To be put between header and frame, which may cut one segment in two.
    if (length + missing > MAX_PACKET || segments.length + (missing === 0 ? 0 : 2) > MAX_PIECES) return false;
    for (const { address, length } of segments) if (!this.#memory.contains(address, length)) return false;
    let pieces = 0;
    if (missing === 0) {
      pieces = this.#place(segments, pieces);
    } else {
      const [front, frame] = split(segments, header);
      pieces = this.#place(front, pieces);
      this.#setPiece(pieces++, this.#zerosAt, missing);
      pieces = this.#place(frame, pieces);
    }
    return this.#library.lguest_writev(this.#fd, this.#vector, pieces) === length + missing;
  }

  /** The oldest packet that the Worker has read. */
  peek(): Uint8Array | undefined {
    return this.#ring.peek();
  }

  /** Make room for another. */
  release(): void {
    this.#ring.release();
  }

  /** Fill the vector from a piece on with segments that lie in memory; returns the piece behind them. */
  #place(segments: readonly Segment[], piece: number): number {
    for (const { address, length } of segments) this.#setPiece(piece++, this.#base + address, length);
    return piece;
  }

  #setPiece(piece: number, pointer: number, length: number): void {
    this.#vector[4 * piece] = pointer % WORD;
    this.#vector[4 * piece + 1] = Math.floor(pointer / WORD);
    this.#vector[4 * piece + 2] = length;
  }

  /** Tell the kernel what the Guest does by itself. A tap that is gone needs not to know. */
  setOffloads(flags: number): void {
    this.#library.lguest_ioctl_value(this.#fd, TUNSETOFFLOAD, flags);
  }
}
