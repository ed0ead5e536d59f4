/**
 * The instruction forms to test, read out of the decoder's own opcode tables, so that a row which is added there is
 * tested or missed loudly. Enters: `opcodes.ts`. Leaves: one {@link Form} per row and group member. Read next:
 * `generate.ts`.
 *
 * @module
 */
import { GROUPS, ONE_BYTE, TWO_BYTE } from "../../lib/engine/soft/opcodes.ts";

/** One row of the opcode tables, or one member of a group. */
export interface Form {
  /** `0f a4 SHLD Ev Gv Ib`: what a failure and the list of exceptions name. */
  readonly key: string;
  readonly two: boolean;
  readonly opcode: number;
  /** ModRM.reg of a group's member, else -1. */
  readonly member: number;
  /** Mnemonic of `opcodes.ts`; `-` for a hole in a group. */
  readonly name: string;
  readonly operands: readonly string[];
  readonly modrm: boolean;
  readonly lockable: boolean;
  /** Operands of one byte. */
  readonly byte: boolean;
}

const ATTRIBUTES = new Set(["lock", "d64", "no64", "only64", "end", "sys", "imm"]);

/** Every form of both maps, in the order of the tables. */
export const FORMS: readonly Form[] = [...forms(ONE_BYTE, false), ...forms(TWO_BYTE, true)];

function forms(table: string, two: boolean): Form[] {
  return table.split("\n").flatMap((line) => {
    const [code, name, ...words] = line.trim().split(/ +/);
    const opcode = parseInt(code!, 16);
    if (!name!.startsWith("@")) return [form(two, opcode, -1, [name!, ...words])];
    return GROUPS[name!.slice(1)]!.split(" ").map((entry, member) => {
      const [mnemonic, extra] = entry.split(":");
      const more = extra === "imm" ? [words[0] === "Eb" ? "Ib" : "Iz"] : extra ? [extra] : [];
      return form(two, opcode, member, [mnemonic!, ...words, ...more]);
    });
  });
}

function form(two: boolean, opcode: number, member: number, words: readonly string[]): Form {
  const [name, ...rest] = words;
  const operands = rest.filter((word) => !ATTRIBUTES.has(word));
  const code = `${two ? "0f " : ""}${opcode.toString(16).padStart(2, "0")}${member < 0 ? "" : `/${member}`}`;
  return {
    key: [code, name, ...operands].join(" "),
    two,
    opcode,
    member,
    name: name!,
    operands,
    modrm: member >= 0 || operands.some(needsModrm),
    lockable: rest.includes("lock"),
    byte: operands.some((operand) => operand === "b" || /^[EGAZO]b$/.test(operand)) && !/^MOV[SZ]X$/.test(name!),
  };
}

function needsModrm(operand: string): boolean {
  return /^[EGMRD]/.test(operand) || operand === "Cd" || operand === "Sw";
}

/** Bytes of the immediates and displacements behind ModRM. */
export function immediateSize(of: Form, operandSize: number, addressSize: number): number {
  let bytes = 0;
  for (const operand of of.operands) {
    if (operand === "Ib" || operand === "Is" || operand === "Jb") bytes += 1;
    else if (operand === "Iw") bytes += 2;
    else if (/^[IJ][zv]$/.test(operand)) bytes += operandSize;
    else if (operand === "p") bytes += operandSize + 2;
    else if (operand[0] === "O") bytes += addressSize;
  }
  return of.name === "ENTER" ? bytes + 1 : bytes;
}

/** Why a form is not run against the processor underneath, or `undefined` if it is. */
export function untestable(of: Form): string | undefined {
  return Object.hasOwn(ELSEWHERE, of.name) ? ELSEWHERE[of.name] : undefined;
}

/** Mnemonics that user mode on a foreign kernel cannot show, or that are not the integer tests' business. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  SIMD: "SSE, SSE2 and MMX have their own oracle",
  X87: "x87 has its own oracle",
  FWAIT: "x87 has its own oracle",
  FXSAVE: "x87 has its own oracle",
  FXRSTOR: "x87 has its own oracle",
  LDMXCSR: "SSE has its own oracle",
  STMXCSR: "SSE has its own oracle",
  CPUID: "describes our processor, not the one underneath",
  RDTSC: "time differs",
  RDPMC: "the host may allow it",
  SYSENTER: "enters the host's kernel",
  SGDT: "the host emulates or forbids it (UMIP)",
  SIDT: "the host emulates or forbids it (UMIP)",
  SMSW: "the host emulates or forbids it (UMIP)",
  SLDT: "the host emulates or forbids it (UMIP)",
  STR: "the host emulates or forbids it (UMIP)",
};
