/**
 * The memory that the thread of a virtual CPU and the thread of a disk share: requests one way, results the other.
 *
 * A request occupies a *slot*, a record of fixed size, from its submission until its result was taken, so there are
 * never more than {@link SLOTS}, and both rings (of slot numbers, one word each) have room for all of them. Positions
 * in the rings count for ever, modulo 2^32, and only one side moves each. Read next: `ring_backend.ts`, the CPU's side;
 * `disk_server.ts`, the disk's side.
 *
 * @module
 */
import { QUEUE_SIZE } from "../virtio/device.ts";

/** How many requests may be under way: every descriptor of a queue. */
export const SLOTS: number = QUEUE_SIZE;

/** The most memory ranges of a request: every descriptor of a queue. */
export const MAX_RANGES: number = QUEUE_SIZE;

/** The words at the start; those of each side are in a cache line of its own. */
export const WORD = {
  /** Moved by the CPU's side: requests submitted. */
  SUBMITTED: 0,
  /**
   * Moved by the CPU's side: counts resets; and by the main thread when a disk is closed that is busy for too long.
   * Requests of before are not to be carried out any more.
   */
  EPOCH: 1,
  /** Set by the main thread: no more requests will come. */
  CLOSED: 2,
  /** Changed and notified to wake the disk's side. */
  WAKE: 3,
  /** Moved by the disk's side: results. */
  COMPLETED: 16,
  /** 1 while the disk's side sleeps, or is about to, and must be notified. */
  SLEEPING: 17,
  /** 1 while the disk's side touches Guest memory. */
  COPYING: 18,
} as const;

/** The words of a slot before its ranges; two words, address and length, for each range follow. */
export const SLOT = {
  /** What to do: `BLOCK_OP`. */
  OP: 0,
  /** The value of `WORD.EPOCH` when it was submitted. */
  EPOCH: 1,
  /** The first sector, lower and upper half. */
  SECTOR_LOW: 2,
  SECTOR_HIGH: 3,
  /** How many sectors. */
  SECTORS: 4,
  /** 1 if its effect must be on stable storage before the result. */
  DURABLE: 5,
  /** How many ranges. */
  RANGES: 6,
  /** The result: 1 for success. */
  OK: 7,
  /** The first range. */
  FIRST_RANGE: 8,
} as const;

const SUBMITTED_RING = 32;
const COMPLETED_RING = SUBMITTED_RING + SLOTS;
const FIRST_SLOT = COMPLETED_RING + SLOTS;
const SLOT_WORDS = SLOT.FIRST_RANGE + 2 * MAX_RANGES;
const WORDS = FIRST_SLOT + SLOTS * SLOT_WORDS;

/** A view of that memory; each side makes one of the same buffer. */
export class DiskRing {
  /** All of it, in words. */
  readonly words: Int32Array<SharedArrayBuffer>;

  /**
   * The ring in memory that another `DiskRing` has too.
   *
   * @param buffer what {@link DiskRing.allocate} made
   */
  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
  }

  /** Memory for an empty ring. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * WORDS);
  }

  /** Have the disk's side look. */
  wake(): void {
    Atomics.add(this.words, WORD.WAKE, 1);
    Atomics.notify(this.words, WORD.WAKE);
  }

  /** The index of the first word of a slot. */
  slot(number: number): number {
    return FIRST_SLOT + number * SLOT_WORDS;
  }

  /** The index of the word of the ring of requests that position `at` names. */
  submittedAt(at: number): number {
    return SUBMITTED_RING + (at & (SLOTS - 1));
  }

  /** The index of the word of the ring of results that position `at` names. */
  completedAt(at: number): number {
    return COMPLETED_RING + (at & (SLOTS - 1));
  }
}
