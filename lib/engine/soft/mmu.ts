/**
 * From linear to physical addresses: the software TLB's slow path, and what lies behind it (pages that hold code,
 * accesses over a page's end).
 *
 * Enters: a linear address that missed the TLB. Leaves: the bytes, or #PF. Translations stay until they are invalidated
 * (Intel SDM volume 3, §4.10). Read next: `page_walk.ts` (how a page is found), `physical_memory.ts` (what is there).
 *
 * @module
 */
import type { Cpu } from "./cpu.ts";
import { PageWalk } from "./page_walk.ts";
import { PhysicalMemory } from "./physical_memory.ts";
import {
  TLB,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_GLOBAL,
  TLB_INVALID,
  TLB_NX,
  TLB_PHYS,
  TLB_READ,
  TLB_USER,
  TLB_WRITE,
} from "./state.ts";

const MASK_TLB = (TLB_ENTRIES - 1) * TLB_ENTRY;

/** Told when translations go away, so that what was derived from them goes too. */
export interface TranslationListener {
  /** All translations; global ones stay if `keepGlobal`. */
  flushed(keepGlobal: boolean): void;
  /** The translation of one page. */
  invalidated(page: number): void;
}

/** Address translation for one CPU. */
export class Mmu {
  readonly #cpu: Cpu;
  readonly #i32: Int32Array;
  /** Addresses of TLB entries that hold global translations, and of those that hold others: flushing clears only these. */
  readonly #filledGlobal: number[] = [];
  readonly #filledLocal: number[] = [];
  /** Which entries stand in {@link #filledGlobal} (1) and {@link #filledLocal} (2). */
  readonly #listed: Uint8Array = new Uint8Array(TLB_ENTRIES);
  /** For each physical page whether it holds translated or decoded code: then no TLB entry allows writing to it. */
  readonly codePages: Uint8Array;
  readonly #ramSize: number;
  readonly #ramBase: number;
  /** RAM and devices by physical address. */
  readonly physical: PhysicalMemory;
  /** Finds what fills the TLB. */
  readonly #walk: PageWalk;
  /** The jump cache. */
  listener: TranslationListener | undefined;

  /** @param cpu whose control registers and memory are used */
  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#i32 = cpu.i32;
    this.physical = new PhysicalMemory(cpu.memory, cpu.machine);
    this.#walk = new PageWalk(cpu, this.physical);
    this.#ramSize = cpu.memory.size;
    this.#ramBase = cpu.memory.base;
    this.codePages = new Uint8Array((this.#ramSize >>> 12) + 1);
    for (let entry = TLB; entry < TLB + TLB_ENTRIES * TLB_ENTRY; entry += TLB_ENTRY) this.#clear(entry);
  }

  #clear(entry: number): void {
    const at = entry >> 2;
    this.#i32[at + (TLB_READ >> 2)] = TLB_INVALID;
    this.#i32[at + (TLB_WRITE >> 2)] = TLB_INVALID;
    this.#i32[at + ((TLB_READ + TLB_USER) >> 2)] = TLB_INVALID;
    this.#i32[at + ((TLB_WRITE + TLB_USER) >> 2)] = TLB_INVALID;
  }

  /** Forget translations: all, or all but global ones. */
  flush(keepGlobal: boolean): void {
    for (const entry of this.#filledLocal) {
      this.#listed[(entry - TLB) / TLB_ENTRY]! &= ~2;
      if (!keepGlobal || !(this.#i32[(entry + TLB_PHYS) >> 2]! & TLB_GLOBAL)) this.#clear(entry);
    }
    this.#filledLocal.length = 0;
    if (!keepGlobal) {
      for (const entry of this.#filledGlobal) {
        this.#listed[(entry - TLB) / TLB_ENTRY]! &= ~1;
        this.#clear(entry);
      }
      this.#filledGlobal.length = 0;
    }
    this.listener?.flushed(keepGlobal);
  }

  /** Forget the translation of one page, global or not (INVLPG). */
  invalidate(address: number): void {
    const at = (TLB + ((address >>> 7) & MASK_TLB)) >> 2, page = address & ~0xfff, i32 = this.#i32;
    const read = at + (TLB_READ >> 2), write = at + (TLB_WRITE >> 2), user = TLB_USER >> 2;
    if (i32[read] === page) i32[read] = TLB_INVALID;
    if (i32[write] === page) i32[write] = TLB_INVALID;
    if (i32[read + user] === page) i32[read + user] = TLB_INVALID;
    if (i32[write + user] === page) i32[write + user] = TLB_INVALID;
    this.listener?.invalidated(page);
  }

  /** A page got its first code: take its write permissions out of the TLB. */
  protectCode(physicalPage: number): void {
    for (const filled of [this.#filledLocal, this.#filledGlobal]) {
      for (const entry of filled) {
        if ((this.#i32[(entry + TLB_PHYS) >> 2]! & ~0xfff) === physicalPage) {
          this.#i32[(entry + TLB_WRITE) >> 2] = TLB_INVALID;
          this.#i32[(entry + TLB_WRITE + TLB_USER) >> 2] = TLB_INVALID;
        }
      }
    }
  }

  /** Load the PAE page-directory pointers from CR3; #GP(0) if they have reserved bits set (§4.4.1). */
  loadPointers(cr3: number): void {
    this.#walk.loadPointers(cr3);
  }

  /**
   * Physical address for an instruction fetch, with its checks.
   *
   * @returns physical address, unsigned
   */
  fetch(address: number): number {
    const entry = TLB + ((address >>> 7) & MASK_TLB) + (this.#cpu.cpl === 3 ? TLB_USER : 0);
    if (this.#i32[(entry + TLB_READ) >> 2] === (address & ~0xfff)) {
      const physical = this.#i32[(entry + TLB_PHYS) >> 2]!;
      if (!(physical & TLB_NX)) return (physical & ~0xfff | address & 0xfff) >>> 0;
    }
    return this.translate(address, false, true);
  }

  /** Whether the page at a virtual address was translated as global. */
  isGlobal(address: number): boolean {
    const entry = TLB + ((address >>> 7) & MASK_TLB);
    return (this.#i32[(entry + TLB_PHYS) >> 2]! & TLB_GLOBAL) !== 0;
  }

  /** Raise what an access by the current privilege level would raise, and fill the TLB. */
  probe(address: number, write: boolean): void {
    const half = TLB + ((address >>> 7) & MASK_TLB) + (this.#cpu.cpl === 3 ? TLB_USER : 0);
    if (this.#i32[(half + (write ? TLB_WRITE : TLB_READ)) >> 2] !== (address & ~0xfff)) this.translate(address, write);
  }

  /**
   * Translate, fill the TLB, raise #PF.
   *
   * @param address linear
   * @param write whether it is for writing
   * @param execute whether it is for fetching an instruction
   * @param supervisor access as supervisor whatever the CPL: descriptor tables, TSS
   * @returns physical address, unsigned
   */
  translate(address: number, write: boolean, execute = false, supervisor = false): number {
    const user = !supervisor && this.#cpu.cpl === 3;
    this.#walk.find(address, write, user, execute);
    this.#fill(address);
    return (this.#walk.physical | address & 0xfff) >>> 0;
  }

  #fill(address: number): void {
    const page = address & ~0xfff;
    const walk = this.#walk;
    const physical = walk.physical >>> 0;
    const entry = TLB + ((address >>> 7) & MASK_TLB);
    const at = entry >> 2;
    const i32 = this.#i32;
    const index = (address >>> 12) & (TLB_ENTRIES - 1);
    const list = walk.global ? 1 : 2;
    if (!(this.#listed[index]! & list)) {
      this.#listed[index]! |= list;
      (walk.global ? this.#filledGlobal : this.#filledLocal).push(entry);
    }
    const ram = physical < this.#ramSize;
    const addend = (this.#ramBase + physical - page) | 0;
    const flags = physical | (walk.global ? TLB_GLOBAL : 0) | (walk.noExecute ? TLB_NX : 0);
    const writable = ram && walk.dirty && this.codePages[physical >>> 12] === 0;
    i32[at + (TLB_READ >> 2)] = ram ? page : TLB_INVALID;
    i32[at + (TLB_WRITE >> 2)] = writable && walk.writable ? page : TLB_INVALID;
    i32[at + (TLB_ADDEND >> 2)] = addend;
    i32[at + (TLB_PHYS >> 2)] = flags;
    i32[at + ((TLB_USER + TLB_READ) >> 2)] = ram && walk.userAllowed ? page : TLB_INVALID;
    i32[at + ((TLB_USER + TLB_WRITE) >> 2)] = writable && walk.userWritable ? page : TLB_INVALID;
    i32[at + ((TLB_USER + TLB_ADDEND) >> 2)] = addend;
    i32[at + ((TLB_USER + TLB_PHYS) >> 2)] = flags;
  }

  /** A read that missed the TLB: fills it, or reads a device, or crosses pages. 4 bytes come signed. */
  readSlow(address: number, size: number): number {
    const last = address + size - 1;
    if (((last ^ address) & ~0xfff) !== 0) {
      this.translate(address, false);
      this.translate(last & ~0xfff, false);
      let value = 0;
      for (let i = 0; i < size; i++) value |= this.readSlow(address + i | 0, 1) << (8 * i);
      return value;
    }
    return this.physical.read(this.translate(address, false), size);
  }

  /** A write that missed the TLB; see {@link readSlow}. Nothing is written unless everything can be. */
  writeSlow(address: number, size: number, value: number): void {
    const last = address + size - 1;
    if (((last ^ address) & ~0xfff) !== 0) {
      const first = this.translate(address, true);
      const second = this.translate(last & ~0xfff, true);
      const here = 4096 - (address & 0xfff);
      this.#beforeStore(first, here);
      this.#beforeStore(second & ~0xfff, size - here);
      for (let i = 0; i < size; i++) {
        this.physical.write(i < here ? first + i : ((second & ~0xfff) >>> 0) + i - here, 1, value >>> (8 * i) & 0xff);
      }
      return;
    }
    const physical = this.translate(address, true);
    this.#beforeStore(physical, size);
    this.physical.write(physical, size, value);
  }

  #beforeStore(physical: number, size: number): void {
    if (this.codePages[physical >>> 12]) this.#cpu.storeToCode(physical >>> 0, size);
  }

  /**
   * Where `size` bytes stand in shared memory, if the TLB lets a supervisor read (or write) them all at once.
   *
   * @returns an offset, or -1: use {@link readSystem} or {@link writeSystem}
   */
  directSystem(address: number, size: number, write: boolean = false): number {
    const at = (TLB + ((address >>> 7) & MASK_TLB)) >> 2;
    const tag = this.#i32[at + ((write ? TLB_WRITE : TLB_READ) >> 2)];
    if (tag !== (address & ~0xfff) || (address & 0xfff) + size > 4096) return -1;
    return (address + this.#i32[at + (TLB_ADDEND >> 2)]!) >>> 0;
  }

  /** Read as supervisor whatever the CPL (descriptor tables, TSS); 4 bytes signed. */
  readSystem(address: number, size: number): number {
    const at = (TLB + ((address >>> 7) & MASK_TLB)) >> 2;
    if (this.#i32[at + (TLB_READ >> 2)] === ((address + size - 1) & ~0xfff)) {
      const host = (address + this.#i32[at + (TLB_ADDEND >> 2)]!) >>> 0;
      const view = this.#cpu.view;
      return size === 4 ? view.getInt32(host, true) : size === 2 ? view.getUint16(host, true) : view.getUint8(host);
    }
    if (((address + size - 1 ^ address) & ~0xfff) === 0) {
      return this.physical.read(this.translate(address, false, false, true), size);
    }
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readSystem(address + i | 0, 1) << (8 * i);
    return value;
  }

  /** Write as supervisor whatever the CPL. */
  writeSystem(address: number, size: number, value: number): void {
    const at = (TLB + ((address >>> 7) & MASK_TLB)) >> 2;
    if (this.#i32[at + (TLB_WRITE >> 2)] === ((address + size - 1) & ~0xfff)) {
      const host = (address + this.#i32[at + (TLB_ADDEND >> 2)]!) >>> 0;
      const view = this.#cpu.view;
      if (size === 4) view.setInt32(host, value, true);
      else if (size === 2) view.setUint16(host, value, true);
      else view.setUint8(host, value);
      return;
    }
    if (((address + size - 1 ^ address) & ~0xfff) === 0) {
      const physical = this.translate(address, true, false, true);
      this.#beforeStore(physical, size);
      this.physical.write(physical, size, value);
      return;
    }
    this.translate(address + size - 1 & ~0xfff, true, false, true);
    for (let i = 0; i < size; i++) this.writeSystem(address + i | 0, 1, value >>> (8 * i) & 0xff);
  }
}
