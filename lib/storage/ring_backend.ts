/**
 * The virtual CPU's side of a disk in another thread: requests go into shared memory (`disk_ring.ts`), results are
 * taken out when the attention word has been signalled. It never waits, but for a copy of at most
 * `CHUNK_SIZE` bytes in {@link RingBlockBackend.reset}. Read next: `disk_server.ts`, who does the work.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { BLOCK_OP, type BlockBackend, type BlockRequest } from "./backend.ts";
import { DiskRing, MAX_RANGES, SLOT, SLOTS, WORD } from "./disk_ring.ts";

/** What the virtual CPU's thread needs of a disk; plain data that can be posted to it. See `openDisk`. */
export interface DiskSetup {
  /** The memory shared with the disk's Worker. */
  readonly ring: SharedArrayBuffer;
  /** The size in sectors of 512 bytes. */
  readonly sectors: number;
  /** Whether it cannot be written. */
  readonly readOnly: boolean;
  /** The last part of the file's path: the disk's serial number for the Guest. */
  readonly id: string;
}

/** How long a copy of one chunk may take, in milliseconds: a thread that the host does not run for that long is dead. */
const LONGEST_COPY = 10_000;

/** A {@link BlockBackend} whose work is done by a Worker of `openDisk`. */
export class RingBlockBackend implements BlockBackend {
  readonly sectors: number;
  readonly readOnly: boolean;
  readonly #memory: GuestMemory;
  readonly #ring: DiskRing;
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** By slot: what is under way there; `undefined` also if a reset came between. */
  readonly #requests: (BlockRequest | undefined)[] = new Array(SLOTS).fill(undefined);
  readonly #free: number[] = Array.from({ length: SLOTS }, (_, slot) => SLOTS - 1 - slot);
  #submitted: number;
  #completed: number;

  /**
   * A backend without requests.
   *
   * @param setup what `openDisk` gave; only one backend may be made of it
   * @param memory the memory that was given to `openDisk`, or another view of it
   */
  constructor(setup: DiskSetup, memory: GuestMemory) {
    this.sectors = setup.sectors;
    this.readOnly = setup.readOnly;
    this.#memory = memory;
    this.#ring = new DiskRing(setup.ring);
    this.#words = this.#ring.words;
    this.#submitted = Atomics.load(this.#words, WORD.SUBMITTED);
    this.#completed = Atomics.load(this.#words, WORD.COMPLETED);
  }

  /** How many requests can be submitted: slots that the Worker has given back. */
  get room(): number {
    return this.#free.length;
  }

  /** Put a request into the ring; the Worker may find it at once, and certainly after {@link kick}. */
  submit(request: BlockRequest): void {
    const { ranges } = request;
    if (ranges.length > MAX_RANGES) throw new RangeError(`A disk's request has ${ranges.length} ranges of memory`);
    const slot = this.#free.pop();
    if (slot === undefined) throw new RangeError(`A disk was given more than ${SLOTS} requests`);
    this.#requests[slot] = request;
    const words = this.#words, at = this.#ring.slot(slot);
    words[at + SLOT.OP] = request.op;
    words[at + SLOT.EPOCH] = words[WORD.EPOCH]!;
    words[at + SLOT.SECTOR_LOW] = request.sector | 0;
    words[at + SLOT.SECTOR_HIGH] = Math.floor(request.sector / 2 ** 32);
    words[at + SLOT.SECTORS] = request.sectors;
    words[at + SLOT.DURABLE] = request.durable ? 1 : 0;
    words[at + SLOT.RANGES] = ranges.length;
    let word = at + SLOT.FIRST_RANGE;
    for (const { address, length } of ranges) {
      words[word++] = address;
      words[word++] = length;
    }
    words[this.#ring.submittedAt(this.#submitted)] = slot;
    this.#submitted = (this.#submitted + 1) | 0;
    Atomics.store(words, WORD.SUBMITTED, this.#submitted);
  }

  /** Wake the Worker if it sleeps. */
  kick(): void {
    if (Atomics.load(this.#words, WORD.SLEEPING) !== 0) this.#ring.wake();
  }

  /** Take all results that are there. */
  poll(): void {
    while (this.#completed !== Atomics.load(this.#words, WORD.COMPLETED)) {
      const slot = this.#words[this.#ring.completedAt(this.#completed)]!;
      this.#completed = (this.#completed + 1) | 0;
      const ok = this.#words[this.#ring.slot(slot) + SLOT.OK] === 1;
      const request = this.#requests[slot];
      this.#requests[slot] = undefined;
      this.#free.push(slot);
      if (request === undefined) continue;
      this.#tell(request);
      request.done(ok);
    }
  }

  /** Forget all requests; their slots come back when the Worker has seen that they are void. */
  reset(): void {
    const words = this.#words;
    Atomics.add(words, WORD.EPOCH, 1);
    const end = performance.now() + LONGEST_COPY;
    while (Atomics.load(words, WORD.COPYING) !== 0) {
      if (performance.now() > end) throw new Error(`The Worker of a disk has not finished copying`);
      Atomics.wait(words, WORD.COPYING, 1, 1);
    }
    for (const [slot, request] of this.#requests.entries()) {
      if (request === undefined) continue;
      this.#requests[slot] = undefined;
      this.#tell(request);
    }
  }

  /** Have the engine forget what it made of memory that a read may have changed, wholly or in part. */
  #tell(request: BlockRequest): void {
    if (request.op !== BLOCK_OP.READ) return;
    for (const { address, length } of request.ranges) this.#memory.changed(address, length);
  }
}
