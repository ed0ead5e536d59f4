/**
 * Registers and flags that interpreter and generated code share: they live in shared memory, at the offsets that
 * `state.ts` names.
 *
 * Enters: the shared memory. Leaves: the ways to its words. Read next: `linear_memory.ts` and `cpu.ts`, which build on
 * this; `flags.ts` (how flags are kept lazily).
 *
 * @module
 */
import { arithmeticFlags, auxiliary, CC_UNIVERSAL, universalAux, universalResult } from "./flags.ts";
import {
  ARITHMETIC,
  STATE_CC_OP,
  STATE_CC_RES,
  STATE_CC_SRC,
  STATE_EFLAGS,
  STATE_EIP,
  STATE_SEG_BASE,
} from "./state.ts";

const I_EIP = STATE_EIP >> 2, I_CC_OP = STATE_CC_OP >> 2, I_CC_RES = STATE_CC_RES >> 2, I_CC_SRC = STATE_CC_SRC >> 2;
const I_EFLAGS = STATE_EFLAGS >> 2, I_SEG_BASE = STATE_SEG_BASE >> 2;

/** The part of a processor's state that is in shared memory. */
export class Registers {
  /** The whole shared memory, as bytes. */
  readonly u8: Uint8Array;
  /** The whole shared memory, as aligned 16-bit words. */
  readonly u16: Uint16Array;
  /** The whole shared memory, as aligned 32-bit words: state word n is `i32[STATE_X >> 2]`. */
  readonly i32: Int32Array;
  /** The whole shared memory, for unaligned access. */
  readonly view: DataView;

  /** @param buffer the shared memory */
  constructor(buffer: ArrayBufferLike) {
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Address of the instruction at hand. */
  get eip(): number {
    return this.i32[I_EIP]!;
  }
  set eip(value: number) {
    this.i32[I_EIP] = value;
  }

  /** General register, signed 32 bits. */
  reg(n: number): number {
    return this.i32[n << 1]!;
  }

  /** Set a general register. */
  setReg(n: number, value: number): void {
    this.i32[n << 1] = value;
  }

  /** General register at 1 (low byte), 2 or 4 bytes; narrow ones unsigned. */
  getSized(n: number, size: number): number {
    return size === 4 ? this.i32[n << 1]! : size === 2 ? this.u16[n << 2]! : this.u8[n << 3]!;
  }

  /** Set a general register's low 1, 2 or 4 bytes. */
  setSized(n: number, size: number, value: number): void {
    if (size === 4) this.i32[n << 1] = value;
    else if (size === 2) this.u16[n << 2] = value;
    else this.u8[n << 3] = value;
  }

  /** Base of a segment. */
  segmentBase(seg: number): number {
    return this.i32[I_SEG_BASE + (seg << 1)]!;
  }

  /** Set the base of a segment. */
  setSegmentBase(seg: number, base: number): void {
    this.i32[I_SEG_BASE + (seg << 1)] = base;
  }

  // Flags.

  /** Record the operation that sets the arithmetic flags; see `flags.ts`. */
  setLazy(op: number, res: number, src: number): void {
    this.i32[I_CC_OP] = op;
    this.i32[I_CC_RES] = res;
    this.i32[I_CC_SRC] = src;
  }

  /** The six arithmetic flags. */
  get arithmetic(): number {
    return arithmeticFlags(this.i32[I_CC_OP]!, this.i32[I_CC_RES]!, this.i32[I_CC_SRC]!);
  }
  set arithmetic(flags: number) {
    this.setLazy(CC_UNIVERSAL, universalResult(flags), universalAux(flags));
  }

  /** The carry flag, 0 or 1. */
  get carry(): number {
    return auxiliary(this.i32[I_CC_OP]!, this.i32[I_CC_RES]!, this.i32[I_CC_SRC]!) >>> 31;
  }

  /** All of EFLAGS. */
  get flags(): number {
    return this.i32[I_EFLAGS]! | this.arithmetic | 2;
  }
  set flags(value: number) {
    this.i32[I_EFLAGS] = value & ~ARITHMETIC & 0x3f_7fd5;
    this.arithmetic = value & ARITHMETIC;
  }

  /** EFLAGS without the arithmetic flags, which is cheap: IF, DF, IOPL and so on. */
  get systemFlags(): number {
    return this.i32[I_EFLAGS]!;
  }
  set systemFlags(value: number) {
    this.i32[I_EFLAGS] = value;
  }

  /** Whether a condition holds (Intel SDM volume 2, appendix B.1.4). */
  condition(code: number): boolean {
    const flags = this.arithmetic;
    let met: boolean;
    switch (code >> 1) {
      case 0:
        met = (flags & 0x800) !== 0;
        break;
      case 1:
        met = (flags & 1) !== 0;
        break;
      case 2:
        met = (flags & 0x40) !== 0;
        break;
      case 3:
        met = (flags & 0x41) !== 0;
        break;
      case 4:
        met = (flags & 0x80) !== 0;
        break;
      case 5:
        met = (flags & 4) !== 0;
        break;
      case 6:
        met = ((flags >> 7 ^ flags >> 11) & 1) !== 0;
        break;
      default:
        met = ((flags >> 7 ^ flags >> 11) & 1) !== 0 || (flags & 0x40) !== 0;
    }
    return met !== ((code & 1) !== 0);
  }
}
