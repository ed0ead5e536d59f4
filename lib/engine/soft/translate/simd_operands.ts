/**
 * Operands of SIMD instructions: XMM registers, memory that must be aligned or not, their low lanes, constants; and what
 * MXCSR must be like for WebAssembly's arithmetic to do what SSE's would. Used by all families of SIMD emitters.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { STATE_MXCSR } from "../state.ts";
import type { Emission } from "./emission.ts";
import { T0, TF2 } from "./locals.ts";
import { loadWide, pushLinear } from "./memory_access.ts";
import { W } from "./wasm.ts";

/** How a SIMD instruction is emitted, and what it touches beside its XMM operands. */
export interface SimdEmitter {
  readonly emit: (g: Emission, insn: Insn) => void;
  /** The ModRM reg operand is XMM and written (default), XMM and only read, or a general register that is written. */
  readonly reg?: "read" | "general";
  /** The ModRM rm operand is XMM and read (default), XMM and written, or a general register. */
  readonly rm?: "write" | "general" | "general-write";
  /** Only with (true) or without (false) a memory operand. */
  readonly mem?: boolean;
  /** It sets the arithmetic flags. */
  readonly flags?: boolean;
}

/** Emitters by {@link Insn.code}. */
export type SimdTable = (SimdEmitter | undefined)[];

/** What a family fills its table with. */
export function simdDefiner(table: SimdTable): (codes: readonly number[], emitter: SimdEmitter) => void {
  return (codes, emitter) => {
    for (const code of codes) table[code] = emitter;
  };
}

/** Prefixes of {@link Insn.code}. */
export const P66 = 0x100, PF3 = 0x200, PF2 = 0x300;

/** With an address in T0: #GP comes from the interpreter if it is not on a 16-byte boundary. */
export function requireAlignment(g: Emission): void {
  const c = g.code;
  c.get(T0);
  c.const(15);
  c.byte(W.AND);
  g.openUnlikely();
  g.leaveHere();
  g.closeIf();
}

/** Push the 16 bytes of the rm operand. */
export function pushSource(g: Emission, insn: Insn, aligned = true): void {
  const c = g.code;
  if (!insn.mem) return c.get(g.xmm(insn.rm));
  pushLinear(g, insn);
  if (aligned) {
    c.set(T0);
    requireAlignment(g);
    c.get(T0);
  }
  loadWide(g, 16, () => c.simdMemory(0, 0));
}

/** Push the rm operand's low 4 or 8 bytes as a vector whose other lanes do not matter. */
export function pushLow(g: Emission, insn: Insn, size: 4 | 8): void {
  if (!insn.mem) return g.code.get(g.xmm(insn.rm));
  pushLinear(g, insn);
  loadWide(g, size, () => g.code.simdMemory(size === 8 ? 93 : 92, 0));
}

/** Lanes of `i8x16.shuffle` from lanes of a given width; 16 bytes of the first operand, then 16 of the second. */
export function shuffle(g: Emission, width: number, lanes: readonly number[]): void {
  g.code.simd(13);
  for (const lane of lanes) for (let i = 0; i < width; i++) g.code.byte(lane * width + i);
}

/** A vector constant. */
export function constant(g: Emission, bytes: readonly number[]): void {
  g.code.simd(12);
  for (const byte of bytes) g.code.byte(byte);
}

/** All bytes 0. */
export const ZERO = new Array<number>(16).fill(0);

/** Clear the upper half of the vector on the stack. */
export function zeroUpper(g: Emission): void {
  constant(g, ZERO);
  shuffle(g, 8, [0, 2]);
}

/** MXCSR without the flags that may be in any state; the value that allows the quick way. */
const MXCSR_MASK = 0xffe0, MXCSR_QUICK = 0x1fa0;

/** Emits the branch to the interpreter if the value on the stack is not 0; see {@link Emission.tryQuick}. */
export type GiveUp = () => void;

/** Give up unless results are rounded to nearest, PE is set already and nothing else can be seen of rounding. */
export function checkMode(g: Emission, giveUp: GiveUp): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD, STATE_MXCSR);
  c.const(MXCSR_MASK);
  c.byte(W.AND);
  c.const(MXCSR_QUICK);
  c.byte(W.NE);
  giveUp();
}

/** Whether a scratch local holds a double. */
export function isDouble(local: number): boolean {
  return local <= TF2;
}

/** Put the low lane of the rm operand into a floating-point local. */
export function scalarSource(g: Emission, insn: Insn, into: number): void {
  const c = g.code, double = isDouble(into);
  if (insn.mem) {
    pushLinear(g, insn);
    loadWide(g, double ? 8 : 4, () => c.memory(double ? W.F64_LOAD : W.F32_LOAD, 0));
  } else {
    c.get(g.xmm(insn.rm));
    extractLow(g, double);
  }
  c.set(into);
}

/** Replace the vector on the stack by its low lane. */
export function extractLow(g: Emission, double: boolean): void {
  g.code.simd(double ? 33 : 31);
  g.code.byte(0);
}

/** Replace the low lane of an XMM register by a local. */
export function setLow(g: Emission, register: number, value: number): void {
  const c = g.code, double = isDouble(value);
  c.get(g.xmm(register));
  c.get(value);
  c.simd(double ? 34 : 32);
  c.byte(0);
  c.set(g.xmm(register));
}
