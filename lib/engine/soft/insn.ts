/**
 * One decoded instruction: what the decoder makes, the interpreter executes and the translator turns into
 * WebAssembly. Read next: `decoder.ts`, then `interp/`.
 *
 * @module
 */
import type { Cpu } from "./cpu.ts";

/** What an operand is. There is at most one memory operand, described by `base`, `index`, `scale`, `disp`, `seg`. */
export const K_NONE = 0, K_REG = 1, K_HIGH = 2, K_MEM = 3, K_IMM = 4, K_SREG = 5, K_CR = 6, K_DR = 7;

/** Executes one instruction: everything but advancing the instruction pointer, unless {@link Insn.ends} is set. */
export type Handler = (cpu: Cpu, insn: Insn) => void;

/** The instruction falls through to the next one and can stand in the middle of a block. */
export const END_NONE = 0;
/** Transfers control: its handler sets the instruction pointer, always. */
export const END_BRANCH = 1;
/** May change mode, privilege, paging or the interrupt flag: falls through, but a new block begins after it. */
export const END_SYSTEM = 2;

/** A decoded instruction; every one has the same shape, so that V8 sees one class. */
export class Insn {
  /** Operation, one of `OP`. */
  op = 0;
  /** Operand size in bytes: 1, 2, 4 or 8 (SIMD and x87 decide by {@link code}). */
  size = 4;
  /** Size of the source where it differs (MOVZX, MOVSX), else equal to {@link size}. */
  srcSize = 4;
  /** Address size in bytes: 2, 4 or 8. */
  addrSize = 4;
  /** Stack-pointer-independent length of the instruction in bytes, 1 to 15. */
  length = 0;
  /** Offset of its first byte in its page, 0 to 4095. */
  offset = 0;
  /** Destination (or only) operand: kind and register number. For {@link K_HIGH} the number is 0 to 3 for AH, CH, DH, BH. */
  a = K_NONE;
  ar = 0;
  /** Source operand: kind and register number. */
  b = K_NONE;
  br = 0;
  /** Third operand is an immediate (IMUL, SHLD, shuffles) or a register count; see {@link imm}. */
  c = K_NONE;
  /** Immediate, sign-extended to 32 bits; relative branches: displacement from the next instruction. */
  imm = 0;
  /** Second immediate: ENTER's level, far pointers' selector. */
  imm2 = 0;
  /** Memory operand: base register or -1. */
  base = -1;
  /** Memory operand: index register or -1. */
  index = -1;
  /** Memory operand: log2 of the factor of the index. */
  scale = 0;
  /** Memory operand: displacement, signed 32 bits. */
  disp = 0;
  /** Memory operand: segment register, defaults resolved. */
  seg = 3;
  /** ModRM byte's reg field (with REX.R), also where it extends the opcode. */
  reg = 0;
  /** ModRM byte's rm field (with REX.B) if the operand is a register: XMM, MMX or ST number. */
  rm = 0;
  /** Whether the ModRM operand is memory. */
  mem = false;
  /**
   * Opcode details: condition number (Jcc, SETcc, CMOVcc); for SIMD `prefix << 8 | opcode` with prefix 0 none, 1 66,
   * 2 F3, 3 F2 and opcode the byte after 0F; for x87 `(first opcode byte & 7) << 8 | ModRM`.
   */
  code = 0;
  /** Repeat prefix: 0, 0xF2 (REPNE) or 0xF3 (REP, REPE). */
  rep = 0;
  /** LOCK prefix. */
  lock = false;
  /** How it ends a block: `END_*`. */
  ends = END_NONE;
  /** What executes it. */
  exec: Handler = unassigned;
}

function unassigned(_cpu: Cpu, insn: Insn): void {
  throw new Error(`No handler for operation ${insn.op}`);
}
