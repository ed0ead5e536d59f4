/**
 * Packets from one thread to another: a ring in shared memory with one producer (the Worker that reads a tap) and one
 * consumer (the virtual CPU's thread). It is bounded: a producer that finds it full waits, and the tap behind it drops
 * what comes too fast, as a network card does.
 *
 * A record is a word with the packet's length, and the packet, in one piece and padded to 8 bytes. Positions count bytes
 * for ever (modulo 2^32); the producer owns the tail, the consumer the head. A record may begin anywhere before the
 * ring's end and stretch beyond it into a margin; the next one begins at the ring's start. So the kernel can read each
 * packet straight into its place. Read next: `tap_worker.ts`, `tap_backend.ts`.
 *
 * @module
 */
import { MAX_PACKET } from "./backend.ts";

/** Bytes that a ring holds unless told otherwise: sixteen packets of the largest size, or hundreds of usual ones. */
export const PACKET_RING_CAPACITY = 1 << 20;

const HEAD = 0;
const TAIL = 1;
/** Set by the consumer's side: the producer must end. */
const CLOSED = 2;
/** Set by the producer: no packet will come any more. */
const ENDED = 3;
/** The consumer found the ring empty and wants to be told of the next packet. */
const WANTED = 4;
/** The producer waits on HEAD. */
const WAITING = 5;
const HEADER_WORDS = 16;

const LENGTH_BYTES = 4;
/** The largest record. */
const MAX_RECORD = align(LENGTH_BYTES + MAX_PACKET);

/** A ring of packets over a `SharedArrayBuffer`. */
export class PacketRing {
  /** The shared memory: post it to the other thread and make a second `PacketRing` of it there. */
  readonly buffer: SharedArrayBuffer;
  /** Bytes of records that it holds: a power of two. */
  readonly capacity: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;

  /**
   * The ring in memory that another `PacketRing` has too.
   *
   * @throws {RangeError} if its size is not that of a ring
   */
  constructor(buffer: SharedArrayBuffer) {
    const capacity = buffer.byteLength - HEADER_WORDS * 4 - MAX_RECORD;
    if (capacity < MAX_RECORD || (capacity & (capacity - 1)) !== 0) {
      throw new RangeError(`A packet ring's capacity must be a power of two of 128 KiB or more: got "${capacity}"`);
    }
    this.buffer = buffer;
    this.capacity = capacity;
    this.#words = new Int32Array(buffer, 0, HEADER_WORDS);
    this.#bytes = new Uint8Array(buffer, HEADER_WORDS * 4);
    this.#view = new DataView(buffer, HEADER_WORDS * 4);
  }

  /**
   * Make an empty ring.
   *
   * @param capacity bytes, a power of two that holds the largest packet
   * @throws {RangeError} if it is not that
   */
  static allocate(capacity: number = PACKET_RING_CAPACITY): PacketRing {
    return new PacketRing(new SharedArrayBuffer(HEADER_WORDS * 4 + MAX_RECORD + capacity));
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0;
  }

  /** Whether {@link end} was called; packets may still be in the ring. */
  get ended(): boolean {
    return Atomics.load(this.#words, ENDED) !== 0;
  }

  /** Consumer's side, from any thread: have the producer end. */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    Atomics.notify(this.#words, HEAD);
  }

  /** Producer: no packet will come any more. The consumer has to be told apart from this. */
  end(): void {
    Atomics.store(this.#words, ENDED, 1);
  }

  /**
   * Producer: the place of the next packet, of {@link MAX_PACKET} bytes; the caller writes from its start.
   *
   * @returns the place, or `undefined` if there is no room for the largest packet
   */
  tryPlace(): Uint8Array<SharedArrayBuffer> | undefined {
    const tail = Atomics.load(this.#words, TAIL);
    const at = tail & (this.capacity - 1);
    const free = this.capacity - ((tail - Atomics.load(this.#words, HEAD)) >>> 0);
    // A record that crosses the ring's end uses the margin there, which belongs to the record before that end.
    if (free < Math.min(MAX_RECORD, this.capacity - at)) return undefined;
    return this.#bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + MAX_PACKET);
  }

  /**
   * Producer in a Worker: as {@link tryPlace}, but block while the ring is full.
   *
   * @returns the place, or `undefined` once the ring is closed
   */
  waitForPlace(): Uint8Array<SharedArrayBuffer> | undefined {
    while (!this.closed) {
      const head = Atomics.load(this.#words, HEAD);
      const place = this.tryPlace();
      if (place) return place;
      Atomics.store(this.#words, WAITING, 1);
      // Closing and reading both notify; the time limit is for a close between the look above and the sleep.
      Atomics.wait(this.#words, HEAD, head, 1000);
    }
    return undefined;
  }

  /**
   * Producer: the packet is in the place that {@link waitForPlace} gave last.
   *
   * @param length its bytes
   * @returns whether the consumer wants to be told
   */
  commit(length: number): boolean {
    const tail = Atomics.load(this.#words, TAIL);
    const at = tail & (this.capacity - 1);
    this.#view.setUint32(at, length, true);
    Atomics.store(this.#words, TAIL, this.#after(tail, length));
    return Atomics.exchange(this.#words, WANTED, 0) !== 0;
  }

  /**
   * Consumer: the oldest packet, which stays where it is until {@link release}. If there is none, the producer is asked
   * to tell of the next one.
   */
  peek(): Uint8Array<SharedArrayBuffer> | undefined {
    const head = Atomics.load(this.#words, HEAD);
    if (Atomics.load(this.#words, TAIL) === head) {
      Atomics.store(this.#words, WANTED, 1);
      if (Atomics.load(this.#words, TAIL) === head) return undefined;
    }
    const at = head & (this.capacity - 1);
    const length = this.#view.getUint32(at, true);
    return this.#bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length);
  }

  /**
   * Consumer: give back the room of the packet that {@link peek} gave. A producer that waits is woken once half of the
   * ring is free, not for every packet.
   */
  release(): void {
    const head = Atomics.load(this.#words, HEAD);
    const length = this.#view.getUint32(head & (this.capacity - 1), true);
    const next = this.#after(head, length);
    Atomics.store(this.#words, HEAD, next);
    if (Atomics.load(this.#words, WAITING) === 0) return;
    if (((Atomics.load(this.#words, TAIL) - next) >>> 0) > this.capacity / 2) return;
    Atomics.store(this.#words, WAITING, 0);
    Atomics.notify(this.#words, HEAD);
  }

  /** The position behind a record: at the ring's start if the record reaches its end. */
  #after(position: number, length: number): number {
    const at = position & (this.capacity - 1);
    return (position + Math.min(align(LENGTH_BYTES + length), this.capacity - at)) | 0;
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
