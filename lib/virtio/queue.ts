/**
 * A split virtqueue, the device's side (virtio 1.2 §2.7): what the driver made available comes out as {@link Chain}s,
 * what the device has done goes back through {@link VirtQueue.push}, and the driver is interrupted if it wants to be.
 *
 * It knows no device and no bus. Nothing in Guest memory is trusted or read twice: a descriptor is copied before it is
 * judged, and what a device gets are private objects whose segments lie in RAM. What breaks the specification is a
 * {@link DriverError}. Queue and Guest run in the same thread, so no barriers are needed. It is a hot path: 64-bit
 * addresses are read as two words, and nothing is allocated but the chain. Read next: `segments.ts`, bytes in and out
 * of a chain; `rng.ts`, the smallest user.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { DriverError, FEATURE, QUEUE_SIZE } from "./device.ts";

/** A piece of Guest memory that a descriptor names; it was checked to lie in RAM, and is not empty. */
export interface Segment {
  /** Guest-physical address of its first byte. */
  readonly address: number;
  /** Bytes, at least one. */
  readonly length: number;
}

/** A request: what one chain of descriptors names, copied from the Guest before it was judged. */
export interface Chain {
  /** The number of its first descriptor, by which it is given back. */
  readonly head: number;
  /** What the device may read ("out"), in order. */
  readonly readable: readonly Segment[];
  /** What the device may write ("in"), in order. */
  readonly writable: readonly Segment[];
  /** Bytes in {@link readable}. */
  readonly readableLength: number;
  /** Bytes in {@link writable}. */
  readonly writableLength: number;
}

/** A request that is done. */
export interface Done {
  /** What {@link VirtQueue.pop} gave. */
  readonly chain: Chain;
  /** Bytes written at the front of the chain's writable segments. */
  readonly written: number;
}

/** What a {@link VirtQueue} is made of; a transport has checked all of it. */
export interface VirtQueueOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** What messages call it: "console output queue". */
  readonly name: string;
  /** Its size in descriptors: a power of two, at most {@link QUEUE_SIZE}. */
  readonly size: number;
  /** Guest-physical address of the descriptor table: 16 bytes for each descriptor, aligned to 16. */
  readonly descriptors: number;
  /** Guest-physical address of the available ring: 6 bytes and 2 for each descriptor, aligned to 2. */
  readonly available: number;
  /** Guest-physical address of the used ring: 6 bytes and 8 for each descriptor, aligned to 4. */
  readonly used: number;
  /** The feature bits that were negotiated. */
  readonly features: bigint;
  /** Interrupt the driver. */
  readonly interrupt: () => void;
}

/** Descriptor flags (§2.7.5). */
const DESC_NEXT = 1;
const DESC_WRITE = 2;
const DESC_INDIRECT = 4;
/** Bytes in a descriptor. */
const DESC_SIZE = 16;
/** In the available ring's flags: the driver wants no interrupts (§2.7.6). */
const AVAIL_NO_INTERRUPT = 1;
/** In the used ring's flags: the device wants no notifications (§2.7.8). */
const USED_NO_NOTIFY = 1;
/** The most bytes that a chain may name (§2.7.5.2). */
const CHAIN_BYTES = 2 ** 32;

const NOTHING: readonly Segment[] = Object.freeze([]);

/** A split virtqueue that the driver has enabled. */
export class VirtQueue {
  /** What messages call it. */
  readonly name: string;
  /** Its size in descriptors. */
  readonly size: number;
  readonly #memory: GuestMemory;
  readonly #descriptors: number;
  readonly #available: number;
  readonly #used: number;
  readonly #interrupt: () => void;
  readonly #mask: number;
  readonly #indirect: boolean;
  readonly #eventIndex: boolean;
  /** By head: 1 while the device has that chain. */
  readonly #taken: Uint8Array;
  /** The available index that is popped next, and the driver's when it was read last; both modulo 2^16. */
  #next = 0;
  #seen = 0;
  /** The used index, modulo 2^16: what stands in the ring. */
  #done = 0;
  /** How many chains were pushed since the last {@link flush}. */
  #unflushed = 0;
  /** What the driver was told last about kicks: avail_event, or the flags; -1 before it was told anything. */
  #told = -1;

  /**
   * A queue whose indices are 0, as after a reset.
   *
   * @param options where it lies, and what was negotiated
   */
  constructor(options: VirtQueueOptions) {
    this.name = options.name;
    this.size = options.size;
    this.#memory = options.memory;
    this.#descriptors = options.descriptors;
    this.#available = options.available;
    this.#used = options.used;
    this.#interrupt = options.interrupt;
    this.#mask = options.size - 1;
    this.#indirect = (options.features >> BigInt(FEATURE.INDIRECT_DESC) & 1n) === 1n;
    this.#eventIndex = (options.features >> BigInt(FEATURE.EVENT_IDX) & 1n) === 1n;
    this.#taken = new Uint8Array(options.size);
  }

  /**
   * Take the next request. While requests are left the driver is told not to kick (without EVENT_IDX by NO_NOTIFY, with
   * it by an avail_event that has passed); when there are none it is asked to, and the ring looked at once more
   * (§2.7.10). So a device that stops before this gave `undefined` must come back by itself.
   *
   * @returns the request, or `undefined` if the driver has made nothing available
   * @throws {DriverError} if the ring or the chain breaks the specification
   */
  pop(): Chain | undefined {
    if (this.#next === this.#seen && !this.#look()) {
      this.#askForKick();
      if (!this.#look()) return undefined;
    }
    if (!this.#eventIndex) this.#setFlags(USED_NO_NOTIFY);
    const head = this.#memory.getUint16(this.#available + 4 + 2 * (this.#next & this.#mask));
    if (head >= this.size) {
      this.#fail(`made descriptor ${head} available in a queue of ${this.size}`, "2.7.6");
    }
    if (this.#taken[head] === 1) {
      this.#fail(`made descriptor ${head} available while the device still had it`, "2.7.13");
    }
    const chain = this.#read(head);
    this.#next = (this.#next + 1) & 0xffff;
    this.#taken[head] = 1;
    return chain;
  }

  /**
   * Give requests back, in any order; all become visible to the driver at once. The driver hears of it by
   * {@link flush}.
   *
   * @param done what was done; each request once
   */
  push(...done: readonly Done[]): void {
    const memory = this.#memory;
    for (const { chain, written } of done) {
      if (this.#taken[chain.head] !== 1 || !(written >= 0 && written <= chain.writableLength)) {
        throw new RangeError(`The ${this.name} cannot give back request ${chain.head} with ${written} bytes written`);
      }
      this.#taken[chain.head] = 0;
      const element = this.#used + 4 + 8 * (this.#done & this.#mask);
      memory.setUint32(element, chain.head);
      memory.setUint32(element + 4, written);
      this.#done = (this.#done + 1) & 0xffff;
    }
    memory.setUint16(this.#used + 2, this.#done);
    this.#unflushed += done.length;
  }

  /**
   * Interrupt the driver if it wants to hear of what was pushed since the last call: by NO_INTERRUPT, or with EVENT_IDX
   * if used_event was passed (§2.7.7). To be called after each batch.
   */
  flush(): void {
    const pushed = this.#unflushed;
    if (pushed === 0) return;
    this.#unflushed = 0;
    if (this.#eventIndex) {
      const event = this.#memory.getUint16(this.#available + 4 + 2 * this.size);
      if (((this.#done - event - 1) & 0xffff) >= pushed) return;
    } else if (this.#memory.getUint16(this.#available) & AVAIL_NO_INTERRUPT) {
      return;
    }
    this.#interrupt();
  }

  /** Read the driver's index; whether there is more than what was popped. */
  #look(): boolean {
    const index = this.#memory.getUint16(this.#available + 2);
    const ahead = (index - this.#next) & 0xffff;
    if (ahead > this.size) {
      this.#fail(
        `moved the available index to ${index} when ${this.#next} entries were taken of a queue of ${this.size}`,
        "2.7.6.1",
      );
    }
    this.#seen = index;
    return ahead > 0;
  }

  /** Have the driver kick with the next entry. */
  #askForKick(): void {
    if (!this.#eventIndex) {
      this.#setFlags(0);
    } else if (this.#told !== this.#next) {
      this.#told = this.#next;
      this.#memory.setUint16(this.#used + 4 + 8 * this.size, this.#next);
    }
  }

  #setFlags(flags: number): void {
    if (this.#told === flags) return;
    this.#told = flags;
    this.#memory.setUint16(this.#used, flags);
  }

  /** Copy a chain out of the Guest, descriptor by descriptor, and judge each copy. */
  #read(head: number): Chain {
    const memory = this.#memory;
    let table = this.#descriptors;
    let count = this.size;
    let limit = this.size;
    let indirect = false;
    let index = head;
    let readable: Segment[] | undefined;
    let writable: Segment[] | undefined;
    let readableLength = 0;
    let writableLength = 0;
    let writes = false;
    for (let seen = 1;; seen++) {
      const at = table + DESC_SIZE * index;
      const address = memory.getUint32(at);
      const high = memory.getUint32(at + 4);
      const length = memory.getUint32(at + 8);
      const flags = memory.getUint16(at + 12);
      const next = memory.getUint16(at + 14);
      if (seen > limit) {
        this.#fail(`made a chain that loops or has more than ${limit} descriptors`, "2.7.5.3.1");
      }
      if (flags & DESC_INDIRECT) {
        this.#judgeTable(flags, indirect);
        if (length === 0 || length % DESC_SIZE !== 0) {
          this.#fail(`made an indirect table of ${length} bytes, which is no multiple of ${DESC_SIZE}`, "2.7.5.3");
        }
        if (high !== 0 || !memory.contains(address, length)) this.#outside("an indirect table", high, address, length);
        indirect = true;
        table = address;
        count = length / DESC_SIZE;
        // A driver that took fewer descriptors than were offered may still fill a table with as many.
        limit = Math.max(QUEUE_SIZE, this.size);
        index = 0;
        seen--; // what refers to the table is no buffer
        continue;
      }
      if (flags & DESC_WRITE) {
        writes = true;
        writableLength += length;
      } else {
        if (writes) this.#fail(`put a device-readable descriptor behind a device-writable one`, "2.7.4.2");
        readableLength += length;
      }
      if (readableLength + writableLength > CHAIN_BYTES) {
        this.#fail(`made a chain of more than 2^32 bytes`, "2.7.5.2");
      }
      // An empty buffer is not forbidden, and names no byte: wherever it lies, nothing is left of it.
      if (length > 0) {
        if (high !== 0 || !memory.contains(address, length)) this.#outside("a buffer", high, address, length);
        if (writes) (writable ??= []).push({ address, length });
        else (readable ??= []).push({ address, length });
      }
      if ((flags & DESC_NEXT) === 0) break;
      if (next >= count) {
        this.#fail(`chained descriptor ${next} in a table of ${count}`, "2.7.5");
      }
      index = next;
    }
    return { head, readable: readable ?? NOTHING, writable: writable ?? NOTHING, readableLength, writableLength };
  }

  /** Whether an indirect table may be referred to in this place (§2.7.5.3.1); its WRITE flag is to be ignored. */
  #judgeTable(flags: number, nested: boolean): void {
    if (!this.#indirect) this.#fail(`used an indirect descriptor without VIRTIO_F_INDIRECT_DESC`, "2.7.5.3.1");
    if (nested) this.#fail(`put an indirect descriptor into an indirect table`, "2.7.5.3.1");
    if (flags & DESC_NEXT) this.#fail(`set both INDIRECT and NEXT in a descriptor`, "2.7.5.3.1");
  }

  #outside(what: string, high: number, low: number, length: number): never {
    const address = (BigInt(high) << 32n | BigInt(low)).toString(16);
    this.#fail(`named ${what} of ${length} bytes at 0x${address}, which is not in memory`, "2.7.5");
  }

  #fail(what: string, section: string): never {
    throw new DriverError(this.name, what, section);
  }
}
