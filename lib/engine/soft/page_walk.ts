/**
 * The page walk: from a linear to a physical address through the tables that the Guest keeps in its memory, with two
 * levels or with PAE. Accessed and dirty bits are set as the manual says (Intel SDM volume 3, §4.8).
 *
 * Enters: a linear address. Leaves: a page and what may be done to it, or #PF with exact error code. Read next:
 * `mmu.ts`, which remembers the result in the TLB.
 *
 * @module
 */
import { CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE } from "./control_bits.ts";
import type { Cpu } from "./cpu.ts";
import { PAGE } from "./fault.ts";
import type { PhysicalMemory } from "./physical_memory.ts";

/** Page-table entry bits. */
const P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
/** Page-fault error code bits. */
const CODE_PRESENT = 1, CODE_WRITE = 2, CODE_USER = 4, CODE_RESERVED = 8, CODE_FETCH = 16;
/** IA32_EFER.NXE. */
const EFER_NXE = 0x800;

/** Walks page tables; its fields are the result of the last walk. */
export class PageWalk {
  /** Physical address of the page, signed. */
  physical = 0;
  /** A supervisor may write. */
  writable = false;
  /** A user may read. */
  userAllowed = false;
  /** A user may write. */
  userWritable = false;
  /** The dirty bit is set. */
  dirty = false;
  /** The translation is global. */
  global = false;
  /** Nothing may be executed. */
  noExecute = false;
  readonly #cpu: Cpu;
  readonly #memory: PhysicalMemory;
  /** PAE: the four page-directory-pointer entries, loaded with CR3 (§4.4.1); low words and high words. */
  readonly #pointers: Int32Array = new Int32Array(8);

  /**
   * @param cpu whose control registers are used
   * @param memory where the tables are
   */
  constructor(cpu: Cpu, memory: PhysicalMemory) {
    this.#cpu = cpu;
    this.#memory = memory;
  }

  /** Load the PAE page-directory pointers from CR3; #GP(0) if they have reserved bits set (§4.4.1). */
  loadPointers(cr3: number): void {
    const table = cr3 & ~0x1f;
    const loaded = new Int32Array(8);
    for (let i = 0; i < 8; i++) loaded[i] = this.#read32(table + 4 * i);
    for (let i = 0; i < 8; i += 2) if (loaded[i]! & P && loaded[i]! & 0x1e6) this.#cpu.gp();
    this.#pointers.set(loaded);
  }

  /**
   * Find the translation of an address, mark it as accessed or dirty, and leave the result in this object's fields.
   *
   * @param address linear
   * @param write whether it is for writing
   * @param user whether user rights count
   * @param execute whether it is for fetching an instruction
   */
  find(address: number, write: boolean, user: boolean, execute: boolean): void {
    const cpu = this.#cpu;
    if (cpu.supervisor) return cpu.supervisor.find(this, address, write, user);
    if ((cpu.cr0 & CR0_PG) === 0) {
      this.physical = address & ~0xfff;
      this.writable =
        this.userAllowed =
        this.userWritable =
        this.dirty =
          true;
      this.global = this.noExecute = false;
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
    const directory = this.#read32(directoryAt);
    if (!(directory & P)) this.#pageFault(address, code);
    if (directory & PS && cpu.cr4 & CR4_PSE) {
      if (directory & 0x20_0000) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
      this.#allow(address, directory & (RW | US), write, user, code);
      this.#mark(directoryAt, directory, write);
      this.physical = directory & 0xffc0_0000 | address & 0x3f_f000; // bits 13-20 (PSE-36) stay unused: RAM is below 4 GiB
      this.#finish(directory, write);
      return;
    }
    const tableAt = (directory & ~0xfff) + ((address >>> 12 & 0x3ff) << 2);
    const entry = this.#read32(tableAt);
    if (!(entry & P)) this.#pageFault(address, code);
    this.#allow(address, entry & directory & (RW | US), write, user, code);
    if (!(directory & A)) this.#write32(directoryAt, directory | A);
    this.#mark(tableAt, entry, write);
    this.physical = entry & ~0xfff;
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
    const directory = this.#read32(directoryAt);
    const directoryHigh = this.#read32(directoryAt + 4);
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
      entry = this.#read32(entryAt);
      high = this.#read32(entryAt + 4);
      if (!(entry & P)) this.#pageFault(address, code);
      if (high & reserved) this.#pageFault(address, code | CODE_PRESENT | CODE_RESERVED);
      rights &= entry;
      never ||= high < 0;
    }
    if (execute && never) this.#pageFault(address, code | CODE_PRESENT);
    this.#allow(address, rights, write, user, code);
    if (!large && !(directory & A)) this.#write32(directoryAt, directory | A);
    this.#mark(entryAt, entry, write);
    this.physical = large ? entry & 0xffe0_0000 | address & 0x1f_f000 : entry & ~0xfff;
    if (high & 0xf) this.physical = 0xffff_f000 | 0; // above 4 GiB there is nothing
    this.#finish(entry, write);
    this.noExecute = never;
  }

  /** Check a present translation's rights (§4.6) and remember them. */
  #allow(address: number, rights: number, write: boolean, user: boolean, code: number): void {
    const userAllowed = (rights & US) !== 0;
    const userWritable = userAllowed && (rights & RW) !== 0;
    const writable = (rights & RW) !== 0 || (this.#cpu.cr0 & CR0_WP) === 0;
    if (user ? !userAllowed || (write && !userWritable) : write && !writable) {
      this.#pageFault(address, code | CODE_PRESENT);
    }
    this.userAllowed = userAllowed;
    this.userWritable = userWritable;
    this.writable = writable;
  }

  #mark(at: number, entry: number, write: boolean): void {
    const marked = entry | A | (write ? D : 0);
    if (marked !== entry) this.#write32(at, marked);
  }

  #finish(entry: number, write: boolean): void {
    this.dirty = write || (entry & D) !== 0;
    this.global = (entry & G) !== 0 && (this.#cpu.cr4 & CR4_PGE) !== 0;
    this.noExecute = false;
  }

  #pageFault(address: number, code: number): never {
    this.#cpu.fault.address = address;
    this.#cpu.raise(PAGE, code);
  }

  #read32(physical: number): number {
    return this.#memory.read(physical >>> 0, 4);
  }

  #write32(physical: number, value: number): void {
    this.#memory.write(physical >>> 0, 4, value);
  }
}
