/**
 * Segment registers: descriptors fetched, checked and cached (Intel SDM volume 3, §3.4, §5).
 *
 * @module
 */
import { CR0_PE, SEG_BIG, SEG_CODE, SEG_CODE_OR_DATA, SEG_CONFORMING, SEG_PRESENT, SEG_RW } from "../control_bits.ts";
import type { Cpu } from "../cpu.ts";
import { GP, NP, STACK } from "../fault.ts";
import type { Insn } from "../insn.ts";
import { K_MEM } from "../insn.ts";
import type { Supervisor } from "../supervisor.ts";
import { CS, ES, SS, ZF } from "../state.ts";

/** A descriptor as read from a table. */
export interface Descriptor {
  selector: number;
  /** Linear address it was read from. */
  address: number;
  low: number;
  high: number;
  base: number;
  limit: number;
  /** As {@link Cpu.accesses}. */
  access: number;
  dpl: number;
}

/** Whether a selector is null. */
export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

/** Read a descriptor, or `undefined` if the selector is outside its table. */
export function findDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  if (cpu.supervisor) return supervised(cpu.supervisor, selector);
  const table = selector & 4 ? cpu.ldt : cpu.gdt;
  if (selector & 4 && cpu.ldt.access === 0) return undefined;
  if ((selector | 7) > table.limit) return undefined;
  const address = table.base + (selector & 0xfff8) | 0;
  const host = cpu.mmu.directSystem(address, 8);
  const low = host >= 0 ? cpu.view.getInt32(host, true) : cpu.mmu.readSystem(address, 4);
  const high = host >= 0 ? cpu.view.getInt32(host + 4, true) : cpu.mmu.readSystem(address + 4 | 0, 4);
  return remember(selector, address, low, high);
}

/** As {@link findDescriptor}, where a supervisor holds the descriptors. */
function supervised({ gdt }: Supervisor, selector: number): Descriptor | undefined {
  const at = (selector & 0xfff8) >> 2;
  if (selector & 4 || at >= gdt.length) return undefined;
  return remember(selector, -1, gdt[at]!, gdt[at + 1]!);
}

function remember(selector: number, address: number, low: number, high: number): Descriptor {
  const place = selector >> 3 & (RECENT - 1);
  const known = recent[place];
  if (known && known.selector === selector && known.address === address && known.low === low && known.high === high) {
    return known;
  }
  return recent[place] = describe(selector, address, low, high);
}

/** Descriptors as they were read last: the same bytes need not be taken apart again. */
const RECENT = 32;
const recent: (Descriptor | undefined)[] = new Array(RECENT).fill(undefined);

function describe(selector: number, address: number, low: number, high: number): Descriptor {
  const limit = low & 0xffff | high & 0xf_0000;
  return {
    selector,
    address,
    low,
    high,
    base: low >>> 16 | (high & 0xff) << 16 | high & 0xff00_0000,
    limit: (high & 0x80_0000 ? limit << 12 | 0xfff : limit) >>> 0,
    access: high >>> 8 & 0xf0ff,
    dpl: high >>> 13 & 3,
  };
}

/** As {@link findDescriptor}; a selector outside its table raises `vector` with the selector as error code. */
export function readDescriptor(cpu: Cpu, selector: number, vector = GP): Descriptor {
  return findDescriptor(cpu, selector) ?? cpu.raise(vector, selector & 0xfffc);
}

function markAccessed(cpu: Cpu, d: Descriptor): void {
  if (d.access & 1) return;
  d.access |= 1;
  d.high |= 0x100;
  if (!cpu.supervisor) cpu.mmu.writeSystem(d.address + 5 | 0, 1, d.high >>> 8 & 0xff);
}

/** Put a descriptor into a segment register's cache; the caller has checked it. */
export function cacheSegment(cpu: Cpu, seg: number, selector: number, d: Descriptor): void {
  markAccessed(cpu, d);
  cpu.selectors[seg] = selector;
  cpu.setSegmentBase(seg, d.base);
  cpu.limits[seg] = d.limit;
  cpu.accesses[seg] = d.access;
  cpu.updateOpen(seg);
}

/** Load a null selector. */
export function nullSegment(cpu: Cpu, seg: number, selector: number): void {
  cpu.selectors[seg] = selector;
  cpu.setSegmentBase(seg, 0);
  cpu.limits[seg] = 0;
  cpu.accesses[seg] = 0;
  cpu.updateOpen(seg);
}

/** Check a descriptor for SS at a privilege level: #TS or #GP, and #SS if it is not present. */
export function checkStackSegment(cpu: Cpu, d: Descriptor, rpl: number, cpl: number, vector: number): void {
  const selector = d.selector & 0xfffc;
  const type = d.access & (SEG_CODE_OR_DATA | SEG_CODE | SEG_RW);
  if (rpl !== cpl || d.dpl !== cpl || type !== (SEG_CODE_OR_DATA | SEG_RW)) cpu.raise(vector, selector);
  if (!(d.access & SEG_PRESENT)) cpu.raise(STACK, selector);
}

/** Access bits that tell a present, writable data segment. */
const ORDINARY = SEG_PRESENT | SEG_CODE_OR_DATA | SEG_CODE | SEG_RW, ORDINARY_DATA = ORDINARY & ~SEG_CODE;

/** MOV or POP to ES, SS, DS, FS, GS. */
export function loadSegment(cpu: Cpu, seg: number, selector: number): void {
  if ((cpu.cr0 & CR0_PE) === 0) {
    cpu.selectors[seg] = selector;
    cpu.setSegmentBase(seg, selector << 4);
    cpu.updateMode();
    return;
  }
  if (seg === SS) {
    if (isNull(selector)) cpu.gp();
    const d = readDescriptor(cpu, selector);
    checkStackSegment(cpu, d, selector & 3, cpu.cpl, GP);
    cacheSegment(cpu, SS, selector, d);
  } else if (isNull(selector)) nullSegment(cpu, seg, selector);
  else {
    const d = readDescriptor(cpu, selector);
    const error = selector & 0xfffc;
    if ((d.access & ORDINARY) === ORDINARY_DATA && Math.max(selector & 3, cpu.cpl) <= d.dpl) { // nearly always
      cacheSegment(cpu, seg, selector, d);
      return cpu.updateFlat();
    }
    if (!(d.access & SEG_CODE_OR_DATA) || (d.access & (SEG_CODE | SEG_RW)) === SEG_CODE) cpu.raise(GP, error);
    const conforming = (d.access & (SEG_CODE | SEG_CONFORMING)) === (SEG_CODE | SEG_CONFORMING);
    if (!conforming && Math.max(selector & 3, cpu.cpl) > d.dpl) cpu.raise(GP, error);
    if (!(d.access & SEG_PRESENT)) cpu.raise(NP, error);
    cacheSegment(cpu, seg, selector, d);
  }
  cpu.updateFlat();
}

/** After a return to an outer level: data segments that it may not use become null (§5.8.6). */
export function dropInnerSegments(cpu: Cpu): void {
  for (const seg of [ES, 3, 4, 5]) {
    const access = cpu.accesses[seg]!;
    const conforming = (access & (SEG_CODE | SEG_CONFORMING)) === (SEG_CODE | SEG_CONFORMING);
    if (access !== 0 && !conforming && (access >> 5 & 3) < cpu.cpl) nullSegment(cpu, seg, 0);
  }
}

/** Check a code segment for a direct far transfer (no gate) to it; returns it. */
export function checkCodeSegment(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) cpu.gp();
  const d = readDescriptor(cpu, selector);
  const error = selector & 0xfffc;
  if ((d.access & (SEG_CODE_OR_DATA | SEG_CODE)) !== (SEG_CODE_OR_DATA | SEG_CODE)) cpu.raise(GP, error);
  if (d.access & SEG_CONFORMING ? d.dpl > cpu.cpl : (selector & 3) > cpu.cpl || d.dpl !== cpu.cpl) cpu.raise(GP, error);
  if (!(d.access & SEG_PRESENT)) cpu.raise(NP, error);
  return d;
}

/** #GP(0) if an offset lies outside a code segment that is about to be entered. */
export function checkEntry(cpu: Cpu, d: Descriptor, offset: number): void {
  if ((offset >>> 0) > d.limit) cpu.gp();
}

/** Load CS with a checked descriptor; {@link Cpu.updateFlat} is left to the caller. */
export function setCode(cpu: Cpu, d: Descriptor, selector: number, cpl: number): void {
  cacheSegment(cpu, CS, selector & 0xfffc | cpl, d);
  cpu.cpl = cpl;
}

/** Load CS with a checked descriptor. */
export function enterCode(cpu: Cpu, d: Descriptor, selector: number, cpl: number): void {
  setCode(cpu, d, selector, cpl);
  cpu.updateFlat();
}

/** Put flat 4 GiB segments of a privilege level into CS and SS, whatever a table says (SYSENTER, SYSEXIT). */
export function enterFlat(cpu: Cpu, code: number, stack: number, cpl: number): void {
  const access = cpl << 5 | SEG_BIG | 0x8000;
  cpu.selectors[CS] = code;
  cpu.selectors[SS] = stack;
  cpu.accesses[CS] = 0x9b | access;
  cpu.accesses[SS] = 0x93 | access;
  cpu.cpl = cpl;
  if (cpu.flat) return cpu.updateLevel(); // they were flat before, too
  for (const seg of [CS, SS]) {
    cpu.setSegmentBase(seg, 0);
    cpu.limits[seg] = 0xffff_ffff;
    cpu.updateOpen(seg);
  }
  cpu.updateFlat();
}

/** Put flat 4 GiB segments into all registers, as the Linux boot protocol's 32-bit entry wants them. */
export function flatSegments(cpu: Cpu, code: number, data: number): void {
  for (let seg = 0; seg < 6; seg++) {
    cpu.selectors[seg] = seg === CS ? code : data;
    cpu.setSegmentBase(seg, 0);
    cpu.limits[seg] = 0xffff_ffff;
    cpu.accesses[seg] = (seg === CS ? 0x9b : 0x93) | SEG_BIG | 0x8000;
  }
}

// LAR, LSL, VERR, VERW: ask about a descriptor without faulting.

function selectorOperand(cpu: Cpu, kind: number, register: number, insn: Insn): number {
  return kind === K_MEM ? cpu.read16(cpu.linear(insn, 2, false)) : cpu.getSized(register, 2);
}

function setZero(cpu: Cpu, set: boolean): void {
  cpu.arithmetic = cpu.arithmetic & ~ZF | (set ? ZF : 0);
}

function visible(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const d = findDescriptor(cpu, selector);
  if (!d) return undefined;
  const conforming = (d.access & (SEG_CODE_OR_DATA | SEG_CODE | SEG_CONFORMING)) ===
    (SEG_CODE_OR_DATA | SEG_CODE | SEG_CONFORMING);
  return conforming || Math.max(selector & 3, cpu.cpl) <= d.dpl ? d : undefined;
}

/** System descriptor types that LAR and LSL accept (Intel SDM volume 2, LAR table 3-53, LSL table 3-54). */
const LAR_TYPES = new Set([1, 2, 3, 4, 5, 9, 11, 12]), LSL_TYPES = new Set([1, 2, 3, 9, 11]);

export function lar(cpu: Cpu, insn: Insn): void {
  const d = visible(cpu, selectorOperand(cpu, insn.b, insn.br, insn));
  const valid = d !== undefined && (d.access & SEG_CODE_OR_DATA || LAR_TYPES.has(d.access & 15));
  if (valid) cpu.setSized(insn.ar, insn.size, d.high & 0xff_ff00);
  setZero(cpu, Boolean(valid));
}

export function lsl(cpu: Cpu, insn: Insn): void {
  const d = visible(cpu, selectorOperand(cpu, insn.b, insn.br, insn));
  const valid = d !== undefined && (d.access & SEG_CODE_OR_DATA || LSL_TYPES.has(d.access & 15));
  if (valid) cpu.setSized(insn.ar, insn.size, d.limit);
  setZero(cpu, Boolean(valid));
}

export function verr(cpu: Cpu, insn: Insn): void {
  const d = visible(cpu, selectorOperand(cpu, insn.a, insn.ar, insn));
  setZero(cpu, d !== undefined && (d.access & SEG_CODE_OR_DATA) !== 0 && (d.access & (SEG_CODE | SEG_RW)) !== SEG_CODE);
}

export function verw(cpu: Cpu, insn: Insn): void {
  const d = visible(cpu, selectorOperand(cpu, insn.a, insn.ar, insn));
  setZero(cpu, d !== undefined && (d.access & (SEG_CODE_OR_DATA | SEG_CODE | SEG_RW)) === (SEG_CODE_OR_DATA | SEG_RW));
}
