/**
 * Conditions: comparisons of the operands where it is known which operation set the flags, helper calls where it is
 * not.
 *
 * Enters: a condition's number. Leaves: code that pushes 0 or 1. Read next: `flag_state.ts` (how the flags got there).
 *
 * @module
 */
import { CC_ADD16, CC_ADD32, CC_ADD8, CC_DEC32, CC_INC8, CC_SUB16, CC_SUB32, CC_SUB8, CC_UNIVERSAL } from "../flags.ts";
import type { Emission } from "./emission.ts";
import { pushLazyFlags } from "./flag_state.ts";
import { IMPORT, L_DST, L_OP, L_RES, L_SRC } from "./locals.ts";
import { I32, W } from "./wasm.ts";

/** Even condition codes (Intel SDM volume 2, appendix B.1.4). */
const C_O = 0, C_B = 2, C_Z = 4, C_BE = 6, C_S = 8, C_P = 10, C_L = 12, C_LE = 14;

/** Push 1 if a condition holds, else 0, from whatever is known of the flags. */
export function emitCondition(g: Emission, code: number): void {
  const even = code & ~1, negated = (code & 1) !== 0;
  const op = g.known.op;
  const done = op === CC_SUB8 || op === CC_SUB16 || op === CC_SUB32
    ? subtraction(g, even, negated)
    : commonCondition(g, even, negated);
  if (done) return;
  if (even === C_B) return dynamicCarry(g, negated);
  pushLazyFlags(g);
  g.code.const(code);
  g.code.call(IMPORT.CONDITION);
}

/** Push CF, 0 or 1. */
export function pushCarry(g: Emission): void {
  emitCondition(g, C_B);
}

/** CF where only {@link L_OP} knows: inline for the universal form, which is the commonest. */
function dynamicCarry(g: Emission, negated: boolean): void {
  const c = g.code;
  c.get(L_OP);
  c.byte(W.EQZ);
  c.byte(W.IF);
  c.byte(I32);
  c.get(L_SRC);
  c.const(31);
  c.byte(W.SHR_U);
  c.byte(W.ELSE);
  pushLazyFlags(g);
  c.call(IMPORT.CARRY);
  c.byte(W.END);
  negate(g, negated);
}

function negate(g: Emission, negated: boolean): true {
  if (negated) g.code.byte(W.EQZ);
  return true;
}

/** Conditions on the result alone mean the same for every operation but the universal one with its corrections. */
function commonCondition(g: Emission, even: number, negated: boolean): boolean {
  const c = g.code;
  const { op, logic } = g.known;
  if (op < 0) {
    if (even !== C_Z) return false;
    c.get(L_RES);
    c.byte(W.EQZ);
    return negate(g, negated);
  }
  switch (even) {
    case C_Z:
      c.get(L_RES);
      c.byte(W.EQZ);
      return negate(g, negated);
    case C_S:
      if (op === CC_UNIVERSAL && !logic) return false;
      c.get(L_RES);
      c.const(0);
      c.byte(negated ? W.GE_S : W.LT_S);
      return true;
    case C_B:
      return carry(g, negated);
    case C_BE:
      if (op !== CC_UNIVERSAL || logic) break;
      carry(g, false);
      c.get(L_RES);
      c.byte(W.EQZ);
      c.byte(W.OR);
      return negate(g, negated);
    case C_P:
      return parity(g, negated, op === CC_UNIVERSAL && !logic);
  }
  if (logic) return logical(g, even, negated);
  return false;
}

function carry(g: Emission, negated: boolean): boolean {
  const c = g.code;
  const { op, logic } = g.known;
  if (logic) c.const(0);
  else if (op === CC_UNIVERSAL) {
    c.get(L_SRC);
    c.const(31);
    c.byte(W.SHR_U);
  } else if (op >= CC_INC8 && op <= CC_DEC32) c.get(L_SRC);
  else if (op === CC_ADD8 || op === CC_ADD16 || op === CC_ADD32) {
    c.get(L_RES);
    if (op !== CC_ADD32) {
      c.const(op === CC_ADD8 ? 0xff : 0xffff);
      c.byte(W.AND);
    }
    c.get(L_SRC);
    c.byte(W.LT_U);
  } else return false;
  return negate(g, negated);
}

function logical(g: Emission, even: number, negated: boolean): boolean {
  const c = g.code;
  switch (even) {
    case C_O:
      c.const(0);
      break;
    case C_BE:
      c.get(L_RES);
      c.byte(W.EQZ);
      break;
    case C_L:
      c.get(L_RES);
      c.const(0);
      c.byte(W.LT_S);
      break;
    default:
      c.get(L_RES);
      c.const(0);
      c.byte(W.LE_S);
  }
  return negate(g, negated);
}

/** Even number of ones in the result's low byte, which the universal form may correct. */
function parity(g: Emission, negated: boolean, universal: boolean): true {
  const c = g.code;
  c.get(L_RES);
  if (universal) {
    c.get(L_SRC);
    c.const(8);
    c.byte(W.SHR_U);
    c.byte(W.XOR);
  }
  c.const(0xff);
  c.byte(W.AND);
  c.byte(W.POPCNT);
  c.const(1);
  c.byte(W.AND);
  return negate(g, !negated);
}

/** After SUB and CMP, conditions are comparisons of the operands. */
function subtraction(g: Emission, even: number, negated: boolean): boolean {
  const c = g.code;
  const op = g.known.op;
  if (even === C_S) {
    c.get(L_RES);
    c.const(0);
    c.byte(negated ? W.GE_S : W.LT_S);
    return true;
  }
  if (even === C_P) return parity(g, negated, false);
  if (even === C_Z) {
    c.get(L_RES);
    c.byte(W.EQZ);
    return negate(g, negated);
  }
  recoverFirst(g);
  if (even === C_O) { // the operands' signs differ, and the result's is not the first one's
    c.get(L_DST);
    c.get(L_SRC);
    c.byte(W.XOR);
    c.get(L_DST);
    c.get(L_RES);
    c.byte(W.XOR);
    c.byte(W.AND);
    c.const(op === CC_SUB8 ? 7 : op === CC_SUB16 ? 15 : 31);
    c.byte(W.SHR_U);
    c.const(1);
    c.byte(W.AND);
    return negate(g, negated);
  }
  const signed = even === C_L || even === C_LE;
  pushOperand(g, L_DST, signed);
  pushOperand(g, L_SRC, signed);
  const orEqual = even === C_BE || even === C_LE;
  c.byte(
    signed
      ? (orEqual ? (negated ? W.GT_S : W.LE_S) : (negated ? W.GE_S : W.LT_S))
      : (orEqual ? (negated ? W.GT_U : W.LE_U) : (negated ? W.GE_U : W.LT_U)),
  );
  return true;
}

function pushOperand(g: Emission, local: number, signed: boolean): void {
  const c = g.code, op = g.known.op;
  c.get(local);
  if (op === CC_SUB32) return;
  if (signed) c.byte(op === CC_SUB8 ? W.EXTEND8_S : W.EXTEND16_S);
  else {
    c.const(op === CC_SUB8 ? 0xff : 0xffff);
    c.byte(W.AND);
  }
}

function recoverFirst(g: Emission): void {
  if (g.known.first) return;
  g.code.get(L_RES);
  g.code.get(L_SRC);
  g.code.byte(W.ADD);
  g.code.set(L_DST);
}
