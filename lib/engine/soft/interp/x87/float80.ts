/**
 * The 80-bit floating-point number, taken apart: sign, biased exponent, 64-bit significand as two signed 32-bit words.
 * Enters: exact results with a few more bits. Leaves: numbers rounded as the control word asks, and the exceptions
 * that this raised (Intel SDM volume 1, §4.8 and §8.5).
 *
 * Nothing here or in `arithmetic.ts`, `convert.ts`, `compare.ts`, `remainder.ts`, `transcendental.ts` knows the CPU:
 * a translator can call them with numbers of its own. Numbers are objects that are made once and filled again and
 * again; no operation allocates.
 *
 * Read next: `arithmetic.ts`, then `unit.ts` (the register stack).
 *
 * @module
 */

/** Exception flags of the status word (§8.1.3.3); the control word's masks stand in the same places. */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20;
/** Status: stack fault, error summary, condition codes, busy. */
export const SF = 0x40, ES = 0x80, C0 = 0x100, C1 = 0x200, C2 = 0x400, C3 = 0x4000, B = 0x8000;
/** Control: rounding control and its settings (§8.1.5.3). */
export const RC = 0xc00, RC_NEAREST = 0, RC_DOWN = 0x400, RC_UP = 0x800, RC_ZERO = 0xc00;
/** Control: precision control (§8.1.5.2). */
export const PC = 0x300, PC_24 = 0, PC_53 = 0x200, PC_64 = 0x300;
/** Exponent of 1.0. */
export const BIAS = 16383;
/** Exponent of infinities and NaNs. */
export const EXP_MAX = 0x7fff;
/** Unmasked overflow and underflow wrap the exponent by this (§8.5.4). */
export const EXP_WRAP = 24576;
/** The sign bit of a word: the explicit integer bit in the high word, one half in the word behind the significand. */
export const TOP_BIT = 0x8000_0000 | 0;

/** One number. */
export class Float80 {
  /** 0 or 1. */
  sign = 0;
  /** Biased exponent, 0 to 0x7fff; while an operation runs it may leave that range. */
  exp = 0;
  /** High word of the significand; bit 31 is the integer bit. */
  hi = 0;
  /** Low word of the significand. */
  lo = 0;

  /** Set all parts. */
  set(sign: number, exp: number, hi: number, lo: number): void {
    this.sign = sign;
    this.exp = exp;
    this.hi = hi;
    this.lo = lo;
  }

  /** Become another number. */
  copy(x: Float80): void {
    this.sign = x.sign;
    this.exp = x.exp;
    this.hi = x.hi;
    this.lo = x.lo;
  }
}

/** What an operation is told and what it reports. */
export const env = {
  /** Control word: masks, PC, RC. */
  control: 0x37f,
  /** Exceptions raised since {@link begin}. */
  raised: 0,
  /** {@link C1} if the last rounding increased the magnitude, else 0. */
  up: 0,
};

/** Prepare for an operation under a control word. */
export function begin(control: number): void {
  env.control = control;
  env.raised = 0;
  env.up = 0;
}

/** Whether an exception was raised that keeps the operation from having a result (§8.5: the pre-computation ones). */
export function refused(): boolean {
  return (env.raised & ~env.control & (IE | DE | ZE)) !== 0;
}

/** A normal number: neither zero, denormal, infinity, NaN nor an unsupported encoding. */
export function isNormal(x: Float80): boolean {
  return x.hi < 0 && x.exp !== EXP_MAX && x.exp !== 0;
}

/** Zero of either sign. */
export function isZero(x: Float80): boolean {
  return (x.exp | x.hi | x.lo) === 0;
}

/** Infinity of either sign. */
export function isInfinity(x: Float80): boolean {
  return x.exp === EXP_MAX && x.hi === TOP_BIT && x.lo === 0;
}

/** A NaN, quiet or signaling (not a pseudo-NaN, which is unsupported). */
export function isNaN80(x: Float80): boolean {
  return x.exp === EXP_MAX && x.hi < 0 && (x.hi << 1 | x.lo) !== 0;
}

/** A signaling NaN. */
export function isSignaling(x: Float80): boolean {
  return x.exp === EXP_MAX && (x.hi & 0xc000_0000) === TOP_BIT && (x.hi << 1 | x.lo) !== 0;
}

/** Unnormal, pseudo-infinity or pseudo-NaN: encodings that a 387 and later do not support (§8.2.2). */
export function isUnsupported(x: Float80): boolean {
  return x.exp !== 0 && x.hi >= 0;
}

/** Denormal or pseudo-denormal. */
export function isDenormal(x: Float80): boolean {
  return x.exp === 0 && (x.hi | x.lo) !== 0;
}

/** Become the QNaN floating-point indefinite (§4.2.2, table 4-3). */
export function setIndefinite(r: Float80): void {
  r.set(1, EXP_MAX, 0xc000_0000 | 0, 0);
}

/** Invalid operation: the only exception of its instruction, and its masked result. */
export function invalid(r: Float80): void {
  env.raised = IE;
  setIndefinite(r);
}

/** Become infinity. */
export function setInfinity(r: Float80, sign: number): void {
  r.set(sign, EXP_MAX, TOP_BIT, 0);
}

/** Become zero. */
export function setZero(r: Float80, sign: number): void {
  r.set(sign, 0, 0, 0);
}

/**
 * Result of an operation with an unsupported or NaN operand (§4.8.3.5, table 4-7). One-operand instructions pass the
 * operand twice.
 *
 * @returns whether there is such an operand and `r` therefore is the result
 */
export function propagate(a: Float80, b: Float80, r: Float80): boolean {
  if (isUnsupported(a) || isUnsupported(b)) {
    invalid(r);
    return true;
  }
  const aNaN = isNaN80(a), bNaN = isNaN80(b);
  if (!aNaN && !bNaN) return false;
  const aSignals = isSignaling(a), bSignals = isSignaling(b);
  env.raised = aSignals || bSignals ? IE : 0; // no DE beside a NaN: priorities in SDM volume 1, §4.9.2
  let useA = aNaN;
  if (aNaN && bNaN) {
    if (aSignals !== bSignals) useA = bSignals;
    else if (a.hi !== b.hi) useA = a.hi >>> 0 > b.hi >>> 0;
    else if (a.lo !== b.lo) useA = a.lo >>> 0 > b.lo >>> 0;
    else useA = a.sign <= b.sign;
  }
  r.copy(useA ? a : b);
  r.hi |= 0x4000_0000;
  return true;
}

/**
 * Shift a denormal's significand until the integer bit is set; the exponent then is 0 or less. Call with a nonzero
 * number only.
 */
export function normalize(x: Float80, r: Float80): void {
  let exp = x.exp === 0 ? 1 : x.exp, hi = x.hi, lo = x.lo;
  if (hi === 0) {
    hi = lo;
    lo = 0;
    exp -= 32;
  }
  const n = Math.clz32(hi);
  if (n !== 0) {
    hi = hi << n | lo >>> (32 - n);
    lo <<= n;
    exp -= n;
  }
  r.set(x.sign, exp, hi, lo);
}

/**
 * Round an exact result to the precision and in the direction of the control word and put it into its format, with
 * overflow, underflow and inexactness.
 *
 * @param r where the number goes
 * @param exp biased exponent, in range or not
 * @param hi significand, its integer bit set
 * @param ext the next 32 bits; bit 0 also stands for everything behind
 */
export function roundPack(r: Float80, sign: number, exp: number, hi: number, lo: number, ext: number): void {
  if ((env.control & (RC | PC)) !== (RC_NEAREST | PC_64) || exp <= 0 || exp >= 0x7ffe) {
    roundAny(r, sign, exp, hi, lo, ext);
    return;
  }
  if (ext !== 0) {
    env.raised |= PE;
    if (ext < 0 && (ext !== TOP_BIT || (lo & 1) !== 0)) {
      env.up = C1;
      lo = lo + 1 | 0;
      if (lo === 0) {
        hi = hi + 1 | 0;
        if (hi === 0) {
          hi = TOP_BIT;
          exp++;
        }
      }
    }
  }
  r.sign = sign;
  r.exp = exp;
  r.hi = hi;
  r.lo = lo;
}

/** Whether rounding increases the magnitude. `ext`: the bits cut off, as a fraction; `odd`: the last bit kept. */
export function roundsUp(sign: number, ext: number, odd: number): boolean {
  switch (env.control & RC) {
    case RC_NEAREST:
      return ext < 0 && (ext !== TOP_BIT || odd !== 0);
    case RC_DOWN:
      return ext !== 0 && sign !== 0;
    case RC_UP:
      return ext !== 0 && sign === 0;
    default:
      return false;
  }
}

/** What {@link roundAt} leaves. */
const rounded = { hi: 0, lo: 0, carry: false, up: false, inexact: false };

/** Round a significand to `keep` (24, 53, 64) bits. */
function roundAt(keep: number, sign: number, hi: number, lo: number, ext: number): void {
  let unitHi = 0, unitLo = 1, odd = lo & 1;
  if (keep === 53) {
    ext = lo << 21 | (ext !== 0 ? 1 : 0);
    odd = lo & 0x800;
    lo &= ~0x7ff;
    unitLo = 0x800;
  } else if (keep === 24) {
    ext = hi << 24 | lo >>> 8 | ((lo & 0xff) !== 0 || ext !== 0 ? 1 : 0);
    odd = hi & 0x100;
    hi &= ~0xff;
    lo = 0;
    unitHi = 0x100;
    unitLo = 0;
  }
  rounded.inexact = ext !== 0;
  rounded.carry = false;
  rounded.up = roundsUp(sign, ext, odd);
  if (rounded.up) {
    const top = hi;
    lo = lo + unitLo | 0;
    hi = hi + unitHi + (unitLo !== 0 && lo === 0 ? 1 : 0) | 0;
    rounded.carry = top < 0 && hi >= 0;
  }
  rounded.hi = hi;
  rounded.lo = lo;
}

/** {@link roundPack} without its short cut. */
function roundAny(r: Float80, sign: number, exp: number, hi: number, lo: number, ext: number): void {
  const pc = env.control & PC;
  roundTo(r, pc === PC_24 ? 24 : pc === PC_53 ? 53 : 64, sign, exp, hi, lo, ext);
}

/** As {@link roundPack}, to 64 bits whatever the precision control says: transcendentals and constants. */
export function roundPack64(r: Float80, sign: number, exp: number, hi: number, lo: number, ext: number): void {
  roundTo(r, 64, sign, exp, hi, lo, ext);
}

function roundTo(r: Float80, keep: number, sign: number, exp: number, hi: number, lo: number, ext: number): void {
  roundAt(keep, sign, hi, lo, ext);
  if (exp + (rounded.carry ? 1 : 0) <= 0) { // tiny; decided after rounding (§4.9.1.5)
    if (env.control & UE) {
      denormalized(r, keep, sign, exp, hi, lo, ext);
      return;
    }
    env.raised |= UE;
    exp += EXP_WRAP;
    if (exp <= 0) { // FSCALE only: too small even so
      env.raised |= PE;
      setZero(r, sign);
      return;
    }
  }
  if (rounded.carry) {
    rounded.hi = TOP_BIT;
    exp++;
  }
  if (exp >= EXP_MAX) {
    env.raised |= OE;
    if (env.control & OE) {
      overflowed(r, keep, sign);
      return;
    }
    exp -= EXP_WRAP;
    if (exp >= EXP_MAX) { // FSCALE only
      env.raised |= PE;
      env.up = C1;
      setInfinity(r, sign);
      return;
    }
  }
  if (rounded.inexact) env.raised |= PE;
  if (rounded.up) env.up = C1;
  r.set(sign, exp, rounded.hi, rounded.lo);
}

/** The masked response to underflow: a denormal (§4.9.1.5). */
function denormalized(r: Float80, keep: number, sign: number, exp: number, hi: number, lo: number, ext: number): void {
  let shift = 1 - exp;
  while (shift >= 32) {
    ext = lo | (ext !== 0 ? 1 : 0);
    lo = hi;
    hi = 0;
    shift -= 32;
    if ((hi | lo) === 0) shift = Math.min(shift, 32);
    if ((hi | lo | ext & ~1) === 0) {
      shift = 0;
      ext = ext !== 0 ? 1 : 0;
    }
  }
  if (shift !== 0) {
    ext = lo << (32 - shift) | ext >>> shift | ((ext << (32 - shift)) !== 0 ? 1 : 0);
    lo = lo >>> shift | hi << (32 - shift);
    hi >>>= shift;
  }
  hi |= 0;
  roundAt(keep, sign, hi, lo, ext);
  if (rounded.inexact) env.raised |= UE | PE;
  if (rounded.up) env.up = C1;
  r.set(sign, rounded.hi < 0 ? 1 : 0, rounded.hi, rounded.lo);
}

/** The masked response to overflow (§4.9.1.4). */
function overflowed(r: Float80, keep: number, sign: number): void {
  env.raised |= PE;
  const rc = env.control & RC;
  if (rc === RC_NEAREST || rc === (sign !== 0 ? RC_DOWN : RC_UP)) {
    env.up = C1;
    setInfinity(r, sign);
  } else r.set(sign, EXP_MAX - 1, keep === 24 ? ~0xff : -1, keep === 24 ? 0 : keep === 53 ? ~0x7ff : -1);
}
