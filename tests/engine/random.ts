/**
 * Random numbers that can be had again: everything a test makes from one seed. Values favour the edges, where flags
 * change.
 *
 * @module
 */

const EDGES = [
  0,
  1,
  2,
  3,
  7,
  8,
  9,
  0xf,
  0x10,
  0x1f,
  0x20,
  0x7e,
  0x7f,
  0x80,
  0x81,
  0xfe,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0x8001,
  0xffff,
  0x1_0000,
  0x7f_ffff,
  0x7fff_fffe,
  0x7fff_ffff,
  0x8000_0000,
  0x8000_0001,
  0xffff_0000,
  0xffff_8000,
  0xffff_ff7f,
  0xffff_ff80,
  0xffff_fffe,
  0xffff_ffff,
  0x0f0f_0f0f,
  0x9999_9999,
  0x5555_5555,
  0xaaaa_aaaa,
];

/** A generator of its own state: xorshift with 128 bits (Marsaglia 2003). */
export class Random {
  #x: number;
  #y = 0x1592_8a2b;
  #z = 0x6b1f_03d7;
  #w = 0x2f5a_11c9;

  /** @param seed any integer */
  constructor(seed: number) {
    this.#x = (Math.imul(seed | 0, 0x9e37_79b1) ^ 0x1234_5678) >>> 0 || 1;
    for (let i = 0; i < 16; i++) this.bits();
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    const t = this.#x ^ this.#x << 11;
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = (this.#w ^ this.#w >>> 19 ^ t ^ t >>> 8) >>> 0;
    return this.#w;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.bits() / 0x1_0000_0000 * limit);
  }

  /** True with a probability. */
  chance(probability: number): boolean {
    return this.bits() < probability * 0x1_0000_0000;
  }

  /** One of several. */
  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }

  /** A 32-bit operand, unsigned: an edge, near one, a few bits, or anything. */
  value(): number {
    switch (this.below(8)) {
      case 0:
      case 1:
      case 2:
        return this.pick(EDGES);
      case 3:
        return (this.pick(EDGES) + this.below(5) - 2) >>> 0;
      case 4:
        return (1 << this.below(32)) >>> 0;
      case 5:
        return this.bits() >>> this.below(32);
      default:
        return this.bits();
    }
  }
}

/** The seed of a test run: `LGUEST_SEED` or the usual one. */
export function seedOf(usual: number): number {
  const given = Deno.env.get("LGUEST_SEED");
  return given === undefined ? usual : Number(given) | 0;
}

/** The number of cases of a test run: `LGUEST_CASES` or the usual one. */
export function casesOf(usual: number): number {
  const given = Deno.env.get("LGUEST_CASES");
  return given === undefined ? usual : Math.max(1, Number(given) | 0);
}
