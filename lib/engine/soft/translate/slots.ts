/**
 * The registers of a generated function, numbered: slots, one bit each in a set. 0 to 7 general registers, 8 the lazy
 * flags, 9 to 16 XMM0 to XMM7. And {@link Effects}, what an instruction touches of them.
 *
 * Read next: `effects.ts` (what each instruction touches), `analysis.ts` (what follows for a region).
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { EAX } from "../state.ts";

/** Slot of the lazy flags. */
export const SLOT_FLAGS = 8;
/** Slot of XMM0. */
export const SLOT_XMM = 9;
/** All general registers. */
const GENERAL = 0xff;
/** All XMM registers. */
const ALL_XMM = 0xff << SLOT_XMM;

/** Flags are untouched. */
export const FLAGS_KEEP = 0;
/** All six are overwritten. */
export const FLAGS_SET = 1;
/** Some are kept, or all under a condition. */
export const FLAGS_PART = 2;

/** What an instruction touches; `effects.ts` finds it out. */
export interface Effects {
  /** Slots that are read or written: they must be loaded. */
  readonly uses: number;
  /** Slots that are written. */
  readonly writes: number;
  /** `FLAGS_*`. */
  readonly flags: number;
  /** It reads flags itself. */
  readonly readsFlags: boolean;
  /** It may fault, or the interpreter executes it: then the state must be exact. */
  readonly observes: boolean;
  /** The interpreter executes it, on the state in memory. */
  readonly interpreted: boolean;
}

/** The general registers of a memory operand's address. */
export function addressBits(insn: Insn): number {
  return (insn.base >= 0 ? 1 << insn.base : 0) | (insn.index >= 0 ? 1 << insn.index : 0);
}

/** Slots that the interpreter may change when it executes this instruction: they are loaded again after it. */
export function changedByInterpreter(insn: Insn): number {
  if (insn.op === OP.SIMD) {
    const opcode = insn.code & 0xff;
    const general = opcode === 0x7e || opcode === 0xd7 || opcode === 0x50 || opcode === 0xc5 ||
      (opcode >= 0x2c && opcode <= 0x2d);
    return ALL_XMM | (general ? GENERAL : 0) | (opcode === 0x2e || opcode === 0x2f ? 1 << SLOT_FLAGS : 0);
  }
  if (insn.op === OP.X87) {
    const modrm = insn.code & 0xff, escape = insn.code >> 8;
    if (escape === 7 && modrm === 0xe0) return 1 << EAX;
    return (escape === 3 || escape === 7) && modrm >= 0xe8 && modrm < 0xf8 ? 1 << SLOT_FLAGS : 0;
  }
  return GENERAL | 1 << SLOT_FLAGS | (insn.op === OP.FXRSTOR ? ALL_XMM : 0);
}
