/**
 * Where generated code finds the code for a virtual address: filled when the dispatcher enters a region, read by
 * `chain` in `runtime.ts`. An entry lives as long as its page's translation.
 *
 * @module
 */
import type { Mmu, TranslationListener } from "../mmu.ts";
import { JUMP, JUMP_ENTRIES, JUMP_USER } from "../state.ts";
import { jumpIndex } from "./runtime.ts";

/** An address that no entry is looked up for at its place, so that it never matches. */
function emptyTag(index: number): number {
  return index === 0 ? 1 : 0; // address 0 hashes to index 0, address 1 to index 8
}

/** The jump cache in shared memory, and which pages it knows. */
export class JumpCache implements TranslationListener {
  readonly #i32: Int32Array;
  readonly #mmu: Mmu;
  /** Byte addresses of entries by virtual page. */
  readonly #pages: Map<number, number[]> = new Map();
  readonly #global: Set<number> = new Set();

  /**
   * @param i32 the shared memory
   * @param mmu tells when translations go
   */
  constructor(i32: Int32Array, mmu: Mmu) {
    this.#i32 = i32;
    this.#mmu = mmu;
    this.clear();
    mmu.listener = this;
  }

  /** Let `chain` find `target` for a virtual address at a privilege level. */
  fill(address: number, target: number, user: boolean): void {
    const at = JUMP + jumpIndex(address) + (user ? JUMP_USER : 0);
    const i32 = this.#i32;
    if (i32[at >> 2] === address && i32[(at >> 2) + 1] === target) return;
    i32[at >> 2] = address;
    i32[(at >> 2) + 1] = target;
    const page = address & ~0xfff;
    let entries = this.#pages.get(page);
    if (!entries) {
      this.#pages.set(page, entries = []);
      if (this.#mmu.isGlobal(address)) this.#global.add(page);
    }
    entries.push(at);
    if (entries.length > JUMP_ENTRIES) this.clear(); // entries that push each other out
  }

  /** Forget everything. */
  clear(): void {
    this.#pages.clear();
    this.#global.clear();
    for (let index = 0; index < JUMP_ENTRIES * 8; index += 8) {
      this.#i32[(JUMP + index) >> 2] = emptyTag(index);
      this.#i32[(JUMP + JUMP_USER + index) >> 2] = emptyTag(index);
    }
  }

  /** All translations went, or all but global ones. */
  flushed(keepGlobal: boolean): void {
    for (const page of this.#pages.keys()) if (!keepGlobal || !this.#global.has(page)) this.invalidated(page);
  }

  /** A page's translation went. */
  invalidated(page: number): void {
    const entries = this.#pages.get(page);
    if (!entries) return;
    this.#pages.delete(page);
    this.#global.delete(page);
    for (const at of entries) {
      if ((this.#i32[at >> 2]! & ~0xfff) === page) this.#i32[at >> 2] = emptyTag((at - JUMP) & (JUMP_USER - 1));
    }
  }
}
