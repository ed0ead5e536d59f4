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
  const aHi = a.hi;
  lo = a.lo + lo | 0;
  const high = aHi + hi + (lo >>> 0 < a.lo >>> 0 ? 1 : 0) | 0;
  const carried = ((aHi & hi) | ((aHi | hi) & ~high)) < 0;
  hi = high;
  if (carried) {
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
  hi = a.hi - hi | 0;
  if (a.lo >>> 0 < lo >>> 0) hi = hi - 1 | 0;
  lo = a.lo - lo | 0;
  if (ext !== 0) {
    if (lo === 0) hi = hi - 1 | 0;
    lo = lo - 1 | 0;
    ext = -ext | 0;
  }
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
  // Column by column in 16-bit digits, whose products are split so that every sum stays below 2^31. This is twice as
  // fast as products in floating point, because turning doubles into integers is slow.
  const a0 = a.lo & 0xffff, a1 = a.lo >>> 16, a2 = a.hi & 0xffff, a3 = a.hi >>> 16;
  const b0 = b.lo & 0xffff, b1 = b.lo >>> 16, b2 = b.hi & 0xffff, b3 = b.hi >>> 16;
  let p = Math.imul(a0, b0);
  let rest = p & 0xffff;
  let q = p >>> 16;
  p = Math.imul(a1, b0);
  let s = Math.imul(a0, b1);
  let low = (p & 0xffff) + (s & 0xffff) + q;
  let carry = (p >>> 16) + (s >>> 16) + (low >>> 16);
  rest |= low << 16;
  p = Math.imul(a2, b0);
  q = Math.imul(a1, b1);
  s = Math.imul(a0, b2);
  low = (p & 0xffff) + (q & 0xffff) + (s & 0xffff) + (carry & 0xffff);
  carry = (p >>> 16) + (q >>> 16) + (s >>> 16) + (carry >>> 16) + (low >>> 16);
  let ext = low & 0xffff;
  p = Math.imul(a3, b0);
  q = Math.imul(a2, b1);
  s = Math.imul(a1, b2);
  let t = Math.imul(a0, b3);
  low = (p & 0xffff) + (q & 0xffff) + (s & 0xffff) + (t & 0xffff) + (carry & 0xffff);
  carry = (p >>> 16) + (q >>> 16) + (s >>> 16) + (t >>> 16) + (carry >>> 16) + (low >>> 16);
  ext |= low << 16;
  p = Math.imul(a3, b1);
  q = Math.imul(a2, b2);
  s = Math.imul(a1, b3);
  low = (p & 0xffff) + (q & 0xffff) + (s & 0xffff) + (carry & 0xffff);
  carry = (p >>> 16) + (q >>> 16) + (s >>> 16) + (carry >>> 16) + (low >>> 16);
  let lo = low & 0xffff;
  p = Math.imul(a3, b2);
  t = Math.imul(a2, b3);
  low = (p & 0xffff) + (t & 0xffff) + (carry & 0xffff);
  let hi = Math.imul(a3, b3) + (p >>> 16) + (t >>> 16) + (carry >>> 16) + (low >>> 16) | 0;
  lo |= low << 16;
  let exp = a.exp + b.exp - (BIAS - 1);
  if (hi >= 0) {
    hi = hi << 1 | lo >>> 31;
    lo = lo << 1 | ext >>> 31;
    ext = ext << 1 | rest >>> 31;
    exp--;
    rest <<= 1;
  }
  if (rest !== 0) ext |= 1;
  roundPack(r, a.sign ^ b.sign, exp, hi, lo, ext);
}

/** Remainder of {@link digit}. */
let remHi = 0, remLo = 0;

/**
 * One quotient digit, 32 bits: floor(rem * 2^32 / divisor), rem < divisor; leaves the new remainder. The estimate in
 * floating point is off by one at most.
 */
function digit(hi: number, lo: number, divisor: number): number {
  const estimate = ((remHi >>> 0) * TWO32 + (remLo >>> 0)) / divisor * TWO32;
  let q = estimate >= TWO32 ? -1 : estimate | 0;
  // (remHi, remLo, 0) - q * divisor, of which the low two words and whether it is negative are wanted.
  const q0 = q & 0xffff, q1 = q >>> 16;
  const d0 = lo & 0xffff, d1 = lo >>> 16, d2 = hi & 0xffff, d3 = hi >>> 16;
  let p = Math.imul(q0, d0);
  const first = p & 0xffff;
  let s = Math.imul(q1, d0);
  let t = Math.imul(q0, d1);
  let low = (p >>> 16) + (s & 0xffff) + (t & 0xffff);
  let carry = (s >>> 16) + (t >>> 16) + (low >>> 16);
  const p0 = first | low << 16;
  p = Math.imul(q1, d1);
  s = Math.imul(q0, d2);
  low = (p & 0xffff) + (s & 0xffff) + (carry & 0xffff);
  carry = (p >>> 16) + (s >>> 16) + (carry >>> 16) + (low >>> 16);
  const second = low & 0xffff;
  p = Math.imul(q1, d2);
  t = Math.imul(q0, d3);
  low = (p & 0xffff) + (t & 0xffff) + (carry & 0xffff);
  const p1 = second | low << 16;
  const p2 = Math.imul(q1, d3) + (p >>> 16) + (t >>> 16) + (carry >>> 16) + (low >>> 16) | 0;
  let r0 = -p0 | 0, r1 = remLo - p1 | 0, r2 = remHi - p2 | 0;
  if (remLo >>> 0 < p1 >>> 0) r2--;
  if (p0 !== 0) {
    if (r1 === 0) r2--;
    r1 = r1 - 1 | 0;
  }
  if (r2 < 0) {
    q--;
    r0 = r0 + lo | 0;
    r1 = r1 + hi + (r0 >>> 0 < lo >>> 0 ? 1 : 0) | 0;
  } else if (r2 > 0 || r1 >>> 0 > hi >>> 0 || (r1 === hi && r0 >>> 0 >= lo >>> 0)) {
    q++;
    r1 = r1 - hi - (r0 >>> 0 < lo >>> 0 ? 1 : 0) | 0;
    r0 = r0 - lo | 0;
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
    remHi = remHi - bHi - (remLo >>> 0 < bLo >>> 0 ? 1 : 0) | 0;
    remLo = remLo - bLo | 0;
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
