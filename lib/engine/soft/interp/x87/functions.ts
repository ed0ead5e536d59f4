/**
 * The instructions on top of `remainder.ts` and `transcendental.ts`: FPREM, FPREM1, FSCALE, FXTRACT, F2XM1, FYL2X,
 * FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS (Intel SDM volume 1, §8.3.7, §8.3.10).
 *
 * Read next: `control.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Handler, Insn } from "../../insn.ts";
import { C0, C1, C2, C3, env, Float80, refused, setIndefinite } from "./float80.ts";
import { extract, remainder, scale } from "./remainder.ts";
import { arctangent, exp2m1, isOutOfRange, logarithm, logarithmPlus1, sineCosine, tangent } from "./transcendental.ts";
import {
  check,
  finishTo,
  get,
  isEmpty,
  note,
  operand,
  overflow,
  pop,
  push,
  put,
  report,
  result,
  setConditions,
  st0,
  underflow,
} from "./unit.ts";

const second = new Float80();

/** FPREM and FPREM1. */
function partialRemainder(nearest: boolean): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    setConditions(cpu, C2, 0);
    if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) {
      indefiniteTo(cpu, 0);
      return;
    }
    get(cpu, 0, st0);
    get(cpu, 1, operand);
    const codes = remainder(st0, operand, nearest, result);
    if (finishTo(cpu, 0) && codes >= 0) setConditions(cpu, C0 | C1 | C2 | C3, codes);
  };
}

/** Stack underflow: indefinite into ST(i), if masked. */
function indefiniteTo(cpu: Cpu, i: number): boolean {
  if (!underflow(cpu)) return false;
  setIndefinite(result);
  put(cpu, i, result);
  return true;
}

/** FPREM. */
export const fprem: Handler = partialRemainder(false);
/** FPREM1. */
export const fprem1: Handler = partialRemainder(true);

/** FSCALE. */
export function fscale(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) {
    indefiniteTo(cpu, 0);
    return;
  }
  get(cpu, 0, st0);
  get(cpu, 1, operand);
  scale(st0, operand, result);
  finishTo(cpu, 0);
}

/** ST(1) = f(ST(0), ST(1)), pop: FYL2X, FYL2XP1, FPATAN. */
function binaryPopping(f: (a: Float80, b: Float80, r: Float80) => void): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    if (isEmpty(cpu, 0) || isEmpty(cpu, 1)) {
      if (indefiniteTo(cpu, 1)) pop(cpu);
      return;
    }
    get(cpu, 0, st0);
    get(cpu, 1, operand);
    f(st0, operand, result);
    if (finishTo(cpu, 1)) pop(cpu);
  };
}

/** FYL2X. */
export const fyl2x: Handler = binaryPopping(logarithm);
/** FYL2XP1. */
export const fyl2xp1: Handler = binaryPopping(logarithmPlus1);
/** FPATAN. */
export const fpatan: Handler = binaryPopping(arctangent);

/** F2XM1. */
export function f2xm1(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  if (isEmpty(cpu, 0)) {
    indefiniteTo(cpu, 0);
    return;
  }
  get(cpu, 0, st0);
  exp2m1(st0, result);
  finishTo(cpu, 0);
}

/**
 * One operand, two results: `f` leaves the one that stays in `second` and the one that is pushed in `result`. Fills
 * `st0` before; whether there was an operand and room, or the masked response was given.
 */
function twoResults(f: (a: Float80, kept: Float80, pushed: Float80) => void): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    const empty = isEmpty(cpu, 0);
    if (empty || !isEmpty(cpu, 7)) {
      if (!(empty ? underflow(cpu) : overflow(cpu))) return;
      setIndefinite(result);
      put(cpu, 0, result);
      push(cpu);
      return;
    }
    get(cpu, 0, st0);
    f(st0, second, result);
    if ((env.raised | env.up) !== 0) report(cpu);
    if (refused()) return;
    put(cpu, 0, second);
    push(cpu);
  };
}

/** FXTRACT: the exponent stays, the significand is pushed. */
export const fxtract: Handler = twoResults((a, kept, pushed) => extract(a, pushed, kept));
/** FSINCOS without its range check: the sine stays, the cosine is pushed. */
const sincos = twoResults(sineCosine);
const ptan = twoResults(tangent);

/** FSIN, FCOS, FSINCOS, FPTAN do nothing but set C2 if |ST(0)| is 2^63 or more. */
function ranged(handler: Handler, pushes: number): Handler {
  return (cpu, insn) => {
    check(cpu);
    if (!isEmpty(cpu, 0) && (pushes === 0 || isEmpty(cpu, 7))) {
      get(cpu, 0, st0);
      if (isOutOfRange(st0)) {
        note(cpu, insn);
        setConditions(cpu, C2, C2);
        return;
      }
    }
    setConditions(cpu, C2, 0);
    handler(cpu, insn);
  };
}

function single(which: "sine" | "cosine"): Handler {
  return (cpu, insn) => {
    note(cpu, insn);
    if (isEmpty(cpu, 0)) {
      indefiniteTo(cpu, 0);
      return;
    }
    if (which === "sine") sineCosine(st0, result, undefined);
    else sineCosine(st0, undefined, result);
    finishTo(cpu, 0);
  };
}

/** FSIN. */
export const fsin: Handler = ranged(single("sine"), 0);
/** FCOS. */
export const fcos: Handler = ranged(single("cosine"), 0);
/** FSINCOS. */
export const fsincos: Handler = ranged(sincos, 1);
/** FPTAN: the tangent stays, 1.0 is pushed. */
export const fptan: Handler = ranged(ptan, 1);
