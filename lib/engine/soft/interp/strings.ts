/**
 * String instructions. With REP they run a page at a time where that means the same: forward, and in RAM that the TLB
 * knows. A fault or a store into code leaves the registers at the element that was reached, so that the instruction
 * goes on from there.
 *
 * @module
 */
import type { Cpu } from "../cpu.ts";
import { CC_SUB8 } from "../flags.ts";
import type { Insn } from "../insn.ts";
import { DF, EAX, ECX, EDI, EDX, ES, ESI, STATE_SEG_OPEN, ZF } from "../state.ts";
import { extend } from "./alu.ts";
import { checkPorts } from "./ports.ts";

/** Whether a segment is flat enough that no element of a page can be refused. */
function isOpen(cpu: Cpu, seg: number): boolean {
  return cpu.i32[(STATE_SEG_OPEN >> 2) + seg] !== 0;
}

function step(cpu: Cpu, insn: Insn): number {
  return cpu.systemFlags & DF ? -insn.size : insn.size;
}

/** ESI or EDI at the instruction's address size. */
function index(cpu: Cpu, n: number, insn: Insn): number {
  return insn.addrSize === 2 ? cpu.getSized(n, 2) : cpu.reg(n);
}

function advance(cpu: Cpu, n: number, insn: Insn, by: number): void {
  if (insn.addrSize === 2) cpu.setSized(n, 2, cpu.getSized(n, 2) + by);
  else cpu.setReg(n, cpu.reg(n) + by);
}

function countDown(cpu: Cpu, insn: Insn, by: number): void {
  if (insn.addrSize === 2) cpu.setSized(ECX, 2, cpu.getSized(ECX, 2) - by);
  else cpu.setReg(ECX, cpu.reg(ECX) - by);
}

/** Elements from `address` that lie on its page. */
function elementsOnPage(address: number, size: number): number {
  return Math.floor((4096 - (address & 0xfff)) / size);
}

function destination(cpu: Cpu, insn: Insn): number {
  return cpu.segmented(ES, index(cpu, EDI, insn), insn.size, true);
}

function source(cpu: Cpu, insn: Insn): number {
  return cpu.segmented(insn.seg, index(cpu, ESI, insn), insn.size, false);
}

/** Run `one` once, or with REP until the count is 0, trying `many` (elements done at once, 0 for none) first. */
function repeat(cpu: Cpu, insn: Insn, one: (cpu: Cpu, insn: Insn) => void, many: typeof noMany): void {
  if (insn.rep === 0) return one(cpu, insn);
  for (let count = cpu.getCount(insn.addrSize); count > 0;) {
    const done = count > 1 && insn.addrSize === 4 && !(cpu.systemFlags & DF) ? many(cpu, insn, count) : 0;
    if (done === 0) one(cpu, insn);
    const by = done === 0 ? 1 : done;
    countDown(cpu, insn, by);
    count -= by;
  }
}

function noMany(_cpu: Cpu, _insn: Insn, _count: number): number {
  return 0;
}

function moveOne(cpu: Cpu, insn: Insn): void {
  const value = cpu.read(source(cpu, insn), insn.size);
  cpu.write(destination(cpu, insn), insn.size, value);
  const by = step(cpu, insn);
  advance(cpu, ESI, insn, by);
  advance(cpu, EDI, insn, by);
}

function moveMany(cpu: Cpu, insn: Insn, count: number): number {
  if (!isOpen(cpu, insn.seg) || !isOpen(cpu, ES)) return 0;
  const size = insn.size, from = source(cpu, insn), to = destination(cpu, insn);
  const elements = Math.min(count, elementsOnPage(from, size), elementsOnPage(to, size));
  const fromAt = cpu.direct(from, size, false), toAt = cpu.direct(to, size, true);
  const bytes = elements * size;
  if (elements === 0 || fromAt < 0 || toAt < 0) return 0;
  if (toAt > fromAt && toAt < fromAt + bytes) return 0; // each element would be read after it was written
  copy(cpu, toAt, fromAt, bytes);
  advance(cpu, ESI, insn, bytes);
  advance(cpu, EDI, insn, bytes);
  return elements;
}

/** Below this, in bytes, a loop is quicker than the call of a built-in function. */
const SMALL = 256;

function copy(cpu: Cpu, to: number, from: number, bytes: number): void {
  if (bytes > SMALL) cpu.u8.copyWithin(to, from, from + bytes);
  else if (((to | from | bytes) & 3) === 0) {
    const i32 = cpu.i32;
    for (let i = 0; i < bytes >> 2; i++) i32[(to >> 2) + i] = i32[(from >> 2) + i]!;
  } else {
    const u8 = cpu.u8;
    for (let i = 0; i < bytes; i++) u8[to + i] = u8[from + i]!;
  }
}

function fill(view: Uint8Array | Int32Array, value: number, from: number, to: number): void {
  if (to - from > SMALL) view.fill(value, from, to);
  else for (let i = from; i < to; i++) view[i] = value;
}

export function movs(cpu: Cpu, insn: Insn): void {
  repeat(cpu, insn, moveOne, moveMany);
}

function storeOne(cpu: Cpu, insn: Insn): void {
  cpu.write(destination(cpu, insn), insn.size, cpu.getSized(EAX, insn.size));
  advance(cpu, EDI, insn, step(cpu, insn));
}

function storeMany(cpu: Cpu, insn: Insn, count: number): number {
  if (!isOpen(cpu, ES)) return 0;
  const size = insn.size, to = destination(cpu, insn);
  const elements = Math.min(count, elementsOnPage(to, size));
  const at = cpu.direct(to, size, true);
  if (elements === 0 || at < 0) return 0;
  const value = cpu.reg(EAX);
  const bytes = elements * size;
  if (size === 1) fill(cpu.u8, value & 0xff, at, at + bytes);
  else if (size === 4 && (at & 3) === 0) fill(cpu.i32, value, at >> 2, (at + bytes) >> 2);
  else return 0;
  advance(cpu, EDI, insn, bytes);
  return elements;
}

export function stos(cpu: Cpu, insn: Insn): void {
  repeat(cpu, insn, storeOne, storeMany);
}

function loadOne(cpu: Cpu, insn: Insn): void {
  cpu.setSized(EAX, insn.size, cpu.read(source(cpu, insn), insn.size));
  advance(cpu, ESI, insn, step(cpu, insn));
}

export function lods(cpu: Cpu, insn: Insn): void {
  repeat(cpu, insn, loadOne, noMany);
}

/**
 * REPE and REPNE: until the count is 0 or ZF says so. If a later element faults the flags are those from before the
 * instruction (Intel SDM volume 2, REP).
 */
function repeatCompare(cpu: Cpu, insn: Insn, one: (cpu: Cpu, insn: Insn) => void): void {
  if (insn.rep === 0) return one(cpu, insn);
  const wanted = insn.rep === 0xf3 ? ZF : 0;
  const flags = cpu.arithmetic;
  try {
    while (cpu.getCount(insn.addrSize) !== 0) {
      one(cpu, insn);
      countDown(cpu, insn, 1);
      if ((cpu.arithmetic & ZF) !== wanted) return;
    }
  } catch (fault) {
    cpu.arithmetic = flags;
    throw fault;
  }
}

function compare(cpu: Cpu, insn: Insn, a: number, b: number): void {
  cpu.setLazy(CC_SUB8 + (insn.size >> 1), extend(a - b, insn.size), b);
}

function compareOne(cpu: Cpu, insn: Insn): void {
  const b = cpu.read(cpu.segmented(ES, index(cpu, EDI, insn), insn.size, false), insn.size);
  const a = cpu.read(source(cpu, insn), insn.size);
  compare(cpu, insn, a, b);
  const by = step(cpu, insn);
  advance(cpu, ESI, insn, by);
  advance(cpu, EDI, insn, by);
}

export function cmps(cpu: Cpu, insn: Insn): void {
  repeatCompare(cpu, insn, compareOne);
}

function scanOne(cpu: Cpu, insn: Insn): void {
  const b = cpu.read(cpu.segmented(ES, index(cpu, EDI, insn), insn.size, false), insn.size);
  compare(cpu, insn, cpu.getSized(EAX, insn.size), b);
  advance(cpu, EDI, insn, step(cpu, insn));
}

export function scas(cpu: Cpu, insn: Insn): void {
  repeatCompare(cpu, insn, scanOne);
}

function inputOne(cpu: Cpu, insn: Insn): void {
  const address = destination(cpu, insn);
  cpu.probeWrite(address, insn.size); // the port is read once only
  cpu.write(address, insn.size, cpu.machine.ports.read(cpu.getSized(EDX, 2), insn.size as 1 | 2 | 4));
  advance(cpu, EDI, insn, step(cpu, insn));
}

export function ins(cpu: Cpu, insn: Insn): void {
  checkPorts(cpu, cpu.getSized(EDX, 2), insn.size);
  repeat(cpu, insn, inputOne, noMany);
}

function outputOne(cpu: Cpu, insn: Insn): void {
  const value = cpu.read(source(cpu, insn), insn.size);
  cpu.machine.ports.write(cpu.getSized(EDX, 2), insn.size as 1 | 2 | 4, value >>> 0);
  advance(cpu, ESI, insn, step(cpu, insn));
}

export function outs(cpu: Cpu, insn: Insn): void {
  checkPorts(cpu, cpu.getSized(EDX, 2), insn.size);
  repeat(cpu, insn, outputOne, noMany);
}
