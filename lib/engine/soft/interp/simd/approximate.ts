/**
 * RCPPS, RCPSS, RSQRTPS, RSQRTSS: approximations with a relative error of at most 1.5 * 2**-12, which raise no flag and
 * heed neither rounding mode nor DAZ and FTZ (Intel SDM volume 1, §10.4.1.2; volume 2, RCPPS, RSQRTPS).
 *
 * What enters: singles in `B`. What leaves: singles in `R`; denormals count as zeros, and a reciprocal that would be
 * denormal is zero. The values are those of Intel's processors, which look up the leading bits of the fraction: the
 * function at the middle of the interval, rounded to 13 binary places (found by comparing all 2**23 fractions).
 *
 * Read next: `compare.ts`.
 *
 * @module
 */
import type { Handler } from "../../insn.ts";
import { B, type HandlerTable, P_F3, R, sourceXmm, sourceXmmLow, storeXmm, storeXmmLow } from "./operands.ts";

const SIGN = 0x8000_0000, INFINITY = 0x7f80_0000, QUIET = 0x40_0000, INDEFINITE = 0xffc0_0000;
/** Results in units of 2**-13. */
const UNIT = 8192;

function isNan(bits: number): boolean {
  return (bits & 0x7fff_ffff) > INFINITY;
}

/** Sets lane `i` of `R` to 1/x, for a bit pattern x. */
function reciprocal(bits: number, i: number): void {
  const exponent = bits >>> 23 & 0xff, sign = (bits & SIGN) >>> 0;
  if (isNan(bits)) R.u32[i] = bits | QUIET;
  else if (exponent === 0) R.u32[i] = sign | INFINITY;
  else if (exponent === 0xff) R.u32[i] = sign;
  else {
    const middle = 1 + ((bits >>> 12 & 0x7ff) + 0.5) / 2048;
    const result = Math.floor(UNIT / middle + 0.5) / UNIT * 2 ** (127 - exponent);
    R.f32[i] = result < 2 ** -126 ? 0 : result;
    R.u32[i]! |= sign;
  }
}

/** Sets lane `i` of `R` to 1/sqrt(x). */
function reciprocalRoot(bits: number, i: number): void {
  const exponent = bits >>> 23 & 0xff, sign = (bits & SIGN) >>> 0;
  if (isNan(bits)) R.u32[i] = bits | QUIET;
  else if (exponent === 0) R.u32[i] = sign | INFINITY;
  else if (sign !== 0) R.u32[i] = INDEFINITE;
  else if (exponent === 0xff) R.u32[i] = 0;
  else {
    const odd = exponent - 127 & 1;
    const middle = (1 + ((bits >>> 13 & 0x3ff) + 0.5) / 1024) * (1 + odd);
    R.f32[i] = Math.floor(UNIT / Math.sqrt(middle) + 0.5) / UNIT * 2 ** ((127 + odd - exponent) / 2);
  }
}

function packed(lane: (bits: number, i: number) => void): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmm(cpu, insn);
    for (let i = 0; i < 4; i++) lane(B.u32[i]!, i);
    storeXmm(cpu, insn.reg, R);
  };
}

function scalar(lane: (bits: number, i: number) => void): Handler {
  return (cpu, insn) => {
    cpu.needSse();
    sourceXmmLow(cpu, insn, 4);
    lane(B.u32[0]!, 0);
    storeXmmLow(cpu, insn.reg, R, 1);
  };
}

/** Put the approximations into the table. */
export function installApproximate(table: HandlerTable): void {
  table[0x52] = packed(reciprocalRoot);
  table[P_F3 | 0x52] = scalar(reciprocalRoot);
  table[0x53] = packed(reciprocal);
  table[P_F3 | 0x53] = scalar(reciprocal);
}
