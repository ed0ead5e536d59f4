/**
 * IEEE 754 arithmetic with every rounding mode and every flag, in integers: the path for whatever the quick one of
 * `arithmetic.ts` cannot answer (denormals, NaNs, overflow, other rounding modes, the first inexact result).
 *
 * What enters: operands as bit patterns and MXCSR. What leaves: the result's bit pattern, and flags in `raised` of
 * `mxcsr.ts`. Intel SDM volume 1, §4.8 (formats, NaNs), §4.9 (exceptions and their priority), §11.5 (masked responses).
 *
 * Read next: `arithmetic.ts`.
 *
 * @module
 */
import { DAZ, DE, FTZ, IE, MASK_SHIFT, OE, PE, raised, RC, RC_DOWN, RC_NEAREST, RC_UP, UE, ZE } from "./mxcsr.ts";

/** A binary interchange format. */
export interface Format {
  /** Bits of the fraction field: 23 or 52. */
  readonly fraction: number;
  /** The exponent field's largest value. */
  readonly top: number;
  /** Exponent of the unit in the last place of denormals. */
  readonly tiny: number;
  /** The sign bit. */
  readonly sign: bigint;
  /** Positive infinity. */
  readonly infinity: bigint;
  /** The bit that makes a NaN quiet. */
  readonly quiet: bigint;
  /** Mask of the fraction field. */
  readonly fractionMask: bigint;
  /** Real indefinite: the NaN of invalid operations. */
  readonly indefinite: bigint;
}

function format(fraction: number, exponentBits: number): Format {
  const top = (1 << exponentBits) - 1;
  const infinity = BigInt(top) << BigInt(fraction);
  const sign = 1n << BigInt(fraction + exponentBits);
  const quiet = 1n << BigInt(fraction - 1);
  return {
    fraction,
    top,
    tiny: 1 - (top >> 1) - fraction,
    sign,
    infinity,
    quiet,
    fractionMask: (1n << BigInt(fraction)) - 1n,
    indefinite: sign | infinity | quiet,
  };
}

/** Single precision. */
export const SINGLE: Format = format(23, 8);
/** Double precision. */
export const DOUBLE: Format = format(52, 11);

/** Operations of {@link compute}, numbered as in the low bits of their opcodes (58 to 5F; 51 is the square root). */
export const ADD = 0, MUL = 1, SUB = 4, MIN = 5, DIV = 6, MAX = 7, SQRT = 8;

/** A number that is no NaN: its value is `mantissa * 2**exponent`, or infinite. */
interface Parts {
  readonly negative: boolean;
  readonly mantissa: bigint;
  readonly exponent: number;
  readonly infinite: boolean;
}

/** Whether a bit pattern is a NaN. */
export function isNan(f: Format, bits: bigint): boolean {
  return (bits & ~f.sign) > f.infinity;
}

/** Whether it is a signalling one. */
export function isSignalling(f: Format, bits: bigint): boolean {
  return isNan(f, bits) && (bits & f.quiet) === 0n;
}

/** Whether it is a denormal number. */
export function isDenormal(f: Format, bits: bigint): boolean {
  return (bits & f.infinity) === 0n && (bits & f.fractionMask) !== 0n;
}

/** The operand as the instruction sees it: denormals are zeros with MXCSR.DAZ. */
export function operand(f: Format, bits: bigint, control: number): bigint {
  return (control & DAZ) !== 0 && isDenormal(f, bits) ? bits & f.sign : bits;
}

function parts(f: Format, bits: bigint): Parts {
  const field = Number((bits & f.infinity) >> BigInt(f.fraction));
  const fraction = bits & f.fractionMask;
  return {
    negative: (bits & f.sign) !== 0n,
    mantissa: field === 0 ? fraction : fraction | 1n << BigInt(f.fraction),
    exponent: f.tiny + Math.max(field - 1, 0),
    infinite: field === f.top,
  };
}

function bitLength(value: bigint): number {
  const digits = value.toString(16);
  return 4 * digits.length - Math.clz32(parseInt(digits[0]!, 16)) + 28;
}

let inexact = false;

/** Drop `shift` low bits by the rounding mode; tells in `inexact` whether they were not all zero. */
function dropBits(value: bigint, shift: number, sticky: boolean, up: boolean, nearest: boolean): bigint {
  if (shift <= 0) {
    inexact = sticky;
    return value << BigInt(-shift);
  }
  const by = BigInt(shift);
  const kept = value >> by;
  const rest = value & ((1n << by) - 1n);
  inexact = sticky || rest !== 0n;
  if (!inexact) return kept;
  if (!nearest) return up ? kept + 1n : kept;
  const half = 1n << (by - 1n);
  if (rest > half || (rest === half && (sticky || (kept & 1n) !== 0n))) return kept + 1n;
  return kept;
}

/**
 * Round a nonzero number to a format, with overflow, underflow and inexact flags.
 *
 * @param mantissa its bits; there are more than the format holds if `sticky`
 * @param exponent of the mantissa's lowest bit
 * @param sticky whether something nonzero below the mantissa was cut off
 */
export function round(
  f: Format,
  control: number,
  number: { negative: boolean; mantissa: bigint; exponent: number; sticky: boolean },
): bigint {
  const { negative, mantissa, exponent, sticky } = number;
  const mode = control & RC;
  const nearest = mode === RC_NEAREST;
  const up = mode === (negative ? RC_DOWN : RC_UP);
  const sign = negative ? f.sign : 0n;
  const precision = f.fraction + 1;
  const drop = bitLength(mantissa) - precision;
  const full = dropBits(mantissa, drop, sticky, up, nearest);
  const smallest = 1n << BigInt(f.fraction);
  const carry = full === smallest << 1n;
  const field = exponent + drop - f.tiny + 1 + (carry ? 1 : 0);
  if (field <= 0) { // tiny, judged after rounding as if the exponent had no bounds
    const unmasked = (control & UE << MASK_SHIFT) === 0;
    if (unmasked) {
      raised.after |= inexact ? UE | PE : UE;
      return sign;
    }
    if ((control & FTZ) !== 0) {
      raised.after |= UE | PE;
      return sign;
    }
    const result = dropBits(mantissa, f.tiny - exponent, sticky, up, nearest);
    if (inexact) raised.after |= UE | PE;
    return sign | result; // a carry into the exponent field makes the smallest normal number, as it should
  }
  if (field >= f.top) {
    const unmasked = (control & OE << MASK_SHIFT) === 0;
    raised.after |= OE | (unmasked && !inexact ? 0 : PE);
    return sign | (nearest || up ? f.infinity : f.infinity - 1n);
  }
  if (inexact) raised.after |= PE;
  const significand = carry ? smallest : full;
  return sign | (BigInt(field) << BigInt(f.fraction)) | (significand & f.fractionMask);
}

function invalid(f: Format): bigint {
  raised.before |= IE;
  return f.indefinite;
}

/** The NaN that comes out of two operands, one of which is a NaN (§4.8.3.5, table 4-7). */
function propagate(f: Format, a: bigint, b: bigint): bigint {
  if (isSignalling(f, a) || isSignalling(f, b)) raised.before |= IE;
  return (isNan(f, a) ? a : b) | f.quiet;
}

/**
 * One operation on one lane.
 *
 * @param op `ADD` and so on; `SQRT` uses `b` only
 * @param control MXCSR
 * @returns the result's bits; meaningless if an unmasked exception was raised
 */
export function compute(f: Format, op: number, first: bigint, second: bigint, control: number): bigint {
  const a = operand(f, op === SQRT ? 0n : first, control), b = operand(f, second, control);
  if (isNan(f, a) || isNan(f, b)) {
    if (op !== MIN && op !== MAX) return propagate(f, a, b);
    raised.before |= IE;
    return b;
  }
  const flags = isDenormal(f, a) || isDenormal(f, b) ? DE : 0;
  const before = raised.before;
  raised.before = 0;
  const result = numbers(f, op, a, b, control);
  // Other invalid operations come before denormal operands (§4.9.2) and hide them; so does division by zero.
  if ((raised.before & (IE | ZE)) === 0) raised.before |= flags;
  raised.before |= before;
  return result;
}

function numbers(f: Format, op: number, aBits: bigint, bBits: bigint, control: number): bigint {
  const a = parts(f, aBits), b = parts(f, bBits);
  switch (op) {
    case ADD:
      return sum(f, control, a, b);
    case SUB:
      return sum(f, control, a, { ...b, negative: !b.negative });
    case MUL:
      return product(f, control, a, b);
    case DIV:
      return quotient(f, control, a, b);
    case MIN:
      return order(a, b) < 0 ? aBits : bBits;
    case MAX:
      return order(a, b) > 0 ? aBits : bBits;
    default:
      return root(f, control, b, bBits);
  }
}

/** -1, 0, 1; zeros are equal. */
function order(a: Parts, b: Parts): number {
  if (a.mantissa === 0n && b.mantissa === 0n) return 0;
  if (a.negative !== b.negative) return a.negative ? -1 : 1;
  const magnitude = a.exponent !== b.exponent
    ? Math.sign(a.exponent - b.exponent)
    : a.mantissa < b.mantissa
    ? -1
    : a.mantissa > b.mantissa
    ? 1
    : 0;
  return a.negative ? -magnitude : magnitude;
}

function sum(f: Format, control: number, a: Parts, b: Parts): bigint {
  if (a.infinite || b.infinite) {
    if (a.infinite && b.infinite && a.negative !== b.negative) return invalid(f);
    return ((a.infinite ? a : b).negative ? f.sign : 0n) | f.infinity;
  }
  const exponent = Math.min(a.exponent, b.exponent);
  const left = a.mantissa << BigInt(a.exponent - exponent), right = b.mantissa << BigInt(b.exponent - exponent);
  const total = (a.negative ? -left : left) + (b.negative ? -right : right);
  if (total === 0n) {
    const negative = a.negative === b.negative ? a.negative : (control & RC) === RC_DOWN;
    return negative ? f.sign : 0n;
  }
  const negative = total < 0n;
  return round(f, control, { negative, mantissa: negative ? -total : total, exponent, sticky: false });
}

function product(f: Format, control: number, a: Parts, b: Parts): bigint {
  const negative = a.negative !== b.negative;
  const sign = negative ? f.sign : 0n;
  const zero = a.mantissa === 0n || b.mantissa === 0n;
  if (a.infinite || b.infinite) return zero ? invalid(f) : sign | f.infinity;
  if (zero) return sign;
  const mantissa = a.mantissa * b.mantissa;
  return round(f, control, { negative, mantissa, exponent: a.exponent + b.exponent, sticky: false });
}

function quotient(f: Format, control: number, a: Parts, b: Parts): bigint {
  const negative = a.negative !== b.negative;
  const sign = negative ? f.sign : 0n;
  if (a.infinite) return b.infinite ? invalid(f) : sign | f.infinity;
  if (b.infinite) return sign;
  if (b.mantissa === 0n) {
    if (a.mantissa === 0n) return invalid(f);
    raised.before |= ZE;
    return sign | f.infinity;
  }
  if (a.mantissa === 0n) return sign;
  const shift = 2 * f.fraction + 4; // more than two bits beyond the precision, even for a denormal by a normal
  const dividend = a.mantissa << BigInt(shift);
  const mantissa = dividend / b.mantissa;
  const sticky = mantissa * b.mantissa !== dividend;
  return round(f, control, { negative, mantissa, exponent: a.exponent - b.exponent - shift, sticky });
}

function root(f: Format, control: number, b: Parts, bits: bigint): bigint {
  if (b.mantissa === 0n) return bits;
  if (b.negative) return invalid(f);
  if (b.infinite) return bits;
  const shift = 2 * f.fraction + 6 + (b.exponent & 1); // leaves an even exponent
  const radicand = b.mantissa << BigInt(shift);
  const mantissa = integerRoot(radicand);
  const sticky = mantissa * mantissa !== radicand;
  return round(f, control, { negative: false, mantissa, exponent: (b.exponent - shift) / 2, sticky });
}

/** Largest integer whose square is not above `value`, by Newton's method from above. */
function integerRoot(value: bigint): bigint {
  let guess = 1n << BigInt(bitLength(value) + 1 >> 1);
  for (;;) {
    const next = (guess + value / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** Convert between the formats (CVTSS2SD, CVTSD2SS and the packed forms). */
export function reformat(from: Format, to: Format, bits: bigint, control: number): bigint {
  const value = operand(from, bits, control);
  const sign = (value & from.sign) !== 0n ? to.sign : 0n;
  if (isNan(from, value)) {
    if (isSignalling(from, value)) raised.before |= IE;
    const shift = BigInt(to.fraction - from.fraction);
    const fraction = value & from.fractionMask;
    return sign | to.infinity | to.quiet | (shift < 0n ? fraction >> -shift : fraction << shift);
  }
  if (isDenormal(from, value)) raised.before |= DE;
  const { negative, mantissa, exponent, infinite } = parts(from, value);
  if (infinite) return sign | to.infinity;
  if (mantissa === 0n) return sign;
  return round(to, control, { negative, mantissa, exponent, sticky: false });
}
