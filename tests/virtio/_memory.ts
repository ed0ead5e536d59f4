/**
 * Guest memory for tests of virtio devices: with guards around RAM that show whether anything beside it was written,
 * and a kind that changes under the reader's hands.
 *
 * @module
 */
import { assert } from "@std/assert";
import { GuestMemory } from "../../lib/memory.ts";
import type { Random } from "../engine/random.ts";

const GUARD = 65536;
const GUARD_BYTE = 0xa5;

/** RAM between two guards of 64 KiB. */
export class GuardedMemory extends GuestMemory {
  readonly #guards: Uint8Array<SharedArrayBuffer>[];

  /** @param size bytes of RAM: a multiple of 64 KiB, or the rest of its last page belongs to the upper guard */
  constructor(size: number) {
    const pages = Math.ceil((GUARD + size) / 65536) + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    super(memory, GUARD, size);
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.#guards = [new Uint8Array(buffer, 0, GUARD), new Uint8Array(buffer, GUARD + size)];
    for (const guard of this.#guards) guard.fill(GUARD_BYTE);
  }

  /** Claim that nothing beside RAM was written. */
  assertGuards(): void {
    for (const guard of this.#guards) {
      assert(guard.every((byte) => byte === GUARD_BYTE), "Something beside the Guest's RAM was written");
    }
  }
}

/**
 * RAM whose words change right after they were read, now and then, as if another CPU of a hostile Guest wrote them:
 * whoever reads a word twice gets two answers.
 */
export class ShiftyMemory extends GuardedMemory {
  readonly #random: Random;
  /** How likely a word that was read changes; 0 leaves memory alone. */
  chance = 0;

  /** @param size bytes of RAM */
  constructor(size: number, random: Random) {
    super(size);
    this.#random = random;
  }

  override getUint16(address: number): number {
    const value = super.getUint16(address);
    if (this.#random.chance(this.chance)) this.setUint16(address, this.#random.value() & 0xffff);
    return value;
  }

  override getUint32(address: number): number {
    const value = super.getUint32(address);
    if (this.#random.chance(this.chance)) this.setUint32(address, this.#random.value());
    return value;
  }
}
