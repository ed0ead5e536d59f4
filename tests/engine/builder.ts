/**
 * Puts one instruction together: prefixes, opcode, ModRM with a memory operand that hits a chosen address, immediates,
 * and the registers that make it so. Used by `generate.ts`, which says what; this file knows how.
 *
 * @module
 */
import type { Case } from "./case.ts";
import { type Form, immediateSize } from "./forms.ts";
import { LDT, PAGE, REGION_CODE, REGION_HIGH, REGION_LOW, REGION_MID, USER_CS, USER_DS, WRITABLE } from "./layout.ts";
import type { Random } from "./random.ts";

const ES = 0, CS = 1, SS = 2, DS = 3, ESP = 4, EBP = 5;
const OVERRIDES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** Inverses modulo 2^32 of 3, 5 and 9: for a register that is both base and index. */
const INVERSE = [0, 0xaaaa_aaab, 0xcccc_cccd, 0x38e3_8e39];
/** Base and index of 16-bit addressing by rm. */
const PAIRS = [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]] as const;

/** A case in the making. */
export class Builder {
  readonly form: Form;
  readonly random: Random;
  readonly regs: Uint32Array;
  eflags: number;
  readonly segments = [USER_DS, USER_CS, USER_DS, USER_DS, USER_DS, USER_DS];
  readonly pokes: [number, number][] = [];
  /** Code runs in a 16-bit segment. */
  code16 = false;
  data16 = false;
  address16 = false;
  override = -1;
  repeat = 0;
  lock = false;
  /** ModRM addresses memory. */
  memory = false;
  /** Linear address of the memory operand, once {@link place} has run; else -1. */
  target = -1;
  /** Wanted linear address of the memory operand, or -1 to pick one. */
  wanted = -1;
  /** What lies between the operand's address as encoded and the bytes accessed (BT's bit offset). */
  beyond = 0;
  /** ModRM.reg and, for a register operand, ModRM.rm. */
  reg: number;
  rm: number;
  /** Size in bytes of the memory operand. */
  access: number;
  immediate: number[];
  /** The memory operand must not be split over cache lines: a locked access that is would stop the whole machine. */
  aligned = false;

  constructor(form: Form, random: Random, hasLow: boolean) {
    this.form = form;
    this.random = random;
    this.regs = Uint32Array.from({ length: 8 }, () => random.value());
    this.eflags = random.bits() & 0x8d5 | 2 | (random.chance(0.3) ? 0x400 : 0);
    this.data16 = random.chance(0.25);
    this.address16 = hasLow && random.chance(0.12);
    if (random.chance(0.1)) this.override = random.below(6);
    this.memory = form.modrm && random.chance(0.55);
    this.reg = form.member >= 0 ? form.member : random.below(8);
    this.rm = random.below(8);
    this.access = form.byte ? 1 : this.operandSize;
    this.immediate = [];
    this.lock = random.chance(form.lockable ? 0.06 : 0.01);
  }

  /** Operand size in bytes where it is not fixed at 1. */
  get operandSize(): number {
    return this.data16 ? 2 : 4;
  }

  /** Address size in bytes. */
  get addressSize(): number {
    return this.address16 ? 2 : 4;
  }

  /** Base of a segment. */
  base(segment: number): number {
    const selector = this.segments[segment]!;
    return selector & 4 ? LDT[selector >> 3]?.base ?? 0 : 0;
  }

  /** Whether every segment is flat. */
  get flat(): boolean {
    return this.segments.every((selector) => !(selector & 4));
  }

  /** An address for an access of `size` bytes: mostly good, at times over an edge. */
  pick(size: number): number {
    const { random } = this;
    const region = this.address16 && this.flat ? REGION_LOW : random.chance(0.8) ? REGION_MID : REGION_HIGH;
    const first = region + PAGE, over = random.below(Math.max(size, 2));
    const dice = random.below(100);
    if (dice < 72) return first + random.below(WRITABLE - size);
    if (dice < 79) return first + PAGE - over;
    if (dice < 85) return first + WRITABLE - over;
    if (dice < 90) return first + WRITABLE + random.below(PAGE - size);
    if (dice < 93) return first + WRITABLE + PAGE - over;
    if (dice < 96) return first - over;
    if (dice < 98) return region + random.below(PAGE);
    return this.address16 ? first : REGION_CODE + PAGE + random.below(WRITABLE - size);
  }

  /** At times a linear address about the limit of a segment that has one, for an access of `size` bytes; else -1. */
  limitOf(segment: number, size: number): number {
    const selector = this.segments[segment]!;
    if (!(selector & 4) || !this.random.chance(0.4)) return -1;
    const { base, limit, pages } = LDT[selector >> 3]!;
    return pages ? -1 : base + limit + 1 - this.random.below(2 * size);
  }

  /** Put a 32-bit word into memory. */
  poke(address: number, value: number): void {
    this.pokes.push([address >>> 0, value >>> 0]);
  }

  /** Put ESP where a stack access of `size` bytes below (`down`) or above it is mostly good. */
  stack(size: number, down: boolean): number {
    const edge = this.limitOf(SS, size);
    const at = (edge < 0 ? this.pick(size) : edge) + (down ? size : 0) - this.base(SS);
    return this.regs[ESP] = at >>> 0;
  }

  /** Random bytes for the immediate, favouring edges. */
  randomImmediate(): void {
    const size = immediateSize(this.form, this.operandSize, this.addressSize);
    const value = this.random.value(), more = this.random.bits();
    this.immediate = Array.from(
      { length: size },
      (_, i) => (i < 4 ? value >>> (8 * i) : more >>> (8 * (i - 4))) & 0xff,
    );
  }

  /** ModRM, SIB and displacement; sets {@link target} and the registers that lead there. */
  #modrm(): number[] {
    if (!this.memory) return [0xc0 | this.reg << 3 | this.rm];
    let wanted = this.wanted >= 0 ? this.wanted : this.pick(this.access);
    if (this.aligned) wanted -= wanted % (this.access === 8 ? 8 : 4);
    return this.address16 ? this.#modrm16(wanted) : this.#modrm32(wanted);
  }

  #segment(stack: boolean): number {
    return this.override >= 0 ? this.override : stack ? SS : DS;
  }

  #modrm32(linear: number): number[] {
    const { random, regs } = this;
    const mod = random.below(3), rm = random.below(8), sib = random.below(256);
    let base = rm, index = -1, scale = 0;
    const bytes = [mod << 6 | this.reg << 3 | rm];
    if (rm === 4) {
      base = sib & 7;
      index = (sib >> 3 & 7) === 4 ? -1 : sib >> 3 & 7;
      scale = sib >> 6;
      bytes.push(sib);
    }
    if (mod === 0 && base === 5) base = -1;
    const segment = this.#segment(base === ESP || base === EBP);
    const edge = this.limitOf(segment, this.access);
    const wanted = (edge < 0 ? linear : edge) - this.base(segment) - this.beyond;
    let displacement = mod === 1 ? random.bits() << 24 >> 24 : 0;
    const scaled = index < 0 ? 0 : regs[index]! << scale;
    if (mod === 2 || base < 0) displacement = wanted - scaled - (base < 0 ? 0 : regs[base]!) | 0;
    else if (base !== index) regs[base] = wanted - displacement - scaled;
    else if (scale === 0) regs[base] = (wanted - displacement) >>> 1;
    else regs[base] = Math.imul(wanted - displacement, INVERSE[scale]!);
    const offset = (base < 0 ? 0 : regs[base]!) + (index < 0 ? 0 : regs[index]! << scale) + displacement;
    this.target = (offset + this.base(segment) + this.beyond) >>> 0;
    if (mod === 1) bytes.push(displacement & 0xff);
    else if (mod === 2 || base < 0) bytes.push(...little(displacement, 4));
    return bytes;
  }

  #modrm16(linear: number): number[] {
    const { random, regs } = this;
    const mod = random.below(3), rm = random.below(8);
    const [base, index] = PAIRS[rm]!;
    const direct = mod === 0 && rm === 6;
    const segment = this.#segment(!direct && base === EBP);
    const wanted = linear - this.base(segment) - this.beyond;
    let displacement = mod === 1 ? random.bits() << 24 >> 24 : 0;
    const second = index < 0 ? 0 : regs[index]!;
    if (direct) displacement = wanted;
    else if (mod === 2) displacement = wanted - regs[base]! - second;
    else regs[base] = regs[base]! & 0xffff_0000 | (wanted - displacement - second) & 0xffff;
    const offset = (direct ? 0 : regs[base]! + second) + displacement & 0xffff;
    this.target = (offset + this.base(segment) + this.beyond) >>> 0;
    const bytes = [mod << 6 | this.reg << 3 | rm];
    if (mod === 1) bytes.push(displacement & 0xff);
    else if (mod === 2 || direct) bytes.push(...little(displacement, 2));
    return bytes;
  }

  /** The address of a `moffs` operand, at the front of the immediate. */
  #moffs(): void {
    const operand = this.form.operands.find((one) => one[0] === "O");
    if (operand === undefined) return;
    this.target = this.pick(this.access);
    const offset = this.target - this.base(this.#segment(false));
    this.immediate.splice(0, this.addressSize, ...little(offset, this.addressSize));
  }

  /** The instruction behind its prefixes; registers are final after this. */
  encode(): number[] {
    const { form } = this;
    this.#moffs();
    const bytes = form.two ? [0x0f, form.opcode] : [form.opcode];
    if (form.modrm) bytes.push(...this.#modrm());
    return [...bytes, ...this.immediate];
  }

  /** The prefixes, in any order. */
  prefixes(): number[] {
    const bytes: number[] = [];
    if (this.data16 !== this.code16) bytes.push(0x66);
    if (this.address16 !== this.code16) bytes.push(0x67);
    if (this.override >= 0) bytes.push(OVERRIDES[this.override]!);
    if (this.repeat !== 0) bytes.push(this.repeat);
    if (this.lock) bytes.push(0xf0);
    for (let i = bytes.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [bytes[i], bytes[j]] = [bytes[j]!, bytes[i]!];
    }
    return bytes;
  }

  /** Where the instruction stands: mostly inside a page, at times over an edge. */
  codeAddress(length: number, safe: boolean): number {
    const { random } = this;
    if (!safe && random.chance(0.003)) return REGION_MID + PAGE + random.below(WRITABLE + PAGE); // not executable
    const first = REGION_CODE + PAGE, dice = safe ? 50 : random.below(100);
    if (dice < 6) return first + PAGE - random.below(length);
    if (dice < 9) return first + WRITABLE - random.below(length);
    return first + random.below(WRITABLE - 32);
  }

  /** The finished case. */
  finish(code: readonly number[], codeAt: number): Case {
    return {
      key: this.form.key,
      name: this.form.name,
      regs: this.regs,
      eflags: this.eflags,
      eip: (codeAt - this.base(CS)) >>> 0,
      codeAt,
      code: Uint8Array.from(code.slice(0, 16)),
      repeat: this.repeat !== 0 && STRING.has(this.form.name),
      pokes: this.pokes,
      segments: [...this.segments],
      size: this.form.byte ? 1 : this.operandSize,
    };
  }
}

/** String instructions: what REP repeats. */
export const STRING: ReadonlySet<string> = new Set(["MOVS", "CMPS", "STOS", "LODS", "SCAS", "INS", "OUTS"]);

/** The low `size` bytes of a value, lowest first. */
export function little(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => value >>> (8 * i) & 0xff);
}

/** ES as a number, for those who set string destinations. */
export const SEGMENT_ES = ES;
