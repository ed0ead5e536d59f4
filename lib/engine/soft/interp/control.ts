/**
 * Jumps, calls and returns. Every handler here sets the instruction pointer.
 *
 * @module
 */
import { SEG_CODE, SEG_CODE_OR_DATA, SEG_CONFORMING, SEG_PRESENT } from "../control_bits.ts";
import type { Cpu } from "../cpu.ts";
import { GP, NP, UD } from "../fault.ts";
import { type Insn, K_IMM } from "../insn.ts";
import { CS, ECX, ESP, SS, ZF } from "../state.ts";
import { checkCodeSegment, checkEntry, type Descriptor, enterCode, isNull, readDescriptor } from "./segments.ts";
import { readFarPointer } from "./data.ts";
import { checkReturn, innerStack, pushInner, returnOuter } from "./interrupt.ts";
import { switchTask, TASK_CALL, TASK_JUMP } from "./task.ts";

/** Go to an offset in the current code segment; #GP(0) if it lies outside. */
function go(cpu: Cpu, target: number): void {
  if ((target >>> 0) > cpu.limits[CS]!) cpu.gp();
  cpu.eip = target;
}

/** Where the next instruction stands. */
function next(cpu: Cpu, insn: Insn): number {
  return cpu.eip + insn.length | 0;
}

function relative(cpu: Cpu, insn: Insn): number {
  const target = cpu.eip + insn.length + insn.imm | 0;
  return insn.size === 2 ? target & 0xffff : target;
}

export function jmp(cpu: Cpu, insn: Insn): void {
  go(cpu, relative(cpu, insn));
}

export function jcc(cpu: Cpu, insn: Insn): void {
  if (cpu.condition(insn.code)) go(cpu, relative(cpu, insn));
  else cpu.eip = next(cpu, insn);
}

export function jcxz(cpu: Cpu, insn: Insn): void {
  if (cpu.getCount(insn.addrSize) === 0) go(cpu, relative(cpu, insn));
  else cpu.eip = next(cpu, insn);
}

function loopIf(wanted: (cpu: Cpu) => boolean): (cpu: Cpu, insn: Insn) => void {
  return (cpu, insn) => {
    const count = cpu.getCount(insn.addrSize) - 1;
    const taken = count !== 0 && wanted(cpu);
    const target = relative(cpu, insn);
    if (taken && (target >>> 0) > cpu.limits[CS]!) cpu.gp();
    if (insn.addrSize === 2) cpu.setSized(ECX, 2, count);
    else cpu.setReg(ECX, count);
    cpu.eip = taken ? target : next(cpu, insn);
  };
}

export const loop = loopIf(() => true);
export const loope = loopIf((cpu) => (cpu.arithmetic & ZF) !== 0);
export const loopne = loopIf((cpu) => (cpu.arithmetic & ZF) === 0);

export function call(cpu: Cpu, insn: Insn): void {
  const target = relative(cpu, insn);
  checkCall(cpu, insn, target);
  cpu.push(next(cpu, insn), insn.size);
  cpu.eip = target;
}

/** #GP(0) if a call's target lies outside the code segment, but what its push would raise comes first. */
function checkCall(cpu: Cpu, insn: Insn, target: number): void {
  if ((target >>> 0) <= cpu.limits[CS]!) return;
  cpu.probePushes(1, insn.size);
  cpu.gp();
}

export function jmpIndirect(cpu: Cpu, insn: Insn): void {
  go(cpu, cpu.readA(insn));
}

export function callIndirect(cpu: Cpu, insn: Insn): void {
  const target = cpu.readA(insn);
  checkCall(cpu, insn, target);
  cpu.push(next(cpu, insn), insn.size);
  cpu.eip = target;
}

export function ret(cpu: Cpu, insn: Insn): void {
  const esp = cpu.reg(ESP) & cpu.stackMask, size = insn.size;
  const target = cpu.read(cpu.segmented(SS, esp, size, false), size);
  if ((target >>> 0) > cpu.limits[CS]!) cpu.gp();
  cpu.setStackPointer(esp + size + (insn.a === K_IMM ? insn.imm : 0));
  cpu.eip = target;
}

// Far transfers.

function farMemory(cpu: Cpu, insn: Insn): [offset: number, selector: number] {
  if (!insn.mem) cpu.raise(UD);
  return readFarPointer(cpu, insn);
}

export function jmpFar(cpu: Cpu, insn: Insn): void {
  transfer(cpu, insn, insn.imm, insn.imm2, false);
}

export function callFar(cpu: Cpu, insn: Insn): void {
  transfer(cpu, insn, insn.imm, insn.imm2, true);
}

export function jmpFarIndirect(cpu: Cpu, insn: Insn): void {
  const [offset, selector] = farMemory(cpu, insn);
  transfer(cpu, insn, offset, selector, false);
}

export function callFarIndirect(cpu: Cpu, insn: Insn): void {
  const [offset, selector] = farMemory(cpu, insn);
  transfer(cpu, insn, offset, selector, true);
}

const TYPE_TASK_GATE = 5, TYPE_CALL_GATE = 12, TYPE_CALL_GATE_16 = 4;

function transfer(cpu: Cpu, insn: Insn, offset: number, selector: number, isCall: boolean): void {
  if (isNull(selector)) cpu.gp();
  const d = readDescriptor(cpu, selector);
  if (!(d.access & SEG_CODE_OR_DATA)) return throughGate(cpu, insn, d, isCall);
  const target = checkCodeSegment(cpu, selector);
  if (isCall) cpu.probePushes(2, insn.size); // before the target's limit is looked at
  checkEntry(cpu, target, offset);
  if (isCall) pushFar(cpu, insn, insn.size);
  enterCode(cpu, target, selector, cpu.cpl);
  cpu.eip = offset;
}

function pushFar(cpu: Cpu, insn: Insn, size: number): void {
  cpu.probePushes(2, size);
  cpu.push(cpu.selectors[CS]!, size);
  cpu.push(next(cpu, insn), size);
}

function throughGate(cpu: Cpu, insn: Insn, gate: Descriptor, isCall: boolean): void {
  const type = gate.access & 15, error = gate.selector & 0xfffc;
  if (cpu.supervisor) cpu.raise(GP, error); // or a Guest could make itself a gate to any privilege level
  if (gate.dpl < Math.max(cpu.cpl, gate.selector & 3)) cpu.raise(GP, error);
  const how = isCall ? TASK_CALL : TASK_JUMP;
  if (type === 9) return switchTask(cpu, gate.selector, how, next(cpu, insn));
  if (type !== TYPE_TASK_GATE && type !== TYPE_CALL_GATE && type !== TYPE_CALL_GATE_16) cpu.raise(GP, error);
  if (!(gate.access & SEG_PRESENT)) cpu.raise(NP, error);
  const selector = gate.low >>> 16;
  if (type === TYPE_TASK_GATE) return switchTask(cpu, selector, how, next(cpu, insn));
  callGate(cpu, insn, gate, selector, isCall);
}

function callGate(cpu: Cpu, insn: Insn, gate: Descriptor, selector: number, isCall: boolean): void {
  const size = (gate.access & 15) === TYPE_CALL_GATE ? 4 : 2;
  const offset = size === 4 ? gate.high & 0xffff_0000 | gate.low & 0xffff : gate.low & 0xffff;
  if (isNull(selector)) cpu.gp();
  const target = readDescriptor(cpu, selector);
  const error = selector & 0xfffc, conforming = (target.access & SEG_CONFORMING) !== 0;
  const isCode = (target.access & (SEG_CODE_OR_DATA | SEG_CODE)) === (SEG_CODE_OR_DATA | SEG_CODE);
  if (!isCode || target.dpl > cpu.cpl || (!isCall && !conforming && target.dpl !== cpu.cpl)) cpu.raise(GP, error);
  if (!(target.access & SEG_PRESENT)) cpu.raise(NP, error);
  checkEntry(cpu, target, offset);
  const level = isCall && !conforming ? target.dpl : cpu.cpl;
  if (level < cpu.cpl) {
    innerStack(cpu, level, 0);
    const count = gate.high & 31, esp = cpu.reg(ESP);
    const words = [cpu.selectors[SS]!, esp];
    for (let i = count - 1; i >= 0; i--) {
      words.push(cpu.read(cpu.segmented(SS, (esp + i * size) & cpu.stackMask, size, false), size));
    }
    words.push(cpu.selectors[CS]!, next(cpu, insn));
    pushInner(cpu, level, words, size, 0);
  } else if (isCall) pushFar(cpu, insn, size);
  enterCode(cpu, target, selector, level);
  cpu.eip = offset;
}

export function retFar(cpu: Cpu, insn: Insn): void {
  const size = insn.size, esp = cpu.reg(ESP), release = insn.a === K_IMM ? insn.imm : 0;
  const at = (offset: number) => cpu.read(cpu.segmented(SS, (esp + offset) & cpu.stackMask, size, false), size);
  const selector = cpu.read16(cpu.segmented(SS, (esp + size) & cpu.stackMask, 2, false)), eip = at(0);
  const target = checkReturn(cpu, selector);
  checkEntry(cpu, target, eip);
  if ((selector & 3) === cpu.cpl) {
    cpu.setStackPointer((esp + 2 * size + release) & cpu.stackMask);
    enterCode(cpu, target, selector, cpu.cpl);
  } else {
    const newEsp = at(2 * size + release), stack = at(3 * size + release) & 0xffff;
    returnOuter(cpu, target, selector, newEsp + release | 0, stack);
  }
  cpu.eip = eip;
}
