/**
 * SSE and SSE2 instructions that become WebAssembly SIMD.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import type { Effects } from "./effects.ts";
import type { Generator } from "./generator.ts";

/** Whether a SIMD instruction is emitted here and not left to the interpreter. */
export function isNativeSimd(_insn: Insn): boolean {
  return false;
}

/** What it touches; see `effects.ts`. */
export function simdEffects(_insn: Insn): Effects {
  throw new Error("unreachable");
}

/** Emit it. */
export function emitSimd(_g: Generator, _insn: Insn): void {}
