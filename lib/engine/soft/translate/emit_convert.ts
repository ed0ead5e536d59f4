/**
 * Conversions between integers, singles and doubles. Those that are exact need no look at MXCSR.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { T1, TF0, TF1, TS0, TS1, TV0, TV1 } from "./locals.ts";
import { loadMemory, pushLinear } from "./memory_access.ts";
import {
  compareLanes,
  notAll,
  pushDenormal,
  pushMagnitude,
  pushNotFinite,
  pushZeroLanes,
  repeated,
  requireNormal,
  requireOperands,
} from "./simd_checks.ts";
import {
  checkMode,
  constant,
  type GiveUp,
  P66,
  PF2,
  PF3,
  pushLow,
  pushSource,
  scalarSource,
  setLow,
  type SimdEmitter,
  zeroUpper,
} from "./simd_operands.ts";
import { W } from "./wasm.ts";

/** Conversions by {@link Insn.code}. */
export const CONVERSIONS: (SimdEmitter | undefined)[] = [];

function pushGeneral(g: Emission, insn: Insn): void {
  if (!insn.mem) return g.code.get(g.reg(insn.rm));
  pushLinear(g, insn);
  loadMemory(g, 4);
}

CONVERSIONS[PF2 | 0x2a] = { // CVTSI2SD: always exact
  rm: "general",
  emit: (g, insn) => {
    pushGeneral(g, insn);
    g.code.byte(0xb7);
    g.code.set(TF0);
    setLow(g, insn.reg, TF0);
  },
};

CONVERSIONS[PF3 | 0x2a] = { // CVTSI2SS
  rm: "general",
  emit: (g, insn) => {
    pushGeneral(g, insn);
    g.code.set(T1);
    g.tryQuick(insn, (giveUp) => {
      checkMode(g, giveUp);
      g.code.get(T1);
      g.code.byte(0xb2);
      g.code.set(TS0);
      setLow(g, insn.reg, TS0);
    });
  },
};

/** CVTTSD2SI and the like: numbers that fit. */
function toInteger(double: boolean, truncate: boolean): SimdEmitter {
  return {
    reg: "general",
    emit: (g, insn) => {
      const c = g.code;
      scalarSource(g, insn, double ? TF1 : TS1);
      g.tryQuick(insn, (giveUp) => {
        checkMode(g, giveUp);
        c.get(double ? TF1 : TS1);
        if (!double) c.byte(0xbb); // promote: exact
        if (!truncate) c.byte(0x9e); // nearest
        c.tee(TF0);
        c.byte(0x99); // abs
        c.float64(2147483647);
        c.byte(0x65); // less or equal, which NaN is not
        c.byte(W.EQZ);
        giveUp();
        c.get(TF0);
        c.byte(0xaa); // i32.trunc_f64_s
        c.set(g.reg(insn.reg));
      });
    },
  };
}
CONVERSIONS[PF2 | 0x2c] = toInteger(true, true);
CONVERSIONS[PF2 | 0x2d] = toInteger(true, false);
CONVERSIONS[PF3 | 0x2c] = toInteger(false, true);
CONVERSIONS[PF3 | 0x2d] = toInteger(false, false);

/** CVTSS2SD and CVTSD2SS. */
function betweenSizes(toDouble: boolean): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code;
      const from = toDouble ? TS1 : TF1, to = toDouble ? TF0 : TS0;
      scalarSource(g, insn, from);
      g.tryQuick(insn, (giveUp) => {
        if (!toDouble) checkMode(g, giveUp);
        pushDenormal(g, from);
        giveUp();
        c.get(from);
        c.byte(toDouble ? 0xbb : 0xb6);
        c.set(to);
        if (toDouble) {
          pushNotFinite(g, to);
          giveUp();
        } else requireNormal(g, to, [from], giveUp);
        setLow(g, insn.reg, to);
      });
    },
  };
}
CONVERSIONS[PF3 | 0x5a] = betweenSizes(true);
CONVERSIONS[PF2 | 0x5a] = betweenSizes(false);

CONVERSIONS[PF3 | 0xe6] = { // CVTDQ2PD: exact
  emit: (g, insn) => {
    pushLow(g, insn, 8);
    g.code.simd(254);
    g.code.set(g.xmm(insn.reg));
  },
};

CONVERSIONS[0x5a] = { // CVTPS2PD: exact
  emit: (g, insn) => {
    const c = g.code;
    pushLow(g, insn, 8);
    if (!insn.mem) zeroUpper(g);
    c.set(TV0);
    g.tryQuick(insn, (giveUp) => {
      requireOperands(g, TV0, false, giveUp);
      c.get(TV0);
      c.simd(95);
      c.set(g.xmm(insn.reg));
    });
  },
};

/** A conversion of the 16 bytes in {@link TV0}, which may be inexact, that checks its operands itself. */
function packed(check: (g: Emission, giveUp: GiveUp) => void, opcode: number): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code;
      pushSource(g, insn);
      c.set(TV0);
      g.tryQuick(insn, (giveUp) => {
        checkMode(g, giveUp);
        check(g, giveUp);
        c.get(TV0);
        c.simd(opcode);
        c.set(g.xmm(insn.reg));
      });
    },
  };
}

/** 2**-126 as a double: what is above it becomes no denormal single. */
const NO_UNDERFLOW = repeated([0, 0, 0, 0, 0, 0, 0x10, 0x38]);
/** The largest single as a double. */
const NO_OVERFLOW = repeated([0, 0, 0, 0xe0, 0xff, 0xff, 0xef, 0x47]);

CONVERSIONS[P66 | 0x5a] = packed((g, giveUp) => { // CVTPD2PS
  const c = g.code;
  pushMagnitude(g, TV0, true);
  c.tee(TV1);
  constant(g, NO_UNDERFLOW);
  compareLanes(g, true, "greater");
  pushZeroLanes(g, TV0, true);
  c.simd(80);
  c.get(TV1);
  constant(g, NO_OVERFLOW);
  compareLanes(g, true, "atMost");
  c.simd(78);
  notAll(g, true);
  giveUp();
}, 94);

CONVERSIONS[0x5b] = packed(() => {}, 250); // CVTDQ2PS

/** 2**31 as a single, 2**31 - 1 as a double. */
const LIMIT32 = repeated([0, 0, 0, 0x4f]), LIMIT64 = repeated([0, 0, 0xc0, 0xff, 0xff, 0xff, 0xdf, 0x41]);

/** To 32-bit integers: numbers that fit. */
function toIntegers(double: boolean, truncate: boolean): SimdEmitter {
  return packed((g, giveUp) => {
    if (!truncate) {
      g.code.get(TV0);
      g.code.simd(double ? 148 : 106);
      g.code.set(TV0);
    }
    pushMagnitude(g, TV0, double);
    constant(g, double ? LIMIT64 : LIMIT32);
    compareLanes(g, double, double ? "atMost" : "less");
    notAll(g, double);
    giveUp();
  }, double ? 252 : 248);
}
CONVERSIONS[P66 | 0x5b] = toIntegers(false, false); // CVTPS2DQ
CONVERSIONS[PF3 | 0x5b] = toIntegers(false, true);
CONVERSIONS[PF2 | 0xe6] = toIntegers(true, false); // CVTPD2DQ
CONVERSIONS[P66 | 0xe6] = toIntegers(true, true);
