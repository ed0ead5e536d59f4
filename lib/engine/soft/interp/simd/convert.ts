/**
 * Conversions between integers, singles and doubles (Intel SDM volume 1, §10.4.3, §11.4.1.6).
 *
 * What enters: lanes in `B` (or a general register), MXCSR. What leaves: lanes in `R` or a general register; the integer
 * indefinite 8000_0000h with IE for what no 32-bit integer holds.
 *
 * Read next: `control.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Handler, Insn } from "../../insn.ts";
import { DOUBLE, type Format, reformat, round, SINGLE } from "./exact.ts";
import {
  clearRaised,
  DAZ,
  IE,
  mxcsr,
  PE,
  raised,
  RC,
  RC_DOWN,
  RC_NEAREST,
  RC_UP,
  RC_ZERO,
  settle,
  wantsPrecision,
} from "./mxcsr.ts";
import {
  B,
  type HandlerTable,
  needBoth,
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
} from "./operands.ts";

const MIN_SINGLE = 2 ** -126, MIN_DOUBLE = 2 ** -1022;
const INDEFINITE = 0x8000_0000 | 0;

function finish(cpu: Cpu): void {
  if ((raised.before | raised.after) !== 0) settle(cpu);
}

/** Round a number to an integer by a rounding mode. */
function roundToInteger(value: number, mode: number): number {
  if (mode === RC_ZERO) return Math.trunc(value);
  const floor = Math.floor(value);
  if (mode === RC_DOWN || floor === value) return floor;
  if (mode === RC_UP) return floor + 1;
  const rest = value - floor; // exact: of the two neighbouring integers below 2**52, one is half or nearer
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** One lane to a 32-bit integer; `smallest` is its format's smallest normal number. */
function toInteger(value: number, smallest: number, mode: number, control: number): number {
  if ((control & DAZ) !== 0 && Math.abs(value) < smallest) value = 0;
  const result = roundToInteger(value, mode);
  if (!(result >= -0x8000_0000 && result <= 0x7fff_ffff)) {
    raised.before |= IE;
    return INDEFINITE;
  }
  if (result !== value) raised.after |= PE;
  return result;
}

/** Convert `count` lanes of `B` to integers in `R`. */
function lanesToIntegers(cpu: Cpu, double: boolean, truncate: boolean, count: number): void {
  const control = mxcsr(cpu), mode = truncate ? RC_ZERO : control & RC;
  clearRaised();
  for (let i = 0; i < count; i++) {
    R.i32[i] = double
      ? toInteger(B.f64[i]!, MIN_DOUBLE, mode, control)
      : toInteger(B.f32[i]!, MIN_SINGLE, mode, control);
  }
  R.i32.fill(0, count);
  finish(cpu);
}

/** CVT(T)SS2SI, CVT(T)SD2SI. */
function scalarToGeneral(double: boolean, truncate: boolean): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmmLow(cpu, insn, double ? 8 : 4);
    lanesToIntegers(cpu, double, truncate, 1);
    cpu.setReg(insn.reg, R.i32[0]!);
  };
}

/** CVT(T)PS2PI, CVT(T)PD2PI. */
function packedToMmx(double: boolean, truncate: boolean): Handler {
  return (cpu, insn) => {
    needBoth(cpu);
    if (double) sourceXmm(cpu, insn);
    else sourceXmmLow(cpu, insn, 8);
    switchToMmx(cpu);
    lanesToIntegers(cpu, double, truncate, 2);
    storeMmx(cpu, insn.reg, R);
  };
}

/** CVT(T)PS2DQ, CVT(T)PD2DQ: the two integers of the latter are followed by zeros. */
function packedToXmm(double: boolean, truncate: boolean): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmm(cpu, insn);
    lanesToIntegers(cpu, double, truncate, double ? 2 : 4);
    storeXmm(cpu, insn.reg, R);
  };
}

/** Convert `count` integers in `B` to singles in `R`. */
function integersToSingles(cpu: Cpu, count: number): void {
  const control = mxcsr(cpu);
  clearRaised();
  for (let i = 0; i < count; i++) {
    const value = B.i32[i]!, nearest = Math.fround(value);
    if (nearest === value || (control & RC) === RC_NEAREST) {
      R.f32[i] = nearest;
      if (nearest !== value) raised.after = PE;
    } else {
      const number = { negative: value < 0, mantissa: BigInt(Math.abs(value)), exponent: 0, sticky: false };
      R.u32[i] = Number(round(SINGLE, control, number));
    }
  }
  finish(cpu);
}

/**
 * CVTPI2PS: the two high lanes stay. Only with a register does it touch the x87: the manual says so of CVTPI2PD, and
 * processors treat both alike.
 */
function mmxToSingles(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.needSse();
  else needBoth(cpu);
  sourceMmx(cpu, insn);
  if (!insn.mem) switchToMmx(cpu);
  integersToSingles(cpu, 2);
  storeXmmLow(cpu, insn.reg, R, 2);
}

/** CVTDQ2PS. */
function xmmToSingles(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmm(cpu, insn);
  integersToSingles(cpu, 4);
  storeXmm(cpu, insn.reg, R);
}

/** CVTSI2SS. */
function generalToSingle(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  B.i32[0] = sourceGeneral(cpu, insn);
  integersToSingles(cpu, 1);
  storeXmmLow(cpu, insn.reg, R, 1);
}

/** CVTPI2PD: the same. */
function mmxToDoubles(cpu: Cpu, insn: Insn): void {
  if (insn.mem) cpu.needSse();
  else needBoth(cpu);
  sourceMmx(cpu, insn);
  if (!insn.mem) switchToMmx(cpu);
  integersToDoubles(2);
  storeXmm(cpu, insn.reg, R);
}

/** CVTDQ2PD. */
function xmmToDoubles(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  sourceXmmLow(cpu, insn, 8);
  integersToDoubles(2);
  storeXmm(cpu, insn.reg, R);
}

/** CVTSI2SD. */
function generalToDouble(cpu: Cpu, insn: Insn): void {
  cpu.needSse();
  B.i32[0] = sourceGeneral(cpu, insn);
  integersToDoubles(1);
  storeXmmLow(cpu, insn.reg, R, 2);
}

/** Always exact. */
function integersToDoubles(count: number): void {
  for (let i = 0; i < count; i++) R.f64[i] = B.i32[i]!;
}

function normal(value: number, smallest: number): boolean {
  const magnitude = Math.abs(value);
  return (magnitude > smallest && magnitude < Infinity) || value === 0;
}

/** Convert `count` lanes of `B` between the formats into `R`, whose other lanes become 0. */
function changeFormat(cpu: Cpu, from: Format, count: number): void {
  const control = mxcsr(cpu);
  R.i32.fill(0);
  clearRaised();
  for (let i = 0; i < count; i++) {
    if (from === SINGLE) {
      const value = B.f32[i]!;
      if (normal(value, MIN_SINGLE)) R.f64[i] = value;
      else R.u64[i] = reformat(SINGLE, DOUBLE, BigInt(B.u32[i]!), control);
      continue;
    }
    const value = B.f64[i]!, result = Math.fround(value);
    const zero = result === 0 && value !== 0;
    if (normal(result, MIN_SINGLE) && !zero && (control & RC) === RC_NEAREST) {
      R.f32[i] = result;
      if (result !== value && wantsPrecision(control)) raised.after |= PE;
    } else R.u32[i] = Number(reformat(DOUBLE, SINGLE, B.u64[i]!, control));
  }
  finish(cpu);
}

/** CVTSS2SD, CVTSD2SS. */
function scalarFormat(from: Format): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmmLow(cpu, insn, from === DOUBLE ? 8 : 4);
    changeFormat(cpu, from, 1);
    storeXmmLow(cpu, insn.reg, R, from === DOUBLE ? 1 : 2);
  };
}

/** CVTPS2PD, CVTPD2PS. */
function packedFormat(from: Format): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    if (from === DOUBLE) sourceXmm(cpu, insn);
    else sourceXmmLow(cpu, insn, 8);
    changeFormat(cpu, from, 2);
    storeXmm(cpu, insn.reg, R);
  };
}

/** Put the conversions into the table. */
export function installConvert(table: HandlerTable): void {
  table[0x2a] = mmxToSingles;
  table[P_66 | 0x2a] = mmxToDoubles;
  table[P_F3 | 0x2a] = generalToSingle;
  table[P_F2 | 0x2a] = generalToDouble;
  for (const [opcode, truncate] of [[0x2c, true], [0x2d, false]] as const) {
    table[opcode] = packedToMmx(false, truncate);
    table[P_66 | opcode] = packedToMmx(true, truncate);
    table[P_F3 | opcode] = scalarToGeneral(false, truncate);
    table[P_F2 | opcode] = scalarToGeneral(true, truncate);
  }
  table[0x5a] = packedFormat(SINGLE);
  table[P_66 | 0x5a] = packedFormat(DOUBLE);
  table[P_F3 | 0x5a] = scalarFormat(SINGLE);
  table[P_F2 | 0x5a] = scalarFormat(DOUBLE);
  table[0x5b] = xmmToSingles;
  table[P_66 | 0x5b] = packedToXmm(false, false);
  table[P_F3 | 0x5b] = packedToXmm(false, true);
  table[P_66 | 0xe6] = packedToXmm(true, true); // CVTTPD2DQ
  table[P_F2 | 0xe6] = packedToXmm(true, false); // CVTPD2DQ
  table[P_F3 | 0xe6] = xmmToDoubles; // CVTDQ2PD
}
