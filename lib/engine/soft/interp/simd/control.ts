/**
 * The instructions around SIMD that compute nothing: MXCSR in and out, fences, cache hints, EMMS, MOVNTI (Intel SDM
 * volume 1, §9.4.6 (EMMS), §10.4.6, §11.4.4). One CPU without caches has its memory in order, so fences do nothing.
 *
 * What enters: memory or MXCSR. What leaves: the other. Group 15's instructions exist without a prefix only.
 *
 * Read next: `mod.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import { MF, UD } from "../../fault.ts";
import type { Insn } from "../../insn.ts";
import { STATE_FPU_STATUS, STATE_FPU_TAGS, STATE_FPU_TOP, STATE_MXCSR } from "../../state.ts";
import { MXCSR_MASK } from "./mxcsr.ts";
import type { HandlerTable } from "./operands.ts";

function memoryWithoutPrefix(cpu: Cpu, insn: Insn): void {
  if (!insn.mem || insn.code >> 8 !== 0) cpu.raise(UD);
  cpu.needSse();
}

/** LDMXCSR (0F AE /2): #GP(0) if a bit that does not exist is set. */
export function ldmxcsr(cpu: Cpu, insn: Insn): void {
  memoryWithoutPrefix(cpu, insn);
  const value = cpu.read32(cpu.linear(insn, 4, false));
  if ((value & ~MXCSR_MASK) !== 0) cpu.gp();
  cpu.i32[STATE_MXCSR >> 2] = value;
}

/** STMXCSR (0F AE /3). */
export function stmxcsr(cpu: Cpu, insn: Insn): void {
  memoryWithoutPrefix(cpu, insn);
  cpu.write32(cpu.linear(insn, 4, true), cpu.i32[STATE_MXCSR >> 2]!);
}

/** MOVNTI (0F C3): a plain store of a general register. Needs no SSE state, so neither CR0.TS nor CR4 matters. */
export function movnti(cpu: Cpu, insn: Insn): void {
  if (!insn.mem || insn.code >> 8 !== 0) cpu.raise(UD);
  cpu.write32(cpu.linear(insn, 4, true), cpu.reg(insn.reg));
}

/**
 * LFENCE, MFENCE, SFENCE (0F AE /5, /6, /7 with a register); /7 with memory is CLFLUSH, which faults as a read of one
 * byte does (volume 2), the other memory forms belong to later extensions.
 */
export function fences(cpu: Cpu, insn: Insn): void {
  if (insn.code >> 8 !== 0) cpu.raise(UD);
  if (!insn.mem) return;
  if ((insn.reg & 7) !== 7) cpu.raise(UD);
  cpu.probeRead(cpu.linear(insn, 1, false), 1);
}

/** EMMS: all x87 registers are empty again (and TOP = 0, though the manual says so only of other MMX instructions). */
function emms(cpu: Cpu): void {
  cpu.needMmx();
  if ((cpu.u16[STATE_FPU_STATUS >> 1]! & 0x80) !== 0) cpu.raise(MF);
  cpu.i32[STATE_FPU_TOP >> 2] = 0;
  cpu.i32[STATE_FPU_TAGS >> 2] = 0;
}

/** Put EMMS into the table; the others are found by their own mnemonics. */
export function installControl(table: HandlerTable): void {
  table[0x77] = emms;
}
