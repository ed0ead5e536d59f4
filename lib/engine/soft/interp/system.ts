/**
 * What only the kernel does: control and debug registers, descriptor tables, MSRs, SYSENTER, HLT.
 *
 * @module
 */
import {
  CR0_AM,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_PAE,
  CR4_PCE,
  CR4_PGE,
  CR4_PSE,
  CR4_TSD,
} from "../control_bits.ts";
import type { Cpu, SystemSegment } from "../cpu.ts";
import { DB, GP, NP, UD } from "../fault.ts";
import { type Insn, K_CR, K_DR, K_MEM } from "../insn.ts";
import { EAX, ECX, EDX, ESP, IF, RF, VM } from "../state.ts";
import { readMsr, writeMsr } from "./identify.ts";
import { enterFlat, isNull, readDescriptor } from "./segments.ts";

const CR0_BITS = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG | 0x6000_0000;
const CR4_BITS = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

export function movControl(cpu: Cpu, insn: Insn): void {
  const n = insn.a === K_CR ? insn.ar : insn.br;
  if (n === 1 || n > 4) cpu.raise(UD); // before the privilege is looked at
  cpu.privileged();
  if (insn.a !== K_CR) return cpu.setReg(insn.ar, readControl(cpu, insn.br));
  writeControl(cpu, insn.ar, cpu.reg(insn.br));
}

function readControl(cpu: Cpu, n: number): number {
  switch (n) {
    case 0:
      return cpu.cr0;
    case 2:
      return cpu.cr2;
    case 3:
      return cpu.cr3;
    case 4:
      return cpu.cr4;
    default:
      return cpu.raise(UD);
  }
}

function writeControl(cpu: Cpu, n: number, value: number): void {
  switch (n) {
    case 0:
      return writeCr0(cpu, value);
    case 2:
      cpu.cr2 = value;
      return;
    case 3:
      if (cpu.cr0 & CR0_PG && cpu.cr4 & CR4_PAE) cpu.mmu.loadPointers(value);
      cpu.cr3 = value;
      return cpu.mmu.flush((cpu.cr4 & CR4_PGE) !== 0);
    case 4: {
      if (value & ~CR4_BITS) cpu.gp();
      const changed = cpu.cr4 ^ value;
      if (changed & CR4_PAE && value & CR4_PAE && cpu.cr0 & CR0_PG) cpu.mmu.loadPointers(cpu.cr3);
      cpu.cr4 = value;
      if (changed & (CR4_PSE | CR4_PAE | CR4_PGE)) cpu.mmu.flush(false);
      return;
    }
    default:
      cpu.raise(UD);
  }
}

function writeCr0(cpu: Cpu, value: number): void {
  value = value & CR0_BITS | CR0_ET;
  if (value & CR0_PG && !(value & CR0_PE)) cpu.gp();
  if ((value & 0x6000_0000) === 0x2000_0000) cpu.gp(); // NW without CD
  const changed = cpu.cr0 ^ value;
  if (changed & CR0_PG && value & CR0_PG && cpu.cr4 & CR4_PAE) cpu.mmu.loadPointers(cpu.cr3);
  cpu.cr0 = value;
  if (changed & (CR0_PG | CR0_WP | CR0_PE)) cpu.mmu.flush(false);
}

export function clts(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
  cpu.cr0 &= ~CR0_TS;
}

export function lmsw(cpu: Cpu, insn: Insn): void {
  cpu.privileged();
  const value = insn.a === K_MEM ? cpu.read16(cpu.linear(insn, 2, false)) : cpu.getSized(insn.ar, 2);
  writeCr0(cpu, cpu.cr0 & ~0xe | value & 0xf | cpu.cr0 & 1);
}

/** Store a 16-bit system value: memory gets 16 bits, a register the operand size. */
function storeWord(cpu: Cpu, insn: Insn, value: number): void {
  if (insn.a === K_MEM) cpu.write16(cpu.linear(insn, 2, true), value);
  else cpu.setSized(insn.ar, insn.size, value);
}

export function smsw(cpu: Cpu, insn: Insn): void {
  storeWord(cpu, insn, cpu.cr0);
}

export function sldt(cpu: Cpu, insn: Insn): void {
  storeWord(cpu, insn, cpu.ldt.selector);
}

export function str(cpu: Cpu, insn: Insn): void {
  storeWord(cpu, insn, cpu.task.selector);
}

function systemSelector(cpu: Cpu, insn: Insn): number {
  cpu.privileged();
  return insn.a === K_MEM ? cpu.read16(cpu.linear(insn, 2, false)) : cpu.getSized(insn.ar, 2);
}

function loadSystem(cpu: Cpu, into: SystemSegment, selector: number, types: readonly number[]): void {
  const error = selector & 0xfffc;
  if (selector & 4) cpu.raise(GP, error);
  const d = readDescriptor(cpu, selector);
  if (!types.includes(d.access & 0x1f)) cpu.raise(GP, error);
  if (!(d.access & 0x80)) cpu.raise(NP, error);
  Object.assign(into, { selector, base: d.base, limit: d.limit, access: d.access });
}

export function lldt(cpu: Cpu, insn: Insn): void {
  const selector = systemSelector(cpu, insn);
  if (isNull(selector)) Object.assign(cpu.ldt, { selector, base: 0, limit: 0, access: 0 });
  else loadSystem(cpu, cpu.ldt, selector, [2]);
}

export function ltr(cpu: Cpu, insn: Insn): void {
  const selector = systemSelector(cpu, insn);
  if (isNull(selector)) cpu.gp();
  loadSystem(cpu, cpu.task, selector, [1, 9]);
  cpu.task.access |= 2;
  cpu.mmu.writeSystem(cpu.gdt.base + (selector & 0xfff8) + 5 | 0, 1, cpu.task.access & 0xff);
}

function storeTable(cpu: Cpu, insn: Insn, table: { base: number; limit: number }): void {
  if (!insn.mem) cpu.raise(UD);
  const address = cpu.linear(insn, 6, true);
  cpu.probeWrite(address, 6);
  cpu.write16(address, table.limit);
  cpu.write32(address + 2 | 0, table.base);
}

export function sgdt(cpu: Cpu, insn: Insn): void {
  storeTable(cpu, insn, cpu.gdt);
}

export function sidt(cpu: Cpu, insn: Insn): void {
  storeTable(cpu, insn, cpu.idt);
}

function loadTable(cpu: Cpu, insn: Insn, table: { base: number; limit: number }): void {
  if (!insn.mem) cpu.raise(UD);
  cpu.privileged();
  const address = cpu.linear(insn, 6, false);
  const limit = cpu.read16(address), base = cpu.read32(address + 2 | 0);
  table.limit = limit;
  table.base = insn.size === 2 ? base & 0xff_ffff : base;
}

export function lgdt(cpu: Cpu, insn: Insn): void {
  loadTable(cpu, insn, cpu.gdt);
}

export function lidt(cpu: Cpu, insn: Insn): void {
  loadTable(cpu, insn, cpu.idt);
}

export function invlpg(cpu: Cpu, insn: Insn): void {
  if (!insn.mem) cpu.raise(UD);
  cpu.privileged();
  cpu.mmu.invalidate(cpu.segmentBase(insn.seg) + cpu.offset(insn) | 0);
}

/** INVD, WBINVD: there are no caches to write back. */
export function wbinvd(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
}

export function hlt(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
  cpu.halted = true;
}

export function movDebug(cpu: Cpu, insn: Insn): void {
  cpu.privileged();
  const toDebug = insn.a === K_DR;
  let n = toDebug ? insn.ar : insn.br;
  if (n > 7) cpu.raise(UD);
  if (n === 4 || n === 5) {
    if (cpu.cr4 & CR4_DE) cpu.raise(UD);
    n += 2;
  }
  if (cpu.dr[7]! & 0x2000) { // general detect
    cpu.dr[7]! &= ~0x2000;
    cpu.dr[6]! |= 0x2000;
    cpu.raise(DB);
  }
  if (!toDebug) return cpu.setReg(insn.ar, cpu.dr[n]!);
  const value = cpu.reg(insn.br);
  cpu.dr[n] = n === 6 ? value & 0xe00f | 0xffff_0ff0 : n === 7 ? value & ~0xd800 | 0x400 : value;
}

export function rdpmc(cpu: Cpu, _insn: Insn): void {
  cpu.gp(); // no performance counters
}

const MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175, MSR_SYSENTER_EIP = 0x176;

export function rdmsr(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
  const [low, high] = readMsr(cpu, cpu.reg(ECX) >>> 0);
  cpu.setReg(EAX, low);
  cpu.setReg(EDX, high);
}

export function wrmsr(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
  writeMsr(cpu, cpu.reg(ECX) >>> 0, cpu.reg(EAX), cpu.reg(EDX));
}

export function sysenter(cpu: Cpu, _insn: Insn): void {
  const selector = readMsr(cpu, MSR_SYSENTER_CS)[0] & 0xfffc;
  if (selector === 0) cpu.gp();
  enterFlat(cpu, selector, selector + 8, 0);
  cpu.systemFlags &= ~(IF | VM | RF);
  cpu.setReg(ESP, readMsr(cpu, MSR_SYSENTER_ESP)[0]);
  cpu.eip = readMsr(cpu, MSR_SYSENTER_EIP)[0];
}

export function sysexit(cpu: Cpu, _insn: Insn): void {
  cpu.privileged();
  const selector = readMsr(cpu, MSR_SYSENTER_CS)[0] & 0xfffc;
  if (selector === 0) cpu.gp();
  enterFlat(cpu, selector + 16 | 3, selector + 24 | 3, 3);
  cpu.setReg(ESP, cpu.reg(ECX));
  cpu.eip = cpu.reg(EDX);
}
