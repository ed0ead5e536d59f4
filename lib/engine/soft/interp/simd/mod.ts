/**
 * MMX, SSE and SSE2: everything whose mnemonic in `opcodes.ts` is SIMD. Nothing later exists, so SSE3's opcodes raise
 * #UD like all that have no entry here.
 *
 * What enters: a decoded instruction with prefix and opcode in `Insn.code`. What leaves: {@link SIMD_HANDLERS}, the table
 * by that code, and the handlers of the few instructions around it that have mnemonics of their own. Read in this
 * order: `operands.ts` (how registers and memory are reached), `integer.ts`, `shifts.ts`, `shuffles.ts`, `moves.ts`, then
 * `mxcsr.ts`, `exact.ts`, `arithmetic.ts`, `approximate.ts`, `compare.ts`, `convert.ts`, and `control.ts`.
 *
 * @module
 */
import { installApproximate } from "./approximate.ts";
import { installArithmetic } from "./arithmetic.ts";
import { installCompare } from "./compare.ts";
import { installControl } from "./control.ts";
import { installConvert } from "./convert.ts";
import { installInteger } from "./integer.ts";
import { installMoves } from "./moves.ts";
import type { HandlerTable } from "./operands.ts";
import { installShifts } from "./shifts.ts";
import { installShuffles } from "./shuffles.ts";

export { fences, ldmxcsr, movnti, stmxcsr } from "./control.ts";

/** Handlers by `Insn.code`, which is prefix (0 none, 1 66, 2 F3, 3 F2) << 8 | opcode after 0F; `undefined` is #UD. */
export const SIMD_HANDLERS: HandlerTable = buildTable();

function buildTable(): HandlerTable {
  const table: HandlerTable = new Array(0x400).fill(undefined);
  installMoves(table);
  installInteger(table);
  installShifts(table);
  installShuffles(table);
  installArithmetic(table);
  installApproximate(table);
  installCompare(table);
  installConvert(table);
  installControl(table);
  return table;
}
