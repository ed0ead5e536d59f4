/**
 * Hardware task switches, 32-bit task state segments (Intel SDM volume 3, §7.3). Linux uses one: for double faults.
 *
 * @module
 */
import { CR0_TS, CR4_PAE, SEG_PRESENT } from "../control_bits.ts";
import type { Cpu } from "../cpu.ts";
import { GP, NP, TS } from "../fault.ts";
import { NT } from "../state.ts";
import { cacheSegment, isNull, loadSegment, nullSegment, readDescriptor } from "./segments.ts";

/** Why a task is entered: from JMP, CALL or an interrupt, or back by IRET. */
export const TASK_JUMP = 0, TASK_CALL = 1, TASK_IRET = 2;

const TSS_EIP = 0x20, TSS_EFLAGS = 0x24, TSS_EAX = 0x28, TSS_ES = 0x48, TSS_LDT = 0x60, TSS_CR3 = 0x1c;
const AVAILABLE = 9, BUSY = 11;

function setBusy(cpu: Cpu, selector: number, busy: boolean): void {
  const d = readDescriptor(cpu, selector, TS);
  const type = d.high >>> 8 & 0xff;
  cpu.mmu.writeSystem(d.address + 5 | 0, 1, busy ? type | 2 : type & ~2);
}

/**
 * Save the current task and load another.
 *
 * @param selector the new task's TSS
 * @param how `TASK_*`
 * @param returnTo EIP that the old task will go on at
 */
export function switchTask(cpu: Cpu, selector: number, how: number, returnTo: number): void {
  const vector = how === TASK_IRET ? TS : GP, error = selector & 0xfffc;
  if (isNull(selector) || selector & 4) cpu.raise(vector, error);
  const d = readDescriptor(cpu, selector, vector);
  if ((d.access & 0x1f) !== (how === TASK_IRET ? BUSY : AVAILABLE)) cpu.raise(vector, error);
  if (!(d.access & SEG_PRESENT)) cpu.raise(NP, error);
  if (d.limit < 0x67) cpu.raise(TS, error);
  saveTask(cpu, how, returnTo);
  if (how !== TASK_CALL) setBusy(cpu, cpu.task.selector, false);
  if (how === TASK_CALL) cpu.mmu.writeSystem(d.base, 2, cpu.task.selector);
  if (how !== TASK_IRET) setBusy(cpu, selector, true);
  cpu.task.selector = selector;
  cpu.task.base = d.base;
  cpu.task.limit = d.limit;
  cpu.task.access = d.access | 2;
  cpu.cr0 |= CR0_TS;
  loadTask(cpu, d.base, how);
}

function saveTask(cpu: Cpu, how: number, returnTo: number): void {
  const base = cpu.task.base;
  cpu.mmu.writeSystem(base + TSS_EIP | 0, 4, returnTo);
  cpu.mmu.writeSystem(base + TSS_EFLAGS | 0, 4, how === TASK_IRET ? cpu.flags & ~NT : cpu.flags);
  for (let n = 0; n < 8; n++) cpu.mmu.writeSystem(base + TSS_EAX + 4 * n | 0, 4, cpu.reg(n));
  for (let seg = 0; seg < 6; seg++) cpu.mmu.writeSystem(base + TSS_ES + 4 * seg | 0, 2, cpu.selectors[seg]!);
}

function loadTask(cpu: Cpu, base: number, how: number): void {
  const word = (at: number) => cpu.mmu.readSystem(base + at | 0, 4);
  const cr3 = word(TSS_CR3), eip = word(TSS_EIP), flags = word(TSS_EFLAGS), ldt = word(TSS_LDT) & 0xffff;
  const registers = Array.from({ length: 8 }, (_, n) => word(TSS_EAX + 4 * n));
  const selectors = Array.from({ length: 6 }, (_, seg) => word(TSS_ES + 4 * seg) & 0xffff);
  if (cpu.cr0 < 0) { // CR0.PG
    if (cpu.cr4 & CR4_PAE) cpu.mmu.loadPointers(cr3);
    cpu.cr3 = cr3;
    cpu.mmu.flush(true);
  }
  registers.forEach((value, n) => cpu.setReg(n, value));
  cpu.eip = eip;
  cpu.flags = how === TASK_CALL ? flags | NT : flags;
  cpu.ldt.selector = ldt;
  cpu.ldt.access = 0;
  if (!isNull(ldt)) {
    const d = readDescriptor(cpu, ldt, TS);
    if ((d.access & 0x9f) !== 0x82) cpu.raise(TS, ldt & 0xfffc);
    Object.assign(cpu.ldt, { base: d.base, limit: d.limit, access: d.access });
  }
  const code = selectors[1]!;
  cpu.cpl = code & 3;
  cacheSegment(cpu, 1, code, readDescriptor(cpu, code, TS));
  for (const seg of [2, 0, 3, 4, 5]) {
    const selector = selectors[seg]!;
    if (isNull(selector)) nullSegment(cpu, seg, selector);
    else loadSegment(cpu, seg, selector);
  }
  cpu.updateFlat();
}
