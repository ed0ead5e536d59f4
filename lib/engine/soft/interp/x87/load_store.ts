/**
 * FLD, FST, FSTP, FILD, FIST, FISTP, FISTTP, FBLD, FBSTP, FXCH, the constants and FCMOVcc (Intel SDM volume 1, §8.3.3
 * and §8.3.4). A store writes memory before it touches a register, so that a page fault leaves everything as it was.
 *
 * Read next: `basic.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Handler, Insn } from "../../insn.ts";
import {
  fromDecimal,
  fromDouble,
  fromInteger,
  fromInteger64,
  fromSingle,
  toDecimal,
  toDouble,
  toInteger,
  toInteger64,
  toSingle,
  words,
} from "./convert.ts";
import { env, EXP_MAX, IE, RC, setIndefinite } from "./float80.ts";
import {
  check,
  finishPush,
  get,
  isEmpty,
  note,
  noteOnly,
  operand,
  pop,
  push,
  put,
  report,
  result,
  st0,
  storeRefused,
  underflow,
} from "./unit.ts";

/** Read a single-precision operand into `operand`. */
export function fetchSingle(cpu: Cpu, insn: Insn): void {
  fromSingle(cpu.read32(cpu.linear(insn, 4, false)), operand);
}

/** Read a double-precision operand into `operand`. */
export function fetchDouble(cpu: Cpu, insn: Insn): void {
  const address = cpu.linear(insn, 8, false);
  const lo = cpu.read32(address);
  fromDouble(cpu.read32(address + 4 | 0), lo, operand);
}

/** Read a 16-bit integer operand into `operand`. */
export function fetchInteger16(cpu: Cpu, insn: Insn): void {
  fromInteger(cpu.read16(cpu.linear(insn, 2, false)) << 16 >> 16, operand);
}

/** Read a 32-bit integer operand into `operand`. */
export function fetchInteger32(cpu: Cpu, insn: Insn): void {
  fromInteger(cpu.read32(cpu.linear(insn, 4, false)), operand);
}

/** Push `operand`, which came from memory; a signaling NaN becomes quiet. */
function pushOperand(cpu: Cpu, insn: Insn): void {
  note(cpu, insn);
  result.copy(operand);
  if (operand.exp === EXP_MAX && (operand.hi & 0x4000_0000) === 0 && (operand.hi << 1 | operand.lo) !== 0) {
    env.raised |= IE;
    result.hi |= 0x4000_0000;
  }
  finishPush(cpu);
}

/** FLD m32. */
export function fldSingle(cpu: Cpu, insn: Insn): void {
  check(cpu);
  fetchSingle(cpu, insn);
  pushOperand(cpu, insn);
}

/** FLD m64. */
export function fldDouble(cpu: Cpu, insn: Insn): void {
  check(cpu);
  fetchDouble(cpu, insn);
  pushOperand(cpu, insn);
}

/** FLD m80: no exception but those of the stack. */
export function fldExtended(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 10, false);
  const lo = cpu.read32(address), hi = cpu.read32(address + 4 | 0), word = cpu.read16(address + 8 | 0);
  note(cpu, insn);
  result.set(word >> 15, word & 0x7fff, hi, lo);
  finishPush(cpu);
}

/** FLD ST(i). */
export function fldRegister(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  if (isEmpty(cpu, insn.rm)) {
    if (!underflow(cpu)) return;
    setIndefinite(result);
    push(cpu); // even onto a full stack: one exception at a time
    return;
  } else get(cpu, insn.rm, result);
  finishPush(cpu);
}

/** FILD m16. */
export function fild16(cpu: Cpu, insn: Insn): void {
  check(cpu);
  fetchInteger16(cpu, insn);
  note(cpu, insn);
  result.copy(operand);
  finishPush(cpu);
}

/** FILD m32. */
export function fild32(cpu: Cpu, insn: Insn): void {
  check(cpu);
  fetchInteger32(cpu, insn);
  note(cpu, insn);
  result.copy(operand);
  finishPush(cpu);
}

/** FILD m64. */
export function fild64(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 8, false);
  const lo = cpu.read32(address);
  fromInteger64(cpu.read32(address + 4 | 0), lo, result);
  note(cpu, insn);
  finishPush(cpu);
}

const decimal = new Uint8Array(10);

/** FBLD m80. */
export function fbld(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 10, false);
  for (let i = 0; i < 10; i++) decimal[i] = cpu.read8(address + i | 0);
  fromDecimal(decimal, result);
  note(cpu, insn);
  finishPush(cpu);
}

/** The constants' significands and exponents in the order of D9 E8 to D9 EE: 1, log2 10, log2 e, pi, log10 2, ln 2, 0. */
const CONSTANTS: readonly (readonly [exp: number, hi: number, lo: number, ext: number])[] = [
  [0x3fff, 0x8000_0000, 0, 0],
  [0x4000, 0xd49a_784b, 0xcd1b_8afe, 0x492b_f700],
  [0x3fff, 0xb8aa_3b29, 0x5c17_f0bb, 0xbe87_fed0],
  [0x4000, 0xc90f_daa2, 0x2168_c234, 0xc4c6_628b],
  [0x3ffd, 0x9a20_9a84, 0xfbcf_f798, 0x8f89_59ac],
  [0x3ffe, 0xb172_17f7, 0xd1cf_79ab, 0xc9e3_b398],
  [0, 0, 0, 0],
];

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: rounded by RC to 64 bits, never reported as inexact. */
export function fldConstant(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  const [exp, hi, lo, ext] = CONSTANTS[insn.code & 7]!;
  const rc = env.control & RC;
  const up = rc === 0 ? ext >= 0x8000_0000 : rc === 0x800 && ext !== 0;
  result.set(0, exp, hi | 0, lo + (up ? 1 : 0) | 0);
  finishPush(cpu);
}

/** What a store needs of the stack: ST(0) in `st0`. Returns false if it is empty and the exception is not masked. */
function takeTop(cpu: Cpu, insn: Insn): boolean {
  if (!isEmpty(cpu, 0)) {
    get(cpu, 0, st0);
    return true;
  }
  env.raised = IE;
  if ((env.control & IE) !== 0) {
    setIndefinite(st0);
    return true;
  }
  note(cpu, insn);
  underflow(cpu);
  return false;
}

/** End a store: report (stack underflow if ST(0) was empty), and pop if the instruction does. */
function stored(cpu: Cpu, insn: Insn, popping: boolean): void {
  note(cpu, insn);
  if (isEmpty(cpu, 0)) underflow(cpu);
  else report(cpu);
  if (popping) pop(cpu);
}

/** A store that an exception refuses: report only. */
function notStored(cpu: Cpu, insn: Insn): void {
  note(cpu, insn);
  report(cpu);
}

function write64(cpu: Cpu, address: number, hi: number, lo: number): void {
  if ((address & 0xfff) > 0xff8) cpu.probeWrite(address, 8);
  cpu.write32(address, lo);
  cpu.write32(address + 4 | 0, hi);
}

function storeSingle(cpu: Cpu, insn: Insn, popping: boolean): void {
  check(cpu);
  const address = cpu.linear(insn, 4, true);
  if (!takeTop(cpu, insn)) return;
  toSingle(st0);
  if (storeRefused()) return notStored(cpu, insn);
  cpu.write32(address, words.lo);
  stored(cpu, insn, popping);
}

function storeDouble(cpu: Cpu, insn: Insn, popping: boolean): void {
  check(cpu);
  const address = cpu.linear(insn, 8, true);
  if (!takeTop(cpu, insn)) return;
  toDouble(st0);
  if (storeRefused()) return notStored(cpu, insn);
  write64(cpu, address, words.hi, words.lo);
  stored(cpu, insn, popping);
}

function storeInteger(cpu: Cpu, insn: Insn, bits: 16 | 32, popping: boolean): void {
  check(cpu);
  const address = cpu.linear(insn, bits >> 3, true);
  if (!takeTop(cpu, insn)) return;
  toInteger(st0, bits);
  if (storeRefused()) return notStored(cpu, insn);
  cpu.write(address, bits >> 3, words.lo);
  stored(cpu, insn, popping);
}

/** FST m32. */
export const fstSingle: Handler = (cpu, insn) => storeSingle(cpu, insn, false);
/** FSTP m32. */
export const fstpSingle: Handler = (cpu, insn) => storeSingle(cpu, insn, true);
/** FST m64. */
export const fstDouble: Handler = (cpu, insn) => storeDouble(cpu, insn, false);
/** FSTP m64. */
export const fstpDouble: Handler = (cpu, insn) => storeDouble(cpu, insn, true);
/** FIST m16. */
export const fist16: Handler = (cpu, insn) => storeInteger(cpu, insn, 16, false);
/** FISTP m16. */
export const fistp16: Handler = (cpu, insn) => storeInteger(cpu, insn, 16, true);
/** FIST m32. */
export const fist32: Handler = (cpu, insn) => storeInteger(cpu, insn, 32, false);
/** FISTP m32. */
export const fistp32: Handler = (cpu, insn) => storeInteger(cpu, insn, 32, true);

/** FISTP m64. */
export function fistp64(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 8, true);
  if (!takeTop(cpu, insn)) return;
  toInteger64(st0);
  if (storeRefused()) return notStored(cpu, insn);
  write64(cpu, address, words.hi, words.lo);
  stored(cpu, insn, true);
}

/** FSTP m80: no exception but those of the stack. */
export function fstpExtended(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 10, true);
  if (!takeTop(cpu, insn)) return;
  if ((address & 0xfff) > 0xff6) cpu.probeWrite(address, 10);
  cpu.write32(address, st0.lo);
  cpu.write32(address + 4 | 0, st0.hi);
  cpu.write16(address + 8 | 0, st0.sign << 15 | st0.exp);
  stored(cpu, insn, true);
}

/** FBSTP m80. */
export function fbstp(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const address = cpu.linear(insn, 10, true);
  if (!takeTop(cpu, insn)) return;
  toDecimal(st0, decimal);
  if (storeRefused()) return notStored(cpu, insn);
  cpu.probeWrite(address, 10);
  for (let i = 0; i < 10; i++) cpu.write8(address + i | 0, decimal[i]!);
  stored(cpu, insn, true);
}

function storeRegister(cpu: Cpu, insn: Insn, popping: boolean): void {
  check(cpu);
  note(cpu, insn);
  if (isEmpty(cpu, 0)) {
    if (!underflow(cpu)) return;
    setIndefinite(st0);
  } else get(cpu, 0, st0);
  put(cpu, insn.rm, st0);
  if (popping) pop(cpu);
}

/** FST ST(i). */
export const fstRegister: Handler = (cpu, insn) => storeRegister(cpu, insn, false);
/** FSTP ST(i). */
export const fstpRegister: Handler = (cpu, insn) => storeRegister(cpu, insn, true);

/** D9 D8: an undocumented FSTP ST(i), which moves nothing and reports nothing if ST(0) is empty. */
export function fstpNoException(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  if (!isEmpty(cpu, 0)) {
    get(cpu, 0, st0);
    put(cpu, insn.rm, st0);
  }
  pop(cpu);
}

/** FXCH: an empty register becomes indefinite first. */
export function fxch(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  get(cpu, 0, st0);
  get(cpu, insn.rm, operand);
  if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) {
    if (!underflow(cpu)) return;
    if (isEmpty(cpu, 0)) setIndefinite(st0);
    if (isEmpty(cpu, insn.rm)) setIndefinite(operand);
  }
  put(cpu, 0, operand);
  put(cpu, insn.rm, st0);
}

/** Conditions of FCMOVB, E, BE, U (§8.3.3): CF, ZF, either, PF; with DB for DA the opposite. */
const MOVE_FLAGS = [1, 0x40, 0x41, 4];

/** FCMOVcc. */
export function fcmov(cpu: Cpu, insn: Insn): void {
  check(cpu);
  noteOnly(cpu, insn);
  if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) {
    if (!underflow(cpu)) return;
    setIndefinite(operand);
    put(cpu, 0, operand);
    return;
  }
  const met = (cpu.arithmetic & MOVE_FLAGS[insn.reg & 3]!) !== 0;
  if (met !== ((insn.code & 0x100) !== 0)) {
    get(cpu, insn.rm, operand);
    put(cpu, 0, operand);
  }
}
