/**
 * Single flags: CF in the lazy flags, DF and IF in EFLAGS. And what does nothing at all.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_control.ts` (how a node ends).
 *
 * @module
 */
import { DF, IF, STATE_CPL, STATE_EFLAGS } from "../state.ts";
import type { Emission } from "./emission.ts";
import { definer, type EmitterTable } from "./emitter.ts";
import { pushAuxiliary, setAuxiliary } from "./flag_state.ts";
import { T2 } from "./locals.ts";
import { type Code, W } from "./wasm.ts";

/** CLC to CLI, NOP, fences. */
export const FLAGS: EmitterTable = new Map();
const define = definer(FLAGS);

for (const name of ["CLD", "STD"] as const) {
  define(name, (g) => {
    const c = g.code;
    c.const(0);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_EFLAGS);
    c.const(name === "STD" ? DF : ~DF);
    c.byte(name === "STD" ? W.OR : W.AND);
    c.memory(W.I32_STORE, STATE_EFLAGS);
  });
}

define("CLC", (g) => replaceCarry(g, (c) => c.const(0)));
define("STC", (g) => replaceCarry(g, (c) => c.const(1)));
define("CMC", (g) =>
  replaceCarry(g, (c) => {
    c.get(T2);
    c.const(31);
    c.byte(W.SHR_U);
    c.byte(W.EQZ);
  }));

/** Set CF to what `push` puts on the stack; OF and the others stay. */
function replaceCarry(g: Emission, push: (c: Code) => void): void {
  if (!g.flagsNeeded) return;
  const c = g.code;
  pushAuxiliary(g);
  c.set(T2);
  push(c);
  c.get(T2);
  c.const(31);
  c.byte(W.SHR_U);
  c.byte(W.XOR);
  c.const(0xc000_0000 | 0);
  c.byte(W.MUL);
  c.get(T2);
  c.byte(W.XOR);
  setAuxiliary(g);
}

/** At CPL 0, which needs no look at IOPL. Clearing IF cannot let an interrupt in. */
define("CLI", (g, insn) => {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    c.const(0);
    c.memory(W.I32_LOAD, STATE_CPL);
    giveUp();
    c.const(0);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_EFLAGS);
    c.const(~IF);
    c.byte(W.AND);
    c.memory(W.I32_STORE, STATE_EFLAGS);
  });
});

// What does nothing here.

define("NOP", () => {});

for (const name of ["LFENCE", "MFENCE", "SFENCE"]) define(name, () => {}, (insn) => !insn.mem);
