/**
 * Between {@link Float80} and what memory holds: single and double precision, integers of 16, 32 and 64 bits, packed
 * decimal (Intel SDM volume 1, §4.2 and §4.7, §8.3.3). Two-word results are left in {@link words}.
 *
 * Read next: `compare.ts`.
 *
 * @module
 */
import {
  BIAS,
  C1,
  DE,
  env,
  EXP_MAX,
  type Float80,
  IE,
  isInfinity,
  isUnsupported,
  isZero,
  normalize,
  OE,
  PE,
  RC,
  RC_DOWN,
  RC_NEAREST,
  RC_UP,
  roundsUp,
  TOP_BIT,
  UE,
} from "./float80.ts";

/** Two-word results: doubles and 64-bit integers; {@link toSingle} uses `lo` only. */
export const words = { hi: 0, lo: 0 };

/** A single-precision number becomes exact; a denormal raises DE, a signaling NaN stays one. */
export function fromSingle(bits: number, r: Float80): void {
  const exp = bits >>> 23 & 0xff;
  r.sign = bits >>> 31;
  r.lo = 0;
  if (exp !== 0) {
    r.exp = exp === 0xff ? EXP_MAX : exp + (BIAS - 127);
    r.hi = bits << 8 | TOP_BIT;
    return;
  }
  const fraction = bits & 0x7f_ffff;
  if (fraction === 0) {
    r.exp = r.hi = 0;
    return;
  }
  env.raised |= DE;
  const n = Math.clz32(fraction);
  r.hi = fraction << n;
  r.exp = BIAS - 126 + 8 - n;
}

/** A double-precision number becomes exact; a denormal raises DE, a signaling NaN stays one. */
export function fromDouble(hi: number, lo: number, r: Float80): void {
  const exp = hi >>> 20 & 0x7ff;
  r.sign = hi >>> 31;
  if (exp !== 0) {
    r.exp = exp === 0x7ff ? EXP_MAX : exp + (BIAS - 1023);
    r.hi = TOP_BIT | hi << 11 | lo >>> 21;
    r.lo = lo << 11;
    return;
  }
  const top = hi & 0xf_ffff;
  r.exp = 0;
  r.hi = top << 11 | lo >>> 21;
  r.lo = lo << 11;
  if ((top | lo) === 0) return;
  env.raised |= DE;
  normalize(r, r);
  r.exp += BIAS - 1023;
}

/** A signed 32-bit integer. */
export function fromInteger(value: number, r: Float80): void {
  r.lo = 0;
  if (value === 0) {
    r.sign = r.exp = r.hi = 0;
    return;
  }
  r.sign = value >>> 31;
  const magnitude = value < 0 ? -value | 0 : value;
  const n = Math.clz32(magnitude);
  r.hi = magnitude << n;
  r.exp = BIAS + 31 - n;
}

/** A signed 64-bit integer. */
export function fromInteger64(hi: number, lo: number, r: Float80): void {
  if ((hi | lo) === 0) return r.set(0, 0, 0, 0);
  r.sign = hi >>> 31;
  if (hi < 0) {
    hi = ~hi + (lo === 0 ? 1 : 0) | 0;
    lo = -lo | 0;
  }
  r.exp = BIAS + 63;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    r.exp -= 32;
  }
  const n = Math.clz32(hi);
  r.exp -= n;
  r.hi = n === 0 ? hi : hi << n | lo >>> (32 - n);
  r.lo = lo << n;
}

/** Round to single precision, into `words.lo`. */
export function toSingle(a: Float80): void {
  narrow(a, 24, 127);
  const { sign, exp, hi } = narrowed;
  words.lo = sign << 31 | exp << 23 | hi >>> 8 & 0x7f_ffff;
}

/** Round to double precision, into `words`. */
export function toDouble(a: Float80): void {
  const exp = a.exp - (BIAS - 1023);
  if (a.hi < 0 && exp > 0 && exp < 0x7ff && (a.lo & 0x7ff) === 0) { // nothing to round
    words.hi = a.sign << 31 | exp << 20 | a.hi >>> 11 & 0xf_ffff;
    words.lo = a.hi << 21 | a.lo >>> 11;
    return;
  }
  narrow(a, 53, 1023);
  words.hi = narrowed.sign << 31 | narrowed.exp << 20 | narrowed.hi >>> 11 & 0xf_ffff;
  words.lo = narrowed.hi << 21 | narrowed.lo >>> 11;
}

/** What {@link narrow} leaves: exponent in the narrow format, significand still at the left. */
const narrowed = { sign: 0, exp: 0, hi: 0, lo: 0 };

function narrowTo(sign: number, exp: number, hi: number, lo: number): void {
  narrowed.sign = sign;
  narrowed.exp = exp;
  narrowed.hi = hi;
  narrowed.lo = lo;
}

/** Round to `keep` bits (24 or 53) and an exponent with another bias, with that format's overflow and underflow. */
function narrow(a: Float80, keep: 24 | 53, bias: number): void {
  const sign = a.sign, top = 2 * bias + 1;
  if (a.exp === EXP_MAX || isUnsupported(a)) return narrowSpecial(a, keep, top);
  if (isZero(a)) return narrowTo(sign, 0, 0, 0);
  let exp = a.exp + bias - BIAS;
  let up = cut(sign, keep, a.hi, a.lo);
  let inexact = cutInexact;
  if (exp + (up && cutHi >= 0 ? 1 : 0) <= 0) {
    // Tiny. A denormal of the wide format ends here too: its integer bit is missing, and all of it is shifted out.
    env.raised |= UE;
    if ((env.control & UE) === 0) return; // unmasked: nothing will be stored (§8.5.5)
    shiftRight(a.hi, a.lo, 1 - exp);
    up = cut(sign, keep, shiftedHi, shiftedLo);
    inexact = cutInexact;
    if (inexact) env.raised |= PE;
    else env.raised &= ~UE;
    if (up) env.up = C1;
    return narrowTo(sign, cutHi < 0 ? 1 : 0, cutHi, cutLo);
  }
  if (up && cutHi >= 0) {
    cutHi = TOP_BIT;
    exp++;
  }
  if (exp >= top) return narrowOverflow(sign, keep, top);
  if (inexact) env.raised |= PE;
  if (up) env.up = C1;
  narrowTo(sign, exp, cutHi, cutLo);
}

function narrowSpecial(a: Float80, keep: 24 | 53, top: number): void {
  if (isUnsupported(a)) {
    env.raised |= IE;
    return narrowTo(1, top, 0xc000_0000 | 0, 0);
  }
  if (!isInfinity(a) && (a.hi & 0x4000_0000) === 0) env.raised |= IE;
  const quiet = isInfinity(a) ? 0 : 0x4000_0000;
  narrowTo(a.sign, top, keep === 24 ? a.hi & ~0xff | quiet : a.hi | quiet, keep === 24 ? 0 : a.lo & ~0x7ff);
}

function narrowOverflow(sign: number, keep: 24 | 53, top: number): void {
  env.raised |= OE;
  if ((env.control & OE) === 0) return;
  env.raised |= PE;
  const rc = env.control & RC;
  if (rc === RC_NEAREST || rc === (sign !== 0 ? RC_DOWN : RC_UP)) {
    env.up = C1;
    narrowTo(sign, top, TOP_BIT, 0);
  } else narrowTo(sign, top - 1, keep === 24 ? ~0xff : -1, ~0x7ff);
}

let cutHi = 0, cutLo = 0, cutInexact = false;

/** Round a significand to 24 or 53 bits; a carry out leaves `cutHi` without its top bit. Returns whether it went up. */
function cut(sign: number, keep: 24 | 53, hi: number, lo: number): boolean {
  const ext = keep === 53 ? lo << 21 : hi << 24 | lo >>> 8 | ((lo & 0xff) !== 0 ? 1 : 0);
  cutInexact = ext !== 0;
  cutLo = keep === 53 ? lo & ~0x7ff : 0;
  cutHi = keep === 53 ? hi : hi & ~0xff;
  if (!roundsUp(sign, ext, keep === 53 ? lo & 0x800 : hi & 0x100)) return false;
  if (keep === 53) {
    cutLo = cutLo + 0x800 | 0;
    if (cutLo === 0) cutHi = cutHi + 1 | 0;
  } else cutHi = cutHi + 0x100 | 0;
  return true;
}

let shiftedHi = 0, shiftedLo = 0;

/** Shift two words right; what falls out stays as bit 0. */
function shiftRight(hi: number, lo: number, n: number): void {
  if (n >= 64) {
    shiftedHi = 0;
    shiftedLo = 1;
    return;
  }
  let sticky = 0;
  if (n >= 32) {
    sticky = lo;
    lo = hi;
    hi = 0;
    n -= 32;
  }
  if (n !== 0) {
    sticky |= lo << (32 - n);
    lo = lo >>> n | hi << (32 - n);
    hi >>>= n;
  }
  shiftedHi = hi | 0;
  shiftedLo = lo | (sticky !== 0 ? 1 : 0);
}

/**
 * Round to an integer's magnitude, in `words`; a fraction raises PE. The number must be below
 * 2^64 and normal or denormal.
 */
function magnitude(a: Float80): void {
  const e = a.exp - BIAS;
  let hi = 0, lo = 0, ext = 0;
  if (e === 63) {
    hi = a.hi;
    lo = a.lo;
  } else if (e >= 31) {
    const n = 63 - e; // 1 to 32
    if (n === 32) {
      lo = a.hi;
      ext = a.lo;
    } else {
      hi = a.hi >>> n;
      lo = a.lo >>> n | a.hi << (32 - n);
      ext = a.lo << (32 - n);
    }
  } else if (e >= 0) {
    const n = 31 - e; // 1 to 31
    lo = a.hi >>> n;
    ext = a.hi << (32 - n) | a.lo >>> n | (a.lo !== 0 ? 1 : 0);
  } else if (e === -1) ext = a.hi | (a.lo !== 0 ? 1 : 0);
  else ext = (a.hi | a.lo) !== 0 ? 1 : 0;
  if (ext !== 0) {
    env.raised |= PE;
    if (roundsUp(a.sign, ext, lo & 1)) {
      env.up = C1;
      lo = lo + 1 | 0;
      if (lo === 0) hi = hi + 1 | 0; // never beyond 64 bits: with all 64 before the point there is no fraction
    }
  }
  words.hi = hi | 0;
  words.lo = lo | 0;
}

function indefiniteInteger(hi: number, lo: number): void {
  env.raised = IE;
  env.up = 0;
  words.hi = hi;
  words.lo = lo;
}

/** Round by RC to a signed integer of 16 or 32 bits, in `words.lo`; IE and the integer indefinite if it does not fit. */
export function toInteger(a: Float80, bits: 16 | 32): void {
  const indefinite = -1 << (bits - 1);
  if (a.exp > BIAS + 31 || isUnsupported(a)) return indefiniteInteger(0, indefinite);
  magnitude(a);
  const limit = bits === 16 ? 0x8000 : 0x8000_0000;
  if (words.hi !== 0 || words.lo >>> 0 > limit - (a.sign ^ 1)) return indefiniteInteger(0, indefinite);
  if (a.sign !== 0) words.lo = -words.lo | 0;
}

/** Round by RC to a signed integer of 64 bits, in `words`. */
export function toInteger64(a: Float80): void {
  if (a.exp > BIAS + 63 || isUnsupported(a)) return indefiniteInteger(TOP_BIT, 0);
  magnitude(a);
  if (words.hi < 0 && (a.sign === 0 || words.hi !== TOP_BIT || words.lo !== 0)) return indefiniteInteger(TOP_BIT, 0);
  if (a.sign !== 0) {
    words.hi = ~words.hi + (words.lo === 0 ? 1 : 0) | 0;
    words.lo = -words.lo | 0;
  }
}

/** Round to an integer in the same format (FRNDINT). NaNs, infinities and zeros are the caller's. */
export function roundToInteger(a: Float80, r: Float80): void {
  const sign = a.sign;
  if (a.exp >= BIAS + 63) return r.copy(a);
  magnitude(a);
  if ((words.hi | words.lo) === 0) return r.set(sign, 0, 0, 0);
  r.set(sign, BIAS + 63, words.hi, words.lo);
  normalize(r, r);
}

const TEN18 = 1_000_000_000_000_000_000n;

/** Eighteen decimal digits and a sign (§4.7) into a number: exact. Bytes that are no digits count as they stand. */
export function fromDecimal(bytes: Uint8Array, r: Float80): void {
  let value = 0n;
  for (let i = 8; i >= 0; i--) value = value * 100n + BigInt((bytes[i]! >> 4) * 10 + (bytes[i]! & 15));
  r.set(bytes[9]! >> 7, 0, 0, 0);
  if (value === 0n) return;
  r.set(r.sign, BIAS + 63, Number(value >> 32n) | 0, Number(value & 0xffff_ffffn) | 0);
  normalize(r, r);
}

/** Round by RC to eighteen decimal digits; the packed decimal indefinite (§4.7) with IE if it does not fit. */
export function toDecimal(a: Float80, bytes: Uint8Array): void {
  if (a.exp <= BIAS + 62 && !isUnsupported(a)) {
    magnitude(a);
    let value = BigInt(words.hi >>> 0) << 32n | BigInt(words.lo >>> 0);
    if (value < TEN18) {
      for (let i = 0; i < 9; i++) {
        const pair = Number(value % 100n);
        bytes[i] = Math.floor(pair / 10) << 4 | pair % 10;
        value /= 100n;
      }
      bytes[9] = a.sign << 7;
      return;
    }
  }
  env.raised = IE;
  env.up = 0;
  bytes.set([0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff]);
}
