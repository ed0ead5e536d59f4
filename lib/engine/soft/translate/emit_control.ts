/**
 * Conditions and branches: how a node ends.
 *
 * @module
 */
import { CC_ADD16, CC_ADD32, CC_ADD8, CC_DEC32, CC_INC8, CC_SUB16, CC_SUB32, CC_SUB8, CC_UNIVERSAL } from "../flags.ts";
import { END_BRANCH, type Insn, K_IMM } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { EBP, ECX, ESP } from "../state.ts";
import type { Generator } from "./generator.ts";
import { IMPORT, L_DST, L_OP, L_RES, L_SRC, T0, T1, T2 } from "./locals.ts";
import { isPlainBranch, type Node } from "./region.ts";
import { I32, W } from "./wasm.ts";

/** Even condition codes (Intel SDM volume 2, appendix B.1.4). */
const C_O = 0, C_B = 2, C_Z = 4, C_BE = 6, C_S = 8, C_P = 10, C_L = 12, C_LE = 14;

/** Push 1 if a condition holds, else 0, from whatever is known of the flags. */
export function emitCondition(g: Generator, code: number): void {
  const even = code & ~1, negated = (code & 1) !== 0;
  const op = g.known.op;
  const done = op === CC_SUB8 || op === CC_SUB16 || op === CC_SUB32
    ? subtraction(g, even, negated)
    : commonCondition(g, even, negated);
  if (done) return;
  if (even === C_B) return dynamicCarry(g, negated);
  g.pushLazyFlags();
  g.code.const(code);
  g.code.call(IMPORT.CONDITION);
}

/** CF where only {@link L_OP} knows: inline for the universal form, which is the commonest. */
function dynamicCarry(g: Generator, negated: boolean): void {
  const c = g.code;
  c.get(L_OP);
  c.byte(W.EQZ);
  c.byte(W.IF);
  c.byte(I32);
  c.get(L_SRC);
  c.const(31);
  c.byte(W.SHR_U);
  c.byte(W.ELSE);
  g.pushLazyFlags();
  c.call(IMPORT.CARRY);
  c.byte(W.END);
  negate(g, negated);
}

function negate(g: Generator, negated: boolean): true {
  if (negated) g.code.byte(W.EQZ);
  return true;
}

/** Conditions on the result alone mean the same for every operation but the universal one with its corrections. */
function commonCondition(g: Generator, even: number, negated: boolean): boolean {
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

function carry(g: Generator, negated: boolean): boolean {
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

function logical(g: Generator, even: number, negated: boolean): boolean {
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
function parity(g: Generator, negated: boolean, universal: boolean): true {
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
function subtraction(g: Generator, even: number, negated: boolean): boolean {
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

function pushOperand(g: Generator, local: number, signed: boolean): void {
  const c = g.code, op = g.known.op;
  c.get(local);
  if (op === CC_SUB32) return;
  if (signed) c.byte(op === CC_SUB8 ? W.EXTEND8_S : W.EXTEND16_S);
  else {
    c.const(op === CC_SUB8 ? 0xff : 0xffff);
    c.byte(W.AND);
  }
}

function recoverFirst(g: Generator): void {
  if (g.known.first) return;
  g.code.get(L_RES);
  g.code.get(L_SRC);
  g.code.byte(W.ADD);
  g.code.set(L_DST);
}

// Branches.

/** Go to a successor: fall through, branch inside the region, or leave it for `offset`. */
function goTo(g: Generator, node: number, offset: number, next: number): void {
  if (node < 0) g.leaveTo(() => g.pushAddress(offset));
  else if (node !== next) {
    g.prepareBranch(node);
    g.code.br(g.depth(node));
  }
}

/**
 * End a node.
 *
 * @param next the node that stands right behind it, so that it can be fallen into, or -1
 */
export function emitTerminator(g: Generator, node: Node, next: number): void {
  const insn = node.insns.at(-1)!;
  if (insn.ends !== END_BRANCH) return goTo(g, node.successors[0]!, node.end, next);
  g.current = insn;
  if (!isPlainBranch(insn)) return g.leaveByInterpreter(insn);
  switch (insn.op) {
    case OP.JMP:
      return goTo(g, node.successors[0]!, node.end + insn.imm, next);
    case OP.JCC:
      return conditional(g, node, insn, next, () => emitCondition(g, insn.code));
    case OP.JCXZ:
      return conditional(g, node, insn, next, () => {
        g.code.get(g.reg(ECX));
        g.code.byte(W.EQZ);
      });
    case OP.LOOP:
    case OP.LOOPE:
    case OP.LOOPNE:
      return loopBranch(g, node, insn, next);
    case OP.CALL:
      push(g, () => g.pushAddress(node.end));
      return goTo(g, node.successors[0]!, node.end + insn.imm, next);
    case OP.CALLI:
      target(g, insn);
      push(g, () => g.pushAddress(node.end));
      return g.leaveToTarget();
    case OP.JMPI:
      target(g, insn);
      return g.leaveToTarget();
    case OP.RET:
      return ret(g, insn);
    default:
      throw new Error(`Operation ${insn.op} does not end a node`);
  }
}

function conditional(g: Generator, node: Node, insn: Insn, next: number, push: () => void): void {
  const [taken, fall] = node.successors as [number, number];
  if (taken >= 0) {
    g.prepareBranch(taken);
    push();
    g.code.brIf(g.depth(taken));
  } else {
    push();
    g.openIf();
    g.leaveTo(() => g.pushAddress(node.end + insn.imm));
    g.closeIf();
  }
  goTo(g, fall, node.end, next);
}

function loopBranch(g: Generator, node: Node, insn: Insn, next: number): void {
  const c = g.code;
  c.get(g.reg(ECX));
  c.const(1);
  c.byte(W.SUB);
  c.set(g.reg(ECX));
  g.markDirty(1 << ECX);
  conditional(g, node, insn, next, () => {
    c.get(g.reg(ECX));
    c.const(0);
    c.byte(W.NE);
    if (insn.op === OP.LOOP) return;
    emitCondition(g, insn.op === OP.LOOPE ? 4 : 5);
    c.byte(W.AND);
  });
}

/** Put the operand of an indirect branch into T1. */
function target(g: Generator, insn: Insn): void {
  const local = g.destination(insn, T1);
  if (local === T1) return;
  g.code.get(local);
  g.code.set(T1);
}

/** Push 32 bits on the Guest's stack; uses T0. */
export function push(g: Generator, value: () => void): void {
  const c = g.code;
  value();
  c.set(T0);
  c.get(g.reg(ESP));
  c.const(4);
  c.byte(W.SUB);
  c.tee(T2);
  g.storeMemory(4, T0);
  c.get(T2);
  c.set(g.reg(ESP));
  g.markDirty(1 << ESP);
}

/** Pop 32 bits into a local. */
export function pop(g: Generator, into: number, release = 0): void {
  const c = g.code;
  c.get(g.reg(ESP));
  g.load(4);
  c.set(into);
  c.get(g.reg(ESP));
  c.const(4 + release);
  c.byte(W.ADD);
  c.set(g.reg(ESP));
  g.markDirty(1 << ESP);
}

function ret(g: Generator, insn: Insn): void {
  const c = g.code;
  pop(g, T1, insn.a === K_IMM ? insn.imm : 0);
  for (const node of g.returns) {
    g.prepareBranch(node.index);
    c.get(T1);
    g.pushAddress(node.start);
    c.byte(W.EQ);
    c.brIf(g.depth(node.index));
  }
  g.leaveToTarget();
}

/** LEAVE. */
export function leave(g: Generator): void {
  const c = g.code;
  c.get(g.reg(EBP));
  g.load(4);
  c.set(T0);
  c.get(g.reg(EBP));
  c.const(4);
  c.byte(W.ADD);
  c.set(g.reg(ESP));
  c.get(T0);
  c.set(g.reg(EBP));
}
