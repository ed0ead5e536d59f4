/**
 * Instructions that move lanes about: unpack, pack with saturation, shuffle, extract, insert (Intel SDM volume 1,
 * §9.4.4, §10.4.1.2, §11.4.1.3). What enters: lanes in `A` and `B`, an immediate. What leaves: lanes in `R`.
 *
 * Read next: `moves.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import { UD } from "../../fault.ts";
import type { Insn } from "../../insn.ts";
import {
  A,
  B,
  type HandlerTable,
  installBoth,
  type Kernel,
  loadMmx,
  loadXmm,
  needMmx,
  P_66,
  P_F2,
  P_F3,
  R,
  sourceMmx,
  sourceXmm,
  storeMmx,
  storeXmm,
  switchToMmx,
  xmmHandler,
} from "./operands.ts";

/** Interleave the low or high halves of `A` and `B`, in lanes of `width` bytes. */
function unpack(width: 1 | 2 | 4 | 8, high: boolean): Kernel {
  const type = width === 1 ? "u8" : width === 2 ? "u16" : "u32";
  const a = A[type], b = B[type], r = R[type], step = width === 8 ? 2 : 1;
  return (bytes) => {
    const half = bytes / (width === 8 ? 4 : width) / 2;
    const from = high ? half : 0;
    for (let i = 0; i < half; i += step) {
      for (let j = 0; j < step; j++) {
        r[2 * i + j] = a[from + i + j]!;
        r[2 * i + step + j] = b[from + i + j]!;
      }
    }
  };
}

/** Narrow the lanes of `A`, then of `B`, to half their width with saturation. */
function pack(from: "i16" | "i32", to: "i8" | "u8" | "i16", low: number, high: number): Kernel {
  const a = A[from], b = B[from], r = R[to];
  return (bytes) => {
    const count = bytes / a.BYTES_PER_ELEMENT;
    for (let i = 0; i < count; i++) {
      r[i] = Math.min(Math.max(a[i]!, low), high);
      r[i + count] = Math.min(Math.max(b[i]!, low), high);
    }
  };
}

/** PSHUFW (no prefix). */
function shuffleMmx(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  sourceMmx(cpu, insn);
  for (let i = 0; i < 4; i++) R.u16[i] = B.u16[insn.imm >> 2 * i & 3]!;
  storeMmx(cpu, insn.reg, R);
}

/** PSHUFD. */
function shuffleDoublewords(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  for (let i = 0; i < 4; i++) R.i32[i] = B.i32[insn.imm >> 2 * i & 3]!;
  storeXmm(cpu, insn.reg, R);
}

/** PSHUFLW and PSHUFHW: four words from `first` on are shuffled, the others copied. */
function shuffleWords(cpu: Cpu, insn: Insn, first: number): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  R.u8.set(B.u8);
  for (let i = 0; i < 4; i++) R.u16[first + i] = B.u16[first + (insn.imm >> 2 * i & 3)]!;
  storeXmm(cpu, insn.reg, R);
}

/** SHUFPS: two lanes of the destination, then two of the source. */
function shuffleSingles(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  loadXmm(cpu, insn.reg, A);
  const imm = insn.imm;
  R.i32[0] = A.i32[imm & 3]!;
  R.i32[1] = A.i32[imm >> 2 & 3]!;
  R.i32[2] = B.i32[imm >> 4 & 3]!;
  R.i32[3] = B.i32[imm >> 6 & 3]!;
  storeXmm(cpu, insn.reg, R);
}

/** SHUFPD. */
function shuffleDoubles(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  loadXmm(cpu, insn.reg, A);
  const first = (insn.imm & 1) << 1, second = insn.imm & 2;
  R.i32[0] = A.i32[first]!;
  R.i32[1] = A.i32[first + 1]!;
  R.i32[2] = B.i32[second]!;
  R.i32[3] = B.i32[second + 1]!;
  storeXmm(cpu, insn.reg, R);
}

/** The word that PINSRW puts in: the low half of a general register, or 16 bits of memory. */
function insertedWord(cpu: Cpu, insn: Insn): number {
  return insn.mem ? cpu.read16(cpu.linear(insn, 2, false)) : cpu.reg(insn.rm) & 0xffff;
}

function insertMmx(cpu: Cpu, insn: Insn): void {
  needMmx(cpu);
  const word = insertedWord(cpu, insn);
  loadMmx(cpu, insn.reg, R);
  R.u16[insn.imm & 3] = word;
  storeMmx(cpu, insn.reg, R);
}

function insertXmm(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  const word = insertedWord(cpu, insn);
  loadXmm(cpu, insn.reg, R);
  R.u16[insn.imm & 7] = word;
  storeXmm(cpu, insn.reg, R);
}

function extractMmx(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  needMmx(cpu);
  loadMmx(cpu, insn.rm, B);
  switchToMmx(cpu);
  cpu.setReg(insn.reg, B.u16[insn.imm & 3]!);
}

function extractXmm(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.raise(UD);
  cpu.needSse();
  loadXmm(cpu, insn.rm, B);
  cpu.setReg(insn.reg, B.u16[insn.imm & 7]!);
}

/** Put the shuffles into the table. */
export function installShuffles(table: HandlerTable): void {
  // The MMX forms that take the low halves read only 32 bits of memory.
  installBoth(table, 0x60, unpack(1, false), 4);
  installBoth(table, 0x61, unpack(2, false), 4);
  installBoth(table, 0x62, unpack(4, false), 4);
  installBoth(table, 0x68, unpack(1, true));
  installBoth(table, 0x69, unpack(2, true));
  installBoth(table, 0x6a, unpack(4, true));
  table[P_66 | 0x6c] = xmmHandler(unpack(8, false)); // PUNPCKLQDQ
  table[P_66 | 0x6d] = xmmHandler(unpack(8, true)); // PUNPCKHQDQ
  table[0x14] = xmmHandler(unpack(4, false)); // UNPCKLPS
  table[0x15] = xmmHandler(unpack(4, true)); // UNPCKHPS
  table[P_66 | 0x14] = xmmHandler(unpack(8, false)); // UNPCKLPD
  table[P_66 | 0x15] = xmmHandler(unpack(8, true)); // UNPCKHPD
  installBoth(table, 0x63, pack("i16", "i8", -0x80, 0x7f)); // PACKSSWB
  installBoth(table, 0x67, pack("i16", "u8", 0, 0xff)); // PACKUSWB
  installBoth(table, 0x6b, pack("i32", "i16", -0x8000, 0x7fff)); // PACKSSDW
  table[0x70] = shuffleMmx;
  table[P_66 | 0x70] = shuffleDoublewords;
  table[P_F3 | 0x70] = (cpu, insn) => shuffleWords(cpu, insn, 4);
  table[P_F2 | 0x70] = (cpu, insn) => shuffleWords(cpu, insn, 0);
  table[0xc6] = shuffleSingles;
  table[P_66 | 0xc6] = shuffleDoubles;
  table[0xc4] = insertMmx;
  table[P_66 | 0xc4] = insertXmm;
  table[0xc5] = extractMmx;
  table[P_66 | 0xc5] = extractXmm;
}
