/**
 * Comparison and classification (Intel SDM volume 1, §8.3.6). Results are condition-code bits of the status word.
 *
 * Read next: `remainder.ts`.
 *
 * @module
 */
import {
  C0,
  C1,
  C2,
  C3,
  DE,
  env,
  EXP_MAX,
  type Float80,
  IE,
  isDenormal,
  isInfinity,
  isNaN80,
  isNormal,
  isSignaling,
  isUnsupported,
  isZero,
} from "./float80.ts";

/** The answer if an operand is no number. */
export const UNORDERED = C3 | C2 | C0;

/**
 * Compare a with b.
 *
 * @param quiet FUCOM's way: a quiet NaN raises nothing
 * @returns C3, C2, C0: 0 if a > b, C0 if a < b, C3 if equal, {@link UNORDERED}
 */
export function compare(a: Float80, b: Float80, quiet: boolean): number {
  if (!isNormal(a) || !isNormal(b) || env.raised !== 0) {
    if (isUnsupported(a) || isUnsupported(b)) {
      env.raised = IE;
      return UNORDERED;
    }
    if (isNaN80(a) || isNaN80(b)) {
      env.raised = !quiet || isSignaling(a) || isSignaling(b) ? IE : 0;
      return UNORDERED;
    }
    if (isDenormal(a) || isDenormal(b)) env.raised |= DE;
    if (isZero(a) && isZero(b)) return C3;
  }
  if (a.sign !== b.sign) return a.sign !== 0 ? C0 : 0;
  const order = magnitudes(a, b);
  return order === 0 ? C3 : (order < 0) !== (a.sign !== 0) ? C0 : 0;
}

/** -1, 0, 1 as |a| is less than, equal to or greater than |b|. */
function magnitudes(a: Float80, b: Float80): number {
  const aExp = a.exp === 0 ? 1 : a.exp, bExp = b.exp === 0 ? 1 : b.exp; // a pseudo-denormal equals a normal number
  if (aExp !== bExp && a.hi < 0 && b.hi < 0) return aExp < bExp ? -1 : 1;
  if (aExp !== bExp) return a.hi < 0 || isInfinity(a) ? 1 : b.hi < 0 ? -1 : aExp < bExp ? -1 : 1;
  if (a.hi !== b.hi) return a.hi >>> 0 < b.hi >>> 0 ? -1 : 1;
  if (a.lo !== b.lo) return a.lo >>> 0 < b.lo >>> 0 ? -1 : 1;
  return 0;
}

/** FXAM's condition codes for a register that is not empty: class, and the sign in C1. */
export function examine(a: Float80): number {
  const sign = a.sign !== 0 ? C1 : 0;
  if (isUnsupported(a)) return sign;
  if (a.exp === EXP_MAX) return sign | (isInfinity(a) ? C2 | C0 : C0);
  if (a.exp !== 0) return sign | C2;
  return sign | (isZero(a) ? C3 : C3 | C2);
}
