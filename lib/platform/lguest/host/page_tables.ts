/**
 * The Guest's page tables. The original kept shadows of them: page tables with the Host's addresses, made page by page
 * as the Guest faulted, and thrown away as its hypercalls said. Here the CPU's TLB is the shadow: an entry is made from
 * the Guest's tables when one is missing ({@link findPage}), and goes when a hypercall says that they have changed. So
 * what a Guest may rely on is the same: a change counts once the Host was told of it.
 *
 * Kernel addresses are the same in all of a Guest's page tables, so their translations count as global and stay when it
 * switches from one to another. Read next: `../../../engine/soft/mmu.ts`, the TLB.
 *
 * @module
 */
import { CpuFault, PAGE } from "../../../engine/soft/fault.ts";
import type { PageWalk } from "../../../engine/soft/page_walk.ts";
import { STOP } from "../../../engine/soft/supervisor.ts";
import { LGUEST_COMMAND_LINE } from "../../../boot/lguest_zero_page.ts";
import { hex, type Lguest, PAGE_SIZE } from "./lg.ts";

/** Bits of a page-table entry. */
const P = 1, RW = 2, USER = 4, ACCESSED = 0x20, DIRTY = 0x40, PSE = 0x80;
/** What an entry of the top level may have set besides an address. */
const TABLE = P | RW | USER | ACCESSED | DIRTY;
/** Bits of a page fault's error code. */
const CODE_PRESENT = 1, CODE_WRITE = 2, CODE_USER = 4;
/** Entries of a table, and the addresses that a table of the lower level is for. */
const PTRS = 1024, PGDIR_SHIFT = 22;
/** Where Linux's kernels of 3 GiB for programs begin, which the first page tables are made for (up to 3.0). */
const PAGE_OFFSET = 0xc000_0000;

/** What a Guest up to 3.9 dies of. */
const SWITCHER_TOUCHED = "attempt to access switcher pages";

/** What a page is wanted for. */
export interface Access {
  /** Linear address. */
  address: number;
  write: boolean;
  /** By a program, not by the kernel. */
  user: boolean;
}

/** Find a page for the CPU; see {@link Supervisor.find}. This is the original's `demand_page`. */
export function findPage(lg: Lguest, walk: PageWalk, access: Access): void {
  const { write, user } = access, virtual = access.address >>> 0;
  lg.iomem = undefined;
  const isSwitcher = virtual >= lg.generation.switcher;
  if (isSwitcher && !lg.generation.switcherKills) pageFault(lg, access, false);
  let directory = TABLE, entryAt = -1;
  if (!lg.linear) {
    directory = lg.read32(lg.pgdir + 4 * (virtual >>> PGDIR_SHIFT));
    if (!(directory & P)) pageFault(lg, access, false);
    if (isSwitcher) die(lg, SWITCHER_TOUCHED);
    if (directory & 0xfff & ~TABLE || directory >>> 12 >= lg.pfnLimit) die(lg, "bad page directory entry");
    entryAt = ((directory & ~0xfff) >>> 0) + 4 * (virtual >>> 12 & PTRS - 1);
  }
  const entry = lg.linear ? virtual & ~0xfff | RW | P : lg.read32(entryAt);
  if (!(entry & P)) pageFault(lg, access, false);
  // The fault's code says "present" wherever the Guest's own entry is: Linux's test_wp_bit() would loop without it.
  const rights = entry & directory;
  if (write && !(rights & RW)) pageFault(lg, access, true);
  if (user && !(rights & USER)) pageFault(lg, access, true);
  const page = entry >>> 12;
  if (page >= lg.pfnLimit && page < lg.deviceLimit && !(entry & PSE)) {
    lg.iomem = page * PAGE_SIZE + (virtual & 0xfff);
    pageFault(lg, access, true);
  }
  if (entry & PSE || page >= lg.pfnLimit) die(lg, "bad page table entry");
  const marked = entry | ACCESSED | (write ? DIRTY : 0);
  if (!lg.linear && marked !== entry) lg.write32(entryAt, marked);
  if (lg.dead !== undefined) throw STOP;
  walk.physical = entry & ~0xfff;
  walk.dirty = lg.linear || (marked & DIRTY) !== 0;
  walk.writable = (rights & RW) !== 0;
  walk.userAllowed = (rights & USER) !== 0;
  walk.userWritable = walk.userAllowed && walk.writable;
  walk.global = !lg.linear && virtual >= lg.kernelAddress;
  walk.noExecute = false;
}

function pageFault({ cpu, dead }: Lguest, { address, write, user }: Access, present: boolean): never {
  if (dead !== undefined) throw STOP; // of a table that is not in memory
  cpu.fault.address = address;
  return cpu.raise(PAGE, (present ? CODE_PRESENT : 0) | (write ? CODE_WRITE : 0) | (user ? CODE_USER : 0));
}

/** In the middle of an instruction there is no going on with a dead Guest. */
function die(lg: Lguest, reason: string): never {
  lg.kill(reason);
  throw STOP;
}

/**
 * The Guest-physical address of a virtual one, whatever may be done there; marks nothing.
 *
 * @returns the address, or `undefined` if no page is there
 */
export function findPhysical(lg: Lguest, address: number): number | undefined {
  const virtual = address >>> 0;
  if (lg.linear) return virtual;
  const directory = lg.read32(lg.pgdir + 4 * (virtual >>> PGDIR_SHIFT));
  if (!(directory & P)) return undefined;
  const entry = lg.read32(((directory & ~0xfff) >>> 0) + 4 * (virtual >>> 12 & PTRS - 1));
  return entry & P ? ((entry & ~0xfff) >>> 0) + (virtual & 0xfff) : undefined;
}

/** As {@link findPhysical}; a Guest without a page there is killed. */
export function guestPhysical(lg: Lguest, address: number): number {
  const physical = findPhysical(lg, address);
  if (physical === undefined) lg.kill(`Bad address ${hex(address >>> 0)}`);
  return physical ?? 0;
}

/**
 * Make sure that the kernel's stack can be written: a fault on it would have nowhere to go.
 * To be called when the stack or everything has changed.
 */
export function pinStackPages(lg: Lguest): void {
  for (let i = 0; i < lg.stackPages; i++) {
    const address = lg.esp1 - 1 - i * PAGE_SIZE | 0;
    if (lg.cpu.mmu.directSystem(address, 1, true) >= 0) continue;
    try {
      lg.cpu.mmu.translate(address, true, false, true);
    } catch (reason) {
      if (reason === STOP) return; // dead already
      if (!(reason instanceof CpuFault)) throw reason;
      lg.kill(`bad stack page ${hex(address)}`);
    }
  }
}

/** NEW_PGTABLE: use other page tables. */
export function newPgtable(lg: Lguest, pgdir: number): void {
  lg.cpu.mmu.flush(!lg.linear);
  lg.linear = false;
  lg.pgdir = pgdir;
}

/** FLUSH_TLB: of programs only, or of everything. */
export function flushTlb(lg: Lguest, everything: boolean): void {
  lg.cpu.mmu.flush(!everything);
  if (everything) pinStackPages(lg);
}

/** SET_PTE: the entry for an address has changed in the page tables at `pgdir`. */
export function setPte(lg: Lguest, pgdir: number, address: number, entry: number): void {
  if (address >= lg.generation.switcher) {
    return lg.kill(lg.generation.switcherKills ? SWITCHER_TOUCHED : "attempt to set pte into Switcher pages");
  }
  if (address < lg.kernelAddress && pgdir !== lg.pgdir) return; // nothing of other programs is in the TLB
  const page = entry >>> 12;
  const device = page >= lg.pfnLimit && page < lg.deviceLimit && !(entry & PSE);
  // What is in use already is checked at once, as the original does.
  if (entry & (ACCESSED | DIRTY) && !device && (entry & PSE || page >= lg.pfnLimit)) {
    return lg.kill("bad page table entry");
  }
  lg.cpu.mmu.invalidate(address | 0);
}

/** SET_PGD: an entry of the top level has changed in the page tables at `pgdir`. */
export function setPgd(lg: Lguest, pgdir: number, index: number): void {
  if (lg.generation.switcherKills && index >= PTRS - 1) return;
  if (index > PTRS) return lg.kill(`Attempt to set pgd ${index}/${PTRS}`);
  if (pgdir !== lg.pgdir) return;
  lg.cpu.mmu.flush(index * 2 ** PGDIR_SHIFT < lg.kernelAddress);
}

/**
 * The page tables that a Guest up to 3.0 begins with: all of its memory at its physical address and again from
 * PAGE_OFFSET on, for programs as well. They stand at the end of its memory, or below the initial RAM disk if that is
 * there; the original takes it for granted that it is.
 *
 * @returns the top level's Guest-physical address
 */
export function setupPagetables(lg: Lguest): number {
  const { memory } = lg;
  const size = Number(memory.getBigUint64(E820_SIZE));
  const initrd = memory.getUint32(RAMDISK_IMAGE), initrdEnd = initrd + memory.getUint32(RAMDISK_SIZE);
  const pages = Math.floor(size / PAGE_SIZE), tables = Math.ceil(pages / PTRS), bytes = (tables + 1) * PAGE_SIZE;
  const isInTheWay = initrdEnd > initrd && initrdEnd > pages * PAGE_SIZE - bytes;
  const end = isInTheWay ? Math.floor(initrd / PAGE_SIZE) : pages;
  const pgdir = (end - 1) * PAGE_SIZE, linear = pgdir - tables * PAGE_SIZE;
  if (linear < LGUEST_COMMAND_LINE + PAGE_SIZE || !lg.addressOk(linear, bytes)) {
    lg.kill("no room for the first page tables");
    return 0;
  }
  memory.fill(linear, bytes, 0);
  for (let i = 0; i < pages; i++) memory.setUint32(linear + 4 * i, i * PAGE_SIZE | P | RW | USER);
  const kernel = PAGE_OFFSET >>> PGDIR_SHIFT;
  for (let i = 0; i < tables; i++) {
    const entry = linear + i * PAGE_SIZE | P | RW | USER;
    memory.setUint32(pgdir + 4 * i, entry);
    if (kernel + i < PTRS - 1) memory.setUint32(pgdir + 4 * (kernel + i), entry);
  }
  return pgdir;
}

/** In the zero page: the size of the memory map's first range, and the initial RAM disk (boot protocol, zero page). */
const E820_SIZE = 0x2d8, RAMDISK_IMAGE = 0x218, RAMDISK_SIZE = 0x21c;
