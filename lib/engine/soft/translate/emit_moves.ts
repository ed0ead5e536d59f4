/**
 * Moves, exchanges, conditional moves, conversions of width.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_stack.ts`.
 *
 * @module
 */
import { CC_ADD8, CC_SUB8 } from "../flags.ts";
import { K_MEM, K_REG } from "../insn.ts";
import { EAX, EDX, STATE_SELECTORS } from "../state.ts";
import { emitCondition } from "./emit_condition.ts";
import { binary, definer, type EmitterTable, log2 } from "./emitter.ts";
import { setFlags } from "./flag_state.ts";
import { T0, T1, T2, T3 } from "./locals.ts";
import { pushOffset } from "./memory_access.ts";
import { assign, modify, pushRegister, setRegister, source, store } from "./operands.ts";
import { W } from "./wasm.ts";

/** MOV to CWD, and MOV from a segment register. */
export const MOVES: EmitterTable = new Map();
const define = definer(MOVES);

define("MOV", (g, insn) => {
  const b = source(g, insn, T1);
  assign(g, insn, b);
});

define("MOVNTI", (g, insn) => assign(g, insn, source(g, insn, T1)), (insn) => insn.a === K_MEM);

for (const name of ["MOVZX", "MOVSX"] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1);
    if (name === "MOVZX") return assign(g, insn, b);
    g.code.get(b);
    g.code.byte(insn.srcSize === 1 ? W.EXTEND8_S : W.EXTEND16_S);
    g.code.set(T1);
    assign(g, insn, T1);
  });
}

define("LEA", (g, insn) => {
  pushOffset(g, insn);
  g.code.set(T2);
  assign(g, insn, T2);
});

define("XCHG", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0), b = source(g, insn, T1);
  c.get(a);
  c.set(T2);
  c.get(b);
  c.set(T1);
  store(g, insn, T1);
  setRegister(g, insn.b, insn.br, insn.size, T2);
});

define("XADD", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0);
  c.get(a);
  c.set(T0);
  c.get(source(g, insn, T1));
  c.set(T1);
  binary(c, T0, T1, W.ADD, T2);
  setFlags(g, CC_ADD8 + log2(insn.size), T2, T1, T0);
  store(g, insn, T2);
  if (insn.a !== insn.b || insn.ar !== insn.br) setRegister(g, insn.b, insn.br, insn.size, T0);
});

define("CMPXCHG", (g, insn) => {
  const c = g.code, size = insn.size;
  c.get(modify(g, insn, T0));
  c.set(T0);
  c.get(source(g, insn, T1));
  c.get(T0);
  pushRegister(g, K_REG, EAX, size);
  c.tee(T3);
  c.get(T0);
  c.byte(W.EQ);
  c.byte(W.SELECT);
  c.set(T2);
  store(g, insn, T2);
  binary(c, T3, T0, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(size), T2, T0, T3);
  // With another destination register than the accumulator, an equal accumulator is set to itself.
  if (!(insn.a === K_REG && insn.ar === EAX)) setRegister(g, K_REG, EAX, size, T0);
});

define("CMOV", (g, insn) => {
  const b = source(g, insn, T1);
  emitCondition(g, insn.code);
  g.openIf();
  assign(g, insn, b);
  g.closeIf();
});

define("SETCC", (g, insn) => {
  emitCondition(g, insn.code);
  g.code.set(T1);
  assign(g, insn, T1);
});

define("CBW", (g, insn) => {
  const c = g.code;
  c.get(g.reg(EAX));
  c.byte(insn.size === 2 ? W.EXTEND8_S : W.EXTEND16_S);
  c.set(T1);
  setRegister(g, K_REG, EAX, insn.size, T1);
});

define("CWD", (g, insn) => {
  const c = g.code;
  c.get(g.reg(EAX));
  if (insn.size === 2) c.byte(W.EXTEND16_S);
  c.const(31);
  c.byte(W.SHR_S);
  c.set(T1);
  setRegister(g, K_REG, EDX, insn.size, T1);
});

define("MOVFROMSEG", (g, insn) => {
  g.code.const(0);
  g.code.memory(W.I32_LOAD16_U, STATE_SELECTORS + 2 * insn.br);
  g.code.set(T1);
  setRegister(g, K_REG, insn.ar, insn.size, T1);
}, (insn) => insn.a === K_REG && insn.br < 6);
