/**
 * SSE and SSE2 floating point in WebAssembly's own arithmetic, which is IEEE 754 with rounding to nearest.
 *
 * The quick way is taken where MXCSR cannot change: rounding to nearest, everything masked, no flushing, the inexact
 * flag already set, no operand denormal, and a result that is a normal number. Anything else the interpreter does.
 *
 * @module
 */
import { TF0, TF1, TF2, TS0, TS1, TS2, TV0, TV1 } from "./locals.ts";
import {
  pushDenormal,
  pushNotFinite,
  requireFinite,
  requireNormal,
  requireNormalLanes,
  requireOperands,
} from "./simd_checks.ts";
import {
  checkMode,
  extractLow,
  P66,
  PF2,
  PF3,
  pushSource,
  scalarSource,
  setLow,
  type SimdEmitter,
} from "./simd_operands.ts";

/** Arithmetic by {@link Insn.code}. */
export const ARITHMETIC: (SimdEmitter | undefined)[] = [];

/** The other two, sum and square root, raise nothing if they are finite: they are never rounded where they are tiny. */
const MUL = 0x59, DIV = 0x5e, SQRT = 0x51;

function scalarArithmetic(double: boolean, code: number, opcode: number): SimdEmitter {
  const first = double ? TF0 : TS0, second = double ? TF1 : TS1, result = double ? TF2 : TS2;
  return {
    emit: (g, insn) => {
      const c = g.code;
      scalarSource(g, insn, second);
      g.tryQuick(insn, (giveUp) => {
        checkMode(g, giveUp);
        pushDenormal(g, second);
        giveUp();
        if (code !== SQRT) {
          c.get(g.xmm(insn.reg));
          extractLow(g, double);
          c.set(first);
          pushDenormal(g, first);
          giveUp();
          c.get(first);
        }
        c.get(second);
        c.byte(opcode);
        c.set(result);
        if (code === MUL) requireNormal(g, result, [first, second], giveUp);
        else if (code === DIV) requireNormal(g, result, [first], giveUp);
        else {
          pushNotFinite(g, result);
          giveUp();
        }
        setLow(g, insn.reg, result);
      });
    },
  };
}

/** Opcode after 0F; WebAssembly's for f64 and f32; vectors of f64 and f32. */
const OPERATIONS: readonly (readonly [code: number, f64: number, f32: number, v64: number, v32: number])[] = [
  [0x51, 0x9f, 0x91, 239, 227], // SQRT
  [0x58, 0xa0, 0x92, 240, 228], // ADD
  [0x59, 0xa2, 0x94, 242, 230], // MUL
  [0x5c, 0xa1, 0x93, 241, 229], // SUB
  [0x5e, 0xa3, 0x95, 243, 231], // DIV
];
for (const [code, f64, f32, v64, v32] of OPERATIONS) {
  ARITHMETIC[PF2 | code] = scalarArithmetic(true, code, f64);
  ARITHMETIC[PF3 | code] = scalarArithmetic(false, code, f32);
  ARITHMETIC[P66 | code] = packedArithmetic(true, code, v64);
  ARITHMETIC[code] = packedArithmetic(false, code, v32);
}

function packedArithmetic(double: boolean, code: number, opcode: number): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code, first = g.xmm(insn.reg);
      pushSource(g, insn);
      c.set(TV1);
      g.tryQuick(insn, (giveUp) => {
        checkMode(g, giveUp);
        requireOperands(g, TV1, double, giveUp);
        if (code !== SQRT) {
          requireOperands(g, first, double, giveUp);
          c.get(first);
        }
        c.get(TV1);
        c.simd(opcode);
        c.set(TV0);
        if (code === MUL) requireNormalLanes(g, { result: TV0, zeros: [first, TV1], double }, giveUp);
        else if (code === DIV) requireNormalLanes(g, { result: TV0, zeros: [first], double }, giveUp);
        else requireFinite(g, TV0, double, giveUp);
        c.get(TV0);
        c.set(first);
      });
    },
  };
}
