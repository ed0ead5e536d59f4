/**
 * Packed and scalar floating-point arithmetic: ADD, SUB, MUL, DIV, MIN, MAX, SQRT in PS, PD, SS and SD (Intel SDM
 * volume 1, §10.4.1.2, §11.4.1.2).
 *
 * What enters: lanes in `A` and `B`, MXCSR. What leaves: lanes in `R`, sticky flags, or #XM. Rounding to nearest is
 * what JavaScript does, so the quick path takes its result wherever that is a normal number (or an exact zero) of
 * operands that are neither denormal nor NaN: then only PE can be raised, and whether it is, an error term tells. It is
 * right for singles too: rounding an operation's double result once more never differs from rounding once, since 53
 * is at least 2 * 24 + 2. Everything else goes to `exact.ts`.
 *
 * Read next: `compare.ts`, `convert.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Insn } from "../../insn.ts";
import { ADD, compute, DIV, DOUBLE, MAX, MIN, MUL, SINGLE, SQRT, SUB } from "./exact.ts";
import { clearRaised, mxcsr, PE, raised, RC, settle, wantsPrecision } from "./mxcsr.ts";
import {
  A,
  B,
  type HandlerTable,
  loadXmm,
  P_66,
  P_F2,
  P_F3,
  R,
  sourceXmm,
  sourceXmmLow,
  storeXmm,
  storeXmmLow,
} from "./operands.ts";

/** Smallest normal numbers; a result equal to one may have been tiny before rounding. */
const MIN_SINGLE = 2 ** -126, MIN_DOUBLE = 2 ** -1022;
/** Where a double's error terms neither overflow nor underflow. */
const SAFE_LOW = 2 ** -900, SAFE_HIGH = 2 ** 900;
/** Splits a double into two halves of 26 bits (Dekker). */
const SPLIT = 2 ** 27 + 1;

function evaluate(op: number, a: number, b: number): number {
  switch (op) {
    case ADD:
      return a + b;
    case SUB:
      return a - b;
    case MUL:
      return a * b;
    case DIV:
      return a / b;
    case MIN:
      return a < b ? a : b;
    case MAX:
      return a > b ? a : b;
    default:
      return Math.sqrt(b);
  }
}

/** Whether a zero is an exact one. */
function exactZero(op: number, a: number, b: number): boolean {
  switch (op) {
    case MUL:
      return a === 0 || b === 0;
    case DIV:
      return a === 0;
    default:
      return true; // a sum of normal numbers is never rounded to zero
  }
}

/** Whether an operand is zero or normal (or an infinity); not denormal, not a NaN. */
function plain(value: number, smallest: number): boolean {
  return value >= smallest || value <= -smallest || value === 0;
}

/** What rounding a + b lost (Knuth's TwoSum): exact whatever the magnitudes. */
function sumError(a: number, b: number, sum: number): number {
  const b1 = sum - a;
  return (a - (sum - b1)) + (b - b1);
}

/** What rounding a * b lost (Dekker). */
function productError(a: number, b: number, product: number): number {
  const at = a * SPLIT, bt = b * SPLIT;
  const a1 = at - (at - a), b1 = bt - (bt - b);
  const a2 = a - a1, b2 = b - b1;
  return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
}

/** Whether a quick single result was rounded; the operands' doubles make all but sums exact. */
function inexactSingle(op: number, a: number, b: number, result: number): boolean {
  switch (op) {
    case ADD:
      return a + b !== result || sumError(a, b, result) !== 0;
    case SUB:
      return a - b !== result || sumError(a, -b, result) !== 0;
    case MUL:
      return a * b !== result;
    case DIV:
      return result !== 0 && result * b !== a; // zero divided by infinity is exact
    case SQRT:
      return result * result !== b;
    default:
      return false;
  }
}

function safe(value: number): boolean {
  const magnitude = Math.abs(value);
  return magnitude > SAFE_LOW && magnitude < SAFE_HIGH;
}

/** Whether a quick double result was rounded: 0 no, 1 yes, -1 too near the limits to tell. */
function inexactDouble(op: number, a: number, b: number, result: number): number {
  switch (op) {
    case ADD:
    case SUB: {
      const magnitude = Math.abs(result);
      if (magnitude > SAFE_HIGH || Math.abs(a) > SAFE_HIGH) return -1;
      return sumError(a, op === SUB ? -b : b, result) !== 0 ? 1 : 0;
    }
    case MUL:
      if (result === 0) return 0;
      if (!safe(a) || !safe(b) || !safe(result)) return -1;
      return productError(a, b, result) !== 0 ? 1 : 0;
    case DIV: {
      if (result === 0) return 0;
      if (!safe(a) || !safe(b) || !safe(result)) return -1;
      const product = result * b;
      return product !== a || productError(result, b, product) !== 0 ? 1 : 0;
    }
    case SQRT: {
      if (result === 0) return 0;
      if (!safe(b)) return -1;
      const product = result * result;
      return product !== b || productError(result, result, product) !== 0 ? 1 : 0;
    }
    default:
      return 0;
  }
}

/** Compute `count` single lanes the quick way; false if one of them needs the exact way. */
function quickSingles(op: number, count: number, control: number): boolean {
  const precision = wantsPrecision(control);
  let inexact = false;
  for (let i = 0; i < count; i++) {
    const b = B.f32[i]!, a = op === SQRT ? b : A.f32[i]!;
    const result = Math.fround(evaluate(op, a, b));
    if (!plain(a, MIN_SINGLE) || !plain(b, MIN_SINGLE)) return false;
    const magnitude = Math.abs(result);
    if (!(magnitude > MIN_SINGLE && magnitude < Infinity)) {
      if (op === MIN || op === MAX) {
        if (result !== result) return false;
      } else if (result !== 0 || !exactZero(op, a, b)) return false;
    }
    R.f32[i] = result;
    if (precision && inexactSingle(op, a, b, result)) inexact = true;
  }
  if (inexact) raised.after = PE;
  return true;
}

/** The same for doubles. */
function quickDoubles(op: number, count: number, control: number): boolean {
  const precision = wantsPrecision(control);
  let inexact = false;
  for (let i = 0; i < count; i++) {
    const b = B.f64[i]!, a = op === SQRT ? b : A.f64[i]!;
    const result = evaluate(op, a, b);
    if (!plain(a, MIN_DOUBLE) || !plain(b, MIN_DOUBLE)) return false;
    const magnitude = Math.abs(result);
    if (!(magnitude > MIN_DOUBLE && magnitude < Infinity)) {
      if (op === MIN || op === MAX) {
        if (result !== result) return false;
      } else if (result !== 0 || !exactZero(op, a, b)) return false;
    }
    R.f64[i] = result;
    if (precision) {
      const known = inexactDouble(op, a, b, result);
      if (known < 0) return false;
      if (known > 0) inexact = true;
    }
  }
  if (inexact) raised.after = PE;
  return true;
}

function singles(cpu: Cpu, op: number, count: number): void {
  const control = mxcsr(cpu);
  clearRaised();
  if ((control & RC) !== 0 || !quickSingles(op, count, control)) {
    clearRaised();
    for (let i = 0; i < count; i++) {
      R.u32[i] = Number(compute(SINGLE, op, BigInt(A.u32[i]!), BigInt(B.u32[i]!), control));
    }
  }
  if ((raised.before | raised.after) !== 0) settle(cpu);
}

function doubles(cpu: Cpu, op: number, count: number): void {
  const control = mxcsr(cpu);
  clearRaised();
  if ((control & RC) !== 0 || !quickDoubles(op, count, control)) {
    clearRaised();
    for (let i = 0; i < count; i++) R.u64[i] = compute(DOUBLE, op, A.u64[i]!, B.u64[i]!, control);
  }
  if ((raised.before | raised.after) !== 0) settle(cpu);
}

function packed(cpu: Cpu, insn: Insn, op: number, double: boolean): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  loadXmm(cpu, insn.reg, A);
  if (double) doubles(cpu, op, 2);
  else singles(cpu, op, 4);
  storeXmm(cpu, insn.reg, R);
}

function scalar(cpu: Cpu, insn: Insn, op: number, double: boolean): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, double ? 8 : 4);
  loadXmm(cpu, insn.reg, A);
  if (double) doubles(cpu, op, 1);
  else singles(cpu, op, 1);
  storeXmmLow(cpu, insn.reg, R, double ? 2 : 1);
}

/** Put the arithmetic into the table. */
export function installArithmetic(table: HandlerTable): void {
  for (const op of [ADD, MUL, SUB, MIN, DIV, MAX, SQRT]) {
    const opcode = op === SQRT ? 0x51 : 0x58 + op;
    table[opcode] = (cpu, insn) => packed(cpu, insn, op, false);
    table[P_66 | opcode] = (cpu, insn) => packed(cpu, insn, op, true);
    table[P_F3 | opcode] = (cpu, insn) => scalar(cpu, insn, op, false);
    table[P_F2 | opcode] = (cpu, insn) => scalar(cpu, insn, op, true);
  }
}
