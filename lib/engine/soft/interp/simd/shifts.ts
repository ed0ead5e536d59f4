/**
 * Packed shifts (Intel SDM volume 2, PSLLW and its relatives). What enters: lanes in `A` and a count, from `B`'s low
 * quadword or an immediate. What leaves: lanes in `R`. A count beyond the lane gives 0 or the sign.
 *
 * Read next: `shuffles.ts`.
 *
 * @module
 */
import { UD } from "../../fault.ts";
import type { Handler } from "../../insn.ts";
import {
  A,
  B,
  type HandlerTable,
  installBoth,
  loadMmx,
  loadXmm,
  needMmx,
  P_66,
  R,
  storeMmx,
  storeXmm,
} from "./operands.ts";

/** Shifts `bytes` of `A` by `count` (0 to 255) into `R`. */
type Shift = (bytes: number, count: number) => void;

function leftWords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 1; i++) R.u16[i] = count > 15 ? 0 : A.u16[i]! << count;
}

function rightWords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 1; i++) R.u16[i] = count > 15 ? 0 : A.u16[i]! >> count;
}

function signedWords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 1; i++) R.i16[i] = A.i16[i]! >> Math.min(count, 15);
}

function leftDoublewords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = count > 31 ? 0 : A.i32[i]! << count;
}

function rightDoublewords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = count > 31 ? 0 : A.i32[i]! >>> count;
}

function signedDoublewords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = A.i32[i]! >> Math.min(count, 31);
}

function leftQuadwords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const low = A.i32[i]!, high = A.i32[i + 1]!;
    R.i32[i] = count > 31 ? 0 : low << count;
    R.i32[i + 1] = count > 63 ? 0 : count > 31 ? low << count : count === 0 ? high : high << count | low >>> 32 - count;
  }
}

function rightQuadwords(bytes: number, count: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const low = A.i32[i]!, high = A.i32[i + 1]!;
    R.i32[i + 1] = count > 31 ? 0 : high >>> count;
    R.i32[i] = count > 63 ? 0 : count > 31 ? high >>> count : count === 0 ? low : low >>> count | high << 32 - count;
  }
}

/** PSLLDQ: whole bytes. */
function leftBytes(bytes: number, count: number): void {
  for (let i = 0; i < bytes; i++) R.u8[i] = i < count ? 0 : A.u8[i - count]!;
}

/** PSRLDQ. */
function rightBytes(bytes: number, count: number): void {
  for (let i = 0; i < bytes; i++) R.u8[i] = i + count > 15 ? 0 : A.u8[i + count]!;
}

const BY_REGISTER: readonly (readonly [opcode: number, shift: Shift])[] = [
  [0xd1, rightWords],
  [0xd2, rightDoublewords],
  [0xd3, rightQuadwords],
  [0xe1, signedWords],
  [0xe2, signedDoublewords],
  [0xf1, leftWords],
  [0xf2, leftDoublewords],
  [0xf3, leftQuadwords],
];

const NONE = undefined;
/** Groups 12, 13 and 14, by ModRM.reg. */
const BY_IMMEDIATE: readonly (readonly [opcode: number, group: readonly (Shift | undefined)[]])[] = [
  [0x71, [NONE, NONE, rightWords, NONE, signedWords, NONE, leftWords, NONE]],
  [0x72, [NONE, NONE, rightDoublewords, NONE, signedDoublewords, NONE, leftDoublewords, NONE]],
  [0x73, [NONE, NONE, rightQuadwords, rightBytes, NONE, NONE, leftQuadwords, leftBytes]],
];

function mmxByImmediate(group: readonly (Shift | undefined)[]): Handler {
  return (cpu, insn) => {
    const shift = group[insn.reg & 7];
    if (!shift || shift === leftBytes || shift === rightBytes || insn.mem) return cpu.raise(UD);
    needMmx(cpu);
    loadMmx(cpu, insn.rm, A);
    shift(8, insn.imm & 0xff);
    storeMmx(cpu, insn.rm, R);
  };
}

function xmmByImmediate(group: readonly (Shift | undefined)[]): Handler {
  return (cpu, insn) => {
    const shift = group[insn.reg & 7];
    if (!shift || insn.mem) return cpu.raise(UD);
    cpu.needSse();
    loadXmm(cpu, insn.rm, A);
    shift(16, insn.imm & 0xff);
    storeXmm(cpu, insn.rm, R);
  };
}

/** Put the shifts into the table. */
export function installShifts(table: HandlerTable): void {
  for (const [opcode, shift] of BY_REGISTER) {
    installBoth(table, opcode, (bytes) => shift(bytes, B.u32[1] !== 0 ? 255 : Math.min(B.u32[0]!, 255)));
  }
  for (const [opcode, group] of BY_IMMEDIATE) {
    table[opcode] = mmxByImmediate(group);
    table[P_66 | opcode] = xmmByImmediate(group);
  }
}
