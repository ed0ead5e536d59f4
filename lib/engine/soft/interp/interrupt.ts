/**
 * Interrupts and exceptions through the IDT, and the way back (Intel SDM volume 3, §6.12; volume 2, INT n, IRET).
 * Nothing of the CPU's state changes unless the whole delivery succeeds.
 *
 * @module
 */
import { SEG_CODE, SEG_CODE_OR_DATA, SEG_CONFORMING, SEG_PRESENT } from "../control_bits.ts";
import type { Cpu } from "../cpu.ts";
import { BP, GP, NP, OFLOW, TS } from "../fault.ts";
import type { Insn } from "../insn.ts";
import { CS, ESP, IF, IOPL, NT, OF, RF, SS, TF, VM } from "../state.ts";
import { changeableFlags } from "./data.ts";
import {
  cacheSegment,
  checkEntry,
  checkStackSegment,
  type Descriptor,
  dropInnerSegments,
  enterCode,
  findDescriptor,
  isNull,
  readDescriptor,
  setCode,
} from "./segments.ts";
import { switchTask, TASK_CALL, TASK_IRET } from "./task.ts";

/** Error code bits (Intel SDM volume 3, §6.13). */
const EXT = 1, IDT = 2;

/**
 * Deliver an interrupt or exception.
 *
 * @param vector 0 to 255
 * @param code error code to push, or -1
 * @param returnTo EIP to push
 * @param software INT n, INT3, INTO: the gate's privilege level is checked
 */
export function deliver(cpu: Cpu, vector: number, code: number, returnTo: number, software: boolean): void {
  cpu.stepping = false; // who handles this is not stepped through (Intel SDM volume 3, §6.12.1.3)
  if (cpu.supervisor) return cpu.supervisor.deliver(vector, code, returnTo, software);
  const external = software ? 0 : EXT;
  const error = vector << 3 | IDT | external;
  if (vector * 8 + 7 > cpu.idt.limit) cpu.raise(GP, error);
  const low = cpu.mmu.readSystem(cpu.idt.base + vector * 8 | 0, 4);
  const high = cpu.mmu.readSystem(cpu.idt.base + vector * 8 + 4 | 0, 4);
  const type = high >> 8 & 0x1f;
  if (software && (high >> 13 & 3) < cpu.cpl) cpu.raise(GP, error);
  if (type !== 5 && type !== 6 && type !== 7 && type !== 14 && type !== 15) cpu.raise(GP, error);
  if (!(high & 0x8000)) cpu.raise(NP, error);
  const selector = low >>> 16;
  if (type === 5) {
    switchTask(cpu, selector, TASK_CALL, returnTo);
    if (code >= 0) cpu.push(code, 4);
    return;
  }
  const wide = (type & 8) !== 0;
  if (isNull(selector)) cpu.raise(GP, external);
  const target = findDescriptor(cpu, selector) ?? cpu.raise(GP, selector & 0xfffc | external);
  const bad = selector & 0xfffc | external;
  if ((target.access & (SEG_CODE_OR_DATA | SEG_CODE)) !== (SEG_CODE_OR_DATA | SEG_CODE) || target.dpl > cpu.cpl) {
    cpu.raise(GP, bad);
  }
  if (!(target.access & SEG_PRESENT)) cpu.raise(NP, bad);
  const inner = !(target.access & SEG_CONFORMING) && target.dpl < cpu.cpl;
  const eip = wide ? high & 0xffff_0000 | low & 0xffff : low & 0xffff;
  checkEntry(cpu, target, eip);
  const size = wide ? 4 : 2;
  const flags = cpu.flags;
  const words = inner
    ? [cpu.selectors[SS]!, cpu.reg(ESP), flags, cpu.selectors[CS]!, returnTo]
    : [flags, cpu.selectors[CS]!, returnTo];
  if (code >= 0) words.push(code);
  if (inner) {
    pushInner(cpu, target.dpl, words, size, external);
  } else {
    pushSame(cpu, words, size);
  }
  enterCode(cpu, target, selector, inner ? target.dpl : cpu.cpl);
  cpu.eip = eip;
  cpu.systemFlags &= ~(TF | NT | RF | VM | (type & 1 ? 0 : IF));
}

function pushSame(cpu: Cpu, words: readonly number[], size: number): void {
  let esp = cpu.reg(ESP);
  const bytes = words.length * 4;
  const at = size === 4 ? cpu.directStack(esp - bytes | 0, bytes, true) : -1;
  if (at >= 0) {
    for (let i = 0; i < words.length; i++) cpu.view.setInt32(at + bytes - 4 * (i + 1), words[i]!, true);
    return cpu.setReg(ESP, esp - bytes);
  }
  cpu.probePushes(words.length, size);
  for (const word of words) {
    esp = (esp - size) & cpu.stackMask;
    cpu.write(cpu.segmented(SS, esp, size, true), size, word);
  }
  cpu.setStackPointer(esp);
}

/** The stack for an inner level from the task state segment: selector and pointer (§7.2.1). */
export function innerStack(
  cpu: Cpu,
  level: number,
  external: number,
): { selector: number; esp: number; d: Descriptor } {
  const wide = (cpu.task.access & 8) !== 0;
  const at = wide ? level * 8 + 4 : level * 4 + 2;
  if (at + (wide ? 5 : 3) > cpu.task.limit) cpu.raise(TS, cpu.task.selector & 0xfffc | external);
  const base = cpu.task.base + at | 0;
  const esp = cpu.mmu.readSystem(base, wide ? 4 : 2);
  const selector = cpu.mmu.readSystem(base + (wide ? 4 : 2) | 0, 2);
  if (isNull(selector)) cpu.raise(TS, external);
  const d = readDescriptor(cpu, selector, TS);
  checkStackSegment(cpu, d, selector & 3, level, TS);
  return { selector, esp, d };
}

/** Switch to an inner level's stack and push; the old stack and level come back if a push faults. */
export function pushInner(cpu: Cpu, level: number, words: readonly number[], size: number, external: number): void {
  const { selector, esp: top, d } = innerStack(cpu, level, external);
  const old = {
    selector: cpu.selectors[SS]!,
    base: cpu.segmentBase(SS),
    limit: cpu.limits[SS]!,
    access: cpu.accesses[SS]!,
    esp: cpu.reg(ESP),
    cpl: cpu.cpl,
  };
  cacheSegment(cpu, SS, selector, d);
  cpu.cpl = level;
  cpu.updateFlat();
  try {
    cpu.setStackPointer(top);
    pushSame(cpu, words, size);
  } catch (fault) {
    cpu.selectors[SS] = old.selector;
    cpu.setSegmentBase(SS, old.base);
    cpu.limits[SS] = old.limit;
    cpu.accesses[SS] = old.access;
    cpu.updateOpen(SS);
    cpu.setReg(ESP, old.esp);
    cpu.cpl = old.cpl;
    cpu.updateFlat();
    throw fault;
  }
}

/** INT n, INT3, INTO, ICEBP: a trap, so it returns behind itself. */
function trap(cpu: Cpu, insn: Insn, vector: number, software: boolean): void {
  deliver(cpu, vector, -1, cpu.eip + insn.length | 0, software);
}

export function int(cpu: Cpu, insn: Insn): void {
  trap(cpu, insn, insn.imm & 0xff, true);
}

export function int3(cpu: Cpu, insn: Insn): void {
  trap(cpu, insn, BP, true);
}

export function into(cpu: Cpu, insn: Insn): void {
  if (cpu.arithmetic & OF) trap(cpu, insn, OFLOW, true);
  else cpu.eip = cpu.eip + insn.length | 0;
}

export function icebp(cpu: Cpu, insn: Insn): void {
  trap(cpu, insn, 1, false);
}

export function iret(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  if (cpu.systemFlags & NT) {
    if (cpu.supervisor) cpu.raise(TS, 0); // its task has nothing to go back to
    const back = cpu.mmu.readSystem(cpu.task.base, 2);
    return switchTask(cpu, back, TASK_IRET, cpu.eip + insn.length | 0);
  }
  const esp = cpu.reg(ESP);
  const direct = size === 4 ? cpu.directStack(esp, 20, false) : -1;
  const at = (n: number) =>
    direct >= 0
      ? cpu.view.getInt32(direct + 4 * n, true)
      : cpu.read(cpu.segmented(SS, (esp + n * size) & cpu.stackMask, size, false), size);
  const flags = at(2), selector = at(1) & 0xffff, eip = at(0); // in the order of the processor's page faults
  if (flags & VM && cpu.cpl === 0 && size === 4) cpu.gp(); // virtual-8086 mode does not exist here
  const rpl = selector & 3;
  const mask = (changeableFlags(cpu) | RF) & (size === 2 ? 0xffff : -1);
  const merged = cpu.flags & ~mask | flags & mask;
  const target = checkReturn(cpu, selector);
  checkEntry(cpu, target, eip);
  if (rpl === cpu.cpl) {
    cpu.setStackPointer((esp + 3 * size) & cpu.stackMask);
    enterCode(cpu, target, selector, rpl);
  } else {
    const newEsp = at(3), stack = at(4) & 0xffff;
    returnOuter(cpu, target, selector, newEsp, stack);
  }
  cpu.eip = size === 2 ? eip & 0xffff : eip;
  cpu.flags = merged;
}

/** Check the code segment that a far return or IRET goes to. */
export function checkReturn(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) cpu.gp();
  const d = readDescriptor(cpu, selector);
  const rpl = selector & 3, error = selector & 0xfffc;
  if ((d.access & (SEG_CODE_OR_DATA | SEG_CODE)) !== (SEG_CODE_OR_DATA | SEG_CODE) || rpl < cpu.cpl) {
    cpu.raise(GP, error);
  }
  if (d.access & SEG_CONFORMING ? d.dpl > rpl : d.dpl !== rpl) cpu.raise(GP, error);
  if (!(d.access & SEG_PRESENT)) cpu.raise(NP, error);
  return d;
}

/** Return to an outer level: its stack, and no inner data segments. */
export function returnOuter(cpu: Cpu, target: Descriptor, selector: number, esp: number, stack: number): void {
  const rpl = selector & 3;
  if (isNull(stack)) cpu.gp();
  const d = readDescriptor(cpu, stack);
  checkStackSegment(cpu, d, stack & 3, rpl, GP);
  cacheSegment(cpu, SS, stack, d);
  setCode(cpu, target, selector, rpl);
  dropInnerSegments(cpu);
  cpu.updateFlat();
  cpu.setStackPointer(esp);
}

/** CLI and STI: by IOPL. */
export function cli(cpu: Cpu, _insn: Insn): void {
  if (cpu.cpl > (cpu.systemFlags & IOPL) >> 12) cpu.gp();
  cpu.systemFlags &= ~IF;
}

export function sti(cpu: Cpu, _insn: Insn): void {
  if (cpu.cpl > (cpu.systemFlags & IOPL) >> 12) cpu.gp();
  if (!(cpu.systemFlags & IF)) cpu.shadow = true;
  cpu.systemFlags |= IF;
}
