/**
 * A disk in memory for the tests of the block device: requests wait until the test has them done, in any order.
 *
 * @module
 */
import type { GuestMemory } from "../../lib/memory.ts";
import { BLOCK_OP, type BlockBackend, type BlockRequest } from "../../lib/storage/backend.ts";

/** What a {@link MemoryBackend} is made of. */
export interface MemoryBackendOptions {
  readonly sectors?: number;
  readonly readOnly?: boolean;
  /** How many requests it takes at once. */
  readonly limit?: number;
}

/** A disk whose host is the test. */
export class MemoryBackend implements BlockBackend {
  readonly sectors: number;
  readonly readOnly: boolean;
  readonly bytes: Uint8Array;
  /** Requests that were submitted and not carried out. */
  readonly waiting: BlockRequest[] = [];
  /** How often the work was begun, and how often all was forgotten. */
  kicks = 0;
  resets = 0;
  readonly #memory: GuestMemory;
  readonly #limit: number;
  #results: { request: BlockRequest; ok: boolean }[] = [];

  constructor(memory: GuestMemory, { sectors = 64, readOnly = false, limit = 256 }: MemoryBackendOptions = {}) {
    this.#memory = memory;
    this.#limit = limit;
    this.sectors = sectors;
    this.readOnly = readOnly;
    this.bytes = new Uint8Array(sectors * 512);
    for (let index = 0; index < this.bytes.length; index++) this.bytes[index] = (index * 7 + 3) % 251;
  }

  get room(): number {
    return this.#limit - this.waiting.length - this.#results.length;
  }

  submit(request: BlockRequest): void {
    if (this.room <= 0) throw new RangeError("The test's disk was given too many requests");
    this.waiting.push(request);
  }

  kick(): void {
    this.kicks++;
  }

  poll(): void {
    const results = this.#results;
    this.#results = [];
    for (const { request, ok } of results) request.done(ok);
  }

  reset(): void {
    this.resets++;
    this.waiting.length = 0;
    this.#results = [];
  }

  /** Carry out one of the waiting requests, or fail it without doing anything. */
  carryOut(index = 0, ok = true): void {
    const [request] = this.waiting.splice(index, 1);
    if (request === undefined) throw new RangeError(`The test's disk has no request ${index}`);
    if (ok) this.#perform(request);
    this.#results.push({ request, ok });
  }

  #perform({ op, sector, sectors, ranges }: BlockRequest): void {
    const start = sector * 512, end = start + sectors * 512;
    if (!(end <= this.bytes.length)) {
      throw new RangeError(`The test's disk was asked for sectors ${sector} + ${sectors}`);
    }
    if (op === BLOCK_OP.ZERO) this.bytes.fill(0, start, end);
    if (op !== BLOCK_OP.READ && op !== BLOCK_OP.WRITE) return;
    let at = start;
    for (const { address, length } of ranges) {
      if (op === BLOCK_OP.READ) this.#memory.write(address, this.bytes.subarray(at, at + length));
      else this.bytes.set(this.#memory.slice(address, length), at);
      at += length;
    }
    if (at !== end) throw new RangeError(`The test's disk was given ${at - start} bytes for ${sectors} sectors`);
  }
}
