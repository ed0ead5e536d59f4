/**
 * Single bits: tests, scans, and the order of bytes.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_moves.ts`.
 *
 * @module
 */
import { K_IMM, K_REG } from "../insn.ts";
import { definer, type EmitterTable } from "./emitter.ts";
import { pushAuxiliary, setAuxiliary, setLogicFlags } from "./flag_state.ts";
import { T0, T1, T2 } from "./locals.ts";
import { destination, modify, setRegister, source, store } from "./operands.ts";
import { W } from "./wasm.ts";

/** BT to BSWAP. */
export const BITS: EmitterTable = new Map();
const define = definer(BITS);

for (const [name, opcode] of [["BT", 0], ["BTS", W.OR], ["BTR", W.AND], ["BTC", W.XOR]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const immediate = insn.b === K_IMM;
    const b = immediate ? -1 : source(g, insn, T1);
    const a = opcode === 0 ? destination(g, insn, T0) : modify(g, insn, T0);
    const pushBit = () => immediate ? c.const(insn.imm & 31) : c.get(b);
    if (g.flagsNeeded) {
      pushAuxiliary(g);
      c.set(T2);
      // CF becomes the bit; CF xor OF follows it, so that OF stays.
      c.get(a);
      pushBit();
      c.byte(W.SHR_U);
      c.get(T2);
      c.const(31);
      c.byte(W.SHR_U);
      c.byte(W.XOR);
      c.const(1);
      c.byte(W.AND);
      c.const(0xc000_0000 | 0);
      c.byte(W.MUL);
      c.get(T2);
      c.byte(W.XOR);
      setAuxiliary(g);
    }
    if (opcode === 0) return;
    c.get(a);
    c.const(1);
    pushBit();
    c.byte(W.SHL);
    if (name === "BTR") {
      c.const(-1);
      c.byte(W.XOR);
    }
    c.byte(opcode);
    c.set(T2);
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && (insn.a === K_REG || insn.b === K_IMM));
}

for (const name of ["BSF", "BSR"] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const b = source(g, insn, T1);
    c.get(b);
    c.set(T1);
    if (g.flagsNeeded) {
      // ZF says whether there is a bit; the interpreter clears the rest, and sets PF with ZF. A result of 1 would
      // have odd parity and one of 0 even parity, which is that.
      c.get(T1);
      c.const(0);
      c.byte(W.NE);
      c.set(T2);
      setLogicFlags(g, T2, 4);
    }
    c.get(T1);
    g.openIf();
    if (name === "BSR") c.const(31);
    c.get(T1);
    c.byte(name === "BSF" ? W.CTZ : W.CLZ);
    if (name === "BSR") c.byte(W.SUB);
    c.set(T2);
    setRegister(g, K_REG, insn.ar, insn.size, T2);
    g.closeIf();
  }, (insn) => insn.size === 4);
}

define("BSWAP", (g, insn) => {
  const c = g.code, r = g.reg(insn.ar);
  c.get(r);
  c.const(8);
  c.byte(W.ROTL);
  c.const(0x00ff_00ff);
  c.byte(W.AND);
  c.get(r);
  c.const(8);
  c.byte(W.ROTR);
  c.const(0xff00_ff00 | 0);
  c.byte(W.AND);
  c.byte(W.OR);
  c.set(r);
}, (insn) => insn.size === 4);
