/**
 * Functions in fixed point with {@link F} binary places, for the transcendental instructions: BigInt in, BigInt out,
 * about 180 places of the result right. Where a result can be tiny its series is given relative to the argument, so
 * that a product keeps its leading 64 bits exact.
 *
 * Read next: `transcendental.ts`.
 *
 * @module
 */

/** Binary places. */
export const F = 192n;
/** 1. */
export const ONE: bigint = 1n << F;
/** Pi, ln 2 and 1 / ln 2, cut off after {@link F} places. */
export const PI = 0x3243f6a8885a308d313198a2e03707344a4093822299f31d0n;
/** Natural logarithm of 2. */
export const LN2 = 0xb17217f7d1cf79abc9e3b39803f2f6af40f343267298b62dn;
/** Logarithm of e to base 2. */
export const LOG2E = 0x171547652b82fe1777d0ffda0d23a7d11d6aef551bad2b4b1n;

/** A fixed-point number as double, and back with 60 places. */
function toNumber(z: bigint): number {
  return Number(z >> (F - 60n)) / 2 ** 60;
}

function fromNumber(z: number): bigint {
  return BigInt(Math.round(z * 2 ** 60)) << (F - 60n);
}

/** m · 2^e in fixed point, cut off. */
export function fixed(m: bigint, e: number): bigint {
  const shift = BigInt(e) + F;
  return shift >= 0n ? m << shift : m >> -shift;
}

/** sin(z) / z, given w = z², 0 <= w < 1. */
export function sineSeries(w: bigint): bigint {
  let term = ONE, sum = ONE;
  for (let k = 2n; term !== 0n; k += 2n) {
    term = (term * w >> F) / (k * (k + 1n));
    sum += (k & 2n) !== 0n ? -term : term;
  }
  return sum;
}

/** cos(z), given w = z², 0 <= w < 1. */
export function cosineSeries(w: bigint): bigint {
  let term = ONE, sum = ONE;
  for (let k = 2n; term !== 0n; k += 2n) {
    term = (term * w >> F) / (k * (k - 1n));
    sum += (k & 2n) !== 0n ? -term : term;
  }
  return sum;
}

/** (e^z - 1) / z, |z| < 1. */
export function exponentialSeries(z: bigint): bigint {
  const negative = z < 0n;
  if (negative) z = -z;
  let term = ONE, sum = ONE;
  for (let k = 2n; term !== 0n; k++) {
    term = (term * z >> F) / k;
    sum += negative && (k & 1n) === 0n ? -term : term;
  }
  return sum;
}

/** e^z, |z| < 1. */
function exponential(z: bigint): bigint {
  return ONE + (z * exponentialSeries(z) >> F);
}

/** ln(z), 0.5 <= z < 2: floating point's answer, and the logarithm of what that leaves. */
export function logarithmNear1(z: bigint): bigint {
  const estimate = fromNumber(Math.log(toNumber(z)));
  const d = (z * exponential(-estimate) >> F) - ONE; // about 2^-52
  const d2 = d * d >> F;
  return estimate + d - (d2 >> 1n) + (d2 * d >> F) / 3n - (d2 * d2 >> (F + 2n));
}

/** ln(1 + t) / t, |t| < 2^-32. */
export function logarithmSeries(t: bigint): bigint {
  let power = ONE, sum = ONE;
  for (let k = 2n; k < 9n; k++) {
    power = -power * t >> F;
    sum += power / k;
  }
  return sum;
}

/** atan(q), 0 <= q <= 1, absolutely. */
export function arctangentUnit(q: bigint): bigint {
  const estimate = fromNumber(Math.atan(toNumber(q)));
  const w = estimate * estimate >> F;
  const sine = sineSeries(w) * estimate >> F, cosine = cosineSeries(w);
  const d = ((q * cosine >> F) - sine << F) / (cosine + (q * sine >> F)); // the tangent of what is left, about 2^-52
  return estimate + d - (d * d * d >> 2n * F) / 3n;
}

/** atan(q) / q, given w = q² < 2^-64. */
export function arctangentSeries(w: bigint): bigint {
  const w2 = w * w >> F;
  return ONE - w / 3n + w2 / 5n - (w2 * w >> F) / 7n;
}
