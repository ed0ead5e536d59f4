/**
 * FPREM, FPREM1, FSCALE, FXTRACT on numbers (Intel SDM volume 1, §8.3.5 and §8.3.8; tables in volume 2). They are rare:
 * BigInt does.
 *
 * Read next: `fixed.ts`.
 *
 * @module
 */
import {
  BIAS,
  C0,
  C1,
  C2,
  C3,
  DE,
  env,
  Float80,
  invalid,
  isDenormal,
  isInfinity,
  isZero,
  normalize,
  propagate,
  roundPack64,
  setInfinity,
  setZero,
  ZE,
} from "./float80.ts";

const x = new Float80(), y = new Float80();

/** A significand as one integer. */
export function significand(a: Float80): bigint {
  return BigInt(a.hi >>> 0) << 32n | BigInt(a.lo >>> 0);
}

/**
 * Remainder of a / b.
 *
 * @param nearest FPREM1: the quotient is rounded to the nearest integer; FPREM: toward zero
 * @returns condition codes: C2 if the reduction is not complete, else the quotient's last three bits in C0, C3, C1;
 * -1 where there is no number to reduce
 */
export function remainder(a: Float80, b: Float80, nearest: boolean, r: Float80): number {
  if (propagate(a, b, r)) return -1;
  if (isInfinity(a) || isZero(b)) {
    invalid(r);
    return -1;
  }
  if (isDenormal(a) || isDenormal(b)) env.raised |= DE;
  if ((env.raised & ~env.control & DE) !== 0) return -1;
  if (isZero(a)) {
    r.copy(a);
    return 0;
  }
  if (isInfinity(b)) {
    unchanged(a, r);
    return 0;
  }
  normalize(a, x);
  normalize(b, y);
  const distance = x.exp - y.exp;
  if (distance < -1 || (distance === -1 && !nearest)) {
    roundPack64(r, x.sign, x.exp, x.hi, x.lo, 0);
    return 0;
  }
  if (distance >= 64) { // reduce the exponents' distance by 32 to 63, as Intel's processors do
    const step = distance & 31 | 32;
    const rest = (significand(x) << BigInt(step)) % significand(y);
    packInteger(r, x.sign, rest, y.exp + distance - step - BIAS - 63);
    return C2;
  }
  const divisor = significand(y) << 1n;
  const dividend = significand(x) << BigInt(distance + 1);
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let sign = x.sign;
  if (nearest && (2n * rest > divisor || (2n * rest === divisor && (quotient & 1n) !== 0n))) {
    quotient++;
    rest = divisor - rest;
    sign ^= 1;
  }
  if (rest === 0n) setZero(r, x.sign);
  else packInteger(r, sign, rest, y.exp - BIAS - 64);
  const bits = Number(quotient & 7n);
  return (bits & 4 ? C0 : 0) | (bits & 2 ? C3 : 0) | (bits & 1 ? C1 : 0);
}

/** A denormal stays one without underflow; a pseudo-denormal becomes the normal number that it is. */
function unchanged(a: Float80, r: Float80): void {
  r.copy(a);
  if (a.exp === 0 && a.hi < 0) r.exp = 1;
}

/** Number of bits of a positive integer. */
export function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return digits.length * 4 - (Math.clz32(parseInt(digits[0]!, 16)) - 28);
}

/**
 * value · 2^exponent, rounded by RC to 64 bits.
 *
 * @param value not negative; 0 becomes a zero
 * @param sticky there is more behind the value's last bit
 */
export function packInteger(r: Float80, sign: number, value: bigint, exponent: number, sticky = false): void {
  if (value === 0n) return setZero(r, sign);
  const length = bitLength(value);
  const shift = length - 96;
  const top = shift > 0 ? value >> BigInt(shift) : value << BigInt(-shift);
  const rest = sticky || (shift > 0 && (top << BigInt(shift)) !== value);
  const ext = Number(top & 0xffff_ffffn) | (rest ? 1 : 0);
  const hi = Number(top >> 64n) | 0, lo = Number(top >> 32n & 0xffff_ffffn) | 0;
  roundPack64(r, sign, exponent + length - 1 + BIAS, hi, lo, ext | 0);
}

/** a · 2^trunc(b). */
export function scale(a: Float80, b: Float80, r: Float80): void {
  if (propagate(a, b, r)) return;
  if (isInfinity(b) && (b.sign === 0 ? isZero(a) : isInfinity(a))) return invalid(r);
  if (isDenormal(a) || isDenormal(b)) env.raised |= DE;
  if ((env.raised & ~env.control & DE) !== 0) return;
  if (isZero(a) || isInfinity(a)) return r.copy(a);
  if (isZero(b)) return unchanged(a, r);
  if (isInfinity(b)) return b.sign === 0 ? setInfinity(r, a.sign) : setZero(r, a.sign);
  normalize(a, x);
  const e = b.exp - BIAS;
  const steps = e < 0 ? 0 : e > 16 ? 0x2_0000 : b.hi >>> (31 - e);
  roundPack64(r, x.sign, x.exp + (b.sign !== 0 ? -steps : steps), x.hi, x.lo, 0);
}

/**
 * Take a number apart.
 *
 * @param r its significand, with an exponent of 0
 * @param exponent its exponent
 */
export function extract(a: Float80, r: Float80, exponent: Float80): void {
  if (propagate(a, a, r)) return exponent.copy(r);
  if (isZero(a)) {
    env.raised |= ZE;
    r.copy(a);
    return setInfinity(exponent, 1);
  }
  if (isInfinity(a)) {
    r.copy(a);
    return setInfinity(exponent, 0);
  }
  if (isDenormal(a)) env.raised |= DE;
  normalize(a, r);
  const value = r.exp - BIAS;
  const n = Math.clz32(Math.abs(value));
  if (value === 0) setZero(exponent, 0);
  else exponent.set(value < 0 ? 1 : 0, BIAS + 31 - n, Math.abs(value) << n, 0);
  r.exp = BIAS;
}
