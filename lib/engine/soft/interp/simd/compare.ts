/**
 * Floating-point comparisons: CMPPS and its forms leave a mask, COMISS, UCOMISS and the double forms set EFLAGS (Intel
 * SDM volume 1, §10.4.1.2, §11.4.1.2; volume 2, CMPPD and COMISD).
 *
 * What enters: lanes in `A` and `B`, a predicate. What leaves: all-ones or all-zero lanes in `R`, or ZF, PF and CF; IE
 * for NaNs, as far as the instruction minds quiet ones, and DE.
 *
 * Read next: `convert.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Handler, Insn } from "../../insn.ts";
import { CF, PF, ZF } from "../../state.ts";
import { clearRaised, DAZ, DE, IE, mxcsr, raised, settle } from "./mxcsr.ts";
import {
  A,
  B,
  type HandlerTable,
  type Lanes,
  loadXmm,
  P_66,
  P_F2,
  P_F3,
  R,
  sourceXmm,
  sourceXmmLow,
  storeXmm,
  storeXmmLow,
} from "./operands.ts";

const MIN_SINGLE = 2 ** -126, MIN_DOUBLE = 2 ** -1022;

/** How two numbers relate: one bit each, so that a predicate is a set of them. */
const LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8;
/** The relations for which a predicate of CMPccPS holds: EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD. */
const PREDICATES = [EQUAL, LESS, LESS | EQUAL, UNORDERED, 13, 14, 12, 7];
/** Which predicates (LT, LE, NLT, NLE) find quiet NaNs invalid. */
const SIGNALLING = 0b0110_0110;

function isSignallingLane(lanes: Lanes, double: boolean, i: number): boolean {
  const high = double ? lanes.u32[2 * i + 1]! : lanes.u32[i]!;
  const number = double ? lanes.f64[i]! : lanes.f32[i]!;
  return number !== number && (high & (double ? 0x8_0000 : 0x40_0000)) === 0;
}

/** Relate lane `i` of `A` to that of `B`, raising IE and DE. */
function relate(double: boolean, i: number, control: number, quietInvalid: boolean): number {
  let a = double ? A.f64[i]! : A.f32[i]!, b = double ? B.f64[i]! : B.f32[i]!;
  if (a !== a || b !== b) {
    if (quietInvalid || isSignallingLane(A, double, i) || isSignallingLane(B, double, i)) raised.before |= IE;
    return UNORDERED;
  }
  const smallest = double ? MIN_DOUBLE : MIN_SINGLE;
  const aTiny = a !== 0 && Math.abs(a) < smallest, bTiny = b !== 0 && Math.abs(b) < smallest;
  if (aTiny || bTiny) {
    if ((control & DAZ) === 0) raised.before |= DE;
    else {
      if (aTiny) a = 0;
      if (bTiny) b = 0;
    }
  }
  return a < b ? LESS : a > b ? GREATER : EQUAL;
}

function compareLanes(cpu: Cpu, predicate: number, double: boolean, count: number): void {
  const control = mxcsr(cpu);
  const holds = PREDICATES[predicate]!, signalling = (SIGNALLING >> predicate & 1) !== 0;
  clearRaised();
  for (let i = 0; i < count; i++) {
    const mask = (relate(double, i, control, signalling) & holds) !== 0 ? -1 : 0;
    if (double) R.i32[2 * i] = R.i32[2 * i + 1] = mask;
    else R.i32[i] = mask;
  }
  if (raised.before !== 0) settle(cpu);
}

/** CMPPS, CMPPD. */
function comparePacked(cpu: Cpu, insn: Insn, double: boolean): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  loadXmm(cpu, insn.reg, A);
  compareLanes(cpu, insn.imm & 7, double, double ? 2 : 4);
  storeXmm(cpu, insn.reg, R);
}

/** CMPSS, CMPSD. */
function compareScalar(cpu: Cpu, insn: Insn, double: boolean): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, double ? 8 : 4);
  loadXmm(cpu, insn.reg, A);
  compareLanes(cpu, insn.imm & 7, double, 1);
  storeXmmLow(cpu, insn.reg, R, double ? 2 : 1);
}

/** COMISS and COMISD, which find quiet NaNs invalid, UCOMISS and UCOMISD, which do not. */
function compareFlags(double: boolean, quietInvalid: boolean): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmmLow(cpu, insn, double ? 8 : 4);
    loadXmm(cpu, insn.reg, A);
    clearRaised();
    const relation = relate(double, 0, mxcsr(cpu), quietInvalid);
    if (raised.before !== 0) settle(cpu);
    cpu.arithmetic = relation === UNORDERED ? ZF | PF | CF : relation === LESS ? CF : relation === EQUAL ? ZF : 0;
  };
}

/** Put the comparisons into the table. */
export function installCompare(table: HandlerTable): void {
  table[0xc2] = (cpu, insn) => comparePacked(cpu, insn, false);
  table[P_66 | 0xc2] = (cpu, insn) => comparePacked(cpu, insn, true);
  table[P_F3 | 0xc2] = (cpu, insn) => compareScalar(cpu, insn, false);
  table[P_F2 | 0xc2] = (cpu, insn) => compareScalar(cpu, insn, true);
  table[0x2e] = compareFlags(false, false);
  table[P_66 | 0x2e] = compareFlags(true, false);
  table[0x2f] = compareFlags(false, true);
  table[P_66 | 0x2f] = compareFlags(true, true);
}
