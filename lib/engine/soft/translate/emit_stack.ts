/**
 * The Guest's stack: {@link push} and {@link pop}, which calls and returns use too, and the instructions made of them.
 *
 * Enters: an instruction, or a value. Leaves: code; ESP changes after the access that may fault. Read next:
 * `emit_control.ts` (calls and returns), `emit_strings.ts`.
 *
 * @module
 */
import { type Insn, K_IMM, K_MEM, K_REG, K_SREG } from "../insn.ts";
import { EBP, ESP, RF, STATE_EFLAGS, STATE_SELECTORS, VM } from "../state.ts";
import type { Emission } from "./emission.ts";
import { definer, type EmitterTable } from "./emitter.ts";
import { pushLazyFlags } from "./flag_state.ts";
import { IMPORT, T0, T1, T2 } from "./locals.ts";
import { loadMemory, pushLinear, storeMemory } from "./memory_access.ts";
import { destination, setRegister } from "./operands.ts";
import { W } from "./wasm.ts";

/** PUSH, POP, LEAVE, PUSHF. */
export const STACK: EmitterTable = new Map();
const define = definer(STACK);

/** Push 32 bits on the Guest's stack; uses T0. */
export function push(g: Emission, value: () => void): void {
  const c = g.code;
  value();
  c.set(T0);
  c.get(g.reg(ESP));
  c.const(4);
  c.byte(W.SUB);
  c.tee(T2);
  storeMemory(g, 4, T0);
  c.get(T2);
  c.set(g.reg(ESP));
  g.markDirty(1 << ESP);
}

/** Pop 32 bits into a local. */
export function pop(g: Emission, into: number, release = 0): void {
  const c = g.code;
  c.get(g.reg(ESP));
  loadMemory(g, 4);
  c.set(into);
  c.get(g.reg(ESP));
  c.const(4 + release);
  c.byte(W.ADD);
  c.set(g.reg(ESP));
  g.markDirty(1 << ESP);
}

define("PUSH", (g, insn) => {
  if (insn.a === K_SREG) return pushSegment(g, insn);
  if (insn.a === K_IMM) return push(g, () => g.code.const(insn.imm));
  const local = destination(g, insn, T1);
  push(g, () => g.code.get(local));
}, (insn) => insn.size === 4);

/** Only the selector's 16 bits are written (Intel SDM volume 2, PUSH). */
function pushSegment(g: Emission, insn: Insn): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD16_U, STATE_SELECTORS + 2 * insn.ar);
  c.set(T0);
  c.get(g.reg(ESP));
  c.const(4);
  c.byte(W.SUB);
  c.tee(T2);
  storeMemory(g, 2, T0);
  c.get(T2);
  c.set(g.reg(ESP));
}

define("POP", (g, insn) => {
  if (insn.a === K_MEM) return popToMemory(g, insn);
  pop(g, T1);
  setRegister(g, K_REG, insn.ar, 4, T1);
}, (insn) => insn.size === 4 && insn.a !== K_SREG);

/** ESP is raised before it is used in the destination's address, and stays where it was if that cannot be written. */
function popToMemory(g: Emission, insn: Insn): void {
  const c = g.code;
  c.get(g.reg(ESP));
  loadMemory(g, 4);
  c.set(T1);
  pushLinear(g, insn);
  if (insn.base === ESP) {
    c.const(4);
    c.byte(W.ADD);
  }
  storeMemory(g, 4, T1);
  c.get(g.reg(ESP));
  c.const(4);
  c.byte(W.ADD);
  c.set(g.reg(ESP));
  g.markDirty(1 << ESP);
}

define("LEAVE", (g) => {
  const c = g.code;
  c.get(g.reg(EBP));
  loadMemory(g, 4);
  c.set(T0);
  c.get(g.reg(EBP));
  c.const(4);
  c.byte(W.ADD);
  c.set(g.reg(ESP));
  c.get(T0);
  c.set(g.reg(EBP));
}, (insn) => insn.size === 4);

define("PUSHF", (g) => {
  const c = g.code;
  pushLazyFlags(g);
  c.call(IMPORT.FLAGS);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.byte(W.OR);
  c.const(2);
  c.byte(W.OR);
  c.const(~(VM | RF));
  c.byte(W.AND);
  c.set(T1);
  push(g, () => c.get(T1));
}, (insn) => insn.size === 4);
