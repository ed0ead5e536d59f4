/**
 * Numbers that a generated function is made of: imported functions and local variables.
 *
 * @module
 */
import { F32, F64, I32, I64, V128 } from "./wasm.ts";

/** Indices of imported functions; `translator.ts` provides them in this order. */
export const IMPORT = {
  READ8: 0,
  READ16: 1,
  READ32: 2,
  WRITE8: 3,
  WRITE16: 4,
  WRITE32: 5,
  MODIFY8: 6,
  MODIFY16: 7,
  MODIFY32: 8,
  INTERPRET: 9,
  CARRY: 10,
  CONDITION: 11,
  AUXILIARY: 12,
  CHAIN: 13,
  FLAGS: 14,
  SYSTEM: 15,
  SECOND: 16,
} as const;

/** Parameters: entry number, and the virtual address, of which the page is kept. Then eight registers. */
export const L_ENTRY = 0, L_PAGE = 1, L_REG = 2;
/** Lazy flags: operation, result, source; and the first operand, valid within a node. */
export const L_OP = 10, L_RES = 11, L_SRC = 12, L_DST = 13;
export const L_TLB = 14, L_BUDGET = 15, L_TARGET = 16;
/** Scratch for emitters. */
export const T0 = 17, T1 = 18, T2 = 19, T3 = 20;
export const L_ADDRESS = 21, L_ENTRY_AT = 22, L_HOST = 23;
/** 64-bit scratch. */
export const T64A = 24, T64B = 25;
export const L_XMM = 26;
/** 128-bit scratch. */
export const TV0 = 34, TV1 = 35, TV2 = 36, TV3 = 37;
/** Floating-point scratch: 64 and 32 bits. */
export const TF0 = 38, TF1 = 39, TF2 = 40, TS0 = 41, TS1 = 42, TS2 = 43;
export const LOCALS = [
  ...new Array<number>(22).fill(I32),
  I64,
  I64,
  ...new Array<number>(12).fill(V128),
  F64,
  F64,
  F64,
  F32,
  F32,
  F32,
];
