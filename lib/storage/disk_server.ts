/**
 * The disk's thread: takes requests out of shared memory (`disk_ring.ts`), one after another, does them on a
 * {@link DiskImage}, and puts the results back. It sleeps when there is nothing to do.
 *
 * All bytes pass through a buffer of its own. So Guest memory is touched only for the moment of a copy, however slow
 * the host is, and a reset need not wait for the host; what is written is what was there at one moment; and scattered
 * memory takes one system call (measured for 128 KiB in pieces of 4 KiB: 25 µs so, 28 µs with a read for each piece,
 * 58 µs with node:fs `readv`; in one piece the copy costs 2 µs of 16). Read next: `raw_image.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { ATTENTION_LOOK, signal } from "../platform/attention.ts";
import { BLOCK_OP, SECTOR_SIZE } from "./backend.ts";
import { type DiskRing, SLOT, WORD } from "./disk_ring.ts";

/** The most bytes that are moved at once: as much as a driver's usual request of 254 pages, and a little more. */
const CHUNK_SIZE = 1 << 20;

/** What has the bytes of a disk; each method waits for the host, and throws an `Error` if it fails. */
export interface DiskImage {
  /** Its size in sectors. */
  readonly sectors: number;
  /** Fill `into` with the bytes from a position. */
  read(position: number, into: Uint8Array): void;
  /** Put bytes at a position; some of them may have been written if it throws. */
  write(position: number, bytes: Uint8Array): void;
  /** Have everything written so far on stable storage. */
  flush(): void;
}

/** What a {@link DiskServer} works on. */
export interface DiskServerOptions {
  /** The disk. */
  readonly image: DiskImage;
  /** The memory shared with the virtual CPU's thread. */
  readonly ring: DiskRing;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The word that is signalled when there are results (`../platform/attention.ts`). */
  readonly attention: Int32Array<SharedArrayBuffer>;
}

/** Does the requests of one disk. */
export class DiskServer {
  readonly #image: DiskImage;
  readonly #ring: DiskRing;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #memory: GuestMemory;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #buffer = new Uint8Array(CHUNK_SIZE);
  readonly #zeroes = new Uint8Array(CHUNK_SIZE);
  #submitted = 0;
  #completed = 0;

  /**
   * A server that has done nothing yet, of a ring that is fresh.
   *
   * @param options the parts
   */
  constructor(options: DiskServerOptions) {
    this.#image = options.image;
    this.#ring = options.ring;
    this.#words = options.ring.words;
    this.#memory = options.memory;
    this.#attention = options.attention;
  }

  /** Serve until the ring is closed and every request in it has been done. Blocks its thread. */
  serve(): void {
    const words = this.#words;
    for (;;) {
      const submitted = Atomics.load(words, WORD.SUBMITTED);
      if (submitted !== this.#submitted) {
        this.#serve(words[this.#ring.submittedAt(this.#submitted)]!);
        this.#submitted = (this.#submitted + 1) | 0;
        continue;
      }
      if (Atomics.load(words, WORD.CLOSED) !== 0) return;
      const wake = Atomics.load(words, WORD.WAKE);
      Atomics.store(words, WORD.SLEEPING, 1);
      // Once more: whoever submits looks whether we sleep after that.
      if (Atomics.load(words, WORD.SUBMITTED) === submitted && Atomics.load(words, WORD.CLOSED) === 0) {
        Atomics.wait(words, WORD.WAKE, wake);
      }
      Atomics.store(words, WORD.SLEEPING, 0);
    }
  }

  #serve(slot: number): void {
    const words = this.#words, at = this.#ring.slot(slot);
    let ok = false;
    try {
      ok = this.#perform(at);
    } catch {
      // Whatever the host says (no space left, a bad sector, a shorter file): to the Guest it is an input/output error.
    }
    words[at + SLOT.OK] = ok ? 1 : 0;
    words[this.#ring.completedAt(this.#completed)] = slot;
    this.#completed = (this.#completed + 1) | 0;
    Atomics.store(words, WORD.COMPLETED, this.#completed);
    // Whoever has been asked to look and has not yet, will see this result too.
    if ((Atomics.load(this.#attention, 0) & ATTENTION_LOOK) === 0) signal(this.#attention, ATTENTION_LOOK);
  }

  #perform(at: number): boolean {
    const words = this.#words, image = this.#image;
    if (!this.#wanted(at)) return false;
    const op = words[at + SLOT.OP]!;
    const position = ((words[at + SLOT.SECTOR_LOW]! >>> 0) + words[at + SLOT.SECTOR_HIGH]! * 2 ** 32) * SECTOR_SIZE;
    const length = (words[at + SLOT.SECTORS]! >>> 0) * SECTOR_SIZE;
    if (position + length > image.sectors * SECTOR_SIZE) return false;
    switch (op) {
      case BLOCK_OP.READ:
      case BLOCK_OP.WRITE:
        if (!this.#transfer(at, op === BLOCK_OP.READ, position, length)) return false;
        break;
      case BLOCK_OP.ZERO:
        for (let done = 0; done < length; done += CHUNK_SIZE) {
          if (!this.#wanted(at)) return false;
          this.#zero(position + done, Math.min(CHUNK_SIZE, length - done));
        }
        break;
      case BLOCK_OP.DISCARD:
        // Deno cannot make holes in a file, and a disk may keep what was discarded (virtio 1.2 §5.2.6.2).
        break;
      case BLOCK_OP.FLUSH:
        image.flush();
        break;
      default:
        return false;
    }
    if (words[at + SLOT.DURABLE] !== 0) image.flush();
    return true;
  }

  /** Have bytes read as zeroes, at most a buffer of them; where they do already, a hole in the file stays one. */
  #zero(position: number, length: number): void {
    const before = this.#buffer.subarray(0, length);
    if (!this.#canRead(position, before) || !isZero(before)) {
      this.#image.write(position, this.#zeroes.subarray(0, length));
    }
  }

  #canRead(position: number, into: Uint8Array): boolean {
    try {
      this.#image.read(position, into);
      return true;
    } catch {
      return false; // a bad sector may be mended by writing it
    }
  }

  /** Whether no reset has come since the request was submitted. */
  #wanted(at: number): boolean {
    return this.#words[at + SLOT.EPOCH] === Atomics.load(this.#words, WORD.EPOCH);
  }

  /** Move bytes between file and Guest, a buffer at a time; returns whether they were still wanted. */
  #transfer(at: number, read: boolean, position: number, length: number): boolean {
    const cursor: Cursor = { word: at + SLOT.FIRST_RANGE, skip: 0 };
    for (let done = 0; done < length; done += CHUNK_SIZE) {
      const part = this.#buffer.subarray(0, Math.min(CHUNK_SIZE, length - done));
      if (read) this.#image.read(position + done, part);
      if (!this.#copy(at, read, part, cursor)) return false;
      if (!read) this.#image.write(position + done, part);
    }
    return true;
  }

  /** Copy between the buffer and Guest memory, if no reset has come; a reset that comes now waits for the end of it. */
  #copy(at: number, intoGuest: boolean, part: Uint8Array, cursor: Cursor): boolean {
    const words = this.#words, memory = this.#memory;
    Atomics.store(words, WORD.COPYING, 1);
    try {
      if (!this.#wanted(at)) return false;
      for (let done = 0; done < part.length;) {
        const address = (words[cursor.word]! >>> 0) + cursor.skip;
        const left = (words[cursor.word + 1]! >>> 0) - cursor.skip;
        const count = Math.min(left, part.length - done);
        const guest = memory.slice(address, count);
        const own = part.subarray(done, done + count);
        if (intoGuest) guest.set(own);
        else own.set(guest);
        done += count;
        if (count < left) {
          cursor.skip += count;
        } else {
          cursor.word += 2;
          cursor.skip = 0;
        }
      }
      return true;
    } finally {
      Atomics.store(words, WORD.COPYING, 0);
      Atomics.notify(words, WORD.COPYING);
    }
  }
}

/** Whether sectors hold nothing but zeroes. */
function isZero(bytes: Uint8Array): boolean {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return true;
}

/** How far a request's ranges have been used. */
interface Cursor {
  /** The index of the word of the next range. */
  word: number;
  /** Bytes of it that have been used. */
  skip: number;
}
