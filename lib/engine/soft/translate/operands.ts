/**
 * Operands of an integer instruction: registers of 1, 2 or 4 bytes, immediates, memory.
 *
 * Enters: an instruction. Leaves: code that brings an operand into a local, or a local into an operand. Read next:
 * `memory_access.ts` (operands in memory), `emit_arithmetic.ts` (who uses this).
 *
 * @module
 */
import { type Insn, K_HIGH, K_IMM, K_MEM, K_REG } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { L_REG } from "./locals.ts";
import { loadMemory, modifyMemory, pushLinear, storeMemory, storeModified } from "./memory_access.ts";
import { W } from "./wasm.ts";

/** Push a register operand, zero-extended. */
export function pushRegister(g: Emission, kind: number, n: number, size: number): void {
  const c = g.code;
  c.get(L_REG + n);
  if (kind === K_HIGH) {
    c.const(8);
    c.byte(W.SHR_U);
  }
  if (size < 4) {
    c.const(size === 2 ? 0xffff : 0xff);
    c.byte(W.AND);
  }
}

/** Set a register operand from a local, whose higher bits do not matter. */
export function setRegister(g: Emission, kind: number, n: number, size: number, value: number): void {
  const c = g.code;
  if (size < 4) {
    c.get(L_REG + n);
    c.const(size === 2 ? ~0xffff : kind === K_HIGH ? ~0xff00 : ~0xff);
    c.byte(W.AND);
    c.get(value);
    c.const(size === 2 ? 0xffff : 0xff);
    c.byte(W.AND);
    if (kind === K_HIGH) {
      c.const(8);
      c.byte(W.SHL);
    }
    c.byte(W.OR);
  } else c.get(value);
  c.set(L_REG + n);
}

/** Put the source operand, zero-extended, into a local: the register's own or `scratch`. */
export function source(g: Emission, insn: Insn, scratch: number): number {
  return operand(g, insn, insn.b, insn.br, insn.srcSize, scratch);
}

/** As {@link source} for the destination operand, if it is only read. */
export function destination(g: Emission, insn: Insn, scratch: number): number {
  return operand(g, insn, insn.a, insn.ar, insn.size, scratch);
}

function operand(g: Emission, insn: Insn, kind: number, n: number, size: number, scratch: number): number {
  if (kind === K_REG && size === 4) return L_REG + n;
  if (kind === K_IMM) g.code.const(size === 4 ? insn.imm : size === 2 ? insn.imm & 0xffff : insn.imm & 0xff);
  else if (kind === K_MEM) {
    pushLinear(g, insn);
    loadMemory(g, size);
  } else pushRegister(g, kind, n, size);
  g.code.set(scratch);
  return scratch;
}

/** Put the destination operand, which will be written by {@link store}, into a local. */
export function modify(g: Emission, insn: Insn, scratch: number): number {
  if (insn.a !== K_MEM) return operand(g, insn, insn.a, insn.ar, insn.size, scratch);
  pushLinear(g, insn);
  modifyMemory(g, insn.size);
  g.code.set(scratch);
  return scratch;
}

/** Write the destination operand that {@link modify} read. */
export function store(g: Emission, insn: Insn, value: number): void {
  if (insn.a === K_MEM) storeModified(g, insn.size, value);
  else setRegister(g, insn.a, insn.ar, insn.size, value);
}

/** Write the destination operand. */
export function assign(g: Emission, insn: Insn, value: number): void {
  if (insn.a === K_MEM) {
    pushLinear(g, insn);
    storeMemory(g, insn.size, value);
  } else setRegister(g, insn.a, insn.ar, insn.size, value);
}
