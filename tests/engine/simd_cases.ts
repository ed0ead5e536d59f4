/**
 * Random SIMD instructions with operands that favour the edges: zeros, denormals, infinities, NaNs, ties, limits of
 * integers, numbers around over- and underflow; every rounding mode, DAZ, FTZ, unmasked exceptions.
 *
 * What enters: a random number generator. What leaves: records as `simd_native.ts` describes them.
 *
 * @module
 */
import {
  R_CODE,
  R_CONTROL,
  R_FLAGS,
  R_GENERAL,
  R_LENGTH,
  R_MEMORY,
  R_MXCSR,
  R_OFFSET,
  R_STACK,
  R_STATUS,
  R_TAGS,
  R_XMM,
} from "./simd_native.ts";

/** What an instruction's lanes are; decides which operands are interesting. */
export type Lane = "integer" | "single" | "double";

/** One opcode with one prefix. */
export interface Form {
  /** 0 none, 1 66, 2 F3, 3 F2. */
  readonly prefix: number;
  /** The byte after 0F. */
  readonly opcode: number;
  readonly lane: Lane;
  /** Has an immediate byte. */
  readonly immediate: boolean;
  /** Has a ModRM byte. */
  readonly modrm: boolean;
  /** Values of ModRM.reg to use, if it extends the opcode. */
  readonly extensions?: readonly number[];
  /** Register or memory form only. */
  readonly only?: "register" | "memory";
}

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

const MNEMONIC_SINGLE = [0x51, 0x52, 0x53, 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f, 0xc2];
const IMMEDIATE = [0x70, 0x71, 0x72, 0x73, 0xc2, 0xc4, 0xc5, 0xc6];

function laneOf(prefix: number, opcode: number): Lane {
  if (MNEMONIC_SINGLE.includes(opcode)) return prefix === 1 || prefix === 3 ? "double" : "single";
  if (opcode === 0x2c || opcode === 0x2d || opcode === 0x5a) return prefix === 1 || prefix === 3 ? "double" : "single";
  if (opcode === 0x2e || opcode === 0x2f) return prefix === 1 ? "double" : "single";
  if (opcode === 0x5b) return prefix === 0 ? "integer" : "single";
  if (opcode === 0xe6) return prefix === 2 ? "integer" : "double";
  return "integer";
}

/** `Insn.code` of what SSE3 added: here it must raise #UD, on the processor underneath it does something. */
export const SSE3 = [0x212, 0x216, 0x312, 0x17c, 0x37c, 0x17d, 0x37d, 0x1d0, 0x3d0, 0x3f0];

/** Whether an opcode after 0F is SIMD in `opcodes.ts`. */
export function isSimdOpcode(opcode: number): boolean {
  const high = opcode >> 4;
  return (opcode >= 0x10 && opcode < 0x18) || (opcode >= 0x28 && opcode < 0x30) || (high >= 5 && high < 8) ||
    [0xc2, 0xc4, 0xc5, 0xc6].includes(opcode) || (high >= 0xd && opcode < 0xff);
}

/**
 * All SIMD forms, each as often as it deserves, those of group 15 and MOVNTI. Opcodes without a handler are among them:
 * the processor must have nothing there either, unless SSE3 put it there.
 */
export function forms(table: readonly unknown[]): Form[] {
  const all: Form[] = [];
  for (let code = 0; code < 0x400; code++) {
    const prefix = code >> 8, opcode = code & 0xff;
    if (!isSimdOpcode(opcode) || SSE3.includes(code)) continue;
    const immediate = IMMEDIATE.includes(opcode);
    const form = { prefix, opcode, lane: laneOf(prefix, opcode), immediate, modrm: opcode !== 0x77 };
    // Floating point has the most to go wrong, an undefined opcode the least.
    const weight = !table[code] ? 1 : form.lane === "integer" ? 4 : 12;
    for (let i = 0; i < weight; i++) all.push(form);
  }
  const plain = { prefix: 0, lane: "integer", immediate: false, modrm: true } as const;
  all.push({ ...plain, opcode: 0xae, extensions: [2, 3], only: "memory" });
  all.push({ ...plain, prefix: 1, opcode: 0xae, extensions: [2, 3], only: "memory" });
  all.push({ ...plain, opcode: 0xae, extensions: [5, 6, 7], only: "register" });
  all.push({ ...plain, opcode: 0xc3, only: "memory" });
  return all;
}

const SINGLES = [
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

const DOUBLES: readonly (readonly [high: number, low: number])[] = [
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

function word(random: Random): number {
  return random.below(3) === 0 ? random.pick(WORDS) : random.next();
}

function fill(view: DataView, at: number, bytes: number, lane: Lane, random: Random): void {
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

/** MXCSR: mostly with all exceptions masked, half the time as programs have it. */
function control(random: Random): number {
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

const GENERAL = [0, 1, 2, 3, 5, 6];
const PREFIX_BYTES = [[], [0x66], [0xf3], [0xf2]];

/** Make operands alike now and then: equal, negated, neighbours, shared parts. */
function relate(view: DataView, from: number, to: number, random: Random): void {
  const kind = random.below(10);
  if (kind > 3) return;
  for (let i = 0; i < 16; i += 4) view.setUint32(to + i, view.getUint32(from + i, true), true);
  if (kind === 1) { for (let i = 3; i < 16; i += 4) view.setUint8(to + i, view.getUint8(to + i) ^ 0x80); }
  else if (kind === 2) { for (let i = 0; i < 16; i += 4) view.setUint8(to + i, view.getUint8(to + i) + 1 & 0xff); }
  else if (kind === 3) view.setUint8(to + 7, view.getUint8(to + 7) ^ 0x80);
}

/**
 * Fill a record with a random case of a form.
 *
 * @param view over the record
 */
export function makeCase(form: Form, view: DataView, random: Random): void {
  const memory = form.modrm && (form.only ? form.only === "memory" : random.below(3) === 0);
  const bytes = [...PREFIX_BYTES[form.prefix]!, 0x0f, form.opcode];
  // EDI holds the memory's address and ESP the stack: neither may be an operand, since their values differ there.
  const reg = form.extensions
    ? random.pick(form.extensions)
    : random.pick(generalReg(form) ? GENERAL : [...Array(8).keys()]);
  const rm = memory ? 7 : random.pick(generalRm(form) ? GENERAL : [...Array(8).keys()]);
  if (form.modrm) bytes.push((memory ? 0 : 0xc0) | reg << 3 | rm);
  if (form.immediate) {
    const byte = random.below(4) === 0 ? random.next() & 0xff : random.next() & (form.opcode === 0xc2 ? 0xf : 0x3f);
    bytes.push(form.opcode === 0x70 || form.opcode === 0xc6 ? random.next() & 0xff : byte);
  }
  bytes.forEach((byte, i) => view.setUint8(R_CODE + i, byte));
  view.setUint32(R_LENGTH, bytes.length, true);
  const misaligned = random.below(8) === 0;
  const offset = misaligned ? random.below(32) : 16;
  view.setUint32(R_OFFSET, offset, true);
  view.setUint32(R_MXCSR, control(random), true);
  view.setUint32(R_FLAGS, 0x202 | random.next() & 0x8d5, true);
  for (let i = 0; i < 8; i++) view.setUint32(R_GENERAL + 4 * i, word(random), true);
  const pending = random.below(24) === 0;
  view.setUint16(R_CONTROL, pending ? 0x37e : 0x37f, true);
  view.setUint16(R_STATUS, random.next() & 0x7f00 & ~0x4000 | (pending ? 0x8081 : 0), true);
  view.setUint16(R_TAGS, random.next() & 0xff, true);
  fill(view, R_STACK, 128, form.lane, random);
  for (let i = 0; i < 8; i++) {
    view.setUint16(R_STACK + 16 * i + 8, random.next() & 0xffff, true);
    for (let j = 10; j < 16; j++) view.setUint8(R_STACK + 16 * i + j, 0);
  }
  fill(view, R_XMM, 128, form.lane, random);
  const other: Lane = random.below(8) === 0 ? random.pick(["integer", "single", "double"]) : form.lane;
  fill(view, R_MEMORY, 64, other, random);
  relate(view, R_XMM + 16 * (reg & 7), memory ? R_MEMORY + 16 : R_XMM + 16 * rm, random);
  smallCounts(form, view, random);
  if (form.opcode === 0xae && random.below(2) === 0) view.setUint32(R_MEMORY + offset, random.next() & 0xffff, true);
}

/** Shift counts are mostly small: random quadwords would always be too large. */
function smallCounts(form: Form, view: DataView, random: Random): void {
  const high = form.opcode >> 4, low = form.opcode & 15;
  const shift = (high === 0xd || high === 0xe || high === 0xf) && low >= 1 && low <= 3 && form.opcode !== 0xe3;
  if (!shift || random.below(4) === 0) return;
  for (const base of [R_XMM, R_STACK]) {
    for (let i = 0; i < 4; i++) {
      view.setUint32(base + 32 * i, random.below(70), true);
      view.setUint32(base + 32 * i + 4, 0, true);
    }
  }
  view.setUint32(R_MEMORY + 16, random.below(70), true);
  view.setUint32(R_MEMORY + 20, 0, true);
}

function generalReg(form: Form): boolean {
  const { prefix, opcode } = form;
  if (opcode === 0x2c || opcode === 0x2d) return prefix >= 2;
  return opcode === 0x50 || opcode === 0xc5 || opcode === 0xd7 || opcode === 0xc3;
}

function generalRm(form: Form): boolean {
  const { prefix, opcode } = form;
  if (opcode === 0x2a) return prefix >= 2;
  return opcode === 0x6e || opcode === 0xc4 || (opcode === 0x7e && prefix < 2);
}
