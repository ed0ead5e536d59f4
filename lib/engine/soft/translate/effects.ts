/**
 * What an instruction touches, as far as the generator must know before it emits code: which registers it reads and
 * writes, what it does to the flags, and whether somebody may look at the state in the middle of it.
 *
 * Registers are numbered slots, one bit each: 0 to 7 general registers, 8 the lazy flags, 9 to 16 XMM0 to XMM7.
 *
 * @module
 */
import { END_BRANCH, type Insn, K_HIGH, K_NONE, K_REG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { CS, EAX, EBP, ECX, EDI, EDX, ESI, ESP } from "../state.ts";
import { isPlainBranch } from "./region.ts";
import { EMITTERS } from "./emitters.ts";
import { isNativeSimd, simdEffects } from "./emit_simd.ts";

const ROL = OP.ROL!, ROR = OP.ROR!, SIMD = OP.SIMD!;

/** Slot of the lazy flags. */
export const SLOT_FLAGS = 8;
/** Slot of XMM0. */
export const SLOT_XMM = 9;
/** All general registers. */
export const GENERAL = 0xff;
/** All XMM registers. */
export const ALL_XMM = 0xff << SLOT_XMM;

/** Flags are untouched. */
export const FLAGS_KEEP = 0;
/** All six are overwritten. */
export const FLAGS_SET = 1;
/** Some are kept, or all under a condition. */
export const FLAGS_PART = 2;

/** See the module's text. */
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

/** Facts about operations, one bit each, indexed by `OP`. */
const M_WRITES_A = 1,
  M_WRITES_B = 2,
  M_SET = 4,
  M_PART = 8,
  M_SHIFT = 16,
  M_READS = 32,
  M_OBSERVES = 64,
  M_NO_ACCESS = 128;
const META = new Uint16Array(512);
/** Registers used beside the operands, all of which may be written. */
const IMPLICIT = new Uint8Array(512);

function mark(bit: number, names: string): void {
  for (const name of names.split(" ")) META[OP[name]!]! |= bit;
}

function implicit(bits: number, names: string): void {
  for (const name of names.split(" ")) IMPLICIT[OP[name]!] = bits;
}

mark(
  M_WRITES_A,
  "ADD OR ADC SBB AND SUB XOR NOT NEG INC DEC IMUL ROL ROR SHL SHR SAR SHLD SHRD BTS BTR BTC BSF BSR XADD " +
    "CMPXCHG MOV MOVZX MOVSX LEA XCHG BSWAP CMOV SETCC POP MOVNTI MOVFROMSEG",
);
mark(M_WRITES_B, "XCHG XADD");
mark(M_SET, "ADD OR ADC SBB AND SUB XOR CMP TEST NEG IMUL MUL IMUL1 XADD CMPXCHG BSF BSR CMPS SCAS");
mark(M_PART, "INC DEC ROL ROR BT BTS BTR BTC CLC STC CMC");
mark(M_SHIFT, "SHL SHR SAR SHLD SHRD");
mark(M_READS, "ADC SBB JCC SETCC CMOV LOOPE LOOPNE CMC PUSHF");
mark(M_OBSERVES, "PUSH POP CALL CALLI RET LEAVE PUSHF DIV IDIV MOVS STOS LODS CMPS SCAS CLI");
mark(M_NO_ACCESS, "LEA NOP");
implicit(1 << EAX | 1 << EDX, "MUL IMUL1 DIV IDIV CWD");
implicit(1 << EAX, "CBW CMPXCHG");
implicit(1 << ECX, "LOOP LOOPE LOOPNE JCXZ");
implicit(1 << ESP, "PUSH POP CALL CALLI RET PUSHF");
implicit(1 << ESP | 1 << EBP, "LEAVE");
implicit(1 << ESI | 1 << EDI, "MOVS CMPS");
implicit(1 << EAX | 1 << EDI, "STOS SCAS");
implicit(1 << EAX | 1 << ESI, "LODS");

function operandBit(kind: number, register: number): number {
  return kind === K_REG ? 1 << register : kind === K_HIGH ? 1 << register : 0;
}

/** The general registers of a memory operand's address. */
export function addressBits(insn: Insn): number {
  return (insn.base >= 0 ? 1 << insn.base : 0) | (insn.index >= 0 ? 1 << insn.index : 0);
}

/** Whether the generator can express it; otherwise the interpreter executes it in place. */
function isNative(insn: Insn): boolean {
  if (insn.ends === END_BRANCH) return isPlainBranch(insn);
  if (insn.mem && (insn.addrSize !== 4 || insn.seg === CS)) return false;
  const emitter = EMITTERS.get(insn.op);
  return emitter !== undefined && (emitter.accepts === undefined || emitter.accepts(insn));
}

/** What an instruction touches. */
export function effectsOf(insn: Insn): Effects {
  if (insn.op === SIMD) {
    if (isNativeSimd(insn)) return simdEffects(insn);
    return INTERPRETED;
  }
  if (!isNative(insn)) return INTERPRETED;
  const op = insn.op, meta = META[op]!, implied = IMPLICIT[op]!;
  const a = operandBit(insn.a, insn.ar), b = operandBit(insn.b, insn.br);
  const shift = (meta & M_SHIFT) !== 0;
  const byCl = insn.c === K_REG || insn.b === K_NONE && (shift || op === ROL || op === ROR);
  let writes = insn.rep === 0 ? implied : implied | 1 << ECX;
  if (meta & M_WRITES_A) writes |= a;
  if (meta & M_WRITES_B) writes |= b;
  let flags = meta & M_SET ? FLAGS_SET : meta & M_PART ? FLAGS_PART : FLAGS_KEEP;
  if (shift) flags = byCl ? FLAGS_PART : (insn.imm & 31) === 0 ? FLAGS_KEEP : FLAGS_SET;
  const readsFlags = (meta & M_READS) !== 0;
  let uses = a | b | writes | addressBits(insn);
  if (byCl) uses |= 1 << ECX;
  if (readsFlags) uses |= 1 << SLOT_FLAGS;
  if (flags !== FLAGS_KEEP) {
    uses |= 1 << SLOT_FLAGS;
    writes |= 1 << SLOT_FLAGS;
  }
  const observes = (meta & M_OBSERVES) !== 0 || (insn.mem && !(meta & M_NO_ACCESS));
  return { uses, writes, flags, readsFlags, observes, interpreted: false };
}

const INTERPRETED: Effects = {
  uses: 0,
  writes: 0,
  flags: FLAGS_PART,
  readsFlags: true,
  observes: true,
  interpreted: true,
};

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

/** Whether the flags must be right after each instruction of a node, given whether they must be behind it. */
export function flagsNeeded(
  insns: readonly Insn[],
  effects: readonly Effects[],
  liveOut: boolean,
): [boolean[], boolean] {
  const needed = new Array<boolean>(insns.length);
  let live = liveOut;
  for (let i = insns.length - 1; i >= 0; i--) {
    const e = effects[i]!;
    needed[i] = live;
    if (e.flags === FLAGS_SET) live = false;
    if (e.readsFlags || e.observes) live = true;
  }
  return [needed, live];
}
