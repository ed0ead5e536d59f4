/**
 * Flags that an instruction leaves undefined, so that no two processors need agree on them. From the "Flags Affected"
 * sections of the Intel SDM, volume 2; where real processors agree in spite of it and ours follows them, nothing is
 * listed. Read next: `compare.ts`.
 *
 * @module
 */
import { AF, CF, OF, PF, SF, ZF } from "../../lib/engine/soft/state.ts";
import type { Case } from "./case.ts";

const ALL = CF | PF | AF | ZF | SF | OF;

/** Shifts and rotates by their count, which is CL or the last byte of the code or 1. */
function count(one: Case): number {
  const opcode = one.key.split(" ").at(-1);
  const raw = opcode === "CL" ? one.regs[1]! : opcode === "1" ? 1 : one.code.at(-1)!;
  return raw & 31;
}

/** "For shifts of more than one bit OF is undefined"; AF is undefined after any; CF if the count reaches the size. */
function shift(one: Case): number {
  const by = count(one);
  if (by === 0) return 0;
  return AF | (by === 1 ? 0 : OF) | (by >= one.size * 8 ? CF : 0);
}

/** "The OF flag is defined only for the 1-bit rotates." */
function rotate(one: Case): number {
  const by = count(one);
  return by === 0 || by === 1 ? 0 : OF;
}

/** "If the count is greater than the operand size, all flags are undefined" (and so is the result: not generated). */
function doubleShift(one: Case): number {
  const by = count(one);
  if (by === 0) return 0;
  return by > one.size * 8 ? ALL : AF | (by === 1 ? 0 : OF);
}

const ARITHMETIC_LOGIC: Readonly<Record<string, number | ((one: Case) => number)>> = {
  AND: AF,
  OR: AF,
  XOR: AF,
  TEST: AF,
  MUL: SF | ZF | AF | PF,
  IMUL: SF | ZF | AF | PF,
  IMUL1: SF | ZF | AF | PF,
  DIV: ALL,
  IDIV: ALL,
  SHL: shift,
  SHR: shift,
  SAR: shift,
  ROL: rotate,
  ROR: rotate,
  RCL: rotate,
  RCR: rotate,
  SHLD: doubleShift,
  SHRD: doubleShift,
  BT: OF | SF | AF | PF,
  BTS: OF | SF | AF | PF,
  BTR: OF | SF | AF | PF,
  BTC: OF | SF | AF | PF,
  BSF: CF | OF | SF | AF | PF,
  BSR: CF | OF | SF | AF | PF,
  AAA: OF | SF | ZF | PF,
  AAS: OF | SF | ZF | PF,
  AAM: OF | AF | CF,
  AAD: OF | AF | CF,
  DAA: OF,
  DAS: OF,
};

/** The flags of a case's outcome that must not be compared. */
export function undefinedFlags(one: Case): number {
  const entry = Object.hasOwn(ARITHMETIC_LOGIC, one.name) ? ARITHMETIC_LOGIC[one.name]! : 0;
  return typeof entry === "number" ? entry : entry(one);
}
