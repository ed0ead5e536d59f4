/**
 * Random sequences of SIMD instructions mixed with integer and x87 ones, so that registers and flags pass from one kind
 * to the other: results that are moved to general registers, comparisons whose flags are used, MXCSR changed in between.
 *
 * Enters: a random number generator. Leaves: code whose memory operands stand around [EDI]. Read next:
 * `simd_sequence_test.ts`.
 *
 * @module
 */
import { SIMD_HANDLERS } from "../../lib/engine/soft/interp/simd/mod.ts";
import { encode, type Form, forms } from "./simd_cases.ts";
import { COUNTER } from "./simd_engine.ts";
import { control, type Lane, type Random } from "./simd_values.ts";

/** SIMD forms that exist, by the lanes they work on. */
const FORMS: Record<Lane, Form[]> = { integer: [], single: [], double: [] };
for (const form of forms(SIMD_HANDLERS)) {
  if (SIMD_HANDLERS[form.prefix << 8 | form.opcode] || form.opcode === 0xae) FORMS[form.lane].push(form);
}
/** General registers that may be written: not ESP, not EDI. */
const FREE = [0, 1, 2, 3, 5, 6];
/** x87 instructions on registers. */
const X87 = [0xd9e8, 0xd9eb, 0xd8c1, 0xdec1, 0xdcc9, 0xd9c9, 0xd9e0, 0xddd8, 0xdfe0, 0xdbf1, 0xdfe9, 0xdbe3, 0xdac1];
/** x87 instructions with memory: first byte, ModRM.reg. */
const X87_MEMORY = [[0xd9, 0], [0xdd, 0], [0xdb, 0], [0xd8, 0], [0xdc, 1], [0xd9, 3], [0xdd, 3], [0xdb, 3], [0xdb, 7]];
/** Scalar moves and conversions to general registers, with MOVD: prefix, opcode. */
const TO_GENERAL = [[0xf2, 0x2c], [0xf3, 0x2c], [0xf2, 0x2d], [0xf3, 0x2d], [0x66, 0x50], [0x66, 0xd7]];

/** Writes one sequence. */
class Sequence {
  readonly #random: Random;
  readonly #lane: Lane;

  constructor(random: Random) {
    this.#random = random;
    this.#lane = random.pick(["integer", "single", "double", "double"]);
  }

  /** A displacement, mostly of an aligned operand. */
  #displacement(): number {
    return this.#random.below(12) === 0 ? this.#random.below(48) : 16 * this.#random.below(3);
  }

  #xmm(): number {
    return this.#random.below(8);
  }

  /** One instruction, or a few that belong together. */
  item(): number[] {
    const random = this.#random, dice = random.below(20);
    if (dice < 9) return this.#simd();
    if (dice < 12) return this.#comparison();
    if (dice < 14) return this.#general();
    if (dice < 17) return this.#integer();
    if (dice < 18) return this.#x87();
    if (dice < 19) return this.#mxcsr();
    const skipped = this.#simd(); // jcc over it
    return [0x70 | random.below(16), skipped.length, ...skipped];
  }

  #simd(): number[] {
    const random = this.#random;
    const lane: Lane = random.below(4) === 0 ? random.pick(["integer", "single", "double"]) : this.#lane;
    return [...encode(random.pick(FORMS[lane]), random, this.#displacement()).bytes];
  }

  /** UCOMISD and its like, and something that looks at the flags. */
  #comparison(): number[] {
    const random = this.#random, register = random.pick(FREE);
    const double = this.#lane === "double" ? [0x66] : [];
    const operand = random.below(3) === 0 ? [0x47 | this.#xmm() << 3, this.#displacement()] : [0xc0 | random.below(64)];
    const compare = [...double, 0x0f, random.pick([0x2e, 0x2f]), ...operand];
    const between = random.below(3) === 0 ? this.#simd() : [];
    const code = random.below(16);
    const then = random.pick([
      [0x0f, 0x90 | code, 0xc0 | register & 3],
      [0x0f, 0x40 | code, 0xc0 | register << 3 | random.pick(FREE)],
      [0x9c, 0x58 | register], // pushf, pop
      [0x9f],
      [0x11, 0xc0 | register << 3 | random.pick(FREE)], // adc
      [0x40 | register, 0x9f], // inc, lahf
      [0x70 | code, 1, 0x40 | register],
      [],
    ]);
    return [...compare, ...between, ...then];
  }

  /** Between XMM and general registers. */
  #general(): number[] {
    const random = this.#random, register = random.pick(FREE);
    if (random.below(3) === 0) {
      const [prefix, opcode] = random.pick(TO_GENERAL);
      return [prefix!, 0x0f, opcode!, 0xc0 | register << 3 | this.#xmm()];
    }
    if (random.below(3) === 0) {
      return [random.pick([0xf2, 0xf3]), 0x0f, 0x2a, 0xc0 | this.#xmm() << 3 | register];
    }
    return [0x66, 0x0f, random.pick([0x6e, 0x7e]), 0xc0 | this.#xmm() << 3 | register];
  }

  #integer(): number[] {
    const random = this.#random, register = random.pick(FREE), other = random.pick(FREE);
    return random.pick([
      [random.below(8) << 3 | 1, 0xc0 | register << 3 | other],
      [random.below(8) << 3 | 3, 0x47 | register << 3, this.#displacement()],
      [random.below(8) << 3 | 1, 0x47 | register << 3, this.#displacement()],
      [0x89, 0x47 | register << 3, this.#displacement()],
      [random.pick([0x40, 0x48]) | register],
      [0xc1, 0xc0 | random.pick([0, 4, 5, 7]) << 3 | register, random.below(32)],
      [0x0f, 0xaf, 0xc0 | register << 3 | other],
      [0x50 | register, 0x58 | other],
      [0x0f, 0x90 | random.below(16), 0x47, this.#displacement()],
    ]);
  }

  #x87(): number[] {
    const random = this.#random;
    if (random.below(2) === 0) {
      const [escape, reg] = random.pick(X87_MEMORY);
      return [escape!, 0x47 | reg! << 3, this.#displacement()];
    }
    const code = random.pick(X87);
    return random.below(4) === 0 ? [0x0f, 0x77] : [code >> 8, code & 0xff];
  }

  /** Store a setting and load it, or store the one that is. */
  #mxcsr(): number[] {
    const random = this.#random, at = this.#displacement(), value = control(random);
    if (random.below(3) === 0) return [0x0f, 0xae, 0x5f, at];
    return [0xc7, 0x47, at, value & 0xff, value >> 8, 0, 0, 0x0f, 0xae, 0x57, at];
  }
}

/** Code of 2 to 6 instructions (or small groups of them), at times in a loop. */
export function makeSequence(random: Random): number[] {
  const sequence = new Sequence(random), body: number[] = [];
  for (let i = 2 + random.below(5); i > 0; i--) body.push(...sequence.item());
  if (random.below(3) > 0) return body;
  const counter = [COUNTER & 0xff, COUNTER >> 8, 0, 0];
  const start = [0xc7, 0x05, ...counter, 1 + random.below(4), 0, 0, 0]; // mov dword [COUNTER], turns
  const back = -(body.length + 12);
  return [...start, ...body, 0xff, 0x0d, ...counter, 0x0f, 0x89, back & 0xff, back >> 8 & 0xff, 0xff, 0xff]; // dec; jns
}
