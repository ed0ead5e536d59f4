/**
 * Random x87 states, operands and encodings. Operands favour the edges: zeros, denormals, infinities, NaNs, encodings
 * that are no numbers, the ends of the exponent range, ties. Read next: `x87_machine.ts` (who executes them).
 *
 * @module
 */
import type { Random } from "./random.ts";

/** Bytes in a case's record; `native/x87.c` says what they are. */
export const RECORD = 272;
/** Offsets in a record. */
export const AT_CONTROL = 0, AT_STATUS = 2, AT_TAGS = 4, AT_LENGTH = 5, AT_CODE = 6, AT_EFLAGS = 16, AT_EAX = 20;
/** Offsets in a record, continued. */
export const AT_REGISTERS = 32, AT_MEMORY = 160, MEMORY_SIZE = 112;

const EDGE_WORDS = [0, 1, 2, 0x7ff, 0x800, 0x400, 0xc00, 0x801, 0x7fff_ffff, -1, -2, 0x8000_0000, 0x8000_0001, ~0x7ff];

function word(random: Random): number {
  return random.chance(0.5) ? random.bits() : random.pick(EDGE_WORDS);
}

/** An exponent: anywhere, near 1.0, near an end, or near where singles and doubles end. */
function exponent(random: Random): number {
  switch (random.below(8)) {
    case 0:
      return random.below(0x7fff) || 1;
    case 1:
      return 1 + random.below(70);
    case 2:
      return 0x7ffe - random.below(70);
    case 3:
      return 16383 + random.pick([-1023, 1023, -1074, -127, 127, -149, 63, 31, 15, 64]) + random.below(5) - 2;
    default:
      return 16383 - 70 + random.below(140);
  }
}

/** Put a random 80-bit number at `at`. */
export function putExtended(random: Random, view: DataView, at: number): void {
  let exp = exponent(random), hi = word(random) | 0x8000_0000, lo = word(random);
  switch (random.below(20)) {
    case 0:
      exp = hi = lo = 0;
      break;
    case 1:
      exp = 0x7fff;
      hi = 0x8000_0000;
      lo = 0;
      break;
    case 2: // a quiet NaN
      exp = 0x7fff;
      hi |= 0xc000_0000;
      break;
    case 3: // a signaling NaN, mostly
      exp = 0x7fff;
      hi &= 0xbfff_ffff;
      break;
    case 4: // denormals, pseudo-denormals
      exp = 0;
      hi = random.chance(0.7) ? hi & 0x7fff_ffff : hi;
      if (random.chance(0.3)) hi = 0;
      break;
    case 5: // unnormals and their like
      hi &= 0x7fff_ffff;
      if (random.chance(0.3)) exp = 0x7fff;
      break;
    case 6: // short numbers
      hi &= -1 << random.below(32);
      lo = 0;
      hi |= 0x8000_0000;
      break;
    case 7: // small integers and halves of them
      hi = 0x8000_0000 | random.bits() << 22;
      lo = 0;
      exp = 16380 + random.below(12);
      break;
    case 8: // almost a tie
      lo = random.pick([0x400, 0x3ff, 0x401, 0xc00, 0x8000_0000]);
      break;
  }
  view.setInt32(at, lo, true);
  view.setInt32(at + 4, hi, true);
  view.setUint16(at + 8, exp | random.below(2) << 15, true);
}

/** Fill memory at `at` with an operand of a random kind: whatever fits what the instruction will read it as. */
export function putMemory(random: Random, view: DataView, at: number, escape: number, reg: number): void {
  for (let i = 0; i < MEMORY_SIZE; i += 4) view.setInt32(at + i, random.bits(), true);
  if (escape === 3 || (escape === 7 && reg === 4)) putExtended(random, view, at);
  if (escape === 7 && reg === 4) {
    if (random.chance(0.8)) {
      for (let i = 0; i < 9; i++) view.setUint8(at + i, random.below(10) << 4 | random.below(10));
    }
    if (random.chance(0.8)) view.setUint8(at + 9, random.below(2) << 7);
  } else if (escape === 0 || escape === 1) putNarrow(random, view, at, 23, 8);
  else if (escape === 4 || escape === 5) putNarrow(random, view, at, 52, 11);
  else if (random.chance(0.5)) {
    const small = random.pick([0, 1, -1, 2, 3, 0x7fff, -0x8000, 0x7fff_ffff, 0x8000_0000]);
    if (!(escape === 3 && reg >= 4)) {
      view.setInt32(at, small, true);
      view.setInt32(at + 4, random.pick([0, -1, 0x7fff_ffff, 0x8000_0000, small >> 31]), true);
    }
  }
  if ((escape === 1 || escape === 5) && reg === 4) { // FLDENV, FRSTOR
    view.setUint16(at, 0x40 | random.bits() & 0x1f3f, true);
    for (let i = 28; i < 108; i += 10) putExtended(random, view, at + i);
  }
}

/** A single (23, 8) or double (52, 11): special, near an end, or anything. */
function putNarrow(random: Random, view: DataView, at: number, fraction: number, bits: number): void {
  const top = (1 << bits) - 1, bias = top >> 1;
  const exp = random.pick([0, 0, 1, top, top, top - 1, bias, bias + 1, bias - 1, random.below(top), random.below(top)]);
  let significand = BigInt(word(random) >>> 0) << 32n | BigInt(word(random) >>> 0);
  if (random.chance(0.3)) significand = 0n;
  if (random.chance(0.2)) significand = 1n << BigInt(random.below(fraction));
  significand &= (1n << BigInt(fraction)) - 1n;
  const value = significand | BigInt(exp) << BigInt(fraction) | BigInt(random.below(2)) << BigInt(fraction + bits);
  if (bits === 8) view.setUint32(at, Number(value), true);
  else view.setBigUint64(at, value, true);
}

/** Set a random state, everything but code and memory. */
export function putState(random: Random, view: DataView): void {
  const masks = random.chance(0.7) ? 0x3f : random.bits() & 0x3f;
  const precision = random.chance(0.5) ? 0x300 : random.pick([0, 0, 0x200, 0x200, 0x100]);
  const rounding = random.chance(0.4) ? 0 : random.below(4) << 10;
  view.setUint16(AT_CONTROL, masks | precision | rounding | 0x40, true);
  const sticky = random.chance(0.5) ? 0 : random.bits() & masks | (masks & 1) * random.pick([0, 0x40]);
  const pending = random.chance(0.02) ? random.bits() & 0x3f : 0; // #MF where it is not masked
  view.setUint16(AT_STATUS, sticky | pending | random.bits() & 0x7f00, true);
  view.setUint8(AT_TAGS, random.chance(0.6) ? 255 : random.bits());
  view.setUint32(AT_EFLAGS, 0x202 | random.bits() & 0x8d5, true);
  for (let i = 0; i < 8; i++) putExtended(random, view, AT_REGISTERS + 16 * i);
  if (random.chance(0.3)) relate(random, view);
}

/** Make ST(1) a near relative of ST(0): cancellation, equal significands, exponents that differ by about 64. */
function relate(random: Random, view: DataView): void {
  const from = AT_REGISTERS, to = AT_REGISTERS + 16;
  if (random.chance(0.7)) {
    view.setInt32(to, view.getInt32(from, true) + random.below(3) - 1, true);
    view.setInt32(to + 4, view.getInt32(from + 4, true), true);
  }
  const exp = view.getUint16(from + 8, true);
  const distance = random.pick([0, 0, 1, -1, 2, 53, 63, 64, 65, 66, 96, random.below(100)]);
  const related = (exp & 0x7fff) - distance;
  if (related > 0) view.setUint16(to + 8, related | random.below(2) << 15, true);
}
