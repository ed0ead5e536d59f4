/**
 * The lazy flags while code is emitted: how an instruction records them, and how they are brought into the form that
 * somebody else needs. What the forms mean stands in `../flags.ts`.
 *
 * Enters: the locals of a result and its operands. Leaves: {@link L_OP}, {@link L_RES}, {@link L_SRC}, {@link L_DST}
 * and what is known of them at compile time. Read next: `emit_condition.ts` (who looks at the flags).
 *
 * @module
 */
import { CC_ADD32, CC_SUB32, CC_UNIVERSAL } from "../flags.ts";
import { type Emission, UNKNOWN } from "./emission.ts";
import { IMPORT, L_DST, L_OP, L_RES, L_SRC, T3 } from "./locals.ts";
import { W } from "./wasm.ts";

/** Record the operation that sets the flags, from locals; does nothing if nobody will look. */
export function setFlags(g: Emission, op: number, result: number, source: number, first = -1): void {
  if (!g.flagsNeeded) return;
  const c = g.code;
  const size = op === CC_UNIVERSAL ? 4 : 1 << ((op - 1) % 3);
  setResult(g, result, size);
  c.get(source);
  c.set(L_SRC);
  if (first >= 0) {
    c.get(first);
    c.set(L_DST);
  }
  g.known = { op, logic: false, first: first >= 0 };
}

/** Flags of a logical operation. */
export function setLogicFlags(g: Emission, result: number, size: number): void {
  if (!g.flagsNeeded) return;
  setResult(g, result, size);
  g.known = { op: CC_UNIVERSAL, logic: true, first: false };
}

/** Flags in the universal form, with the auxiliary word on the stack. */
export function setUniversalFlags(g: Emission, result: number, size: number): void {
  g.code.set(L_SRC);
  setResult(g, result, size);
  g.known = { op: CC_UNIVERSAL, logic: false, first: false };
}

/** The auxiliary word is on the stack; the result that the other flags come from stays. */
export function setAuxiliary(g: Emission): void {
  g.code.set(L_SRC);
  g.known = { op: CC_UNIVERSAL, logic: false, first: false };
}

/** Set the result from a local, sign-extended. */
export function setResult(g: Emission, result: number, size: number): void {
  const c = g.code;
  c.get(result);
  if (size === 1) c.byte(W.EXTEND8_S);
  else if (size === 2) c.byte(W.EXTEND16_S);
  c.set(L_RES);
}

/** Set {@link L_OP} to an operation, where flags change under a condition. */
export function setOperation(g: Emission, op: number): void {
  g.code.const(op);
  g.code.set(L_OP);
}

/** Let {@link L_OP} and {@link L_SRC} hold what is known at compile time, for code that is reached from several places. */
export function syncFlags(g: Emission): void {
  if (g.known.op < 0) return;
  setOperation(g, g.known.op);
  if (g.known.logic) {
    g.code.const(0);
    g.code.set(L_SRC);
  }
}

/** As {@link syncFlags}, then forget it: what follows sets the flags under a condition. */
export function unfoldFlags(g: Emission): void {
  syncFlags(g);
  g.known = UNKNOWN;
}

/** Push operation, result and source. */
export function pushLazyFlags(g: Emission): void {
  const c = g.code;
  if (g.known.op >= 0) c.const(g.known.op);
  else c.get(L_OP);
  c.get(L_RES);
  if (g.known.logic) c.const(0);
  else c.get(L_SRC);
}

/** Push the auxiliary word of the flags as they are. */
export function pushAuxiliary(g: Emission): void {
  const c = g.code;
  const { op, logic } = g.known;
  if (logic) return c.const(0);
  if (op === CC_UNIVERSAL) return c.get(L_SRC);
  if (op === CC_ADD32 || op === CC_SUB32) return pushCarryVector(g, op);
  pushLazyFlags(g);
  c.call(IMPORT.AUXILIARY);
}

/** Inline {@link auxiliary} for the two commonest operations. */
function pushCarryVector(g: Emission, op: number): void {
  const c = g.code;
  c.get(L_RES);
  c.get(L_SRC);
  c.byte(op === CC_ADD32 ? W.SUB : W.ADD);
  c.set(T3);
  if (op === CC_ADD32) { // (a & b) | ((a | b) & ~res)
    c.get(T3);
    c.get(L_SRC);
    c.byte(W.AND);
    c.get(T3);
    c.get(L_SRC);
    c.byte(W.OR);
    c.get(L_RES);
    c.const(-1);
    c.byte(W.XOR);
  } else { // (~a & b) | (~(a ^ b) & res)
    c.get(T3);
    c.const(-1);
    c.byte(W.XOR);
    c.get(L_SRC);
    c.byte(W.AND);
    c.get(T3);
    c.get(L_SRC);
    c.byte(W.XOR);
    c.const(-1);
    c.byte(W.XOR);
    c.get(L_RES);
  }
  c.byte(W.AND);
  c.byte(W.OR);
  c.const(0xc000_0008 | 0);
  c.byte(W.AND);
}
