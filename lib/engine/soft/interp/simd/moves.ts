/**
 * SIMD moves: loads, stores, between register files, sign masks, masked and non-temporal stores (which here are plain
 * ones: memory has no caches to bypass). Intel SDM volume 1, §9.4.1, §10.4.1.1, §11.4.1.1.
 *
 * What enters: registers or memory. What leaves: the same bits elsewhere; no instruction here looks at MXCSR.
 *
 * Read next: `arithmetic.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import { UD } from "../../fault.ts";
import type { Insn } from "../../insn.ts";
import { DS, EDI } from "../../state.ts";
import {
  A,
  aligned,
  B,
  type HandlerTable,
  loadMmx,
  loadXmm,
  needBoth,
  needMmx,
  P_66,
  P_F2,
  P_F3,
  R,
  sourceGeneral,
  sourceMmx,
  sourceXmm,
  sourceXmmLow,
  storeMmx,
  storeXmm,
  storeXmmLow,
  switchToMmx,
  writeMemory,
} from "./operands.ts";

/** MOVUPS, MOVUPD, MOVDQU to a register. */
function loadUnaligned(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, 16);
  storeXmm(cpu, insn.reg, B);
}

/** … and from one. */
function storeUnaligned(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  if (insn.mem) writeMemory(cpu, cpu.linear(insn, 16, true), 16, A);
  else storeXmm(cpu, insn.rm, A);
}

/** MOVAPS, MOVAPD, MOVDQA to a register. */
function loadAligned(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  storeXmm(cpu, insn.reg, B);
}

/** … and from one. */
function storeAligned(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  if (insn.mem) writeMemory(cpu, aligned(cpu, insn, true), 16, A);
  else storeXmm(cpu, insn.rm, A);
}

/** MOVNTPS, MOVNTPD, MOVNTDQ. */
function storeNonTemporal(cpu: Cpu, insn: Insn): void {
  if (!insn.mem) cpu.raise(UD);
  storeAligned(cpu, insn);
}

/** MOVSS (4 bytes), MOVSD (8) to a register: memory clears what lies above, a register leaves it. */
function loadScalar(cpu: Cpu, insn: Insn, bytes: number): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, bytes);
  if (insn.mem) {
    B.u8.fill(0, bytes);
    storeXmm(cpu, insn.reg, B);
  } else storeXmmLow(cpu, insn.reg, B, bytes >> 2);
}

/** … and from one. */
function storeScalar(cpu: Cpu, insn: Insn, bytes: number): void {
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  if (insn.mem) writeMemory(cpu, cpu.linear(insn, bytes, true), bytes, A);
  else storeXmmLow(cpu, insn.rm, A, bytes >> 2);
}

/** Put the quadword of `B` at doubleword `from` into a register at doubleword `to` (0 or 2). */
function setHalf(cpu: Cpu, insn: Insn, from: number, to: number): void {
  loadXmm(cpu, insn.reg, R);
  R.i32[to] = B.i32[from]!;
  R.i32[to + 1] = B.i32[from + 1]!;
  storeXmm(cpu, insn.reg, R);
}

/** MOVLPS (memory), MOVHLPS (register). */
function loadLow(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, 8);
  setHalf(cpu, insn, insn.mem ? 0 : 2, 0);
}

/** MOVHPS (memory), MOVLHPS (register). */
function loadHigh(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, 8);
  setHalf(cpu, insn, 0, 2);
}

function storeLow(cpu: Cpu, insn: Insn): void {
  if (!insn.mem) cpu.raise(UD);
  storeScalar(cpu, insn, 8);
}

function storeHigh(cpu: Cpu, insn: Insn): void {
  if (!insn.mem) cpu.raise(UD);
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  A.i32.copyWithin(0, 2);
  writeMemory(cpu, cpu.linear(insn, 8, true), 8, A);
}

/** MOVD to MMX. */
function generalToMmx(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  R.i32[0] = sourceGeneral(cpu, insn);
  R.i32[1] = 0;
  storeMmx(cpu, insn.reg, R);
}

/** MOVD to XMM. */
function generalToXmm(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  const value = sourceGeneral(cpu, insn);
  R.i32.fill(0);
  R.i32[0] = value;
  storeXmm(cpu, insn.reg, R);
}

function toGeneral(cpu: Cpu, insn: Insn, value: number): void {
  if (insn.mem) cpu.write32(cpu.linear(insn, 4, true), value);
  else cpu.setReg(insn.rm, value);
}

/** MOVD from MMX. */
function mmxToGeneral(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  loadMmx(cpu, insn.reg, A);
  toGeneral(cpu, insn, A.i32[0]!);
  switchToMmx(cpu);
}

/** MOVD from XMM. */
function xmmToGeneral(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  toGeneral(cpu, insn, A.i32[0]!);
}

/** MOVQ mm, mm/m64. */
function loadMmxQuadword(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  sourceMmx(cpu, insn);
  storeMmx(cpu, insn.reg, B);
}

/** MOVQ mm/m64, mm. */
function storeMmxQuadword(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  loadMmx(cpu, insn.reg, A);
  if (insn.mem) {
    writeMemory(cpu, cpu.linear(insn, 8, true), 8, A);
    switchToMmx(cpu);
  } else storeMmx(cpu, insn.rm, A);
}

/** MOVNTQ. */
function storeMmxNonTemporal(cpu: Cpu, insn: Insn): void {
  if (!insn.mem) cpu.raise(UD);
  storeMmxQuadword(cpu, insn);
}

/** MOVQ xmm, xmm/m64: clears the high half even from a register. */
function loadXmmQuadword(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, 8);
  B.i32.fill(0, 2);
  storeXmm(cpu, insn.reg, B);
}

/** MOVQ xmm/m64, xmm. */
function storeXmmQuadword(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  if (insn.mem) writeMemory(cpu, cpu.linear(insn, 8, true), 8, A);
  else {
    A.i32.fill(0, 2);
    storeXmm(cpu, insn.rm, A);
  }
}

/** MOVQ2DQ xmm, mm. */
function mmxToXmm(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  needBoth(cpu);
  loadMmx(cpu, insn.rm, B);
  B.i32.fill(0, 2);
  switchToMmx(cpu);
  storeXmm(cpu, insn.reg, B);
}

/** MOVDQ2Q mm, xmm. */
function xmmToMmx(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  needBoth(cpu);
  loadXmm(cpu, insn.rm, B);
  storeMmx(cpu, insn.reg, B);
}

function signs(lanes: Int8Array | Int32Array, first: number, count: number, step: number): number {
  let mask = 0;
  for (let i = 0; i < count; i++) if (lanes[first + i * step]! < 0) mask |= 1 << i;
  return mask;
}

/** MOVMSKPS (4 lanes from doubleword 0), MOVMSKPD (2 lanes, their high doublewords). */
function floatSigns(cpu: Cpu, insn: Insn, first: number, count: number): void {
  if (insn.mem) cpu.raise(UD);
  cpu.needSse();
  loadXmm(cpu, insn.rm, B);
  cpu.setReg(insn.reg, signs(B.i32, first, count, 4 / count));
}

/** PMOVMSKB r32, mm. */
function mmxSigns(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  needMmx(cpu);
  loadMmx(cpu, insn.rm, B);
  switchToMmx(cpu);
  cpu.setReg(insn.reg, signs(B.i8, 0, 8, 1));
}

/** PMOVMSKB r32, xmm. */
function xmmSigns(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  cpu.needSse();
  loadXmm(cpu, insn.rm, B);
  cpu.setReg(insn.reg, signs(B.i8, 0, 16, 1));
}

/**
 * MASKMOVQ, MASKMOVDQU: bytes of `A` whose mask byte in `B` is negative, to DS:EDI. Nothing is written, and so nothing
 * faults, where the mask is clear; where it is set, everything is probed before the first byte is written.
 */
function storeMasked(cpu: Cpu, insn: Insn, bytes: number): void {
  const mask = signs(B.i8, 0, bytes, 1);
  if (mask === 0) return;
  const offset = insn.addrSize === 2 ? cpu.reg(EDI) & 0xffff : cpu.reg(EDI);
  const seg = insn.seg >= 0 ? insn.seg : DS;
  const start = cpu.segmented(seg, offset, bytes, true);
  for (let i = 0; i < bytes; i++) if (mask >> i & 1) cpu.mmu.probe(start + i | 0, true);
  for (let i = 0; i < bytes; i++) if (mask >> i & 1) cpu.write8(start + i | 0, A.u8[i]!);
}

function storeMaskedMmx(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  needMmx(cpu);
  loadMmx(cpu, insn.reg, A);
  loadMmx(cpu, insn.rm, B);
  storeMasked(cpu, insn, 8);
  switchToMmx(cpu);
}

function storeMaskedXmm(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  cpu.needSse();
  loadXmm(cpu, insn.reg, A);
  loadXmm(cpu, insn.rm, B);
  storeMasked(cpu, insn, 16);
}

/** MOVLPD and MOVHPD have no register form: that is left to MOVHLPS and MOVLHPS. */
function memoryOnly(handler: (cpu: Cpu, insn: Insn) => void): (cpu: Cpu, insn: Insn) => void {
  return (cpu, insn) => {
    if (!insn.mem) cpu.raise(UD);
    handler(cpu, insn);
  };
}

/** Put the moves into the table. */
export function installMoves(table: HandlerTable): void {
  for (const prefix of [0, P_66]) {
    table[prefix | 0x10] = loadUnaligned;
    table[prefix | 0x11] = storeUnaligned;
    table[prefix | 0x28] = loadAligned;
    table[prefix | 0x29] = storeAligned;
    table[prefix | 0x2b] = storeNonTemporal;
    table[prefix | 0x13] = storeLow;
    table[prefix | 0x17] = storeHigh;
  }
  for (const [prefix, bytes] of [[P_F3, 4], [P_F2, 8]] as const) {
    table[prefix | 0x10] = (cpu, insn) => loadScalar(cpu, insn, bytes);
    table[prefix | 0x11] = (cpu, insn) => storeScalar(cpu, insn, bytes);
  }
  table[0x12] = loadLow;
  table[0x16] = loadHigh;
  table[P_66 | 0x12] = memoryOnly(loadLow);
  table[P_66 | 0x16] = memoryOnly(loadHigh);
  table[0x50] = (cpu, insn) => floatSigns(cpu, insn, 0, 4);
  table[P_66 | 0x50] = (cpu, insn) => floatSigns(cpu, insn, 1, 2);
  table[0x6e] = generalToMmx;
  table[P_66 | 0x6e] = generalToXmm;
  table[0x7e] = mmxToGeneral;
  table[P_66 | 0x7e] = xmmToGeneral;
  table[P_F3 | 0x7e] = loadXmmQuadword;
  table[0x6f] = loadMmxQuadword;
  table[0x7f] = storeMmxQuadword;
  table[P_66 | 0x6f] = loadAligned;
  table[P_66 | 0x7f] = storeAligned;
  table[P_F3 | 0x6f] = loadUnaligned;
  table[P_F3 | 0x7f] = storeUnaligned;
  table[P_66 | 0xd6] = storeXmmQuadword;
  table[P_F3 | 0xd6] = mmxToXmm;
  table[P_F2 | 0xd6] = xmmToMmx;
  table[0xd7] = mmxSigns;
  table[P_66 | 0xd7] = xmmSigns;
  table[0xe7] = storeMmxNonTemporal;
  table[P_66 | 0xe7] = storeNonTemporal;
  table[0xf7] = storeMaskedMmx;
  table[P_66 | 0xf7] = storeMaskedXmm;
}
