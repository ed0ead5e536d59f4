/**
 * What an instruction touches, as far as the generator must know before it emits code: which registers it reads and
 * writes, what it does to the flags, and whether somebody may look at the state in the middle of it.
 *
 * Enters: an instruction. Leaves: its {@link Effects}. Read next: `slots.ts` (how registers are numbered),
 * `analysis.ts` (who asks).
 *
 * @module
 */
import { END_BRANCH, type Insn, K_HIGH, K_NONE, K_REG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { CS, EAX, EBP, ECX, EDI, EDX, ESI, ESP } from "../state.ts";
import { isNativeSimd, simdEffects } from "./emit_simd.ts";
import { EMITTERS } from "./emitters.ts";
import { isPlainBranch } from "./region.ts";
import { addressBits, type Effects, FLAGS_KEEP, FLAGS_PART, FLAGS_SET, SLOT_FLAGS } from "./slots.ts";

const ROL = OP.ROL!, ROR = OP.ROR!, SIMD = OP.SIMD!;

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
  return kind === K_REG || kind === K_HIGH ? 1 << register : 0;
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
