/**
 * What the quick ways of floating-point instructions check: that operands are no NaNs and not denormal, that results
 * are normal or exactly zero. Scalars are in scratch locals, of which {@link isDouble} knows the size.
 *
 * @module
 */
import type { Emission } from "./emission.ts";
import { TV2, TV3 } from "./locals.ts";
import { constant, type GiveUp, isDouble } from "./simd_operands.ts";
import { W } from "./wasm.ts";

const REINTERPRET32 = 0xbc, REINTERPRET64 = 0xbd;

/** Push 1 if a local is denormal: without its sign it is above 0 and below the smallest normal number. */
export function pushDenormal(g: Emission, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.const64(1);
    c.byte(W.I64_SUB);
    c.bigConst64(0x1f_ffff_ffff_ffffn);
    c.byte(W.I64_LT_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SUB);
    c.const(0xff_ffff);
    c.byte(W.LT_U);
  }
}

/**
 * Push 1 if a local is no normal number: zero, denormal, infinite or NaN; or the smallest normal number, which a product
 * may have been rounded up to that is tiny all the same and must set UE (Intel SDM volume 1, §4.9.1.5).
 */
export function pushAbnormal(g: Emission, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.bigConst64(0x20_0000_0000_0002n);
    c.byte(W.I64_SUB);
    c.bigConst64(-0x40_0000_0000_0002n); // 0xFFBF…FE
    c.byte(W.I64_GE_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(0x100_0002);
    c.byte(W.SUB);
    c.const(0xfdff_fffe | 0);
    c.byte(W.GE_U);
  }
}

/** Push 1 if a local is infinite or NaN. */
export function pushNotFinite(g: Emission, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.bigConst64(-0x20_0000_0000_0000n); // 0xFFE0…
    c.byte(W.I64_GE_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(0xff00_0000 | 0);
    c.byte(W.GE_U);
  }
}

/** Push 1 if a local is NaN. */
export function notNumber(g: Emission, local: number): void {
  g.code.get(local);
  g.code.get(local);
  g.code.byte(isDouble(local) ? 0x62 : 0x5c); // not equal to itself
}

/** Push 1 if a local is not 0. */
export function pushNotZero(g: Emission, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  c.byte(double ? REINTERPRET64 : REINTERPRET32);
  if (double) {
    c.const64(1);
    c.byte(W.I64_SHL);
    c.byte(W.I64_EQZ);
  } else {
    c.const(1);
    c.byte(W.SHL);
    c.byte(W.EQZ);
  }
  c.byte(W.EQZ);
}

/** Give up unless a result is a normal number, or zero because one of the operands `zeros` is. */
export function requireNormal(g: Emission, result: number, zeros: readonly number[], giveUp: GiveUp): void {
  const c = g.code;
  pushAbnormal(g, result);
  g.openIf();
  zeros.forEach((operand, i) => {
    pushNotZero(g, operand);
    if (i > 0) c.byte(W.AND);
  });
  pushNotZero(g, result); // zero times infinity is NaN
  c.byte(W.OR);
  giveUp();
  g.closeIf();
}

/** Sixteen bytes of a repeated little-endian constant. */
export function repeated(bytes: readonly number[]): number[] {
  return Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]!);
}
const SMALLEST64 = repeated([0, 0, 0, 0, 0, 0, 0x10, 0]), SMALLEST32 = repeated([0, 0, 0x80, 0]);
const LARGEST64 = repeated([255, 255, 255, 255, 255, 255, 0xef, 0x7f]), LARGEST32 = repeated([255, 255, 0x7f, 0x7f]);

/** In WebAssembly's order. */
const COMPARISONS = { equal: 0, notEqual: 1, less: 2, greater: 3, atMost: 4, atLeast: 5 };

/** Compare the lanes of two vectors on the stack, which leaves a mask. */
export function compareLanes(g: Emission, double: boolean, comparison: keyof typeof COMPARISONS): void {
  g.code.simd((double ? 71 : 65) + COMPARISONS[comparison]);
}

/** Push a vector without its lanes' signs. */
export function pushMagnitude(g: Emission, vector: number, double: boolean): void {
  g.code.get(vector);
  g.code.simd(double ? 236 : 224);
}

/** Push the mask of the lanes that are zero. */
export function pushZeroLanes(g: Emission, vector: number, double: boolean): void {
  g.code.get(vector);
  constant(g, repeated([0]));
  compareLanes(g, double, "equal");
}

/** Push 1 unless all lanes of a mask are set. */
export function notAll(g: Emission, double: boolean): void {
  g.code.simd(double ? 195 : 163);
  g.code.byte(W.EQZ);
}

/** Give up if a lane is denormal or NaN. */
export function requireOperands(g: Emission, vector: number, double: boolean, giveUp: GiveUp): void {
  const c = g.code;
  pushMagnitude(g, vector, double);
  constant(g, double ? SMALLEST64 : SMALLEST32);
  compareLanes(g, double, "atLeast");
  pushZeroLanes(g, vector, double);
  c.simd(80);
  notAll(g, double);
  giveUp();
}

/** As {@link pushNotFinite} for vectors: give up if a lane is infinite or NaN. */
export function requireFinite(g: Emission, vector: number, double: boolean, giveUp: GiveUp): void {
  pushMagnitude(g, vector, double);
  constant(g, double ? LARGEST64 : LARGEST32);
  compareLanes(g, double, "atMost");
  notAll(g, double);
  giveUp();
}

/** As {@link requireNormal} for vectors. */
export function requireNormalLanes(
  g: Emission,
  { result, zeros, double }: { result: number; zeros: readonly number[]; double: boolean },
  giveUp: GiveUp,
): void {
  const c = g.code;
  pushMagnitude(g, result, double);
  c.tee(TV2);
  constant(g, double ? SMALLEST64 : SMALLEST32);
  compareLanes(g, double, "greater");
  c.get(TV2);
  constant(g, double ? LARGEST64 : LARGEST32);
  compareLanes(g, double, "atMost");
  c.simd(78);
  c.tee(TV3);
  notAll(g, double);
  g.openIf();
  zeros.forEach((operand, i) => {
    pushZeroLanes(g, operand, double);
    if (i > 0) c.simd(80);
  });
  pushZeroLanes(g, result, double);
  c.simd(78);
  c.get(TV3);
  c.simd(80);
  notAll(g, double);
  giveUp();
  g.closeIf();
}
