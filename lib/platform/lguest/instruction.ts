/**
 * What an instruction that trapped wants of a port or of a device's register: its first bytes enter, plain data leaves.
 *
 * Nothing is executed here; `emulate.ts` does. The Host hands over seven bytes (`struct lguest_pending`), which is
 * enough for all but an immediate behind a long address: then the answer is how many bytes it takes ({@link Needs}).
 * Encodings are those of the Intel SDM, volume 2, §2.1 (ModRM and SIB, table 2-2 and 2-3) and chapters 3 and 4.
 *
 * @module
 */
import type { Width } from "../bus.ts";
import type { RegisterName } from "./device.ts";

/** A general register, or the second byte of one (AH, CH, DH, BH). */
export interface RegisterPart {
  /** The whole register's name. */
  readonly name: RegisterName;
  /** Where the part begins in it. */
  readonly shift: 0 | 8;
}

/** What a kernel at privilege level 1 may not do with ports or interrupts, and what it meant. */
export type PortInstruction =
  /** CLI: nothing to be done, since the Guest's interrupt flag is a word in its memory. */
  | { readonly kind: "skip"; readonly length: number }
  /** IN or OUT with the accumulator. */
  | {
    readonly kind: "in" | "out";
    /** The port, or `"dx"` if that register has it. */
    readonly port: number | "dx";
    readonly width: Width;
    readonly length: number;
  };

/** The same, and MOV from CR4, which reads as 0. */
export type PrivilegedInstruction =
  | PortInstruction
  | { readonly kind: "cr4"; readonly register: RegisterPart; readonly length: number };

/** A MOV between a device's register and the processor. */
export type MmioInstruction =
  | {
    readonly direction: "load";
    /** How much is read. */
    readonly width: Width;
    readonly register: RegisterPart;
    /** How the rest of the register's width is filled. */
    readonly extend: "none" | "zero" | "sign";
    /** How much of the register is written. */
    readonly registerWidth: Width;
    readonly length: number;
  }
  | {
    readonly direction: "store";
    readonly width: Width;
    /** What is written: a register, or a number (unsigned). */
    readonly source: RegisterPart | number;
    readonly length: number;
  };

/** An instruction that can be understood once this many of its bytes are there. */
export interface Needs {
  readonly needs: number;
}

/** Longest instruction in bytes (Intel SDM volume 2, §2.3.11). */
export const MAX_LENGTH = 15;

/** General registers in the order of their numbers (Intel SDM volume 2, table 3-1). */
const REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;

const OPERAND_SIZE = 0x66;
/** ES, CS, SS, DS, FS, GS: which segment is no matter, since the Host has the address already. */
const SEGMENT_PREFIXES: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]);

/**
 * Decode an instruction that raised a general protection fault.
 *
 * CLI is one: from 2.6.33 on kernels that may run without CMPXCHG8B emulate that instruction early in the boot, with
 * interrupts off, and that code is not paravirtualized. The original Launcher skips it too.
 *
 * @param bytes the instruction's first bytes
 * @returns what it is, or `undefined` if it is none that a Launcher emulates: the trap is the Guest's own
 */
export function decodePort(bytes: Uint8Array): PortInstruction | undefined {
  if (bytes[0] === 0xfa) return { kind: "skip", length: 1 };
  const { at, small } = skipPrefixes(bytes);
  const opcode = bytes[at];
  if (opcode === undefined) return undefined;
  // Bit 0 is clear for AL, bit 1 is set for OUT, bit 3 for the port in DX: E4 to E7 and EC to EF.
  if ((opcode & 0xf4) !== 0xe4) return undefined;
  const kind = opcode & 2 ? "out" : "in";
  const width = (opcode & 1) === 0 ? 1 : small ? 2 : 4;
  if (opcode & 8) return { kind, port: "dx", width, length: at + 1 };
  const port = bytes[at + 1];
  return port === undefined ? undefined : { kind, port, width, length: at + 2 };
}

/**
 * Decode an instruction that raised a general protection fault in a kernel from Linux 4.0 on.
 *
 * Up to 4.8 such a kernel reads CR4 before it has a handler for the fault, and not by way of the function that lguest
 * replaces (`cr4_init_shadow` in arch/x86/include/asm/tlbflush.h). A Guest's CR4 is 0 wherever lguest is asked. The
 * original Launcher gave up on these kernels.
 *
 * @param bytes the instruction's first bytes
 * @returns what it is, or `undefined` if it is none that a Launcher emulates: the trap is the Guest's own
 */
export function decodePrivileged(bytes: Uint8Array): PrivilegedInstruction | undefined {
  // MOV r32, CR4: ModRM.reg is the control register, and ModRM.mod is ignored (Intel SDM volume 2, MOV to/from CR).
  if (bytes[0] === 0x0f && bytes[1] === 0x20 && bytes[2] !== undefined && (bytes[2] >> 3 & 7) === 4) {
    return { kind: "cr4", register: registerPart(bytes[2] & 7, 4), length: 3 };
  }
  return decodePort(bytes);
}

/**
 * Decode an instruction that touched a device's page: what a kernel's `readb`, `writel` and their like compile to.
 *
 * @param bytes the instruction's first bytes
 * @returns what it is; how many bytes it takes to know; or `undefined` if it is none that a Launcher emulates
 */
export function decodeMmio(bytes: Uint8Array): MmioInstruction | Needs | undefined {
  const decoded = decodeMove(bytes);
  if (decoded === undefined) return undefined;
  return ("length" in decoded ? decoded.length : decoded.needs) <= MAX_LENGTH ? decoded : undefined;
}

function decodeMove(bytes: Uint8Array): MmioInstruction | Needs | undefined {
  const { at, small } = skipPrefixes(bytes);
  const opcode = bytes[at];
  if (opcode === undefined) return { needs: at + 1 };
  const operand = small ? 2 : 4;
  const width: Width = opcode & 1 ? operand : 1;
  switch (opcode) {
    case 0x88: // MOV r/m8, r8
    case 0x89: // MOV r/m, r
    case 0x8a: // MOV r8, r/m8
    case 0x8b: // MOV r, r/m
      return withModrm(bytes, at + 1, (reg, length) => {
        const register = registerPart(reg, width);
        return opcode & 2
          ? plainLoad(register, width, length)
          : { direction: "store", width, source: register, length };
      });
    case 0xa0: // MOV AL, moffs8
    case 0xa1: // MOV eAX, moffs
      return plainLoad(registerPart(0, width), width, at + 5);
    case 0xa2: // MOV moffs8, AL
    case 0xa3: // MOV moffs, eAX
      return { direction: "store", width, source: registerPart(0, width), length: at + 5 };
    case 0xc6: // MOV r/m8, imm8 if ModRM.reg is 0
    case 0xc7: // MOV r/m, imm if ModRM.reg is 0
      return withModrm(bytes, at + 1, (reg, length) => reg === 0 ? storeImmediate(bytes, length, width) : undefined);
    case 0x0f:
      return twoByte(bytes, at + 1, operand);
    default:
      return undefined;
  }
}

/** MOVZX and MOVSX. */
function twoByte(bytes: Uint8Array, at: number, registerWidth: Width): MmioInstruction | Needs | undefined {
  const opcode = bytes[at];
  if (opcode === undefined) return { needs: at + 1 };
  // B6 and B7 fill with zeros, BE and BF with the sign.
  if ((opcode & 0xf6) !== 0xb6) return undefined;
  return withModrm(bytes, at + 1, (reg, length) => ({
    direction: "load",
    width: opcode & 1 ? 2 : 1,
    register: registerPart(reg, registerWidth),
    extend: opcode & 8 ? "sign" : "zero",
    registerWidth,
    length,
  }));
}

function plainLoad(register: RegisterPart, width: Width, length: number): MmioInstruction {
  return { direction: "load", width, register, extend: "none", registerWidth: width, length };
}

function storeImmediate(bytes: Uint8Array, at: number, width: Width): MmioInstruction | Needs {
  const length = at + width;
  if (length > bytes.length) return { needs: length };
  let source = 0;
  for (let i = width - 1; i >= 0; i--) source = source * 256 + bytes[at + i]!;
  return { direction: "store", width, source, length };
}

/**
 * Find the end of a ModRM operand in memory.
 *
 * The original Launcher took the displacement of mod 0, rm 5 for two bytes and knew no SIB byte, so that it continued
 * in the middle of the instruction.
 *
 * @param at index of the ModRM byte
 * @param next what to make of the reg field and the index behind the operand
 */
function withModrm(
  bytes: Uint8Array,
  at: number,
  next: (reg: number, end: number) => MmioInstruction | Needs | undefined,
): MmioInstruction | Needs | undefined {
  const modrm = bytes[at];
  if (modrm === undefined) return { needs: at + 1 };
  const mod = modrm >> 6;
  const rm = modrm & 7;
  if (mod === 3) return undefined; // a register: no memory is touched
  let end = at + 1;
  let base = rm;
  if (rm === 4) {
    const sib = bytes[end];
    if (sib === undefined) return { needs: end + 1 };
    base = sib & 7;
    end++;
  }
  if (mod === 1) end += 1;
  else if (mod === 2 || base === 5) end += 4; // mod 0 and base 5: no base, 32 bits of displacement
  return next(modrm >> 3 & 7, end);
}

function registerPart(number: number, width: Width): RegisterPart {
  const high = width === 1 && number >= 4;
  return { name: REGISTERS[high ? number - 4 : number]!, shift: high ? 8 : 0 };
}

/** Operand size and segments; any other prefix is taken for the opcode, and refused as one. */
function skipPrefixes(bytes: Uint8Array): { at: number; small: boolean } {
  let at = 0;
  let small = false;
  for (; at < bytes.length; at++) {
    if (bytes[at] === OPERAND_SIZE) small = true;
    else if (!SEGMENT_PREFIXES.has(bytes[at]!)) break;
  }
  return { at, small };
}
