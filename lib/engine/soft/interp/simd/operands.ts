/**
 * How a SIMD instruction gets at its operands. What enters: a decoded instruction. What leaves: three 16-byte scratch
 * registers {@link A}, {@link B} and {@link R} outside the Guest's memory, seen as lanes of every type, so that all reads
 * (and with them all faults) are done before anything changes; and the ways to put a result back.
 *
 * Read next: `integer.ts` for the simplest family that uses this.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import { MF } from "../../fault.ts";
import type { Handler, Insn } from "../../insn.ts";
import {
  STATE_FPU_REGS,
  STATE_FPU_STATUS,
  STATE_FPU_TAGS,
  STATE_FPU_TOP,
  STATE_TLB_OFFSET,
  STATE_XMM,
  TLB,
  TLB_ADDEND,
  TLB_READ,
  TLB_WRITE,
} from "../../state.ts";

/** Handlers by `Insn.code`; no handler means #UD. */
export type HandlerTable = (Handler | undefined)[];

/** Computes {@link R} from {@link A} and {@link B}, in the first 8 (MMX) or all 16 bytes (XMM). */
export type Kernel = (bytes: number) => void;

/** Prefixes as `Insn.code` has them in its second byte. */
export const P_66 = 0x100, P_F3 = 0x200, P_F2 = 0x300;

/** Sixteen bytes as lanes of every type. */
export class Lanes {
  /** Unsigned bytes. */
  readonly u8: Uint8Array<ArrayBuffer> = new Uint8Array(16);
  /** Signed bytes. */
  readonly i8: Int8Array = new Int8Array(this.u8.buffer);
  /** Unsigned words. */
  readonly u16: Uint16Array = new Uint16Array(this.u8.buffer);
  /** Signed words. */
  readonly i16: Int16Array = new Int16Array(this.u8.buffer);
  /** Unsigned doublewords. */
  readonly u32: Uint32Array = new Uint32Array(this.u8.buffer);
  /** Signed doublewords. */
  readonly i32: Int32Array = new Int32Array(this.u8.buffer);
  /** Quadwords: for the exact floating-point path only, since BigInt is slow. */
  readonly u64: BigUint64Array = new BigUint64Array(this.u8.buffer);
  /** Single precision; a NaN must not pass through here, since JavaScript does not keep its bits. */
  readonly f32: Float32Array = new Float32Array(this.u8.buffer);
  /** Double precision; the same warning. */
  readonly f64: Float64Array = new Float64Array(this.u8.buffer);
}

/** First source: the destination register's old value. */
export const A: Lanes = new Lanes();
/** Second source: register or memory. */
export const B: Lanes = new Lanes();
/** Result. */
export const R: Lanes = new Lanes();

const I_XMM = STATE_XMM >> 2, I_MMX = STATE_FPU_REGS >> 2;
const I_TLB_OFFSET = STATE_TLB_OFFSET >> 2;
const I_TLB_READ = (TLB + TLB_READ) >> 2, I_TLB_WRITE = (TLB + TLB_WRITE) >> 2, I_TLB_ADDEND = (TLB + TLB_ADDEND) >> 2;
const MASK_TLB = 0x1_ffe0;

// Registers.

/** Copy an XMM register to a scratch register. */
export function loadXmm(cpu: Cpu, n: number, to: Lanes): void {
  const from = I_XMM + 4 * n, i32 = cpu.i32, words = to.i32;
  words[0] = i32[from]!;
  words[1] = i32[from + 1]!;
  words[2] = i32[from + 2]!;
  words[3] = i32[from + 3]!;
}

/** Set an XMM register. */
export function storeXmm(cpu: Cpu, n: number, from: Lanes): void {
  const to = I_XMM + 4 * n, i32 = cpu.i32, words = from.i32;
  i32[to] = words[0]!;
  i32[to + 1] = words[1]!;
  i32[to + 2] = words[2]!;
  i32[to + 3] = words[3]!;
}

/** Set the low `words` doublewords of an XMM register; the others stay. */
export function storeXmmLow(cpu: Cpu, n: number, from: Lanes, words: number): void {
  const to = I_XMM + 4 * n;
  for (let i = 0; i < words; i++) cpu.i32[to + i] = from.i32[i]!;
}

/** Copy an MMX register to the low half of a scratch register. */
export function loadMmx(cpu: Cpu, n: number, to: Lanes): void {
  const from = I_MMX + 4 * n;
  to.i32[0] = cpu.i32[from]!;
  to.i32[1] = cpu.i32[from + 1]!;
}

/** Set an MMX register: the exponent above it becomes all ones (Intel SDM volume 1, §9.5.1). */
export function storeMmx(cpu: Cpu, n: number, from: Lanes): void {
  const to = I_MMX + 4 * n;
  switchToMmx(cpu);
  cpu.i32[to] = from.i32[0]!;
  cpu.i32[to + 1] = from.i32[1]!;
  cpu.u16[(to << 1) + 4] = 0xffff;
}

/** What every MMX instruction but EMMS does to the x87 (§9.5.1): TOP = 0, all registers valid. */
export function switchToMmx(cpu: Cpu): void {
  cpu.i32[STATE_FPU_TOP >> 2] = 0;
  cpu.i32[STATE_FPU_TAGS >> 2] = 0xff;
}

/** Checks before an MMX instruction: enabled, and no x87 exception pending (§9.6.2). */
export function needMmx(cpu: Cpu): void {
  cpu.needMmx();
  if ((cpu.u16[STATE_FPU_STATUS >> 1]! & 0x80) !== 0) cpu.raise(MF);
}

/** Checks before an instruction that uses XMM and MMX registers. */
export function needBoth(cpu: Cpu): void {
  cpu.needSse();
  needMmx(cpu);
}

// Memory.

/** Read 4, 8 or 16 bytes at a linear address. */
export function readMemory(cpu: Cpu, address: number, bytes: number, to: Lanes): void {
  const entry = (((address >>> 7) & MASK_TLB) + cpu.i32[I_TLB_OFFSET]!) >> 2;
  const words = to.i32, last = address + bytes - 1;
  if (cpu.i32[I_TLB_READ + entry] === (last & ~0xfff)) {
    const at = (address + cpu.i32[I_TLB_ADDEND + entry]!) >>> 0, view = cpu.view;
    words[0] = view.getInt32(at, true);
    if (bytes === 4) return;
    words[1] = view.getInt32(at + 4, true);
    if (bytes === 8) return;
    words[2] = view.getInt32(at + 8, true);
    words[3] = view.getInt32(at + 12, true);
    return;
  }
  if (((last ^ address) & ~0xfff) !== 0) {
    cpu.mmu.probe(address, false);
    cpu.mmu.probe(last & ~0xfff, false);
  }
  for (let i = 0; i < bytes; i += 4) words[i >> 2] = cpu.read32(address + i | 0);
}

/** Write 4, 8 or 16 bytes at a linear address: all of them or, with a fault, none. */
export function writeMemory(cpu: Cpu, address: number, bytes: number, from: Lanes): void {
  const entry = (((address >>> 7) & MASK_TLB) + cpu.i32[I_TLB_OFFSET]!) >> 2;
  const words = from.i32, last = address + bytes - 1;
  if (cpu.i32[I_TLB_WRITE + entry] === (last & ~0xfff)) {
    const at = (address + cpu.i32[I_TLB_ADDEND + entry]!) >>> 0, view = cpu.view;
    view.setInt32(at, words[0]!, true);
    if (bytes === 4) return;
    view.setInt32(at + 4, words[1]!, true);
    if (bytes === 8) return;
    view.setInt32(at + 8, words[2]!, true);
    view.setInt32(at + 12, words[3]!, true);
    return;
  }
  if (((last ^ address) & ~0xfff) !== 0) {
    cpu.mmu.probe(address, true);
    cpu.mmu.probe(last & ~0xfff, true);
  }
  for (let i = 0; i < bytes; i += 4) cpu.write32(address + i | 0, words[i >> 2]!);
}

/** Linear address of a 16-byte operand; #GP(0) unless it is aligned. */
export function aligned(cpu: Cpu, insn: Insn, write: boolean): number {
  const address = cpu.linear(insn, 16, write);
  if ((address & 15) !== 0) cpu.gp();
  return address;
}

// Second operands.

/** XMM register or aligned 16 bytes of memory, to {@link B}. */
export function sourceXmm(cpu: Cpu, insn: Insn): void {
  if (insn.mem) readMemory(cpu, aligned(cpu, insn, false), 16, B);
  else loadXmm(cpu, insn.rm, B);
}

/** XMM register, or 4, 8 or 16 bytes of memory at any alignment, to the low end of {@link B}. */
export function sourceXmmLow(cpu: Cpu, insn: Insn, bytes: number): void {
  if (insn.mem) readMemory(cpu, cpu.linear(insn, bytes, false), bytes, B);
  else loadXmm(cpu, insn.rm, B);
}

/** MMX register, or 4 or 8 bytes of memory, to {@link B}. */
export function sourceMmx(cpu: Cpu, insn: Insn, bytes = 8): void {
  if (insn.mem) readMemory(cpu, cpu.linear(insn, bytes, false), bytes, B);
  else loadMmx(cpu, insn.rm, B);
}

/** General register or 32 bits of memory. */
export function sourceGeneral(cpu: Cpu, insn: Insn): number {
  return insn.mem ? cpu.read32(cpu.linear(insn, 4, false)) : cpu.reg(insn.rm);
}

// Whole instructions.

/** Instruction `xmm, xmm/m128` that replaces all of its destination. */
export function xmmHandler(kernel: Kernel): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmm(cpu, insn);
    loadXmm(cpu, insn.reg, A);
    kernel(16);
    storeXmm(cpu, insn.reg, R);
  };
}

/** Instruction `mm, mm/m64`, or with `bytes` 4 `mm, mm/m32`. */
export function mmxHandler(kernel: Kernel, bytes = 8): Handler {
  return (cpu, insn) => {
    needMmx(cpu);
    sourceMmx(cpu, insn, bytes);
    loadMmx(cpu, insn.reg, A);
    kernel(8);
    storeMmx(cpu, insn.reg, R);
  };
}

/** Put a kernel into the table as the MMX (no prefix) and the XMM form (66) of an opcode. */
export function installBoth(table: HandlerTable, opcode: number, kernel: Kernel, mmxBytes = 8): void {
  table[opcode] = mmxHandler(kernel, mmxBytes);
  table[P_66 | opcode] = xmmHandler(kernel);
}
