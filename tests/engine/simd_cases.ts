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
import { control, fill, type Lane, type Random, word } from "./simd_values.ts";

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

/** An instruction: a form with its operands. */
export interface Encoding {
  readonly form: Form;
  readonly bytes: readonly number[];
  /** The ModRM operand is memory, at [EDI] or at a displacement from it. */
  readonly memory: boolean;
  readonly reg: number;
  readonly rm: number;
}

/**
 * A random encoding of a form.
 *
 * @param displacement of a memory operand; left out it stands at [EDI]
 */
export function encode(form: Form, random: Random, displacement?: number): Encoding {
  const memory = form.modrm && (form.only ? form.only === "memory" : random.below(3) === 0);
  const bytes = [...PREFIX_BYTES[form.prefix]!, 0x0f, form.opcode];
  // EDI holds the memory's address and ESP the stack: neither may be an operand, since their values differ there.
  const reg = form.extensions
    ? random.pick(form.extensions)
    : random.pick(generalReg(form) ? GENERAL : [...Array(8).keys()]);
  const rm = memory ? 7 : random.pick(generalRm(form) ? GENERAL : [...Array(8).keys()]);
  if (form.modrm) bytes.push((memory ? displacement === undefined ? 0 : 0x40 : 0xc0) | reg << 3 | rm);
  if (memory && displacement !== undefined) bytes.push(displacement & 0xff);
  if (form.immediate) {
    const byte = random.below(4) === 0 ? random.next() & 0xff : random.next() & (form.opcode === 0xc2 ? 0xf : 0x3f);
    bytes.push(form.opcode === 0x70 || form.opcode === 0xc6 ? random.next() & 0xff : byte);
  }
  return { form, bytes, memory, reg: reg & 7, rm };
}

/**
 * Fill a record with a random case of a form.
 *
 * @param view over the record
 */
export function makeCase(form: Form, view: DataView, random: Random): void {
  fillCase(encode(form, random), view, random);
}

/**
 * Fill a record with an instruction and a random state before it.
 *
 * @param view over the record
 */
export function fillCase(encoding: Encoding, view: DataView, random: Random): void {
  const { form, bytes, memory, reg, rm } = encoding;
  bytes.forEach((byte, i) => view.setUint8(R_CODE + i, byte));
  view.setUint32(R_LENGTH, bytes.length, true);
  const misaligned = random.below(8) === 0;
  const offset = misaligned ? random.below(32) : 16;
  view.setUint32(R_OFFSET, offset, true);
  fillState(form.lane, view, random);
  const other: Lane = random.below(8) === 0 ? random.pick(["integer", "single", "double"]) : form.lane;
  fill(view, R_MEMORY, 64, other, random);
  relate(view, R_XMM + 16 * reg, memory ? R_MEMORY + 16 : R_XMM + 16 * rm, random);
  smallCounts(form, view, random);
  if (form.opcode === 0xae && random.below(2) === 0) view.setUint32(R_MEMORY + offset, random.next() & 0xffff, true);
}

/** Fill a record with random registers. */
export function fillState(lane: Lane, view: DataView, random: Random): void {
  view.setUint32(R_MXCSR, control(random), true);
  view.setUint32(R_FLAGS, 0x202 | random.next() & 0x8d5, true);
  for (let i = 0; i < 8; i++) view.setUint32(R_GENERAL + 4 * i, word(random), true);
  const pending = random.below(24) === 0;
  view.setUint16(R_CONTROL, pending ? 0x37e : 0x37f, true);
  view.setUint16(R_STATUS, random.next() & 0x7f00 & ~0x4000 | (pending ? 0x8081 : 0), true);
  view.setUint16(R_TAGS, random.next() & 0xff, true);
  fill(view, R_STACK, 128, lane, random);
  for (let i = 0; i < 8; i++) {
    view.setUint16(R_STACK + 16 * i + 8, random.next() & 0xffff, true);
    for (let j = 10; j < 16; j++) view.setUint8(R_STACK + 16 * i + j, 0);
  }
  fill(view, R_XMM, 128, lane, random);
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
