/**
 * Bytes from one thread to another: a ring in shared memory with one producer and one consumer. Two of them make a
 * console: the Guest's output from the virtual CPU's Worker to the main thread, and what is typed the other way.
 *
 * Positions count bytes for ever (modulo 2^32) and each has one owner: the producer moves the tail, the consumer the
 * head, so no lock is needed. A side that finds nothing to do sets its "waiting" word before it looks once more and
 * sleeps; the other side notifies only if that word is set, which makes a byte to a busy reader as cheap as a store.
 * Read next: `console.ts`; `console_switch.ts`, which gives one pair of rings to two devices.
 *
 * @module
 */
import { ATTENTION_LOOK, signal } from "./attention.ts";
import type { ConsoleBackend, WindowSize } from "./console.ts";

/** Bytes that a ring holds unless told otherwise: some screens of text. */
export const CONSOLE_RING_CAPACITY = 65536;

const HEAD = 0;
const TAIL = 1;
const CLOSED = 2;
/** Changed and notified to wake a consumer that set the word after it; below the same for a producer. */
const READER_EVENT = 3;
const READER_WAITING = 4;
const WRITER_EVENT = 5;
const WRITER_WAITING = 6;
/** The consumer's attention word (`pc/pc.ts`), and whether it wants to be told by it. */
const ATTENTION = 7;
const ATTENTION_WANTED = 8;
/** The producer found no room and wants the consumer to signal the word that it was given for that. */
const ROOM_WANTED = 9;
/** The terminal's size in characters: columns in the low half, rows in the high one. */
const WINDOW = 10;
const HEADER_WORDS = 16;

/** A byte ring over a `SharedArrayBuffer`, one producer and one consumer, each of which may be in its own thread. */
export class ConsoleRing {
  /** The shared memory: post it to the other thread and make a second `ConsoleRing` of it there. */
  readonly buffer: SharedArrayBuffer;
  /** Bytes it holds: a power of two. */
  readonly capacity: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  /** The word that {@link wantAttention} gives its consumer; another thread may signal it for other reasons. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  #producer: Int32Array<SharedArrayBuffer> | undefined;

  /**
   * The ring in memory that another `ConsoleRing` has too.
   *
   * @param buffer what {@link ConsoleRing.allocate} made, or another thread's {@link buffer}
   * @param attention the consumer's attention word, if not one in the ring's own memory
   * @throws {RangeError} if its size is not that of a ring
   */
  constructor(buffer: SharedArrayBuffer, attention?: Int32Array<SharedArrayBuffer>) {
    const capacity = buffer.byteLength - HEADER_WORDS * 4;
    if (capacity <= 0 || (capacity & (capacity - 1)) !== 0) {
      throw new RangeError(`A ring's capacity must be a power of two: got "${capacity}"`);
    }
    this.buffer = buffer;
    this.capacity = capacity;
    this.#words = new Int32Array(buffer, 0, HEADER_WORDS);
    this.attention = attention ?? this.#words.subarray(ATTENTION, ATTENTION + 1);
    this.#bytes = new Uint8Array(buffer, HEADER_WORDS * 4);
  }

  /**
   * Make an empty ring.
   *
   * @param capacity bytes, a power of two
   * @throws {RangeError} if it is not a power of two
   */
  static allocate(capacity: number = CONSOLE_RING_CAPACITY): ConsoleRing {
    return new ConsoleRing(new SharedArrayBuffer(HEADER_WORDS * 4 + capacity));
  }

  /** Bytes that can be read now. */
  get available(): number {
    return (Atomics.load(this.#words, TAIL) - Atomics.load(this.#words, HEAD)) >>> 0;
  }

  /** Bytes that can be written now; 0 once it is closed. */
  get room(): number {
    return this.closed ? 0 : this.capacity - this.available;
  }

  /** Whether {@link close} was called: no more bytes will come, though some may still wait to be read. */
  get closed(): boolean {
    return Atomics.load(this.#words, CLOSED) !== 0;
  }

  /** Whether it is closed and everything was read. */
  get ended(): boolean {
    // In this order: a producer writes first and closes then.
    return this.closed && this.available === 0;
  }

  /** Producer or consumer: no more bytes. Wakes both sides. */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    this.#wake(READER_EVENT, READER_WAITING, true);
    this.#wake(WRITER_EVENT, WRITER_WAITING, true);
    this.#signalRoom();
  }

  /**
   * Producer: put in as many bytes as fit, in order.
   *
   * @returns how many were taken, from the start of `bytes`
   */
  write(bytes: Uint8Array): number {
    const tail = Atomics.load(this.#words, TAIL);
    const count = Math.min(bytes.length, this.room);
    if (count === 0) return 0;
    const at = tail & (this.capacity - 1);
    const first = Math.min(count, this.capacity - at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first, count), 0);
    Atomics.store(this.#words, TAIL, (tail + count) | 0);
    this.#written();
    return count;
  }

  /**
   * Producer: {@link write}, and if not all fitted have the consumer signal the word of {@link signalRoomTo} once it has
   * made room: for a thread that may neither sleep for this nor look again and again.
   *
   * @returns how many bytes were taken
   */
  writeOrAsk(bytes: Uint8Array): number {
    const taken = this.write(bytes);
    if (taken === bytes.length) return taken;
    Atomics.store(this.#words, ROOM_WANTED, 1);
    // The consumer may have made room before it could see that.
    return taken + this.write(bytes.subarray(taken));
  }

  /** Producer: put in one byte; returns whether there was room. */
  writeByte(byte: number): boolean {
    if (this.room === 0) return false;
    const tail = Atomics.load(this.#words, TAIL);
    this.#bytes[tail & (this.capacity - 1)] = byte;
    Atomics.store(this.#words, TAIL, (tail + 1) | 0);
    this.#written();
    return true;
  }

  /**
   * Consumer: take out as many bytes as there are and fit.
   *
   * @returns how many were put at the start of `into`
   */
  read(into: Uint8Array): number {
    const head = Atomics.load(this.#words, HEAD);
    const count = Math.min(into.length, this.available);
    if (count === 0) return 0;
    const at = head & (this.capacity - 1);
    const first = Math.min(count, this.capacity - at);
    into.set(this.#bytes.subarray(at, at + first), 0);
    into.set(this.#bytes.subarray(0, count - first), first);
    Atomics.store(this.#words, HEAD, (head + count) | 0);
    this.#taken();
    return count;
  }

  /** Consumer: take out one byte, or -1 if there is none. */
  readByte(): number {
    if (this.available === 0) return -1;
    const head = Atomics.load(this.#words, HEAD);
    const byte = this.#bytes[head & (this.capacity - 1)] ?? 0;
    Atomics.store(this.#words, HEAD, (head + 1) | 0);
    this.#taken();
    return byte;
  }

  /**
   * Consumer in a Worker: block until there is something to read, or the ring is closed.
   *
   * @param milliseconds the longest time to block
   * @returns whether there is something to read
   */
  waitForData(milliseconds: number = Infinity): boolean {
    const event = this.#prepare(READER_EVENT, READER_WAITING);
    if (this.available === 0 && !this.closed) Atomics.wait(this.#words, READER_EVENT, event, milliseconds);
    return this.available > 0;
  }

  /**
   * Consumer on the main thread: resolve when there is something to read, or the ring is closed. In Deno the promise
   * does not keep the process alive; the other thread's Worker does.
   *
   * @returns whether there is something to read; `false` means the end
   */
  async dataReady(): Promise<boolean> {
    for (;;) {
      const event = this.#prepare(READER_EVENT, READER_WAITING);
      if (this.available > 0) return true;
      if (this.closed) return this.available > 0;
      const result = Atomics.waitAsync(this.#words, READER_EVENT, event);
      if (result.async) await result.value;
    }
  }

  /**
   * Producer in a Worker: block until there is room, or the ring is closed.
   *
   * @param milliseconds the longest time to block
   * @returns whether there is room
   */
  waitForRoom(milliseconds: number = Infinity): boolean {
    const event = this.#prepare(WRITER_EVENT, WRITER_WAITING);
    if (this.room === 0 && !this.closed) Atomics.wait(this.#words, WRITER_EVENT, event, milliseconds);
    return this.room > 0;
  }

  /**
   * Producer on the main thread: resolve when there is room, or the ring is closed.
   *
   * @returns whether there is room; `false` means that nobody will read any more
   */
  async roomReady(): Promise<boolean> {
    for (;;) {
      const event = this.#prepare(WRITER_EVENT, WRITER_WAITING);
      if (this.closed) return false;
      if (this.room > 0) return true;
      const result = Atomics.waitAsync(this.#words, WRITER_EVENT, event);
      if (result.async) await result.value;
    }
  }

  /**
   * Consumer: have each write set the "look" bit in a word of this ring's memory and wake who waits there, for a
   * thread that waits for more than this ring (`attention.ts`).
   *
   * @returns the word
   */
  wantAttention(): Int32Array<SharedArrayBuffer> {
    Atomics.store(this.#words, ATTENTION_WANTED, 1);
    return this.attention;
  }

  /**
   * Consumer, in its own thread: where its reads signal that there is room, if the producer has asked for that
   * ({@link writeOrAsk}).
   *
   * @param attention the producer's attention word
   */
  signalRoomTo(attention: Int32Array<SharedArrayBuffer>): void {
    this.#producer = attention;
  }

  /**
   * The size of the terminal where this ring's bytes are typed, which travels beside them; set by the producer, and
   * signalled like a byte. 0 means unknown.
   */
  get window(): WindowSize {
    const word = Atomics.load(this.#words, WINDOW);
    return { columns: word & 0xffff, rows: word >>> 16 };
  }

  set window({ columns, rows }: WindowSize) {
    const clip = (value: number) => Math.min(Math.max(Math.trunc(value) || 0, 0), 0xffff);
    Atomics.store(this.#words, WINDOW, clip(columns) | clip(rows) << 16);
    if (Atomics.load(this.#words, ATTENTION_WANTED) !== 0) signal(this.attention, ATTENTION_LOOK);
  }

  /** Announce a sleep; whoever calls this must look once more before it sleeps on the event it got. */
  #prepare(event: number, waiting: number): number {
    const value = Atomics.load(this.#words, event);
    Atomics.store(this.#words, waiting, 1);
    return value;
  }

  #written(): void {
    this.#wake(READER_EVENT, READER_WAITING, false);
    if (Atomics.load(this.#words, ATTENTION_WANTED) !== 0) signal(this.attention, ATTENTION_LOOK);
  }

  #taken(): void {
    this.#wake(WRITER_EVENT, WRITER_WAITING, false);
    this.#signalRoom();
  }

  #signalRoom(): void {
    if (!this.#producer || Atomics.load(this.#words, ROOM_WANTED) === 0) return;
    Atomics.store(this.#words, ROOM_WANTED, 0);
    signal(this.#producer, ATTENTION_LOOK);
  }

  #wake(event: number, waiting: number, always: boolean): void {
    if (!always && Atomics.load(this.#words, waiting) === 0) return;
    Atomics.store(this.#words, waiting, 0);
    Atomics.add(this.#words, event, 1);
    Atomics.notify(this.#words, event);
  }
}

/** The virtual CPU's end of a console: the Guest's output into one ring, its input out of another. */
export class RingConsole implements ConsoleBackend {
  /** Signalled by whoever writes to the input ring; other threads may signal it too. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  readonly #output: ConsoleRing;
  readonly #input: ConsoleRing;

  /**
   * A console of two rings.
   *
   * @param output what the Guest sends; somebody else reads it
   * @param input what was typed; somebody else writes it
   */
  constructor(output: ConsoleRing, input: ConsoleRing) {
    this.#output = output;
    this.#input = input;
    this.attention = input.wantAttention();
  }

  /** Take one byte that the Guest sent; once the reader closed the ring, bytes are taken and forgotten. */
  write(byte: number): boolean {
    return this.#output.writeByte(byte) || this.#output.closed;
  }

  /** Give the next byte typed, or -1. */
  read(): number {
    return this.#input.readByte();
  }

  /** Block until the reader has made room. */
  waitForRoom(milliseconds: number): boolean {
    return this.#output.waitForRoom(milliseconds) || this.#output.closed;
  }
}
