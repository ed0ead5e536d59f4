/**
 * Where generated code finds the code for a virtual address: filled when the dispatcher enters a region, read by
 * `chain` in `runtime.ts`. An entry lives as long as its page's translation.
 *
 * @module
 */
import type { Mmu, TranslationListener } from "../mmu.ts";
import { JUMP, JUMP_ENTRIES, JUMP_USER } from "../state.ts";
import { jumpIndex, OTHER_ENTRY } from "./runtime.ts";

/** An address that no entry is looked up for at its place, so that it never matches. */
function emptyTag(index: number): number {
  return index <= OTHER_ENTRY ? 1 : 0; // address 0 belongs to the first set, address 1 does not
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
    if (!this.#put(at, address, target)) return;
    const page = address & ~0xfff;
    let entries = this.#pages.get(page);
    if (!entries) {
      this.#pages.set(page, entries = []);
      if (this.#mmu.isGlobal(address)) this.#global.add(page);
    }
    entries.push(at);
    if (entries.length > JUMP_ENTRIES) this.clear(); // entries that push each other out
  }

  /** Put an entry into the set at `at`; returns whether it was not there already. */
  #put(at: number, address: number, target: number): boolean {
    const i32 = this.#i32, first = at >> 2, second = (at ^ OTHER_ENTRY) >> 2;
    const known = i32[first] === address ? first : i32[second] === address ? second : -1;
    if (known >= 0) {
      i32[known + 1] = target;
      return false;
    }
    // The newest stands where it is looked for first; whoever stood there takes the other place.
    if (i32[first] !== emptyTag((at - JUMP) & (JUMP_USER - 1))) {
      i32[second] = i32[first]!;
      i32[second + 1] = i32[first + 1]!;
    }
    i32[first] = address;
    i32[first + 1] = target;
    return true;
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
      for (const entry of [at, at ^ OTHER_ENTRY]) {
        if ((this.#i32[entry >> 2]! & ~0xfff) === page) {
          this.#i32[entry >> 2] = emptyTag((entry - JUMP) & (JUMP_USER - 1));
        }
      }
    }
  }
}
