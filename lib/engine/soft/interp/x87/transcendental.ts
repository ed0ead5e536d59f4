/**
 * F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS on numbers (Intel SDM volume 1, §8.3.7 to §8.3.10; tables in
 * volume 2). Results are right in all 64 bits but for a case in 2^60, where the manual asks for an error below one unit
 * in the last place.
 *
 * Like the processor, the trigonometric functions reduce their argument with a pi of 66 bits (§8.3.8): near multiples
 * of pi/2 the result is that of the processor, not the mathematical one.
 *
 * Read next: `unit.ts`.
 *
 * @module
 */
import {
  arctangentSeries,
  arctangentUnit,
  cosineSeries,
  exponentialSeries,
  F,
  fixed,
  LN2,
  LOG2E,
  logarithmNear1,
  logarithmSeries,
  ONE,
  PI,
  sineSeries,
} from "./fixed.ts";
import {
  BIAS,
  DE,
  env,
  EXP_MAX,
  Float80,
  invalid,
  isDenormal,
  isInfinity,
  isZero,
  normalize,
  PE,
  propagate,
  setInfinity,
  setZero,
  TOP_BIT,
  UE,
  ZE,
} from "./float80.ts";
import { bitLength, packInteger, significand } from "./remainder.ts";

const x = new Float80(), y = new Float80();

/** The processor's pi/2: 66 bits of it and two zeros, with the point behind the first. */
const HALF_PI_66 = 0xc90f_daa2_2168_c234_cn;
const HALF_PI_PLACES = 67;

/** Report denormal operands; whether the operation goes on. */
function denormals(a: Float80, b: Float80): boolean {
  if (isDenormal(a) || isDenormal(b)) env.raised |= DE;
  return (env.raised & ~env.control & DE) === 0;
}

/** Exponent of the last bit of a normalized significand. */
function lastPlace(a: Float80): number {
  return a.exp - BIAS - 63;
}

/** A finite number of 2^63 or more: the trigonometric functions leave it alone. */
export function isOutOfRange(a: Float80): boolean {
  return a.exp >= BIAS + 63 && a.exp !== EXP_MAX && a.hi < 0;
}

/** What {@link reduce} leaves: rest · 2^places, its sign, and the quadrant, 0 to 3. */
const reduced = { rest: 0n, places: 0, sign: 0, quadrant: 0 };

/** Take multiples of pi/2 away from a normalized number, to the nearest. */
function reduce(a: Float80): void {
  const places = lastPlace(a);
  reduced.sign = a.sign;
  if (a.exp < BIAS - 1) { // below 1/2
    reduced.rest = significand(a);
    reduced.places = places;
    reduced.quadrant = 0;
    return;
  }
  const common = Math.min(places, -HALF_PI_PLACES);
  const value = significand(a) << BigInt(places - common);
  const unit = HALF_PI_66 << BigInt(-HALF_PI_PLACES - common);
  let quotient = value / unit;
  let rest = value - quotient * unit;
  if (2n * rest > unit) {
    rest = unit - rest;
    quotient++;
    reduced.sign ^= 1;
  }
  reduced.rest = rest;
  reduced.places = common;
  const turns = Number(quotient & 3n);
  reduced.quadrant = a.sign !== 0 ? -turns & 3 : turns;
}

/** So small that sine and tangent are the argument for the processor, whatever the rounding. */
function isTiny(a: Float80): boolean {
  return a.exp < BIAS - 90;
}

function tiny(a: Float80, r: Float80): void {
  packInteger(r, a.sign, significand(a), lastPlace(a));
  env.raised |= r.exp === 0 ? UE | PE : PE;
}

/** Sine and cosine of the reduced argument, both positive: sine · 2^(places - F), cosine · 2^-F. */
function reducedSine(): bigint {
  const r = fixed(reduced.rest, reduced.places);
  return reduced.rest * sineSeries(r * r >> F);
}

function reducedCosine(): bigint {
  const r = fixed(reduced.rest, reduced.places);
  const series = cosineSeries(r * r >> F);
  return series === ONE ? ONE - 1n : series;
}

/**
 * Sine and cosine.
 *
 * @param sine where the sine goes, if it is wanted
 * @param cosine where the cosine goes, if it is wanted
 */
export function sineCosine(a: Float80, sine: Float80 | undefined, cosine: Float80 | undefined): void {
  const any = (sine ?? cosine)!;
  if (propagate(a, a, any)) return copies(any, sine, cosine);
  if (isInfinity(a)) {
    invalid(any);
    return copies(any, sine, cosine);
  }
  if (isZero(a)) {
    if (sine) setZero(sine, a.sign);
    cosine?.set(0, BIAS, TOP_BIT, 0);
    return;
  }
  if (!denormals(a, a)) return;
  normalize(a, x);
  reduce(x);
  const { quadrant, sign, places } = reduced;
  const swapped = (quadrant & 1) !== 0;
  const sineSign = swapped ? quadrant >> 1 : sign ^ quadrant >> 1;
  const cosineSign = swapped ? sign ^ quadrant >> 1 ^ 1 : quadrant >> 1;
  const fraction = Number(F);
  for (const [r, wantSine, resultSign] of [[sine, !swapped, sineSign], [cosine, swapped, cosineSign]] as const) {
    if (!r) continue;
    if (wantSine && isTiny(x)) tiny(x, r);
    else if (wantSine) packInteger(r, resultSign, reducedSine(), places - fraction, true);
    else packInteger(r, resultSign, reducedCosine(), -fraction, true);
  }
}

function copies(from: Float80, first: Float80 | undefined, other: Float80 | undefined): void {
  first?.copy(from);
  other?.copy(from);
}

/** Tangent, and the 1.0 that FPTAN pushes (or what it pushes instead). */
export function tangent(a: Float80, r: Float80, one: Float80): void {
  if (propagate(a, a, r)) return one.copy(r);
  if (isInfinity(a)) {
    invalid(r);
    return one.copy(r);
  }
  one.set(0, BIAS, TOP_BIT, 0);
  if (isZero(a)) return r.copy(a);
  if (!denormals(a, a)) return;
  normalize(a, x);
  if (isTiny(x)) return tiny(x, r);
  reduce(x);
  const sine = reducedSine(), cosine = reducedCosine();
  if ((reduced.quadrant & 1) === 0) {
    packInteger(r, reduced.sign, (sine << F) / cosine, reduced.places - Number(F), true);
  } else packInteger(r, reduced.sign ^ 1, (cosine << 2n * F) / sine, -2 * Number(F) - reduced.places, true);
}

/** 2^a - 1 for |a| <= 1; beyond that the manual leaves the result undefined, and the processor leaves the operand. */
export function exp2m1(a: Float80, r: Float80): void {
  if (propagate(a, a, r)) return;
  if (isInfinity(a)) return a.sign !== 0 ? r.set(1, BIAS, TOP_BIT, 0) : setInfinity(r, 0);
  if (isZero(a)) return r.copy(a);
  if (!denormals(a, a)) return;
  normalize(a, x);
  if (x.exp >= BIAS) {
    env.raised |= PE;
    r.copy(a);
    if (x.exp === BIAS && x.hi === TOP_BIT && x.lo === 0 && x.sign !== 0) r.exp--; // -1/2
    return;
  }
  const m = significand(x) * LN2;
  const places = lastPlace(x) - Number(F);
  const z = fixed(m, places);
  packInteger(r, x.sign, m * exponentialSeries(x.sign !== 0 ? -z : z), places - Number(F), true);
}

/** b · log2(a). */
export function logarithm(a: Float80, b: Float80, r: Float80): void {
  if (propagate(a, b, r)) return;
  if (isZero(a)) {
    if (isZero(b)) return invalid(r);
    if (!isInfinity(b)) env.raised |= ZE;
    return setInfinity(r, b.sign ^ 1);
  }
  if (a.sign !== 0) return invalid(r);
  const isOne = a.exp === BIAS && a.hi === TOP_BIT && a.lo === 0;
  const below1 = a.exp < BIAS ? 1 : 0;
  if (isInfinity(a) ? isZero(b) : isOne && isInfinity(b)) return invalid(r);
  if (!denormals(a, b)) return;
  if (isInfinity(a) || isInfinity(b)) return setInfinity(r, b.sign ^ below1);
  if (isOne || isZero(b)) return setZero(r, b.sign ^ below1);
  normalize(a, x);
  normalize(b, y);
  let exponent = x.exp - BIAS;
  let mantissa = significand(x) << (F - 63n);
  const exact = x.hi === TOP_BIT && x.lo === 0;
  if (x.hi >>> 0 > 0xb504_f333) { // above the root of 2, so that what follows is between its inverse and it
    mantissa >>= 1n;
    exponent++;
  }
  let log = BigInt(exponent) << F;
  if (!exact) log += logarithmNear1(mantissa) * LOG2E >> F;
  const product = significand(y) * (log < 0n ? -log : log);
  env.raised |= PE; // even if the result is exact
  packInteger(r, y.sign ^ (log < 0n ? 1 : 0), product, lastPlace(y) - Number(F), !exact);
  if (r.exp === 0) env.raised |= UE;
}

/** b · log2(a + 1), for a above -1 + 1/√2 and below √2 - 1 (more is computed here). */
export function logarithmPlus1(a: Float80, b: Float80, r: Float80): void {
  if (propagate(a, b, r)) return;
  if (isInfinity(a) ? a.sign !== 0 || isZero(b) : isZero(a) && isInfinity(b)) return invalid(r);
  if (!denormals(a, b)) return;
  const sign = a.sign ^ b.sign;
  if (isInfinity(a) || isInfinity(b)) return setInfinity(r, sign);
  if (isZero(a) || isZero(b)) return setZero(r, sign);
  normalize(a, x);
  normalize(b, y);
  if (x.sign !== 0 && x.exp >= BIAS) { // -1 and less: undefined, and this is what the processor does
    env.raised |= PE;
    return r.copy(a);
  }
  if (x.exp < BIAS - 32) {
    const t = fixed(significand(x), lastPlace(x));
    const product = significand(x) * significand(y) * (logarithmSeries(x.sign !== 0 ? -t : t) * LOG2E >> F);
    return packInteger(r, sign, product, lastPlace(x) + lastPlace(y) - Number(F), true);
  }
  const t = fixed(significand(x), lastPlace(x));
  let sum = x.sign !== 0 ? ONE - t : ONE + t;
  let log = 0n;
  if (x.exp >= BIAS - 1) { // out of the domain, or near its end
    const exponent = BigInt(bitLength(sum) - 1) - F;
    sum = exponent < 0n ? sum << -exponent : sum >> exponent;
    log = exponent << F;
  }
  log += logarithmNear1(sum) * LOG2E >> F;
  if (log < 0n) log = -log;
  packInteger(r, sign, significand(y) * log, lastPlace(y) - Number(F), true);
}

/** atan2(b, a): the angle of the point (ST(0), ST(1)). */
export function arctangent(a: Float80, b: Float80, r: Float80): void {
  if (propagate(a, b, r) || !denormals(a, b)) return;
  const sign = b.sign;
  const places = -Number(F);
  if (isInfinity(b)) {
    const angle = !isInfinity(a) ? PI >> 1n : a.sign !== 0 ? 3n * PI >> 2n : PI >> 2n;
    return packInteger(r, sign, angle, places, true);
  }
  if (isInfinity(a) || isZero(b)) {
    if (a.sign !== 0) return packInteger(r, sign, PI, places, true);
    return setZero(r, sign);
  }
  if (isZero(a)) return packInteger(r, sign, PI >> 1n, places, true);
  normalize(a, x);
  normalize(b, y);
  const steep = y.exp > x.exp || (y.exp === x.exp && significand(y) > significand(x));
  const least = steep ? x : y, most = steep ? y : x;
  const distance = most.exp - least.exp;
  const q = (significand(least) << F) / significand(most); // to be shifted right by the distance
  if (distance > 32 && !steep && x.sign === 0) {
    const w = fixed(q * q, -2 * Number(F) - 2 * distance);
    return packInteger(r, sign, q * (arctangentSeries(w) - 1n), 2 * places - distance, true);
  }
  let angle = distance > Number(F) ? 0n : arctangentUnit(q >> BigInt(distance));
  if (steep) angle = x.sign !== 0 ? (PI >> 1n) + angle : (PI >> 1n) - angle;
  else if (x.sign !== 0) angle = PI - angle;
  packInteger(r, sign, angle, places, true);
}
