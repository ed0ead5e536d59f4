/**
 * A case: one instruction, the registers and memory it starts with; and its outcome, the same for every engine. Read
 * next: `generate.ts` (who makes cases), `native/oracle.ts` and `machine.ts` (who runs them), `compare.ts`.
 *
 * @module
 */

/** Everything that an instruction starts from. Pages hold what `layout.ts` says, but for {@link pokes} and the code. */
export interface Case {
  /** Which form of the opcode tables this is; see `forms.ts`. */
  readonly key: string;
  /** Mnemonic as in `opcodes.ts`. */
  readonly name: string;
  /** EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI. */
  readonly regs: Uint32Array;
  readonly eflags: number;
  /** Offset in CS of the instruction. */
  readonly eip: number;
  /** Linear address of the instruction. */
  readonly codeAt: number;
  readonly code: Uint8Array;
  /** A repeated string instruction: it is run to its end. */
  readonly repeat: boolean;
  /** 32-bit words put into writable pages: address, value. */
  readonly pokes: readonly (readonly [number, number])[];
  /** Selectors of ES, CS, SS, DS, FS, GS. */
  readonly segments: readonly number[];
  /** Operand size in bytes, for the table of undefined flags. */
  readonly size: number;
}

/** What an instruction did. */
export interface Outcome {
  readonly regs: Uint32Array;
  readonly eflags: number;
  readonly eip: number;
  /** Vector of the fault; {@link NO_FAULT} if there was none. */
  readonly trap: number;
  readonly error: number;
  /** Meaningful for a page fault only. */
  readonly cr2: number;
  readonly segments: readonly number[];
  /** 32-bit words of writable pages that differ from the initial content: address, value, address, value, … region by region. */
  readonly changes: Uint32Array;
}

/** {@link Outcome.trap} of an instruction that raised nothing: the single-step trap ended it. */
export const NO_FAULT = 1;
/** {@link Outcome.trap} of a repeated instruction that did not end. */
export const TOO_LONG = 0xff;

/** Vectors that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
export const WITH_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

/** A value as the manual would print it. */
export function hex(value: number): string {
  return (value >>> 0).toString(16);
}

/** The bytes of a case's instruction, as a disassembler wants them. */
export function codeText(one: Case): string {
  return [...one.code].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
