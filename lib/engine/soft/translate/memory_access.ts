/**
 * Memory through the software TLB: the address, the look-up, the quick access and the call that stands in for it where
 * the TLB misses. Before such a call the registers changed so far are stored, in the branch that is hardly ever taken.
 *
 * Enters: an address on the stack. Leaves: code that reads or writes there. Read next: `../mmu.ts` (what a miss ends
 * in), `../state.ts` (how a TLB entry looks).
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { FS, STATE_SEG_BASE, STATE_SEG_OPEN, TLB, TLB_ADDEND, TLB_READ, TLB_WRITE } from "../state.ts";
import type { Emission } from "./emission.ts";
import { IMPORT, L_ADDRESS, L_ENTRY_AT, L_HOST, L_REG, L_TLB } from "./locals.ts";
import { I32, VOID, W } from "./wasm.ts";

const TLB_MASK = 0x1_ffe0;

/** Push the memory operand's offset in its segment. */
export function pushOffset(g: Emission, insn: Insn): void {
  const c = g.code;
  let pushed = false;
  if (insn.base >= 0) {
    c.get(L_REG + insn.base);
    pushed = true;
  }
  if (insn.index >= 0) {
    c.get(L_REG + insn.index);
    if (insn.scale > 0) {
      c.const(insn.scale);
      c.byte(W.SHL);
    }
    if (pushed) c.byte(W.ADD);
    pushed = true;
  }
  if (insn.disp !== 0 || !pushed) {
    c.const(insn.disp);
    if (pushed) c.byte(W.ADD);
  }
}

/** Push the memory operand's linear address; a segment that is not flat sends the instruction to the interpreter. */
export function pushLinear(g: Emission, insn: Insn): void {
  const c = g.code;
  if (insn.seg >= FS) {
    c.const(0);
    c.memory(W.I32_LOAD, STATE_SEG_OPEN + 4 * insn.seg);
    c.byte(W.EQZ);
    g.openUnlikely();
    g.leaveHere();
    g.closeIf();
  }
  pushOffset(g, insn);
  if (insn.seg >= FS) {
    c.const(0);
    c.memory(W.I32_LOAD, STATE_SEG_BASE + 8 * insn.seg);
    c.byte(W.ADD);
  }
}

/** With an address on the stack: leave 1 on it if the TLB misses. */
export function pushMiss(g: Emission, size: number, write: boolean): void {
  const c = g.code;
  c.tee(L_ADDRESS);
  c.const(7);
  c.byte(W.SHR_U);
  c.const(TLB_MASK);
  c.byte(W.AND);
  c.get(L_TLB);
  c.byte(W.ADD);
  c.tee(L_ENTRY_AT);
  c.memory(W.I32_LOAD, TLB + (write ? TLB_WRITE : TLB_READ));
  c.get(L_ADDRESS);
  if (size > 1) {
    c.const(size - 1);
    c.byte(W.ADD);
  }
  c.const(~0xfff);
  c.byte(W.AND);
  c.byte(W.NE);
}

/** After {@link pushMiss} has found a page: push the host address. */
export function pushHost(g: Emission): void {
  const c = g.code;
  c.get(L_ENTRY_AT);
  c.memory(W.I32_LOAD, TLB + TLB_ADDEND);
  c.get(L_ADDRESS);
  c.byte(W.ADD);
}

/** Replace the address on the stack by the 1, 2 or 4 bytes there, zero-extended. */
export function loadMemory(g: Emission, size: number): void {
  const c = g.code;
  pushMiss(g, size, false);
  c.expect(false);
  c.byte(W.IF);
  c.byte(I32);
  g.spill();
  c.get(L_ADDRESS);
  c.const(g.insn.offset);
  c.call(size === 4 ? IMPORT.READ32 : size === 2 ? IMPORT.READ16 : IMPORT.READ8);
  c.byte(W.ELSE);
  pushHost(g);
  c.memory(size === 4 ? W.I32_LOAD : size === 2 ? W.I32_LOAD16_U : W.I32_LOAD8_U, 0);
  c.byte(W.END);
}

/**
 * With an address on the stack, read 8 or 16 bytes that lie on one page with `fast` (host address on the stack); a
 * miss sends the instruction to the interpreter, which fills the TLB.
 */
export function loadWide(g: Emission, size: number, fast: () => void): void {
  pushMiss(g, size, false);
  g.openUnlikely();
  g.leaveHere();
  g.closeIf();
  pushHost(g);
  fast();
}

/** As {@link loadWide}, leaving the host address of a place that can be written. */
export function pushHostForStore(g: Emission, size: number): void {
  pushMiss(g, size, true);
  g.openUnlikely();
  g.leaveHere();
  g.closeIf();
  pushHost(g);
}

/** With an address on the stack: store a local's 1, 2 or 4 bytes there. */
export function storeMemory(g: Emission, size: number, value: number): void {
  const c = g.code;
  pushMiss(g, size, true);
  c.expect(false);
  c.byte(W.IF);
  c.byte(VOID);
  g.spill();
  callWrite(g, size, value);
  c.byte(W.ELSE);
  pushHost(g);
  c.get(value);
  c.memory(size === 4 ? W.I32_STORE : size === 2 ? W.I32_STORE16 : W.I32_STORE8, 0);
  c.byte(W.END);
}

function callWrite(g: Emission, size: number, value: number): void {
  g.code.get(L_ADDRESS);
  g.code.const(g.insn.offset);
  g.code.get(value);
  g.code.call(size === 4 ? IMPORT.WRITE32 : size === 2 ? IMPORT.WRITE16 : IMPORT.WRITE8);
}

/** Replace the address on the stack by what is there, ready for {@link storeModified}. */
export function modifyMemory(g: Emission, size: number): void {
  const c = g.code;
  pushMiss(g, size, true);
  c.expect(false);
  c.byte(W.IF);
  c.byte(I32);
  g.spill();
  c.const(0);
  c.set(L_HOST);
  c.get(L_ADDRESS);
  c.const(g.insn.offset);
  c.call(size === 4 ? IMPORT.MODIFY32 : size === 2 ? IMPORT.MODIFY16 : IMPORT.MODIFY8);
  c.byte(W.ELSE);
  pushHost(g);
  c.tee(L_HOST);
  c.memory(size === 4 ? W.I32_LOAD : size === 2 ? W.I32_LOAD16_U : W.I32_LOAD8_U, 0);
  c.byte(W.END);
}

/** The slow path stored the state as it was before the instruction, so that a second one needs nothing more. */
export function storeModified(g: Emission, size: number, value: number): void {
  const c = g.code;
  c.get(L_HOST);
  c.expect(true);
  c.byte(W.IF);
  c.byte(VOID);
  c.get(L_HOST);
  c.get(value);
  c.memory(size === 4 ? W.I32_STORE : size === 2 ? W.I32_STORE16 : W.I32_STORE8, 0);
  c.byte(W.ELSE);
  callWrite(g, size, value);
  c.byte(W.END);
}
