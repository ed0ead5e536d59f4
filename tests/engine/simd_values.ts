/**
 * Operands for SIMD tests: numbers at the edges of singles, doubles and integers, and settings of MXCSR. Read next:
 * `simd_cases.ts` (who puts them into records).
 *
 * @module
 */

/** What an instruction's lanes are; decides which operands are interesting. */
export type Lane = "integer" | "single" | "double";

/** A small generator of random numbers (xorshift), so that a seed repeats a run. */
export class Random {
  #state: number;

  /** @param seed any 32-bit number */
  constructor(seed: number) {
    this.#state = (seed ^ 0x9e37_79b9) || 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** 32 random bits, unsigned. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e37_79b1) >>> 0;
  }

  /** From 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor(this.next() / 2 ** 32 * limit);
  }

  /** One of several. */
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

/** Singles at the edges, as bits. */
export const SINGLES: readonly number[] = [
  0x0000_0000,
  0x0000_0001,
  0x0000_0002,
  0x007f_ffff,
  0x0040_0000,
  0x0080_0000,
  0x0080_0001,
  0x00ff_ffff,
  0x0100_0000,
  0x3f80_0000,
  0x3f80_0001,
  0x3f7f_ffff,
  0x3f00_0000,
  0x3fc0_0000,
  0x4000_0000,
  0x4020_0000,
  0x4060_0000,
  0x4b00_0000,
  0x4b7f_ffff,
  0x4b80_0000,
  0x4eff_ffff,
  0x4f00_0000,
  0x4f80_0000,
  0x7f7f_ffff,
  0x7f7f_fffe,
  0x7f00_0000,
  0x7e80_0000,
  0x7f80_0000,
  0x7f80_0001,
  0x7fa0_0000,
  0x7fc0_0000,
  0x7fff_ffff,
  0x2000_0000,
  0x1fff_ffff,
  0x2000_0001,
  0x5f80_0000,
  0x3400_0000,
  0x3380_0000,
];

/** Doubles at the edges, as bits. */
export const DOUBLES: readonly (readonly [high: number, low: number])[] = [
  [0, 0],
  [0, 1],
  [0, 3],
  [0x000f_ffff, 0xffff_ffff],
  [0x0008_0000, 0],
  [0x0010_0000, 0],
  [0x0010_0000, 1],
  [0x001f_ffff, 0xffff_ffff],
  [0x0020_0000, 0],
  [0x3ff0_0000, 0],
  [0x3ff0_0000, 1],
  [0x3fef_ffff, 0xffff_ffff],
  [0x3fe0_0000, 0],
  [0x3ff8_0000, 0],
  [0x4000_0000, 0],
  [0x4004_0000, 0],
  [0x400c_0000, 0],
  [0x41df_ffff, 0xffc0_0000],
  [0x41df_ffff, 0xffe0_0000],
  [0x41df_ffff, 0xffdf_ffff],
  [0x41e0_0000, 0],
  [0x41e0_0000, 0x0010_0000],
  [0x41e0_0000, 0x0020_0000],
  [0x41f0_0000, 0],
  [0x4330_0000, 0],
  [0x433f_ffff, 0xffff_ffff],
  [0x4340_0000, 0],
  [0x7fef_ffff, 0xffff_ffff],
  [0x7fe0_0000, 0],
  [0x7ff0_0000, 0],
  [0x7ff0_0000, 1],
  [0x7ff4_0000, 0],
  [0x7ff8_0000, 0],
  [0x7fff_ffff, 0xffff_ffff],
  [0x2000_0000, 0],
  [0x1ff0_0000, 0],
  [0x3ca0_0000, 0],
  [0x3cb0_0000, 0],
  // Around the limits of singles, for conversions.
  [0x47ef_ffff, 0xe000_0000],
  [0x47ef_ffff, 0xefff_ffff],
  [0x47ef_ffff, 0xf000_0000],
  [0x47f0_0000, 0],
  [0x3810_0000, 0],
  [0x380f_ffff, 0xf000_0000],
  [0x380f_ffff, 0xe000_0000],
  [0x380f_ffff, 0xefff_ffff],
  [0x36a0_0000, 0],
  [0x3690_0000, 0],
  [0x3690_0000, 1],
];

const WORDS = [
  0,
  1,
  0xffff_ffff,
  0x8000_0000,
  0x7fff_ffff,
  0x8000_8000,
  0x7fff_7fff,
  0x8080_8080,
  0x7f7f_7f7f,
  0x0101_0101,
  0xff00_ff00,
  0x0000_ffff,
  0x0100_0001,
  0x0100_0003,
  0x00ff_8001,
];

function single(random: Random): number {
  const sign = random.next() & 0x8000_0000;
  switch (random.below(8)) {
    case 0:
    case 1:
      return (random.pick(SINGLES) | sign) >>> 0;
    case 2:
      return random.next();
    case 3: // around 1, few bits: exact results and ties
      return (sign | (0x70 + random.below(32)) << 23 | (random.next() & 0x7f_f000)) >>> 0;
    case 4: // fractions of integers up to 2**32
      return (sign | (0x7c + random.below(36)) << 23 | (random.next() & 0x7f_ffff)) >>> 0;
    case 5: // near underflow
      return (sign | random.below(28) << 23 | (random.next() & 0x7f_ffff)) >>> 0;
    case 6: // halfway to the limits, so that products and quotients reach them
      return (sign | (random.pick([0x30, 0xb0]) + random.below(32)) << 23 | (random.next() & 0x7f_ffff)) >>> 0;
    default:
      return (sign | (0x60 + random.below(64)) << 23 | (random.next() & 0x7f_ffff)) >>> 0;
  }
}

function double(random: Random): readonly [high: number, low: number] {
  const sign = random.next() & 0x8000_0000;
  const low = random.next(), fraction = random.next() & 0xf_ffff;
  const from = (exponent: number): readonly [number, number] => [(sign | exponent << 20 | fraction) >>> 0, low];
  switch (random.below(9)) {
    case 0:
    case 1: {
      const [high, word] = random.pick(DOUBLES);
      return [(high | sign) >>> 0, word];
    }
    case 2:
      return [random.next(), low];
    case 3:
      return [(sign | (0x3f0 + random.below(32)) << 20 | fraction & 0xf_f000) >>> 0, 0];
    case 4:
      return from(0x3fc + random.below(36));
    case 5:
      return from(random.below(60));
    case 6:
      return from(random.pick([0x1e0, 0x5e0]) + random.below(64));
    case 7: // where singles over- and underflow
      return from(random.pick([0x360, 0x470]) + random.below(40));
    default:
      return from(0x3c0 + random.below(128));
  }
}

/** A random 32-bit integer, often an edge. */
export function word(random: Random): number {
  return random.below(3) === 0 ? random.pick(WORDS) : random.next();
}

/** Fill memory with lanes of a kind. */
export function fill(view: DataView, at: number, bytes: number, lane: Lane, random: Random): void {
  const step = lane === "double" ? 8 : 4;
  for (let i = at; i < at + bytes; i += step) {
    if (lane === "integer") view.setUint32(i, word(random), true);
    else if (lane === "single") view.setUint32(i, single(random), true);
    else {
      const [high, low] = double(random);
      view.setUint32(i, low, true);
      view.setUint32(i + 4, high, true);
    }
  }
}

/** A random MXCSR: mostly with all exceptions masked, half the time as programs have it. */
export function control(random: Random): number {
  const sticky = random.below(2) === 0 ? 0 : random.next() & 0x3f;
  switch (random.below(8)) {
    case 0:
    case 1:
      return 0x1fa0 | sticky;
    case 2:
      return 0x1f80 | sticky;
    case 3:
      return 0x1f80 | sticky | random.next() & 0x6000;
    case 4:
      return 0x1f80 | sticky | random.next() & 0xe040;
    case 5: // one exception unmasked
      return 0x1f80 & ~(0x80 << random.below(6)) | sticky | random.next() & 0x6000;
    case 6:
      return 0x1f80 | random.next() & 0x8040 | sticky;
    default:
      return random.next() & 0xffff;
  }
}
