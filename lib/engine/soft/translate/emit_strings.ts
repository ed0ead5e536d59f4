/**
 * String instructions: single steps, and REP MOVS and STOS that stay within a page; other REP forms are the
 * interpreter's.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_flags.ts`.
 *
 * @module
 */
import { CC_SUB8 } from "../flags.ts";
import { type Insn, K_REG } from "../insn.ts";
import { CS, DF, EAX, ECX, EDI, ESI, FS, STATE_EFLAGS } from "../state.ts";
import type { Emission } from "./emission.ts";
import { binary, definer, type EmitterTable, log2 } from "./emitter.ts";
import { setFlags } from "./flag_state.ts";
import { T0, T1, T2 } from "./locals.ts";
import { loadMemory, pushHost, pushMiss, storeMemory } from "./memory_access.ts";
import { pushRegister, setRegister } from "./operands.ts";
import { W } from "./wasm.ts";

/** LODS to CMPS. */
export const STRINGS: EmitterTable = new Map();
const define = definer(STRINGS);

const single = (insn: Insn) => insn.rep === 0 && insn.addrSize === 4 && insn.seg < FS && insn.seg !== CS;

/** Move an index register by one element in the direction that DF gives. */
function advance(g: Emission, register: number, size: number): void {
  const c = g.code;
  c.get(g.reg(register));
  c.const(-size);
  c.const(size);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.const(DF);
  c.byte(W.AND);
  c.byte(W.SELECT);
  c.byte(W.ADD);
  c.set(g.reg(register));
}

/** Load the element at an index register into a local. */
function element(g: Emission, register: number, size: number, into: number): void {
  g.code.get(g.reg(register));
  loadMemory(g, size);
  g.code.set(into);
}

define("LODS", (g, insn) => {
  element(g, ESI, insn.size, T1);
  setRegister(g, K_REG, EAX, insn.size, T1);
  advance(g, ESI, insn.size);
}, single);

define("STOS", (g, insn) => {
  if (insn.rep !== 0) return repeatStore(g, insn);
  g.code.get(g.reg(EDI));
  storeMemory(g, insn.size, g.reg(EAX));
  advance(g, EDI, insn.size);
}, (insn) => single(insn) || (repeated(insn) && insn.size === 4));

define("MOVS", (g, insn) => {
  if (insn.rep !== 0) return repeatMove(g, insn);
  element(g, ESI, insn.size, T1);
  g.code.get(g.reg(EDI));
  storeMemory(g, insn.size, T1);
  advance(g, ESI, insn.size);
  advance(g, EDI, insn.size);
}, (insn) => single(insn) || repeated(insn));

/** REP forms that have a quick way. */
const repeated = (insn: Insn) => insn.rep === 0xf3 && insn.addrSize === 4 && insn.seg < FS && insn.seg !== CS;

/** The number of bytes of a forward REP on one page goes into T0; anything longer, or backward, gives up. */
function repeatLength(g: Emission, insn: Insn, giveUp: () => void): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.const(DF);
  c.byte(W.AND);
  giveUp();
  c.get(g.reg(ECX));
  c.const(4096);
  c.byte(W.GE_U);
  giveUp();
  c.get(g.reg(ECX));
  c.const(insn.size >> 1);
  c.byte(W.SHL);
  c.set(T0);
}

/** Host address for T0 bytes from an index register, all on one page that the TLB knows, into a local. */
function repeatHost(g: Emission, register: number, write: boolean, into: number, giveUp: () => void): void {
  const c = g.code;
  c.get(g.reg(register));
  c.const(0xfff);
  c.byte(W.AND);
  c.get(T0);
  c.byte(W.ADD);
  c.const(4096);
  c.byte(W.GT_U);
  giveUp();
  c.get(g.reg(register));
  pushMiss(g, 1, write);
  giveUp();
  pushHost(g);
  c.set(into);
}

function addLength(g: Emission, register: number): void {
  g.code.get(g.reg(register));
  g.code.get(T0);
  g.code.byte(W.ADD);
  g.code.set(g.reg(register));
}

function repeatMove(g: Emission, insn: Insn): void {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    repeatLength(g, insn, giveUp);
    repeatHost(g, ESI, false, T1, giveUp);
    repeatHost(g, EDI, true, T2, giveUp);
    c.get(T2); // copying onto itself a little further on repeats what was just written
    c.get(T1);
    c.byte(W.SUB);
    c.get(T0);
    c.byte(W.LT_U);
    giveUp();
    c.get(T2);
    c.get(T1);
    c.get(T0);
    c.bulk(10, 2); // memory.copy
    addLength(g, ESI);
    addLength(g, EDI);
    c.const(0);
    c.set(g.reg(ECX));
  });
}

/** Stores of doublewords whose bytes are all the same, zeros above all. */
function repeatStore(g: Emission, insn: Insn): void {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    c.get(g.reg(EAX));
    c.const(8);
    c.byte(W.ROTL);
    c.get(g.reg(EAX));
    c.byte(W.NE);
    giveUp();
    repeatLength(g, insn, giveUp);
    repeatHost(g, EDI, true, T2, giveUp);
    c.get(T2);
    c.get(g.reg(EAX));
    c.get(T0);
    c.bulk(11, 1); // memory.fill
    addLength(g, EDI);
    c.const(0);
    c.set(g.reg(ECX));
  });
}

define("SCAS", (g, insn) => {
  element(g, EDI, insn.size, T1);
  pushRegister(g, K_REG, EAX, insn.size);
  g.code.set(T0);
  binary(g.code, T0, T1, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, T1, T0);
  advance(g, EDI, insn.size);
}, single);

define("CMPS", (g, insn) => {
  element(g, ESI, insn.size, T0);
  element(g, EDI, insn.size, T1);
  binary(g.code, T0, T1, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, T1, T0);
  advance(g, ESI, insn.size);
  advance(g, EDI, insn.size);
}, single);
