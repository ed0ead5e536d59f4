/**
 * Addition, subtraction, logic, comparison.
 *
 * Enters: an instruction. Leaves: code. Read next: `operands.ts` and `flag_state.ts` (the vocabulary), `emit_multiply.ts`.
 *
 * @module
 */
import { CC_ADD8, CC_DEC8, CC_INC8, CC_SUB8 } from "../flags.ts";
import type { Insn } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { pushCarry } from "./emit_condition.ts";
import { binary, definer, type EmitterTable, log2, pushBinary } from "./emitter.ts";
import { setFlags, setLogicFlags, setUniversalFlags } from "./flag_state.ts";
import { T0, T1, T2, T3 } from "./locals.ts";
import { destination, modify, source, store } from "./operands.ts";
import { W } from "./wasm.ts";

/** ADD to NOT. */
export const ARITHMETIC: EmitterTable = new Map();
const define = definer(ARITHMETIC);

for (const [name, opcode, cc] of [["ADD", W.ADD, CC_ADD8], ["SUB", W.SUB, CC_SUB8]] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    binary(g.code, a, b, opcode, T2);
    setFlags(g, cc + log2(insn.size), T2, b, a);
    store(g, insn, T2);
  });
}

for (const [name, opcode] of [["AND", W.AND], ["OR", W.OR], ["XOR", W.XOR]] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    binary(g.code, a, b, opcode, T2);
    setLogicFlags(g, T2, insn.size);
    store(g, insn, T2);
  });
}

define("CMP", (g, insn) => {
  const b = source(g, insn, T1), a = destination(g, insn, T0);
  binary(g.code, a, b, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, b, a);
});

define("TEST", (g, insn) => {
  const b = source(g, insn, T1), a = destination(g, insn, T0);
  binary(g.code, a, b, W.AND, T2);
  setLogicFlags(g, T2, insn.size);
});

define("ADC", (g, insn) => withCarry(g, insn, W.ADD));
define("SBB", (g, insn) => withCarry(g, insn, W.SUB));

function withCarry(g: Emission, insn: Insn, opcode: number): void {
  const c = g.code;
  const b = source(g, insn, T1), a = modify(g, insn, T0);
  c.get(a);
  c.get(b);
  c.byte(opcode);
  pushCarry(g);
  c.byte(opcode);
  c.set(T2);
  if (g.flagsNeeded) {
    if (opcode === W.ADD) { // carries: (a & b) | ((a | b) & ~result)
      pushBinary(c, a, b, W.AND);
      pushBinary(c, a, b, W.OR);
      c.get(T2);
      c.const(-1);
      c.byte(W.XOR);
    } else { // borrows: (~a & b) | (~(a ^ b) & result)
      c.get(a);
      c.const(-1);
      c.byte(W.XOR);
      c.get(b);
      c.byte(W.AND);
      pushBinary(c, a, b, W.XOR);
      c.const(-1);
      c.byte(W.XOR);
      c.get(T2);
    }
    c.byte(W.AND);
    c.byte(W.OR);
    carriesToAuxiliary(g, insn.size);
    setUniversalFlags(g, T2, insn.size);
  }
  store(g, insn, T2);
}

/** The vector of carries on the stack becomes the auxiliary word, as `carries` in `../flags.ts`. */
function carriesToAuxiliary(g: Emission, size: number): void {
  const c = g.code;
  if (size === 4) {
    c.const(0xc000_0008 | 0);
    c.byte(W.AND);
    return;
  }
  c.tee(T3);
  c.const(size === 1 ? 24 : 16);
  c.byte(W.SHL);
  c.const(0xc000_0000 | 0);
  c.byte(W.AND);
  c.get(T3);
  c.const(8);
  c.byte(W.AND);
  c.byte(W.OR);
}

for (const [name, by, cc] of [["INC", 1, CC_INC8], ["DEC", -1, CC_DEC8]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const a = modify(g, insn, T0);
    c.get(a);
    c.const(by);
    c.byte(W.ADD);
    c.set(T2);
    if (g.flagsNeeded) {
      pushCarry(g);
      c.set(T1);
      setFlags(g, cc + log2(insn.size), T2, T1);
    }
    store(g, insn, T2);
  });
}

define("NEG", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0);
  c.const(0);
  c.get(a);
  c.byte(W.SUB);
  c.set(T2);
  if (g.flagsNeeded) {
    c.const(0);
    c.set(T1);
    setFlags(g, CC_SUB8 + log2(insn.size), T2, a, T1);
  }
  store(g, insn, T2);
});

define("NOT", (g, insn) => {
  const a = modify(g, insn, T0);
  g.code.get(a);
  g.code.const(-1);
  g.code.byte(W.XOR);
  g.code.set(T2);
  store(g, insn, T2);
});
