/**
 * Floating-point comparisons: into EFLAGS, into masks, minimum and maximum. Of operands that are no NaNs and not
 * denormal they depend on nothing in MXCSR and change nothing there.
 *
 * @module
 */
import { CC_UNIVERSAL } from "../flags.ts";
import type { Insn } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { L_RES, L_SRC, TF0, TF1, TS0, TS1, TV0 } from "./locals.ts";
import { compareLanes, notNumber, pushDenormal, requireOperands } from "./simd_checks.ts";
import {
  constant,
  extractLow,
  type GiveUp,
  P66,
  PF2,
  PF3,
  pushLow,
  pushSource,
  scalarSource,
  shuffle,
  type SimdEmitter,
  ZERO,
} from "./simd_operands.ts";
import { W } from "./wasm.ts";

/** Comparisons by {@link Insn.code}. */
export const COMPARISONS: (SimdEmitter | undefined)[] = [];

/** Give up if a scratch local is denormal or NaN. */
function requireScalars(g: Emission, locals: readonly number[], giveUp: GiveUp): void {
  for (const local of locals) {
    pushDenormal(g, local);
    giveUp();
    notNumber(g, local);
    giveUp();
  }
}

/** COMISS, COMISD, UCOMISS, UCOMISD: ordered comparisons of numbers that are not denormal. */
function comparison(double: boolean): SimdEmitter {
  const first = double ? TF0 : TS0, second = double ? TF1 : TS1;
  return {
    reg: "read",
    flags: true,
    emit: (g, insn) => {
      const c = g.code;
      scalarSource(g, insn, second);
      g.tryQuick(insn, (giveUp) => {
        c.get(g.xmm(insn.reg));
        extractLow(g, double);
        c.set(first);
        requireScalars(g, [first, second], giveUp);
        c.get(first);
        c.get(second);
        c.byte(double ? 0x62 : 0x5c); // result 0 (ZF) if equal, with its parity corrected to PF = 0
        c.set(L_RES);
        c.get(first);
        c.get(second);
        c.byte(double ? 0x63 : 0x5d); // below: CF, and CF xor OF
        c.const(0xc000_0000 | 0);
        c.byte(W.MUL);
        c.get(L_RES);
        c.byte(W.EQZ);
        c.const(8);
        c.byte(W.SHL);
        c.byte(W.OR);
        c.set(L_SRC);
      });
      g.known = { op: CC_UNIVERSAL, logic: false, first: false };
    },
  };
}
COMPARISONS[P66 | 0x2e] = COMPARISONS[P66 | 0x2f] = comparison(true);
COMPARISONS[0x2e] = COMPARISONS[0x2f] = comparison(false);

/**
 * An operation on two vectors whose operands must be numbers: the destination from {@link TV0}, which holds the rm
 * operand, and the destination.
 */
function packed(double: boolean, operate: (g: Emission, insn: Insn) => void): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code, first = g.xmm(insn.reg);
      pushSource(g, insn);
      c.set(TV0);
      g.tryQuick(insn, (giveUp) => {
        requireOperands(g, TV0, double, giveUp);
        requireOperands(g, first, double, giveUp);
        operate(g, insn);
        c.set(first);
      });
    },
  };
}

/** As {@link packed} for the lowest lane alone: the others stay. */
function scalar(double: boolean, operate: (g: Emission, insn: Insn) => void): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code, size = double ? 8 : 4, first = g.xmm(insn.reg);
      pushLow(g, insn, size);
      c.set(TV0);
      g.tryQuick(insn, (giveUp) => {
        const locals = double ? [TF0, TF1] : [TS0, TS1];
        [TV0, first].forEach((vector, i) => {
          c.get(vector);
          extractLow(g, double);
          c.set(locals[i]!);
        });
        requireScalars(g, locals, giveUp);
        c.get(first);
        operate(g, insn);
        shuffle(g, size, double ? [2, 1] : [4, 1, 2, 3]);
        c.set(first);
      });
    },
  };
}

/** WebAssembly's pseudo-minimum and -maximum, with the operands exchanged, treat zeros as SSE does. */
function extreme(opcode: number): (g: Emission, insn: Insn) => void {
  return (g, insn) => {
    g.code.get(TV0);
    g.code.get(g.xmm(insn.reg));
    g.code.simd(opcode);
  };
}

/** CMPccPS and the like: EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD of numbers. */
const PREDICATES = ["equal", "less", "atMost", undefined, "notEqual", "atLeast", "greater", undefined] as const;

function toMask(double: boolean): (g: Emission, insn: Insn) => void {
  return (g, insn) => {
    const predicate = PREDICATES[insn.imm & 7];
    if (!predicate) return constant(g, (insn.imm & 7) === 3 ? ZERO : ZERO.map(() => 0xff));
    g.code.get(g.xmm(insn.reg));
    g.code.get(TV0);
    compareLanes(g, double, predicate);
  };
}

for (
  const [code, single, double] of [[0x5d, extreme(234), extreme(246)], [0x5f, extreme(235), extreme(247)], [
    0xc2,
    toMask(false),
    toMask(true),
  ]] as const
) {
  COMPARISONS[code] = packed(false, single);
  COMPARISONS[P66 | code] = packed(true, double);
  COMPARISONS[PF3 | code] = scalar(false, single);
  COMPARISONS[PF2 | code] = scalar(true, double);
}
