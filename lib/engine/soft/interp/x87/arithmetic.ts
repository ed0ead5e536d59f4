/**
 * Addition, subtraction, multiplication, division and square root of {@link Float80}, in 32-bit integers and in floating
 * point where that is exact. Exceptions go to {@link env}; where one refuses the operation (`refused()`), the result
 * means nothing.
 *
 * Read next: `convert.ts`.
 *
 * @module
 */
import {
  BIAS,
  DE,
  env,
  Float80,
  invalid,
  isDenormal,
  isInfinity,
  isNormal,
  isZero,
  normalize,
  propagate,
  RC,
  RC_DOWN,
  roundPack,
  setInfinity,
  setZero,
  TOP_BIT,
  ZE,
} from "./float80.ts";

const TWO32 = 4294967296;
const FROM32 = 1 / TWO32;
const x = new Float80(), y = new Float80();

/** a + b. */
export function add(a: Float80, b: Float80, r: Float80): void {
  addSigned(a, b, b.sign, r);
}

/** a - b. */
export function sub(a: Float80, b: Float80, r: Float80): void {
  addSigned(a, b, b.sign ^ 1, r);
}

/** b - a. */
export function subr(a: Float80, b: Float80, r: Float80): void {
  addSigned(b, a, a.sign ^ 1, r);
}

/** b / a. */
export function divr(a: Float80, b: Float80, r: Float80): void {
  div(b, a, r);
}

/** Report denormal operands; whether the operation goes on. */
function denormals(a: Float80, b: Float80): boolean {
  if (isDenormal(a) || isDenormal(b)) env.raised |= DE;
  return (env.raised & ~env.control & DE) === 0;
}

function addSigned(a: Float80, b: Float80, signB: number, r: Float80): void {
  if (isNormal(a) && isNormal(b) && env.raised === 0) {
    if (a.sign === signB) addMagnitudes(a, b, r);
    else subMagnitudes(a, b, a.sign, r);
    return;
  }
  if (propagate(a, b, r) || !denormals(a, b)) return;
  const signA = a.sign;
  if (isInfinity(a)) {
    if (isInfinity(b) && signA !== signB) invalid(r);
    else setInfinity(r, signA);
    return;
  }
  if (isInfinity(b)) return setInfinity(r, signB);
  if (isZero(b)) {
    if (isZero(a)) return setZero(r, signA === signB ? signA : (env.control & RC) === RC_DOWN ? 1 : 0);
    normalize(a, x);
    return roundPack(r, signA, x.exp, x.hi, x.lo, 0);
  }
  normalize(b, y);
  if (isZero(a)) return roundPack(r, signB, y.exp, y.hi, y.lo, 0);
  normalize(a, x);
  if (signA === signB) addMagnitudes(x, y, r);
  else subMagnitudes(x, y, signA, r);
}

/** |a| + |b| with a's sign; significands normalized. */
function addMagnitudes(a: Float80, b: Float80, r: Float80): void {
  const sign = a.sign;
  if (a.exp < b.exp) {
    const swap = a;
    a = b;
    b = swap;
  }
  let exp = a.exp, hi = b.hi, lo = b.lo, ext = 0;
  const d = exp - b.exp;
  if (d !== 0) {
    if (d < 32) {
      ext = lo << (32 - d);
      lo = lo >>> d | hi << (32 - d);
      hi >>>= d;
    } else if (d < 64) {
      const n = d - 32;
      ext = n === 0 ? lo : hi << (32 - n) | lo >>> n | ((lo << (32 - n)) !== 0 ? 1 : 0);
      lo = hi >>> n;
      hi = 0;
    } else {
      ext = d === 64 ? hi | (lo !== 0 ? 1 : 0) : d < 96 ? hi >>> (d - 64) | 1 : 1;
      if (d > 64 && d < 96 && (lo | hi << (96 - d)) === 0) ext = hi >>> (d - 64);
      lo = hi = 0;
    }
  }
  const low = a.lo + lo | 0;
  const carry = low >>> 0 < lo >>> 0 ? 1 : 0;
  const high = (a.hi >>> 0) + (hi >>> 0) + carry;
  lo = low;
  hi = high | 0;
  if (high >= TWO32) {
    ext = ext >>> 1 | ext & 1 | lo << 31;
    lo = lo >>> 1 | hi << 31;
    hi = hi >>> 1 | TOP_BIT;
    exp++;
  }
  roundPack(r, sign, exp, hi, lo, ext);
}

/** |a| - |b|, the sign being a's as far as |a| is the greater; significands normalized. */
function subMagnitudes(a: Float80, b: Float80, sign: number, r: Float80): void {
  let d = a.exp - b.exp;
  if (d === 0) {
    if (a.hi === b.hi) {
      if (a.lo === b.lo) return setZero(r, (env.control & RC) === RC_DOWN ? 1 : 0);
      if (a.lo >>> 0 < b.lo >>> 0) d = -1;
    } else if (a.hi >>> 0 < b.hi >>> 0) d = -1;
  }
  if (d < 0) {
    const swap = a;
    a = b;
    b = swap;
    sign ^= 1;
  }
  let exp = a.exp, hi = b.hi, lo = b.lo, ext = 0;
  d = exp - b.exp;
  if (d !== 0) {
    if (d < 32) {
      ext = lo << (32 - d);
      lo = lo >>> d | hi << (32 - d);
      hi >>>= d;
    } else if (d < 64) {
      const n = d - 32;
      ext = n === 0 ? lo : hi << (32 - n) | lo >>> n | ((lo << (32 - n)) !== 0 ? 1 : 0);
      lo = hi >>> n;
      hi = 0;
    } else {
      ext = d === 64 ? hi | (lo !== 0 ? 1 : 0) : d < 96 ? hi >>> (d - 64) | 1 : 1;
      if (d > 64 && d < 96 && (lo | hi << (96 - d)) === 0) ext = hi >>> (d - 64);
      lo = hi = 0;
    }
  }
  const borrowExt = ext !== 0 ? 1 : 0;
  ext = -ext | 0;
  const low = (a.lo >>> 0) - (lo >>> 0) - borrowExt;
  hi = a.hi - hi - (low < 0 ? 1 : 0) | 0;
  lo = low | 0;
  while (hi === 0) {
    hi = lo;
    lo = ext;
    ext = 0;
    exp -= 32;
  }
  const n = Math.clz32(hi);
  if (n !== 0) {
    hi = hi << n | lo >>> (32 - n);
    lo = lo << n | ext >>> (32 - n);
    ext <<= n;
    exp -= n;
  }
  roundPack(r, sign, exp, hi, lo, ext);
}

/** a · b. */
export function mul(a: Float80, b: Float80, r: Float80): void {
  if (!isNormal(a) || !isNormal(b) || env.raised !== 0) {
    if (propagate(a, b, r)) return;
    const sign = a.sign ^ b.sign;
    if ((isInfinity(a) && isZero(b)) || (isZero(a) && isInfinity(b))) return invalid(r);
    if (!denormals(a, b)) return;
    if (isInfinity(a) || isInfinity(b)) return setInfinity(r, sign);
    if (isZero(a) || isZero(b)) return setZero(r, sign);
    normalize(a, x);
    normalize(b, y);
    a = x;
    b = y;
  }
  // Words as doubles; the high word of a 32x32 product is the rounded quotient of (product - low word) by 2^32: the
  // product is off by at most 2^10 in 2^64, which 2^32 makes small.
  const ah = a.hi >>> 0, al = a.lo >>> 0, bh = b.hi >>> 0, bl = b.lo >>> 0;
  const p0 = Math.imul(a.lo, b.lo) >>> 0;
  const h0 = ((al * bl - p0) * FROM32 + 0.5) >>> 0;
  const l1 = Math.imul(a.hi, b.lo) >>> 0;
  const h1 = ((ah * bl - l1) * FROM32 + 0.5) >>> 0;
  const l2 = Math.imul(a.lo, b.hi) >>> 0;
  const h2 = ((al * bh - l2) * FROM32 + 0.5) >>> 0;
  const l3 = Math.imul(a.hi, b.hi) >>> 0;
  const h3 = ((ah * bh - l3) * FROM32 + 0.5) >>> 0;
  const s1 = h0 + l1 + l2;
  const s2 = h1 + h2 + l3 + (s1 >= 2 * TWO32 ? 2 : s1 >= TWO32 ? 1 : 0);
  let hi = h3 + (s2 >= 2 * TWO32 ? 2 : s2 >= TWO32 ? 1 : 0) | 0;
  let lo = s2 | 0;
  let ext = s1 | 0;
  let exp = a.exp + b.exp - (BIAS - 1);
  if (hi >= 0) {
    hi = hi << 1 | lo >>> 31;
    lo = lo << 1 | ext >>> 31;
    ext = ext << 1 | p0 >>> 31;
    exp--;
    if (p0 << 1 !== 0) ext |= 1;
  } else if (p0 !== 0) ext |= 1;
  roundPack(r, a.sign ^ b.sign, exp, hi, lo, ext);
}

/** Remainder of {@link digit}. */
let remHi = 0, remLo = 0;

/**
 * One quotient digit, 32 bits: floor(rem * 2^32 / divisor), rem < divisor; leaves the new remainder. The estimate in
 * floating point is off by one at most.
 */
function digit(hi: number, lo: number, divisor: number): number {
  let q = Math.min(Math.floor(((remHi >>> 0) * TWO32 + (remLo >>> 0)) / divisor * TWO32), TWO32 - 1);
  const p0 = Math.imul(q, lo) >>> 0;
  const h0 = ((q * (lo >>> 0) - p0) * FROM32 + 0.5) >>> 0;
  const l1 = Math.imul(q, hi) >>> 0;
  const h1 = ((q * (hi >>> 0) - l1) * FROM32 + 0.5) >>> 0;
  const mid = h0 + l1;
  // (remHi, remLo, 0) - q * divisor, of which the low two words and the sign are wanted.
  const w1 = (remLo >>> 0) - (mid >>> 0) - (p0 !== 0 ? 1 : 0);
  let w2 = (remHi >>> 0) - h1 - (mid >= TWO32 ? 1 : 0) - (w1 < 0 ? 1 : 0);
  let r1 = w1 | 0, r0 = -p0 | 0;
  if (w2 < 0) {
    q--;
    const low = (r0 >>> 0) + (lo >>> 0);
    r0 = low | 0;
    r1 = r1 + hi + (low >= TWO32 ? 1 : 0) | 0;
  } else {
    while (w2 > 0 || r1 >>> 0 > hi >>> 0 || (r1 === hi && r0 >>> 0 >= lo >>> 0)) {
      q++;
      const low = (r0 >>> 0) - (lo >>> 0);
      const high = (r1 >>> 0) - (hi >>> 0) - (low < 0 ? 1 : 0);
      if (high < 0) w2--;
      r0 = low | 0;
      r1 = high | 0;
    }
  }
  remHi = r1;
  remLo = r0;
  return q | 0;
}

/** a / b. */
export function div(a: Float80, b: Float80, r: Float80): void {
  if (!isNormal(a) || !isNormal(b) || env.raised !== 0) {
    if (propagate(a, b, r)) return;
    const sign = a.sign ^ b.sign;
    if (isInfinity(a) ? isInfinity(b) : isZero(a) && isZero(b)) return invalid(r);
    if (!isInfinity(a) && isZero(b)) {
      env.raised = ZE; // and no DE: priorities in SDM volume 1, §4.9.2
      return setInfinity(r, sign);
    }
    if (!denormals(a, b)) return;
    if (isInfinity(a)) return setInfinity(r, sign);
    if (isInfinity(b) || isZero(a)) return setZero(r, sign);
    normalize(a, x);
    normalize(b, y);
    a = x;
    b = y;
  }
  const bHi = b.hi, bLo = b.lo;
  const divisor = (bHi >>> 0) * TWO32 + (bLo >>> 0);
  let exp = a.exp - b.exp + BIAS;
  remHi = a.hi;
  remLo = a.lo;
  const whole = remHi >>> 0 > bHi >>> 0 || (remHi === bHi && remLo >>> 0 >= bLo >>> 0);
  if (whole) {
    const low = (remLo >>> 0) - (bLo >>> 0);
    remHi = remHi - bHi - (low < 0 ? 1 : 0) | 0;
    remLo = low | 0;
  } else exp--;
  let hi = digit(bHi, bLo, divisor);
  let lo = digit(bHi, bLo, divisor);
  let ext = 0;
  if (whole) {
    ext = lo << 31 | ((remHi | remLo) !== 0 ? 1 : 0);
    lo = lo >>> 1 | hi << 31;
    hi = hi >>> 1 | TOP_BIT;
  } else if ((remHi | remLo) !== 0) {
    const twiceHi = remHi << 1 | remLo >>> 31, twiceLo = remLo << 1; // compare twice the remainder with the divisor
    if (remHi < 0 || twiceHi >>> 0 > bHi >>> 0 || (twiceHi === bHi && twiceLo >>> 0 > bLo >>> 0)) ext = TOP_BIT | 1;
    else ext = twiceHi === bHi && twiceLo === bLo ? TOP_BIT : 1;
  }
  roundPack(r, a.sign ^ b.sign, exp, hi, lo, ext);
}

/** Square root of a. */
export function sqrt(a: Float80, r: Float80): void {
  if (!isNormal(a) || a.sign !== 0) {
    if (propagate(a, a, r)) return;
    if (isZero(a)) return setZero(r, a.sign);
    if (a.sign !== 0) return invalid(r);
    if (!denormals(a, a)) return;
    if (isInfinity(a)) return setInfinity(r, 0);
    normalize(a, x);
    a = x;
  }
  // The root's bits one after the other: 64 of the result, then whether there is more. Remainder and root grow to 66
  // bits; three words hold them.
  const odd = (a.exp & 1) === 0; // BIAS is odd: an even exponent field is an odd power of two
  const exp = (a.exp - BIAS - (odd ? 1 : 0)) / 2 + BIAS;
  const n = BigInt(a.hi >>> 0) << 32n | BigInt(a.lo >>> 0);
  const radicand = n << (odd ? 64n : 63n);
  const root = integerRoot(radicand);
  const rest = radicand - root * root;
  const ext = rest === 0n ? 0 : rest > root ? TOP_BIT | 1 : 1; // (root + 1/2)^2 is no integer: never a tie
  roundPack(r, 0, exp, Number(root >> 32n) | 0, Number(root & 0xffff_ffffn) | 0, ext);
}

/** floor(sqrt(n)) for n below 2^128: one Newton step from floating point's 53 bits, then corrected. */
function integerRoot(n: bigint): bigint {
  let root = BigInt(Math.floor(Math.sqrt(Number(n))));
  root = (root + n / root) >> 1n;
  while (root * root > n) root--;
  while ((root + 1n) * (root + 1n) <= n) root++;
  return root;
}
