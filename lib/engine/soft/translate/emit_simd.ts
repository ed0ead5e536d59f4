/**
 * SSE and SSE2 on XMM registers as WebAssembly SIMD: the table of all families. MMX and the rest are left to the
 * interpreter.
 *
 * Enters: an instruction. Leaves: whether it is emitted, what it touches, its code. Read next: `simd_operands.ts` (what
 * an emitter is), `emit_simd_moves.ts` and the other families.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { CS } from "../state.ts";
import type { Emission } from "./emission.ts";
import { COMPARISONS } from "./emit_compare.ts";
import { CONVERSIONS } from "./emit_convert.ts";
import { ARITHMETIC } from "./emit_float.ts";
import { PACKED } from "./emit_packed.ts";
import { PACKED_SHIFTS, SHIFT_GROUPS, shiftOf } from "./emit_packed_shift.ts";
import { SHUFFLES } from "./emit_shuffle.ts";
import { SIMD_MOVES } from "./emit_simd_moves.ts";
import type { SimdTable } from "./simd_operands.ts";
import { addressBits, type Effects, FLAGS_KEEP, FLAGS_SET, SLOT_FLAGS, SLOT_XMM } from "./slots.ts";

/** By {@link Insn.code}. */
const TABLE: SimdTable = [];
for (const table of [SIMD_MOVES, PACKED, PACKED_SHIFTS, SHUFFLES, ARITHMETIC, COMPARISONS, CONVERSIONS]) {
  table.forEach((emitter, code) => TABLE[code] = emitter);
}

/** Whether a SIMD instruction is emitted here and not left to the interpreter. */
export function isNativeSimd(insn: Insn): boolean {
  const emitter = TABLE[insn.code];
  if (!emitter || (insn.mem && (insn.addrSize !== 4 || insn.seg === CS))) return false;
  if (SHIFT_GROUPS.has(insn.code)) return !insn.mem && shiftOf(insn) !== undefined;
  return emitter.mem === undefined || emitter.mem === insn.mem;
}

/** What it touches; see `effects.ts`. */
export function simdEffects(insn: Insn): Effects {
  const emitter = TABLE[insn.code]!;
  let uses = addressBits(insn), writes = 0;
  const shift = SHIFT_GROUPS.has(insn.code);
  if (emitter.reg === "general") {
    uses |= 1 << insn.reg;
    writes |= 1 << insn.reg;
  } else if (!shift) {
    uses |= 1 << (SLOT_XMM + insn.reg);
    if (emitter.reg !== "read") writes |= 1 << (SLOT_XMM + insn.reg);
  }
  if (!insn.mem) {
    const general = emitter.rm === "general" || emitter.rm === "general-write";
    const bit = general ? 1 << insn.rm : 1 << (SLOT_XMM + insn.rm);
    uses |= bit;
    if (emitter.rm === "write" || emitter.rm === "general-write" || shift) writes |= bit;
  }
  if (emitter.flags) {
    uses |= 1 << SLOT_FLAGS;
    writes |= 1 << SLOT_FLAGS;
  }
  return {
    uses,
    writes,
    flags: emitter.flags ? FLAGS_SET : FLAGS_KEEP,
    readsFlags: false,
    observes: true,
    interpreted: false,
  };
}

/** Emit it. */
export function emitSimd(g: Emission, insn: Insn): void {
  g.needSse();
  TABLE[insn.code]!.emit(g, insn);
}
