/**
 * FADD, FMUL, FSUB(R), FDIV(R) in all forms, FSQRT, FABS, FCHS, FRNDINT, and the comparisons (Intel SDM volume 1,
 * §8.3.5 and §8.3.6).
 *
 * Read next: `functions.ts`.
 *
 * @module
 */
import type { Cpu } from "../../cpu.ts";
import type { Handler, Insn } from "../../insn.ts";
import { CF, PF, ZF } from "../../state.ts";
import { add, div, divr, mul, sqrt, sub, subr } from "./arithmetic.ts";
import { compare, examine, UNORDERED } from "./compare.ts";
import { roundToInteger } from "./convert.ts";
import {
  C0,
  C1,
  C2,
  C3,
  DE,
  env,
  type Float80,
  isDenormal,
  isInfinity,
  isZero,
  propagate,
  refused,
  setIndefinite,
} from "./float80.ts";
import {
  check,
  finishTo,
  get,
  isEmpty,
  note,
  noteOnly,
  operand,
  pop,
  put,
  report,
  result,
  setConditions,
  st0,
  underflow,
} from "./unit.ts";

/** r = a op b. */
type Operation = (a: Float80, b: Float80, r: Float80) => void;
/** Fetches a memory operand into `operand`. */
type Fetch = (cpu: Cpu, insn: Insn) => void;

/** By ModRM.reg; 2 and 3 are the comparisons. */
export const OPERATIONS: readonly (Operation | undefined)[] = [add, mul, undefined, undefined, sub, subr, div, divr];

/** Stack underflow of an instruction whose result goes to ST(i). */
function underflowTo(cpu: Cpu, i: number): boolean {
  if (!underflow(cpu)) return false;
  setIndefinite(result);
  put(cpu, i, result);
  return true;
}

/** ST(0) = ST(0) op memory. */
export function withMemory(operation: Operation, fetch: Fetch): Handler {
  return (cpu, insn) => {
    check(cpu);
    fetch(cpu, insn);
    note(cpu, insn);
    if (isEmpty(cpu, 0)) {
      underflowTo(cpu, 0);
      return;
    }
    get(cpu, 0, st0);
    operation(st0, operand, result);
    finishTo(cpu, 0);
  };
}

/** ST(0) = ST(0) op ST(i). */
export function toTop(operation: Operation): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) {
      underflowTo(cpu, 0);
      return;
    }
    get(cpu, 0, st0);
    get(cpu, insn.rm, operand);
    operation(st0, operand, result);
    finishTo(cpu, 0);
  };
}

/** ST(i) = ST(0) op ST(i): what DC and DE encode, the reversed forms being those that the manual calls direct. */
export function toRegister(operation: Operation, popping: boolean): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) {
      if (underflowTo(cpu, insn.rm) && popping) pop(cpu);
      return;
    }
    get(cpu, 0, st0);
    get(cpu, insn.rm, operand);
    operation(st0, operand, result);
    if (finishTo(cpu, insn.rm) && popping) pop(cpu);
  };
}

/** ST(0) = f(ST(0)). */
export function unary(f: (a: Float80, r: Float80) => void): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    if (isEmpty(cpu, 0)) {
      underflowTo(cpu, 0);
      return;
    }
    get(cpu, 0, st0);
    f(st0, result);
    finishTo(cpu, 0);
  };
}

/** FSQRT. */
export const fsqrt: Handler = unary(sqrt);

/** FABS. */
export const fabs: Handler = unary((a, r) => {
  r.copy(a);
  r.sign = 0;
});

/** FCHS. */
export const fchs: Handler = unary((a, r) => {
  r.copy(a);
  r.sign ^= 1;
});

/** FRNDINT. */
export const frndint: Handler = unary((a, r) => {
  if (propagate(a, a, r)) return;
  if (isDenormal(a)) env.raised |= DE;
  if (refused()) return;
  if (isZero(a) || isInfinity(a)) r.copy(a);
  else roundToInteger(a, r);
});

/**
 * Compare ST(0), which is not empty, with `operand`. The processor sets the condition codes even if an unmasked exception
 * then keeps it from popping.
 *
 * @returns whether the instruction may pop
 */
function compareTop(cpu: Cpu, quiet: boolean): boolean {
  get(cpu, 0, st0);
  setConditions(cpu, C0 | C1 | C2 | C3, compare(st0, operand, quiet));
  if (env.raised !== 0) report(cpu);
  return !refused();
}

function unorderedByUnderflow(cpu: Cpu): boolean {
  setConditions(cpu, C0 | C2 | C3, UNORDERED);
  return underflow(cpu);
}

/** FCOM, FCOMP, FICOM, FICOMP with a memory operand. */
export function compareMemory(fetch: Fetch, popping: boolean): Handler {
  return (cpu, insn) => {
    check(cpu);
    fetch(cpu, insn);
    note(cpu, insn);
    const done = isEmpty(cpu, 0) ? unorderedByUnderflow(cpu) : compareTop(cpu, false);
    if (done && popping) pop(cpu);
  };
}

/**
 * FCOM, FUCOM and their popping forms.
 *
 * @param pops 0, 1 or 2
 */
export function compareRegister(quiet: boolean, pops: number): Handler {
  return (cpu, insn) => {
    check(cpu);
    note(cpu, insn);
    let done: boolean;
    if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) done = unorderedByUnderflow(cpu);
    else {
      get(cpu, insn.rm, operand);
      done = compareTop(cpu, quiet);
    }
    if (!done) return;
    if (pops > 0) pop(cpu);
    if (pops > 1) pop(cpu);
  };
}

/** FCOMI, FUCOMI and their popping forms: the answer goes to ZF, PF and CF; OF, SF and AF are cleared. */
export function compareToFlags(quiet: boolean, popping: boolean): Handler {
  return (cpu, insn) => {
    check(cpu);
    noteOnly(cpu, insn);
    let codes = UNORDERED;
    if (isEmpty(cpu, 0) || isEmpty(cpu, insn.rm)) underflow(cpu);
    else {
      get(cpu, 0, st0);
      get(cpu, insn.rm, operand);
      codes = compare(st0, operand, quiet);
      if (env.raised !== 0) report(cpu);
    }
    cpu.arithmetic = ((codes & C3) !== 0 ? ZF : 0) | ((codes & C2) !== 0 ? PF : 0) | ((codes & C0) !== 0 ? CF : 0);
    if (popping && !refused()) pop(cpu);
  };
}

/** FTST: compare with 0. */
export function ftst(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  operand.set(0, 0, 0, 0);
  if (isEmpty(cpu, 0)) unorderedByUnderflow(cpu);
  else compareTop(cpu, false);
}

/** FXAM: classify, empty registers too. */
export function fxam(cpu: Cpu, insn: Insn): void {
  check(cpu);
  note(cpu, insn);
  get(cpu, 0, st0);
  const codes = isEmpty(cpu, 0) ? C3 | C0 | (st0.sign !== 0 ? C1 : 0) : examine(st0);
  setConditions(cpu, C0 | C1 | C2 | C3, codes);
}
