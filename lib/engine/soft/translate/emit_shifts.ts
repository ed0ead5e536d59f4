/**
 * Shifts and rotates of general registers and memory; those of XMM registers are in `emit_packed_shift.ts`.
 *
 * Enters: an instruction. Leaves: code; a count of 0 leaves the flags as they were. Read next: `emit_bits.ts`.
 *
 * @module
 */
import { CC_UNIVERSAL } from "../flags.ts";
import { type Insn, K_IMM } from "../insn.ts";
import { ECX } from "../state.ts";
import type { Emission } from "./emission.ts";
import { binary, definer, type EmitterTable } from "./emitter.ts";
import { pushAuxiliary, setAuxiliary, setOperation, setResult, setUniversalFlags, unfoldFlags } from "./flag_state.ts";
import { L_SRC, T0, T1, T2, T3 } from "./locals.ts";
import { modify, source, store } from "./operands.ts";
import { W } from "./wasm.ts";

/** SHL to SHRD. */
export const SHIFTS: EmitterTable = new Map();
const define = definer(SHIFTS);

function shiftFlags(g: Emission, name: string, a: number, size: number, count: (() => void) | number): void {
  const c = g.code, bits = size * 8;
  const pushCount = typeof count === "number" ? () => c.const(count) : count;
  if (name === "SHL") { // CF: the last bit out; CF xor OF: the result's sign
    c.get(a);
    pushCount();
    if (bits === 32) {
      c.const(1);
      c.byte(W.SUB);
      c.byte(W.SHL);
    } else { // left-aligned, so that the last bit out is bit 31 after count - 1 shifts
      c.set(T3);
      c.const(32 - bits);
      c.byte(W.SHL);
      c.get(T3);
      c.const(1);
      c.byte(W.SUB);
      c.byte(W.SHL);
    }
    c.const(0x8000_0000 | 0);
    c.byte(W.AND);
    c.get(T2);
    c.const(31 - bits + 1);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.OR);
    return;
  }
  c.get(a);
  pushCount();
  c.const(1);
  c.byte(W.SUB);
  c.byte(name === "SHR" ? W.SHR_U : W.SHR_S);
  c.const(31);
  c.byte(W.SHL);
  c.tee(T3);
  c.get(T3);
  c.const(1);
  c.byte(W.SHR_U);
  if (name === "SHR") { // OF: the operand's sign
    c.get(a);
    c.const(32 - bits);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.XOR);
  }
  c.byte(W.OR);
}

for (const [name, opcode] of [["SHL", W.SHL], ["SHR", W.SHR_U], ["SAR", W.SHR_S]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    if (insn.b === K_IMM && (insn.imm & 31) === 0) {
      store(g, insn, modify(g, insn, T0));
      return;
    }
    let a = modify(g, insn, T0);
    if (name === "SAR" && insn.size < 4) {
      c.get(a);
      c.byte(insn.size === 1 ? W.EXTEND8_S : W.EXTEND16_S);
      c.set(T0);
      a = T0;
    }
    if (insn.b === K_IMM) {
      const count = insn.imm & 31;
      c.get(a);
      c.const(count);
      c.byte(opcode);
      c.set(T2);
      if (g.flagsNeeded) {
        shiftFlags(g, name, a, insn.size, count);
        setUniversalFlags(g, T2, insn.size);
      }
      store(g, insn, T2);
      return;
    }
    c.get(g.reg(ECX));
    c.const(31);
    c.byte(W.AND);
    c.set(T1);
    binary(c, a, T1, opcode, T2);
    if (g.flagsNeeded) { // a count of 0 leaves them
      unfoldFlags(g);
      c.get(T1);
      g.openIf();
      shiftFlags(g, name, a, insn.size, () => c.get(T1));
      c.set(L_SRC);
      setResult(g, T2, insn.size);
      setOperation(g, CC_UNIVERSAL);
      g.closeIf();
    }
    store(g, insn, T2);
  });
}

for (const [name, opcode] of [["ROL", W.ROTL], ["ROR", W.ROTR]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const a = modify(g, insn, T0);
    c.get(a);
    if (insn.b === K_IMM) c.const(insn.imm & 31);
    else c.get(g.reg(ECX));
    c.byte(opcode);
    c.set(T2);
    if (g.flagsNeeded) rotateFlags(g, insn, name);
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && (insn.b !== K_IMM || (insn.imm & 31) !== 0));
}

/** CF is the bit that came round; CF xor OF is the bit that stood beside it. Everything else stays. */
function rotateFlags(g: Emission, insn: Insn, name: string): void {
  const c = g.code;
  if (insn.b !== K_IMM) {
    unfoldFlags(g);
    c.get(g.reg(ECX));
    c.const(31);
    c.byte(W.AND);
    g.openIf();
  }
  pushAuxiliary(g);
  c.const(0x3fff_ffff);
  c.byte(W.AND);
  c.get(T2);
  if (name === "ROL") { // CF = bit 0, OF = CF ^ bit 31
    c.const(31);
    c.byte(W.SHL);
    c.get(T2);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.OR);
  } else { // CF = bit 31, OF = CF ^ bit 30
    c.const(0xc000_0000 | 0);
    c.byte(W.AND);
  }
  c.byte(W.OR);
  if (insn.b !== K_IMM) {
    c.set(L_SRC);
    setOperation(g, CC_UNIVERSAL);
    g.closeIf();
  } else setAuxiliary(g);
}

for (const name of ["SHLD", "SHRD"] as const) {
  define(name, (g, insn) => {
    const c = g.code, count = insn.imm & 31, left = name === "SHLD";
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    c.get(a);
    c.const(count);
    c.byte(left ? W.SHL : W.SHR_U);
    c.get(b);
    c.const(32 - count);
    c.byte(left ? W.SHR_U : W.SHL);
    c.byte(W.OR);
    c.set(T2);
    if (g.flagsNeeded) { // CF: the last bit out; OF: the sign changed
      c.get(a);
      c.const(left ? 32 - count : count - 1);
      c.byte(W.SHR_U);
      c.const(31);
      c.byte(W.SHL);
      c.tee(T3);
      c.get(T3);
      c.get(T2);
      c.byte(W.XOR);
      c.get(a);
      c.byte(W.XOR);
      c.const(1);
      c.byte(W.SHR_U);
      c.const(0x4000_0000);
      c.byte(W.AND);
      c.byte(W.OR);
      setUniversalFlags(g, T2, 4);
    }
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && insn.c === K_IMM && (insn.imm & 31) !== 0);
}
