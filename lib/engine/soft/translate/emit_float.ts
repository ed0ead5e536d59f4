/**
 * SSE and SSE2 floating point in WebAssembly's own arithmetic, which is IEEE 754 with rounding to nearest.
 *
 * The quick way is taken where MXCSR cannot change: rounding to nearest, everything masked, no flushing, the inexact
 * flag already set, no operand denormal, and a result that is a normal number. Anything else the interpreter does.
 *
 * @module
 */
import { CC_UNIVERSAL } from "../flags.ts";
import type { Insn } from "../insn.ts";
import { STATE_MXCSR } from "../state.ts";
import type { SimdEmitter } from "./emit_simd.ts";
import type { Generator } from "./generator.ts";
import { L_RES, L_SRC, T1, TF0, TF1, TF2, TS0, TS1, TS2, TV0, TV1, TV2, TV3 } from "./locals.ts";
import { W } from "./wasm.ts";

/** Emitters by {@link Insn.code}. */
export const FLOAT: (SimdEmitter | undefined)[] = [];

/** MXCSR without the flags that may be in any state; the value that allows the quick way. */
const MXCSR_MASK = 0xffe0, MXCSR_QUICK = 0x1fa0;

const PF64 = 0x100, PF32 = 0, S32 = 0x200, S64 = 0x300;

type GiveUp = () => void;

function checkMode(g: Generator, giveUp: GiveUp): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD, STATE_MXCSR);
  c.const(MXCSR_MASK);
  c.byte(W.AND);
  c.const(MXCSR_QUICK);
  c.byte(W.NE);
  giveUp();
}

/** Whether a scratch local holds a double. */
function isDouble(local: number): boolean {
  return local <= TF2;
}

/** Put the low lane of the rm operand into a floating-point local. */
function scalarSource(g: Generator, insn: Insn, into: number): void {
  const c = g.code, double = isDouble(into);
  if (insn.mem) {
    g.pushLinear(insn);
    g.loadWide(double ? 8 : 4, () => c.memory(double ? W.F64_LOAD : W.F32_LOAD, 0));
  } else {
    c.get(g.xmm(insn.rm));
    extractLow(g, double);
  }
  c.set(into);
}

function extractLow(g: Generator, double: boolean): void {
  g.code.simd(double ? 33 : 31);
  g.code.byte(0);
}

/** Replace the low lane of an XMM register by a local. */
function setLow(g: Generator, register: number, value: number): void {
  const c = g.code, double = isDouble(value);
  c.get(g.xmm(register));
  c.get(value);
  c.simd(double ? 34 : 32);
  c.byte(0);
  c.set(g.xmm(register));
}

const REINTERPRET32 = 0xbc, REINTERPRET64 = 0xbd;

/** Push 1 if a local is denormal: without its sign it is above 0 and below the smallest normal number. */
function pushDenormal(g: Generator, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.const64(1);
    c.byte(W.I64_SUB);
    c.bigConst64(0x1f_ffff_ffff_ffffn);
    c.byte(W.I64_LT_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SUB);
    c.const(0xff_ffff);
    c.byte(W.LT_U);
  }
}

/**
 * Push 1 if a local is no normal number: zero, denormal, infinite or NaN; or the smallest normal number, which a product
 * may have been rounded up to that is tiny all the same and must set UE (Intel SDM volume 1, §4.9.1.5).
 */
function pushAbnormal(g: Generator, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.bigConst64(0x20_0000_0000_0002n);
    c.byte(W.I64_SUB);
    c.bigConst64(-0x40_0000_0000_0002n); // 0xFFBF…FE
    c.byte(W.I64_GE_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(0x100_0002);
    c.byte(W.SUB);
    c.const(0xfdff_fffe | 0);
    c.byte(W.GE_U);
  }
}

/** Push 1 if a local is infinite or NaN. */
function pushNotFinite(g: Generator, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  if (double) {
    c.byte(REINTERPRET64);
    c.const64(1);
    c.byte(W.I64_SHL);
    c.bigConst64(-0x20_0000_0000_0000n); // 0xFFE0…
    c.byte(W.I64_GE_U);
  } else {
    c.byte(REINTERPRET32);
    c.const(1);
    c.byte(W.SHL);
    c.const(0xff00_0000 | 0);
    c.byte(W.GE_U);
  }
}

/** Push 1 if a local is not 0. */
function pushNotZero(g: Generator, local: number): void {
  const c = g.code, double = isDouble(local);
  c.get(local);
  c.byte(double ? REINTERPRET64 : REINTERPRET32);
  if (double) {
    c.const64(1);
    c.byte(W.I64_SHL);
    c.byte(W.I64_EQZ);
  } else {
    c.const(1);
    c.byte(W.SHL);
    c.byte(W.EQZ);
  }
  c.byte(W.EQZ);
}

/** Give up unless a result is a normal number, or zero because one of the operands `zeros` is. */
function requireNormal(g: Generator, result: number, zeros: readonly number[], giveUp: GiveUp): void {
  const c = g.code;
  pushAbnormal(g, result);
  g.openIf();
  zeros.forEach((operand, i) => {
    pushNotZero(g, operand);
    if (i > 0) c.byte(W.AND);
  });
  pushNotZero(g, result); // zero times infinity is NaN
  c.byte(W.OR);
  giveUp();
  g.closeIf();
}

/** A sum or a square root that is not infinite or NaN raises nothing: it is never rounded where it is tiny. */
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
const ARITHMETIC: readonly (readonly [code: number, f64: number, f32: number, v64: number, v32: number])[] = [
  [0x51, 0x9f, 0x91, 239, 227], // SQRT
  [0x58, 0xa0, 0x92, 240, 228], // ADD
  [0x59, 0xa2, 0x94, 242, 230], // MUL
  [0x5c, 0xa1, 0x93, 241, 229], // SUB
  [0x5e, 0xa3, 0x95, 243, 231], // DIV
];
for (const [code, f64, f32, v64, v32] of ARITHMETIC) {
  FLOAT[S64 | code] = scalarArithmetic(true, code, f64);
  FLOAT[S32 | code] = scalarArithmetic(false, code, f32);
  FLOAT[PF64 | code] = packedArithmetic(true, code, v64);
  FLOAT[PF32 | code] = packedArithmetic(false, code, v32);
}

/** Sixteen bytes of a repeated little-endian constant. */
function repeated(bytes: readonly number[]): number[] {
  return Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]!);
}
const SMALLEST64 = repeated([0, 0, 0, 0, 0, 0, 0x10, 0]), SMALLEST32 = repeated([0, 0, 0x80, 0]);
const LARGEST64 = repeated([255, 255, 255, 255, 255, 255, 0xef, 0x7f]), LARGEST32 = repeated([255, 255, 0x7f, 0x7f]);

function vectorConstant(g: Generator, bytes: readonly number[]): void {
  g.code.simd(12);
  for (const byte of bytes) g.code.byte(byte);
}

/** Comparisons of lanes, as a mask. */
function compareLanes(g: Generator, double: boolean, comparison: "equal" | "greater" | "atLeast" | "atMost"): void {
  const first = double ? 71 : 65; // eq, ne, lt, gt, le, ge
  g.code.simd(first + { equal: 0, greater: 3, atMost: 4, atLeast: 5 }[comparison]);
}

/** Push a vector without its lanes' signs. */
function pushMagnitude(g: Generator, vector: number, double: boolean): void {
  g.code.get(vector);
  g.code.simd(double ? 236 : 224);
}

/** Push the mask of the lanes that are zero. */
function pushZeroLanes(g: Generator, vector: number, double: boolean): void {
  g.code.get(vector);
  vectorConstant(g, repeated([0]));
  compareLanes(g, double, "equal");
}

/** Push 1 unless all lanes of a mask are set. */
function notAll(g: Generator, double: boolean): void {
  g.code.simd(double ? 195 : 163);
  g.code.byte(W.EQZ);
}

/** Give up if a lane is denormal or NaN. */
function requireOperands(g: Generator, vector: number, double: boolean, giveUp: GiveUp): void {
  const c = g.code;
  pushMagnitude(g, vector, double);
  vectorConstant(g, double ? SMALLEST64 : SMALLEST32);
  compareLanes(g, double, "atLeast");
  pushZeroLanes(g, vector, double);
  c.simd(80);
  notAll(g, double);
  giveUp();
}

/** As {@link pushNotFinite} for vectors: give up if a lane is infinite or NaN. */
function requireFinite(g: Generator, vector: number, double: boolean, giveUp: GiveUp): void {
  pushMagnitude(g, vector, double);
  vectorConstant(g, double ? LARGEST64 : LARGEST32);
  compareLanes(g, double, "atMost");
  notAll(g, double);
  giveUp();
}

/** As {@link requireNormal} for vectors. */
function requireNormalLanes(
  g: Generator,
  { result, zeros, double }: { result: number; zeros: readonly number[]; double: boolean },
  giveUp: GiveUp,
): void {
  const c = g.code;
  pushMagnitude(g, result, double);
  c.tee(TV2);
  vectorConstant(g, double ? SMALLEST64 : SMALLEST32);
  compareLanes(g, double, "greater");
  c.get(TV2);
  vectorConstant(g, double ? LARGEST64 : LARGEST32);
  compareLanes(g, double, "atMost");
  c.simd(78);
  c.tee(TV3);
  notAll(g, double);
  g.openIf();
  zeros.forEach((operand, i) => {
    pushZeroLanes(g, operand, double);
    if (i > 0) c.simd(80);
  });
  pushZeroLanes(g, result, double);
  c.simd(78);
  c.get(TV3);
  c.simd(80);
  notAll(g, double);
  giveUp();
  g.closeIf();
}

function packedArithmetic(double: boolean, code: number, opcode: number): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code, first = g.xmm(insn.reg);
      packedSource(g, insn);
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

/** Push the rm operand; from memory only where it is aligned and on one page. */
function packedSource(g: Generator, insn: Insn): void {
  const c = g.code;
  if (!insn.mem) return c.get(g.xmm(insn.rm));
  g.pushLinear(insn);
  c.tee(T1);
  c.get(T1);
  c.const(15);
  c.byte(W.AND);
  g.openIf();
  g.leaveHere();
  g.closeIf();
  g.loadWide(16, () => c.simdMemory(0, 0));
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
        checkMode(g, giveUp);
        c.get(g.xmm(insn.reg));
        extractLow(g, double);
        c.set(first);
        for (const local of [first, second]) {
          pushDenormal(g, local);
          giveUp();
          c.get(local);
          c.get(local);
          c.byte(double ? 0x62 : 0x5c); // not equal to itself: NaN
          giveUp();
        }
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
FLOAT[0x100 | 0x2e] = FLOAT[0x100 | 0x2f] = comparison(true);
FLOAT[0x2e] = FLOAT[0x2f] = comparison(false);

// Conversions.

function pushGeneral(g: Generator, insn: Insn): void {
  if (!insn.mem) return g.code.get(g.reg(insn.rm));
  g.pushLinear(insn);
  g.load(4);
}

FLOAT[S64 | 0x2a] = { // CVTSI2SD: always exact
  rm: "general",
  emit: (g, insn) => {
    pushGeneral(g, insn);
    g.code.byte(0xb7);
    g.code.set(TF0);
    setLow(g, insn.reg, TF0);
  },
};

FLOAT[S32 | 0x2a] = { // CVTSI2SS
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
FLOAT[S64 | 0x2c] = toInteger(true, true);
FLOAT[S64 | 0x2d] = toInteger(true, false);
FLOAT[S32 | 0x2c] = toInteger(false, true);
FLOAT[S32 | 0x2d] = toInteger(false, false);

/** CVTSS2SD and CVTSD2SS. */
function betweenSizes(toDouble: boolean): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code;
      const from = toDouble ? TS1 : TF1, to = toDouble ? TF0 : TS0;
      scalarSource(g, insn, from);
      g.tryQuick(insn, (giveUp) => {
        checkMode(g, giveUp);
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
FLOAT[S32 | 0x5a] = betweenSizes(true);
FLOAT[S64 | 0x5a] = betweenSizes(false);

FLOAT[S32 | 0xe6] = { // CVTDQ2PD: exact
  emit: (g, insn) => {
    const c = g.code;
    if (insn.mem) {
      g.pushLinear(insn);
      g.loadWide(8, () => c.simdMemory(93, 0));
    } else c.get(g.xmm(insn.rm));
    c.simd(254);
    c.set(g.xmm(insn.reg));
  },
};
