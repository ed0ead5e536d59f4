/**
 * The Guest's segments. It may have any descriptor it likes, but of privilege level 1 to 3 and none of the Host's own.
 *
 * A descriptor enters by hypercall and is mended: level 0 becomes 1 (the kernel believes that it runs there), and the
 * accessed bit is set, since the processor shall never want to write to the table. Whether a descriptor makes sense is
 * found out when it is loaded. Read next: `interrupts_and_traps.ts`.
 *
 * @module
 */
import { SEG_CODE, SEG_CODE_OR_DATA, SEG_PRESENT } from "../../../engine/soft/control_bits.ts";
import type { Cpu } from "../../../engine/soft/cpu.ts";
import { CpuFault, GP } from "../../../engine/soft/fault.ts";
import {
  cacheSegment,
  checkStackSegment,
  enterCode,
  enterFlat,
  isNull,
  loadSegment,
  readDescriptor,
} from "../../../engine/soft/interp/segments.ts";
import { CS, DS, ES, FS, GS, SS } from "../../../engine/soft/state.ts";
import { GDT_ENTRIES, GDT_ENTRY, GDT_ENTRY_TLS_ENTRIES, GUEST_PL } from "../protocol.ts";
import { hex, type Lguest } from "./lg.ts";

/** The selectors with which a Guest's kernel begins, and with which its handlers run. */
export const KERNEL_CS = GDT_ENTRY.KERNEL_CS << 3 | GUEST_PL, KERNEL_DS = GDT_ENTRY.KERNEL_DS << 3 | GUEST_PL;

/** Flat 4 GiB segments of privilege level 0, accessed; code and data. */
const FULL_EXEC_HIGH = 0x00cf_9b00, FULL_HIGH = 0x00cf_9300, FULL_LOW = 0x0000_ffff;
/** A descriptor's privilege level, and its accessed bit. */
const DPL = 3 << 13, DPL_SHIFT = 13, ACCESSED = 0x100;
/** A task state segment that is in use; of the size of the processor's part alone, so that it allows no port. */
const TSS_HIGH = 0x0000_8b00, TSS_LOW = 0x0000_0067;
/** The trap number of a fault while the Host switches to the Guest: no processor has it. */
const SWITCHER_FAULT = 256;

/** The descriptors of the Host itself, which a Guest cannot change. */
const IGNORED: ReadonlySet<number> = new Set([
  GDT_ENTRY.TSS,
  GDT_ENTRY.LGUEST_CS,
  GDT_ENTRY.LGUEST_DS,
  GDT_ENTRY.DOUBLEFAULT_TSS,
]);

/** The descriptors that a Guest begins with: its kernel's two, and the Host's own. */
export function setupGdt({ gdt, cpu }: Lguest): void {
  const set = (entry: number, low: number, high: number) => {
    gdt[2 * entry] = low;
    gdt[2 * entry + 1] = high;
  };
  gdt.fill(0);
  set(GDT_ENTRY.KERNEL_CS, FULL_LOW, FULL_EXEC_HIGH | GUEST_PL << DPL_SHIFT);
  set(GDT_ENTRY.KERNEL_DS, FULL_LOW, FULL_HIGH | GUEST_PL << DPL_SHIFT);
  set(GDT_ENTRY.LGUEST_CS, FULL_LOW, FULL_EXEC_HIGH);
  set(GDT_ENTRY.LGUEST_DS, FULL_LOW, FULL_HIGH);
  set(GDT_ENTRY.TSS, TSS_LOW, TSS_HIGH);
  // The CPU must find no I/O permission bit map: with this limit it looks for none.
  Object.assign(cpu.task, { selector: GDT_ENTRY.TSS << 3, base: 0, limit: 0, access: 0x8b });
  Object.assign(cpu.gdt, { base: 0, limit: 8 * GDT_ENTRIES - 1 });
}

/** The segments that a Guest's kernel is entered with: flat, at privilege level 1. */
export function setupSegments({ cpu }: Lguest): void {
  enterCode(cpu, readDescriptor(cpu, KERNEL_CS), KERNEL_CS, GUEST_PL);
  for (const seg of [SS, DS, ES]) loadSegment(cpu, seg, KERNEL_DS);
  for (const seg of [FS, GS]) loadSegment(cpu, seg, 0);
}

/** LOAD_GDT_ENTRY. */
export function loadGdtEntry(lg: Lguest, entry: number, low: number, high: number): void {
  if (entry >= GDT_ENTRIES) return lg.kill(`too many gdt entries ${entry}`);
  setEntry(lg, entry, low, high);
  reload(lg, entry, 1);
}

/** LOAD_GDT (2.6.30): all of it, from a Guest-physical address. */
export function loadGdt(lg: Lguest, address: number, count: number): void {
  if (count > GDT_ENTRIES) return lg.kill(`too many gdt entries ${count}`);
  loadEntries(lg, 0, address, count);
}

/** LOAD_TLS: the three descriptors of a thread, from a Guest-physical address. */
export function loadTls(lg: Lguest, address: number): void {
  loadEntries(lg, GDT_ENTRY.TLS_MIN, address, GDT_ENTRY_TLS_ENTRIES);
}

function loadEntries(lg: Lguest, first: number, address: number, count: number): void {
  const view = new DataView(lg.readBytes(address, 8 * count).buffer);
  for (let i = 0; i < count; i++) setEntry(lg, first + i, view.getInt32(8 * i, true), view.getInt32(8 * i + 4, true));
  reload(lg, first, count);
}

function setEntry({ gdt }: Lguest, entry: number, low: number, high: number): void {
  if (IGNORED.has(entry)) return;
  gdt[2 * entry] = low;
  gdt[2 * entry + 1] = high | ACCESSED | (high & DPL ? 0 : GUEST_PL << DPL_SHIFT);
}

/**
 * Have the segment registers say what the table says now: the original's Switcher loads them anew each time that it
 * enters the Guest, so a Guest may rely on that, and dies if one of them has become bad.
 */
function reload(lg: Lguest, first: number, count: number): void {
  const { cpu } = lg;
  if (lg.dead !== undefined) return;
  for (let seg = ES; seg <= GS; seg++) {
    const selector = cpu.selectors[seg]!, entry = selector >> 3;
    if (isNull(selector) || entry < first || entry >= first + count) continue; // nearly always
    orDie(lg, () => {
      if (seg === CS) loadCode(cpu, selector, selector & 3);
      else if (seg === SS) loadStack(cpu, selector, cpu.cpl);
      else loadSegment(cpu, seg, selector);
    });
  }
}

/** The segments of a handler in the Guest's kernel; `stack` only if the stack is switched. */
export function enterKernel(lg: Lguest, stack: number | undefined): void {
  const { cpu } = lg;
  if (stack === undefined && cpu.selectors[CS] === KERNEL_CS) return; // it is there already, see reload()
  if (stack === KERNEL_DS && isFlat(lg)) return enterFlat(cpu, KERNEL_CS, KERNEL_DS, GUEST_PL); // nearly always
  orDie(lg, () => {
    if (stack !== undefined) {
      cpu.cpl = GUEST_PL;
      loadStack(cpu, stack, GUEST_PL);
    }
    loadCode(cpu, KERNEL_CS, GUEST_PL);
  });
}

/** Whether the kernel's descriptors are the ones that {@link setupGdt} and Linux make. */
function isFlat({ gdt }: Lguest): boolean {
  const code = 2 * GDT_ENTRY.KERNEL_CS, data = 2 * GDT_ENTRY.KERNEL_DS;
  return gdt[code] === FULL_LOW && gdt[code + 1] === (FULL_EXEC_HIGH | GUEST_PL << DPL_SHIFT) &&
    gdt[data] === FULL_LOW && gdt[data + 1] === (FULL_HIGH | GUEST_PL << DPL_SHIFT);
}

/** CS as IRET loads it. */
function loadCode(cpu: Cpu, selector: number, level: number): void {
  const d = readDescriptor(cpu, selector);
  const type = SEG_PRESENT | SEG_CODE_OR_DATA | SEG_CODE;
  if ((d.access & type) !== type || d.dpl !== level) cpu.gp();
  enterCode(cpu, d, selector, level);
}

/** SS as IRET loads it. */
function loadStack(cpu: Cpu, selector: number, level: number): void {
  if (isNull(selector)) cpu.gp();
  const d = readDescriptor(cpu, selector);
  checkStackSegment(cpu, d, selector & 3, level, GP);
  cacheSegment(cpu, SS, selector, d);
  cpu.updateFlat();
}

/** A bad segment is met while the Host switches to the Guest, where no trap can be handled. */
function orDie(lg: Lguest, load: () => void): void {
  try {
    load();
  } catch (fault) {
    if (!(fault instanceof CpuFault)) throw fault;
    lg.kill(`unhandled trap ${SWITCHER_FAULT} at ${hex(lg.cpu.eip)} (${hex(Math.max(fault.code, 0))})`);
  }
}
