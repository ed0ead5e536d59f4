/**
 * All emitters of integer instructions in one table.
 *
 * Enters: an operation. Leaves: its emitter, if it is not left to the interpreter. Read next: `emitter.ts` (what an
 * emitter is), any of the families; `emit_simd.ts` has the table of SIMD instructions.
 *
 * @module
 */
import { ARITHMETIC } from "./emit_arithmetic.ts";
import { BITS } from "./emit_bits.ts";
import { FLAGS } from "./emit_flags.ts";
import { MOVES } from "./emit_moves.ts";
import { MULTIPLICATION } from "./emit_multiply.ts";
import { SHIFTS } from "./emit_shifts.ts";
import { STACK } from "./emit_stack.ts";
import { STRINGS } from "./emit_strings.ts";
import type { Emitter } from "./emitter.ts";

/** Emitters by operation; what is not here the interpreter executes. */
export const EMITTERS: ReadonlyMap<number, Emitter> = new Map(
  [ARITHMETIC, MULTIPLICATION, SHIFTS, BITS, MOVES, STACK, STRINGS, FLAGS].flatMap((family) => [...family]),
);
