/**
 * From linear to physical addresses: the page walk, the software TLB's slow path, and what lies behind it (MMIO, pages
 * that hold code, accesses over a page's end).
 *
 * Enters: a linear address that missed the TLB. Leaves: the bytes, or #PF with exact error code; accessed and dirty
 * bits are set as the manual says (Intel SDM volume 3, §4.8), translations stay until they are invalidated (§4.10).
 *
 * @module
 */
import type { Width } from "../../platform/bus.ts";
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE } from "./control_bits.ts";
import type { Cpu } from "./cpu.ts";
import { PAGE } from "./fault.ts";
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

/** Page-table entry bits. */
const P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
/** Page-fault error code bits. */
const CODE_PRESENT = 1, CODE_WRITE = 2, CODE_USER = 4, CODE_RESERVED = 8, CODE_FETCH = 16;
/** IA32_EFER.NXE. */
const EFER_NXE = 0x800;

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
  /** PAE: the four page-directory-pointer entries, loaded with CR3 (§4.4.1); low words and high words. */
  readonly #pointers: Int32Array = new Int32Array(8);
  /** The jump cache. */
  listener: TranslationListener | undefined;

  // Result of the last walk.
  #physical = 0;
  #writable = false;
  #userAllowed = false;
  #userWritable = false;
  #dirty = false;
  #global = false;
  #noExecute = false;

  /** @param cpu whose control registers and memory are used */
  constructor(cpu: Cpu) {
    this.#cpu = cpu;
    this.#i32 = cpu.i32;
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
    const entry = TLB + ((address >>> 7) & MASK_TLB);
    const page = address & ~0xfff;
    for (let half = entry; half <= entry + TLB_USER; half += TLB_USER) {
      for (const tag of [TLB_READ, TLB_WRITE]) {
        if (this.#i32[(half + tag) >> 2] === page) this.#i32[(half + tag) >> 2] = TLB_INVALID;
      }
    }
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
    const table = cr3 & ~0x1f;
    const loaded = new Int32Array(8);
    for (let i = 0; i < 8; i++) loaded[i] = this.#physRead32(table + 4 * i);
    for (let i = 0; i < 8; i += 2) if (loaded[i]! & P && loaded[i]! & 0x1e6) this.#cpu.gp();
    this.#pointers.set(loaded);
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
    this.#walk(address, write, user, execute);
    this.#fill(address);
    return (this.#physical | address & 0xfff) >>> 0;
  }

  #walk(address: number, write: boolean, user: boolean, execute: boolean): void {
    const cpu = this.#cpu;
    if ((cpu.cr0 & CR0_PG) === 0) {
      this.#physical = address & ~0xfff;
      this.#writable =
        this.#userAllowed =
        this.#userWritable =
        this.#dirty =
          true;
      this.#global = this.#noExecute = false;
      return;
    }
    const code = (write ? CODE_WRITE : 0) | (user ? CODE_USER : 0);
    if (cpu.cr4 & CR4_PAE) this.#walkPae(address, write, user, execute, code);
    else this.#walkLegacy(address, write, user, code);
  }

  /** Two levels of 4-byte entries, 4 MiB pages with CR4.PSE (§4.3). */
  #walkLegacy(address: number, write: boolean, user: boolean, code: number): void {
    const cpu = this.#cpu;
    const directoryAt = (cpu.cr3 & ~0xfff) + ((address >>> 22) << 2);
    const directory = this.#physRead32(directoryAt);
    if (!(directory & P)) this.#pageFault(address, code);
    if (directory & PS && cpu.cr4 & CR4_PSE) {
      if (directory & 0x20_0000) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
      this.#allow(address, directory, directory & (RW | US), write, user, code);
      this.#mark(directoryAt, directory, write);
      this.#physical = directory & 0xffc0_0000 | address & 0x3f_f000; // bits 13-20 (PSE-36) stay unused: RAM is below 4 GiB
      this.#finish(directory, write);
      return;
    }
    const tableAt = (directory & ~0xfff) + ((address >>> 12 & 0x3ff) << 2);
    const entry = this.#physRead32(tableAt);
    if (!(entry & P)) this.#pageFault(address, code);
    this.#allow(address, entry, entry & directory & (RW | US), write, user, code);
    if (!(directory & A)) this.#physWrite32(directoryAt, directory | A);
    this.#mark(tableAt, entry, write);
    this.#physical = entry & ~0xfff;
    this.#finish(entry, write);
  }

  /** Three levels of 8-byte entries (§4.4). */
  #walkPae(address: number, write: boolean, user: boolean, execute: boolean, code: number): void {
    const cpu = this.#cpu;
    const nx = (cpu.efer & EFER_NXE) !== 0;
    if (execute && nx) code |= CODE_FETCH;
    const pointer = this.#pointers[(address >>> 30) * 2]!;
    if (!(pointer & P)) this.#pageFault(address, code);
    const directoryAt = (pointer & ~0xfff) + ((address >>> 21 & 0x1ff) << 3);
    const directory = this.#physRead32(directoryAt);
    const directoryHigh = this.#physRead32(directoryAt + 4);
    if (!(directory & P)) this.#pageFault(address, code);
    const reserved = nx ? 0x7fff_fff0 : 0xffff_fff0 | 0; // physical addresses have 36 bits
    if (directoryHigh & reserved) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
    let entry = directory, entryAt = directoryAt, rights = directory & (RW | US), never = directoryHigh < 0;
    let high = directoryHigh;
    const large = (directory & PS) !== 0;
    if (large) {
      if (directory & 0x1f_e000) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
    } else {
      entryAt = (directory & ~0xfff) + ((address >>> 12 & 0x1ff) << 3);
      entry = this.#physRead32(entryAt);
      high = this.#physRead32(entryAt + 4);
      if (!(entry & P)) this.#pageFault(address, code);
      if (high & reserved) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
      rights &= entry;
      never ||= high < 0;
    }
    if (execute && never) this.#pageFault(address, code | CODE_PRESENT);
    this.#allow(address, entry, rights, write, user, code);
    if (!large && !(directory & A)) this.#physWrite32(directoryAt, directory | A);
    this.#mark(entryAt, entry, write);
    this.#physical = large ? entry & 0xffe0_0000 | address & 0x1f_f000 : entry & ~0xfff;
    if (high & 0xf) this.#physical = 0xffff_f000 | 0; // above 4 GiB there is nothing
    this.#finish(entry, write);
    this.#noExecute = never;
  }

  /** Check a present translation's rights (§4.6) and remember them. */
  #allow(address: number, _entry: number, rights: number, write: boolean, user: boolean, code: number): void {
    const userAllowed = (rights & US) !== 0;
    const userWritable = userAllowed && (rights & RW) !== 0;
    const writable = (rights & RW) !== 0 || (this.#cpu.cr0 & CR0_WP) === 0;
    if (user ? !userAllowed || (write && !userWritable) : write && !writable) {
      this.#pageFault(address, code | CODE_PRESENT);
    }
    this.#userAllowed = userAllowed;
    this.#userWritable = userWritable;
    this.#writable = writable;
  }

  #mark(at: number, entry: number, write: boolean): void {
    const marked = entry | A | (write ? D : 0);
    if (marked !== entry) this.#physWrite32(at, marked);
  }

  #finish(entry: number, write: boolean): void {
    this.#dirty = write || (entry & D) !== 0;
    this.#global = (entry & G) !== 0 && (this.#cpu.cr4 & CR4_PGE) !== 0;
    this.#noExecute = false;
  }

  #pageFault(address: number, code: number): never {
    this.#cpu.fault.address = address;
    this.#cpu.raise(PAGE, code);
  }

  #fill(address: number): void {
    const page = address & ~0xfff;
    const physical = this.#physical >>> 0;
    const entry = TLB + ((address >>> 7) & MASK_TLB);
    const at = entry >> 2;
    const i32 = this.#i32;
    const index = (address >>> 12) & (TLB_ENTRIES - 1);
    const list = this.#global ? 1 : 2;
    if (!(this.#listed[index]! & list)) {
      this.#listed[index]! |= list;
      (this.#global ? this.#filledGlobal : this.#filledLocal).push(entry);
    }
    const ram = physical < this.#ramSize;
    const addend = (this.#ramBase + physical - page) | 0;
    const flags = physical | (this.#global ? TLB_GLOBAL : 0) | (this.#noExecute ? TLB_NX : 0);
    const writable = ram && this.#dirty && this.codePages[physical >>> 12] === 0;
    i32[at + (TLB_READ >> 2)] = ram ? page : TLB_INVALID;
    i32[at + (TLB_WRITE >> 2)] = writable && this.#writable ? page : TLB_INVALID;
    i32[at + (TLB_ADDEND >> 2)] = addend;
    i32[at + (TLB_PHYS >> 2)] = flags;
    i32[at + ((TLB_USER + TLB_READ) >> 2)] = ram && this.#userAllowed ? page : TLB_INVALID;
    i32[at + ((TLB_USER + TLB_WRITE) >> 2)] = writable && this.#userWritable ? page : TLB_INVALID;
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
    return this.physRead(this.translate(address, false), size);
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
        this.physWrite(i < here ? first + i : ((second & ~0xfff) >>> 0) + i - here, 1, value >>> (8 * i) & 0xff);
      }
      return;
    }
    const physical = this.translate(address, true);
    this.#beforeStore(physical, size);
    this.physWrite(physical, size, value);
  }

  #beforeStore(physical: number, size: number): void {
    if (this.codePages[physical >>> 12]) this.#cpu.storeToCode(physical >>> 0, size);
  }

  /** Read physical memory or a device; narrow values unsigned, 4 bytes signed. */
  physRead(physical: number, size: number): number {
    if (physical + size <= this.#ramSize) {
      const at = this.#ramBase + physical;
      const view = this.#cpu.view;
      return size === 4 ? view.getInt32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
    }
    const value = this.#cpu.machine.mmio.read(physical, size as Width);
    return size === 4 ? value | 0 : value;
  }

  /** Write physical memory or a device. */
  physWrite(physical: number, size: number, value: number): void {
    if (physical + size <= this.#ramSize) {
      const at = this.#ramBase + physical;
      const view = this.#cpu.view;
      if (size === 4) view.setInt32(at, value, true);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint8(at, value);
    } else {
      this.#cpu.machine.mmio.write(
        physical,
        size as Width,
        size === 4 ? value >>> 0 : value & (size === 2 ? 0xffff : 0xff),
      );
    }
  }

  #physRead32(physical: number): number {
    return this.physRead(physical >>> 0, 4);
  }

  #physWrite32(physical: number, value: number): void {
    this.physWrite(physical >>> 0, 4, value);
  }

  /**
   * Where `size` bytes stand in shared memory, if the TLB lets a supervisor read them all at once.
   *
   * @returns an offset, or -1: use {@link readSystem}
   */
  directSystem(address: number, size: number): number {
    const at = (TLB + ((address >>> 7) & MASK_TLB)) >> 2;
    if (this.#i32[at + (TLB_READ >> 2)] !== (address & ~0xfff) || (address & 0xfff) + size > 4096) return -1;
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
      return this.physRead(this.translate(address, false, false, true), size);
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
      this.physWrite(physical, size, value);
      return;
    }
    this.translate(address + size - 1 & ~0xfff, true, false, true);
    for (let i = 0; i < size; i++) this.writeSystem(address + i | 0, 1, value >>> (8 * i) & 0xff);
  }
}
