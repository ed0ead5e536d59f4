/**
 * Multiplication and division. Where a division would fault, or is rare, the interpreter does it.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_shifts.ts`.
 *
 * @module
 */
import { K_IMM, K_REG } from "../insn.ts";
import { EAX, EDX } from "../state.ts";
import { definer, type EmitterTable } from "./emitter.ts";
import { setUniversalFlags } from "./flag_state.ts";
import { T0, T1, T2, T64A, T64B } from "./locals.ts";
import { assign, destination, source } from "./operands.ts";
import { W } from "./wasm.ts";

/** IMUL, MUL, DIV, IDIV. */
export const MULTIPLICATION: EmitterTable = new Map();
const define = definer(MULTIPLICATION);

define("IMUL", (g, insn) => {
  const c = g.code;
  const b = source(g, insn, T1);
  let a: number;
  if (insn.c === K_IMM) {
    c.const(insn.imm);
    c.set(T0);
    a = T0;
  } else a = destination(g, insn, T0);
  const extend = (local: number) => {
    c.get(local);
    if (insn.size === 2) c.byte(W.EXTEND16_S);
  };
  extend(a);
  extend(b);
  c.byte(W.MUL);
  c.set(T2);
  if (g.flagsNeeded) { // CF and OF: the product does not fit
    if (insn.size === 4) {
      c.get(a);
      c.byte(W.EXTEND_S);
      c.get(b);
      c.byte(W.EXTEND_S);
      c.byte(W.I64_MUL);
      c.get(T2);
      c.byte(W.EXTEND_S);
      c.byte(W.I64_NE);
    } else {
      c.get(T2);
      c.get(T2);
      c.byte(W.EXTEND16_S);
      c.byte(W.NE);
    }
    c.const(31);
    c.byte(W.SHL);
    setUniversalFlags(g, T2, insn.size);
  }
  assign(g, insn, T2);
}, (insn) => insn.a === K_REG);

for (const [name, extend] of [["MUL", W.EXTEND_U], ["IMUL1", W.EXTEND_S]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const b = destination(g, insn, T1);
    c.get(g.reg(EAX));
    c.byte(extend);
    c.get(b);
    c.byte(extend);
    c.byte(W.I64_MUL);
    c.set(T64A);
    c.get(T64A);
    c.byte(W.WRAP);
    c.set(g.reg(EAX));
    c.get(T64A);
    c.const64(32);
    c.byte(W.I64_SHR_U);
    c.byte(W.WRAP);
    c.set(g.reg(EDX));
    if (!g.flagsNeeded) return;
    c.get(g.reg(EDX));
    if (name === "MUL") c.const(0);
    else {
      c.get(g.reg(EAX));
      c.const(31);
      c.byte(W.SHR_S);
    }
    c.byte(W.NE);
    c.const(31);
    c.byte(W.SHL);
    setUniversalFlags(g, g.reg(EAX), 4);
  }, (insn) => insn.size === 4);
}

define("DIV", (g, insn) => {
  const c = g.code;
  const b = destination(g, insn, T1);
  c.get(g.reg(EDX)); // overflow, and division by 0: #DE comes from the interpreter
  c.get(b);
  c.byte(W.GE_U);
  g.openUnlikely();
  g.leaveHere();
  g.closeIf();
  c.get(g.reg(EDX));
  c.byte(W.EXTEND_U);
  c.const64(32);
  c.byte(W.I64_SHL);
  c.get(g.reg(EAX));
  c.byte(W.EXTEND_U);
  c.byte(W.I64_OR);
  c.set(T64A);
  c.get(T64A);
  c.get(b);
  c.byte(W.EXTEND_U);
  c.byte(W.I64_DIV_U);
  c.set(T64B);
  c.get(T64A);
  c.byte(W.WRAP);
  c.get(T64B);
  c.byte(W.WRAP);
  c.get(b);
  c.byte(W.MUL);
  c.byte(W.SUB);
  c.set(g.reg(EDX));
  c.get(T64B);
  c.byte(W.WRAP);
  c.set(g.reg(EAX));
}, (insn) => insn.size === 4);

define("IDIV", (g, insn) => {
  const c = g.code;
  const b = destination(g, insn, T1);
  // Only a dividend of 32 bits by something that is neither 0 nor -1; the rest is rare.
  c.get(b);
  c.const(1);
  c.byte(W.ADD);
  c.const(2);
  c.byte(W.LT_U);
  c.get(g.reg(EDX));
  c.get(g.reg(EAX));
  c.const(31);
  c.byte(W.SHR_S);
  c.byte(W.NE);
  c.byte(W.OR);
  g.openUnlikely();
  g.leaveHere();
  g.closeIf();
  c.get(g.reg(EAX));
  c.get(b);
  c.byte(W.DIV_S);
  c.set(T2);
  c.get(g.reg(EAX));
  c.get(T2);
  c.get(b);
  c.byte(W.MUL);
  c.byte(W.SUB);
  c.set(g.reg(EDX));
  c.get(T2);
  c.set(g.reg(EAX));
}, (insn) => insn.size === 4);
