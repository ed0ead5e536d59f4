/**
 * What an emitter of integer instructions is, and what all families of them share. An emitter reads operands into
 * locals, lets the flags be recorded, and writes the result last: until then nothing has changed that a fault could
 * show.
 *
 * Read next: `emit_arithmetic.ts` (the simplest family), `emitters.ts` (all of them in one table).
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { OP } from "../opcodes.ts";
import type { Emission } from "./emission.ts";
import type { Code } from "./wasm.ts";

/** How one operation is emitted. */
export interface Emitter {
  readonly emit: (g: Emission, insn: Insn) => void;
  /** Forms that it can express; all if left out. */
  readonly accepts?: (insn: Insn) => boolean;
}

/** Emitters by operation. */
export type EmitterTable = Map<number, Emitter>;

/** Adds an operation to a table. */
export type Define = (name: string, emit: Emitter["emit"], accepts?: Emitter["accepts"]) => void;

/** What a family fills its table with. */
export function definer(table: EmitterTable): Define {
  return (name, emit, accepts) => {
    table.set(OP[name]!, accepts ? { emit, accepts } : { emit });
  };
}

/** Exponent of an operand size: 0, 1 or 2. */
export function log2(size: number): number {
  return size >> 1;
}

/** Push the result of an operation on two locals. */
export function pushBinary(c: Code, a: number, b: number, opcode: number): void {
  c.get(a);
  c.get(b);
  c.byte(opcode);
}

/** As {@link pushBinary}, into a local. */
export function binary(c: Code, a: number, b: number, opcode: number, result: number): void {
  pushBinary(c, a, b, opcode);
  c.set(result);
}
