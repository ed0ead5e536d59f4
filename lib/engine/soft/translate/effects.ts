/**
 * What an instruction touches, as far as the generator must know before it emits code: which registers it reads and
 * writes, what it does to the flags, and whether somebody may look at the state in the middle of it.
 *
 * Registers are numbered slots, one bit each: 0 to 7 general registers, 8 the lazy flags, 9 to 16 XMM0 to XMM7.
 *
 * @module
 */
import { END_BRANCH, type Insn, K_HIGH, K_IMM, K_REG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { CS, EAX, EBP, ECX, EDX, ESP } from "../state.ts";
import { EMITTERS } from "./emitters.ts";
import { isNativeSimd, simdEffects } from "./emit_simd.ts";

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
  uses: number;
  /** Slots that are written. */
  writes: number;
  /** `FLAGS_*`. */
  flags: number;
  /** It reads flags itself. */
  readsFlags: boolean;
  /** It may fault, or the interpreter executes it: then the state must be exact. */
  observes: boolean;
  /** The interpreter executes it, on the state in memory. */
  interpreted: boolean;
}

function ops(names: string): Set<number> {
  return new Set(names.split(" ").map((name) => OP[name]!));
}

const WRITES_A = ops(
  "ADD OR ADC SBB AND SUB XOR NOT NEG INC DEC IMUL ROL ROR SHL SHR SAR SHLD SHRD BTS BTR BTC BSF BSR XADD " +
    "CMPXCHG MOV MOVZX MOVSX LEA XCHG BSWAP CMOV SETCC POP MOVNTI",
);
const WRITES_B = ops("XCHG XADD");
const READ_ONLY = ops("CMP TEST BT");
const SET = ops("ADD OR ADC SBB AND SUB XOR CMP TEST NEG IMUL MUL IMUL1 XADD CMPXCHG BSF BSR");
const PART = ops("INC DEC ROL ROR BT BTS BTR BTC CLC STC CMC");
const SHIFTS = ops("SHL SHR SAR SHLD SHRD");
const READS = ops("ADC SBB JCC SETCC CMOV LOOPE LOOPNE CMC");
const STACK = ops("PUSH POP CALL CALLI RET LEAVE");

/** Registers used beside the operands. */
const IMPLICIT = new Map<number, number>([
  [OP.MUL!, 1 << EAX | 1 << EDX],
  [OP.IMUL1!, 1 << EAX | 1 << EDX],
  [OP.DIV!, 1 << EAX | 1 << EDX],
  [OP.IDIV!, 1 << EAX | 1 << EDX],
  [OP.CBW!, 1 << EAX],
  [OP.CWD!, 1 << EAX | 1 << EDX],
  [OP.CMPXCHG!, 1 << EAX],
  [OP.LOOP!, 1 << ECX],
  [OP.LOOPE!, 1 << ECX],
  [OP.LOOPNE!, 1 << ECX],
  [OP.JCXZ!, 1 << ECX],
  [OP.LEAVE!, 1 << EBP],
]);

function operandBit(kind: number, register: number): number {
  return kind === K_REG ? 1 << register : kind === K_HIGH ? 1 << register : 0;
}

/** The general registers of a memory operand's address. */
export function addressBits(insn: Insn): number {
  return (insn.base >= 0 ? 1 << insn.base : 0) | (insn.index >= 0 ? 1 << insn.index : 0);
}

/** Whether the generator can express it; otherwise the interpreter executes it in place. */
function isNative(insn: Insn): boolean {
  if (insn.ends === END_BRANCH) return true; // others do not get into a region
  if (insn.mem && (insn.addrSize !== 4 || insn.seg === CS)) return false;
  const emitter = EMITTERS.get(insn.op);
  return emitter !== undefined && (emitter.accepts === undefined || emitter.accepts(insn));
}

/** What an instruction touches. */
export function effectsOf(insn: Insn): Effects {
  if (insn.op === OP.SIMD) {
    if (isNativeSimd(insn)) return simdEffects(insn);
    return interpreted(insn);
  }
  if (!isNative(insn)) return interpreted(insn);
  const a = operandBit(insn.a, insn.ar), b = operandBit(insn.b, insn.br);
  const implicit = (IMPLICIT.get(insn.op) ?? 0) | (STACK.has(insn.op) ? 1 << ESP : 0);
  const byCl = insn.c === K_REG || (SHIFTS.has(insn.op) || insn.op === OP.ROL || insn.op === OP.ROR) && insn.b === 0;
  let writes = implicit;
  if (WRITES_A.has(insn.op)) writes |= a;
  if (WRITES_B.has(insn.op)) writes |= b;
  let flags = FLAGS_KEEP;
  if (SET.has(insn.op)) flags = FLAGS_SET;
  else if (PART.has(insn.op)) flags = FLAGS_PART;
  else if (SHIFTS.has(insn.op)) {
    const count = insn.op === OP.SHLD || insn.op === OP.SHRD ? insn.c === K_IMM : insn.b === K_IMM;
    flags = !count ? FLAGS_PART : (insn.imm & 31) === 0 ? FLAGS_KEEP : FLAGS_SET;
  }
  const readsFlags = READS.has(insn.op);
  const touchesFlags = flags !== FLAGS_KEEP || readsFlags;
  return {
    uses: a | b | implicit | addressBits(insn) | (byCl ? 1 << ECX : 0) | writes | (touchesFlags ? 1 << SLOT_FLAGS : 0),
    writes: writes | (flags !== FLAGS_KEEP ? 1 << SLOT_FLAGS : 0),
    flags,
    readsFlags,
    observes: (insn.mem && insn.op !== OP.LEA && insn.op !== OP.NOP) || STACK.has(insn.op) || insn.op === OP.DIV ||
      insn.op === OP.IDIV,
    interpreted: false,
  };
}

function interpreted(_insn: Insn): Effects {
  return { uses: 0, writes: 0, flags: FLAGS_PART, readsFlags: true, observes: true, interpreted: true };
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

/** Whether an operation reads its destination without writing it. */
export function readsOnly(op: number): boolean {
  return READ_ONLY.has(op);
}
