/**
 * What each integer instruction becomes. An emitter reads operands into locals, lets the generator record the flags,
 * and writes the result last: until then nothing has changed that a fault could show.
 *
 * @module
 */
import { CC_ADD8, CC_DEC8, CC_INC8, CC_SUB8, CC_UNIVERSAL } from "../flags.ts";
import { type Insn, K_IMM, K_MEM, K_REG, K_SREG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import {
  CS,
  DF,
  EAX,
  ECX,
  EDI,
  EDX,
  ESI,
  ESP,
  FS,
  IF,
  RF,
  STATE_CPL,
  STATE_EFLAGS,
  STATE_SELECTORS,
  VM,
} from "../state.ts";
import { emitCondition, pushCarry } from "./emit_condition.ts";
import { leave, pop, push } from "./emit_control.ts";
import type { Emission } from "./emission.ts";
import {
  pushAuxiliary,
  pushLazyFlags,
  setAuxiliary,
  setFlags,
  setLogicFlags,
  setOperation,
  setResult,
  setUniversalFlags,
  unfoldFlags,
} from "./flag_state.ts";
import { IMPORT, L_SRC, T0, T1, T2, T3, T64A, T64B } from "./locals.ts";
import { loadMemory, pushHost, pushMiss, pushOffset, storeMemory } from "./memory_access.ts";
import { assign, destination, modify, pushRegister, setRegister, source, store } from "./operands.ts";
import { W } from "./wasm.ts";

/** How one operation is emitted. */
export interface Emitter {
  readonly emit: (g: Emission, insn: Insn) => void;
  /** Forms that it can express; all if left out. */
  readonly accepts?: (insn: Insn) => boolean;
}

/** Emitters by operation; what is not here the interpreter executes. */
export const EMITTERS: Map<number, Emitter> = new Map();

function define(name: string, emit: Emitter["emit"], accepts?: Emitter["accepts"]): void {
  EMITTERS.set(OP[name]!, accepts ? { emit, accepts } : { emit });
}

function log2(size: number): number {
  return size >> 1;
}

function binary(c: Emission["code"], a: number, b: number, opcode: number, result: number): void {
  c.get(a);
  c.get(b);
  c.byte(opcode);
  c.set(result);
}

// Arithmetic and logic.

for (const [name, opcode, cc] of [["ADD", W.ADD, CC_ADD8], ["SUB", W.SUB, CC_SUB8]] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    binary(g.code, a, b, opcode, T2);
    setFlags(g, cc + log2(insn.size), T2, b, a);
    store(g, insn, T2);
  });
}

for (const [name, opcode] of [["AND", W.AND], ["OR", W.OR], ["XOR", W.XOR]] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    binary(g.code, a, b, opcode, T2);
    setLogicFlags(g, T2, insn.size);
    store(g, insn, T2);
  });
}

define("CMP", (g, insn) => {
  const b = source(g, insn, T1), a = destination(g, insn, T0);
  binary(g.code, a, b, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, b, a);
});

define("TEST", (g, insn) => {
  const b = source(g, insn, T1), a = destination(g, insn, T0);
  binary(g.code, a, b, W.AND, T2);
  setLogicFlags(g, T2, insn.size);
});

define("ADC", (g, insn) => withCarry(g, insn, W.ADD));
define("SBB", (g, insn) => withCarry(g, insn, W.SUB));

function withCarry(g: Emission, insn: Insn, opcode: number): void {
  const c = g.code;
  const b = source(g, insn, T1), a = modify(g, insn, T0);
  c.get(a);
  c.get(b);
  c.byte(opcode);
  pushCarry(g);
  c.byte(opcode);
  c.set(T2);
  if (g.flagsNeeded) {
    if (opcode === W.ADD) { // carries: (a & b) | ((a | b) & ~result)
      binary2(c, a, b, W.AND);
      binary2(c, a, b, W.OR);
      c.get(T2);
      c.const(-1);
      c.byte(W.XOR);
    } else { // borrows: (~a & b) | (~(a ^ b) & result)
      c.get(a);
      c.const(-1);
      c.byte(W.XOR);
      c.get(b);
      c.byte(W.AND);
      binary2(c, a, b, W.XOR);
      c.const(-1);
      c.byte(W.XOR);
      c.get(T2);
    }
    c.byte(W.AND);
    c.byte(W.OR);
    carriesToAuxiliary(g, insn.size);
    setUniversalFlags(g, T2, insn.size);
  }
  store(g, insn, T2);
}

function binary2(c: Emission["code"], a: number, b: number, opcode: number): void {
  c.get(a);
  c.get(b);
  c.byte(opcode);
}

/** The vector of carries on the stack becomes the auxiliary word, as `carries` in `../flags.ts`. */
function carriesToAuxiliary(g: Emission, size: number): void {
  const c = g.code;
  if (size === 4) {
    c.const(0xc000_0008 | 0);
    c.byte(W.AND);
    return;
  }
  c.tee(T3);
  c.const(size === 1 ? 24 : 16);
  c.byte(W.SHL);
  c.const(0xc000_0000 | 0);
  c.byte(W.AND);
  c.get(T3);
  c.const(8);
  c.byte(W.AND);
  c.byte(W.OR);
}

for (const [name, by, cc] of [["INC", 1, CC_INC8], ["DEC", -1, CC_DEC8]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const a = modify(g, insn, T0);
    c.get(a);
    c.const(by);
    c.byte(W.ADD);
    c.set(T2);
    if (g.flagsNeeded) {
      pushCarry(g);
      c.set(T1);
      setFlags(g, cc + log2(insn.size), T2, T1);
    }
    store(g, insn, T2);
  });
}

define("NEG", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0);
  c.const(0);
  c.get(a);
  c.byte(W.SUB);
  c.set(T2);
  if (g.flagsNeeded) {
    c.const(0);
    c.set(T1);
    setFlags(g, CC_SUB8 + log2(insn.size), T2, a, T1);
  }
  store(g, insn, T2);
});

define("NOT", (g, insn) => {
  const a = modify(g, insn, T0);
  g.code.get(a);
  g.code.const(-1);
  g.code.byte(W.XOR);
  g.code.set(T2);
  store(g, insn, T2);
});

// Multiplication and division.

define("IMUL", (g, insn) => {
  const c = g.code;
  const b = source(g, insn, T1);
  let a: number;
  if (insn.c === K_IMM) {
    c.const(insn.imm);
    c.set(T0);
    a = T0;
  } else a = destination(g, insn, T0);
  const extend = (local: number) => {
    c.get(local);
    if (insn.size === 2) c.byte(W.EXTEND16_S);
  };
  extend(a);
  extend(b);
  c.byte(W.MUL);
  c.set(T2);
  if (g.flagsNeeded) { // CF and OF: the product does not fit
    if (insn.size === 4) {
      c.get(a);
      c.byte(W.EXTEND_S);
      c.get(b);
      c.byte(W.EXTEND_S);
      c.byte(W.I64_MUL);
      c.get(T2);
      c.byte(W.EXTEND_S);
      c.byte(W.I64_NE);
    } else {
      c.get(T2);
      c.get(T2);
      c.byte(W.EXTEND16_S);
      c.byte(W.NE);
    }
    c.const(31);
    c.byte(W.SHL);
    setUniversalFlags(g, T2, insn.size);
  }
  assign(g, insn, T2);
}, (insn) => insn.a === K_REG);

for (const [name, extend] of [["MUL", W.EXTEND_U], ["IMUL1", W.EXTEND_S]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const b = destination(g, insn, T1);
    c.get(g.reg(EAX));
    c.byte(extend);
    c.get(b);
    c.byte(extend);
    c.byte(W.I64_MUL);
    c.set(T64A);
    c.get(T64A);
    c.byte(W.WRAP);
    c.set(g.reg(EAX));
    c.get(T64A);
    c.const64(32);
    c.byte(W.I64_SHR_U);
    c.byte(W.WRAP);
    c.set(g.reg(EDX));
    if (!g.flagsNeeded) return;
    c.get(g.reg(EDX));
    if (name === "MUL") c.const(0);
    else {
      c.get(g.reg(EAX));
      c.const(31);
      c.byte(W.SHR_S);
    }
    c.byte(W.NE);
    c.const(31);
    c.byte(W.SHL);
    setUniversalFlags(g, g.reg(EAX), 4);
  }, (insn) => insn.size === 4);
}

define("DIV", (g, insn) => {
  const c = g.code;
  const b = destination(g, insn, T1);
  c.get(g.reg(EDX)); // overflow, and division by 0: #DE comes from the interpreter
  c.get(b);
  c.byte(W.GE_U);
  g.openIf();
  g.leaveHere();
  g.closeIf();
  c.get(g.reg(EDX));
  c.byte(W.EXTEND_U);
  c.const64(32);
  c.byte(W.I64_SHL);
  c.get(g.reg(EAX));
  c.byte(W.EXTEND_U);
  c.byte(W.I64_OR);
  c.set(T64A);
  c.get(T64A);
  c.get(b);
  c.byte(W.EXTEND_U);
  c.byte(W.I64_DIV_U);
  c.set(T64B);
  c.get(T64A);
  c.byte(W.WRAP);
  c.get(T64B);
  c.byte(W.WRAP);
  c.get(b);
  c.byte(W.MUL);
  c.byte(W.SUB);
  c.set(g.reg(EDX));
  c.get(T64B);
  c.byte(W.WRAP);
  c.set(g.reg(EAX));
}, (insn) => insn.size === 4);

define("IDIV", (g, insn) => {
  const c = g.code;
  const b = destination(g, insn, T1);
  // Only a dividend of 32 bits by something that is neither 0 nor -1; the rest is rare.
  c.get(b);
  c.const(1);
  c.byte(W.ADD);
  c.const(2);
  c.byte(W.LT_U);
  c.get(g.reg(EDX));
  c.get(g.reg(EAX));
  c.const(31);
  c.byte(W.SHR_S);
  c.byte(W.NE);
  c.byte(W.OR);
  g.openIf();
  g.leaveHere();
  g.closeIf();
  c.get(g.reg(EAX));
  c.get(b);
  c.byte(W.DIV_S);
  c.set(T2);
  c.get(g.reg(EAX));
  c.get(T2);
  c.get(b);
  c.byte(W.MUL);
  c.byte(W.SUB);
  c.set(g.reg(EDX));
  c.get(T2);
  c.set(g.reg(EAX));
}, (insn) => insn.size === 4);

// Shifts and rotates.

function shiftFlags(g: Emission, name: string, a: number, size: number, count: (() => void) | number): void {
  const c = g.code, bits = size * 8;
  const pushCount = typeof count === "number" ? () => c.const(count) : count;
  if (name === "SHL") { // CF: the last bit out; CF xor OF: the result's sign
    c.get(a);
    pushCount();
    if (bits === 32) {
      c.const(1);
      c.byte(W.SUB);
      c.byte(W.SHL);
    } else { // left-aligned, so that the last bit out is bit 31 after count - 1 shifts
      c.set(T3);
      c.const(32 - bits);
      c.byte(W.SHL);
      c.get(T3);
      c.const(1);
      c.byte(W.SUB);
      c.byte(W.SHL);
    }
    c.const(0x8000_0000 | 0);
    c.byte(W.AND);
    c.get(T2);
    c.const(31 - bits + 1);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.OR);
    return;
  }
  c.get(a);
  pushCount();
  c.const(1);
  c.byte(W.SUB);
  c.byte(name === "SHR" ? W.SHR_U : W.SHR_S);
  c.const(31);
  c.byte(W.SHL);
  c.tee(T3);
  c.get(T3);
  c.const(1);
  c.byte(W.SHR_U);
  if (name === "SHR") { // OF: the operand's sign
    c.get(a);
    c.const(32 - bits);
    c.byte(W.SHL);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.XOR);
  }
  c.byte(W.OR);
}

for (const [name, opcode] of [["SHL", W.SHL], ["SHR", W.SHR_U], ["SAR", W.SHR_S]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    if (insn.b === K_IMM && (insn.imm & 31) === 0) {
      store(g, insn, modify(g, insn, T0));
      return;
    }
    let a = modify(g, insn, T0);
    if (name === "SAR" && insn.size < 4) {
      c.get(a);
      c.byte(insn.size === 1 ? W.EXTEND8_S : W.EXTEND16_S);
      c.set(T0);
      a = T0;
    }
    if (insn.b === K_IMM) {
      const count = insn.imm & 31;
      c.get(a);
      c.const(count);
      c.byte(opcode);
      c.set(T2);
      if (g.flagsNeeded) {
        shiftFlags(g, name, a, insn.size, count);
        setUniversalFlags(g, T2, insn.size);
      }
      store(g, insn, T2);
      return;
    }
    c.get(g.reg(ECX));
    c.const(31);
    c.byte(W.AND);
    c.set(T1);
    binary(c, a, T1, opcode, T2);
    if (g.flagsNeeded) { // a count of 0 leaves them
      unfoldFlags(g);
      c.get(T1);
      g.openIf();
      shiftFlags(g, name, a, insn.size, () => c.get(T1));
      c.set(L_SRC);
      setResult(g, T2, insn.size);
      setOperation(g, CC_UNIVERSAL);
      g.closeIf();
    }
    store(g, insn, T2);
  });
}

for (const [name, opcode] of [["ROL", W.ROTL], ["ROR", W.ROTR]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const a = modify(g, insn, T0);
    c.get(a);
    if (insn.b === K_IMM) c.const(insn.imm & 31);
    else c.get(g.reg(ECX));
    c.byte(opcode);
    c.set(T2);
    if (g.flagsNeeded) rotateFlags(g, insn, name);
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && (insn.b !== K_IMM || (insn.imm & 31) !== 0));
}

/** CF is the bit that came round; CF xor OF is the bit that stood beside it. Everything else stays. */
function rotateFlags(g: Emission, insn: Insn, name: string): void {
  const c = g.code;
  if (insn.b !== K_IMM) {
    unfoldFlags(g);
    c.get(g.reg(ECX));
    c.const(31);
    c.byte(W.AND);
    g.openIf();
  }
  pushAuxiliary(g);
  c.const(0x3fff_ffff);
  c.byte(W.AND);
  c.get(T2);
  if (name === "ROL") { // CF = bit 0, OF = CF ^ bit 31
    c.const(31);
    c.byte(W.SHL);
    c.get(T2);
    c.const(1);
    c.byte(W.SHR_U);
    c.const(0x4000_0000);
    c.byte(W.AND);
    c.byte(W.OR);
  } else { // CF = bit 31, OF = CF ^ bit 30
    c.const(0xc000_0000 | 0);
    c.byte(W.AND);
  }
  c.byte(W.OR);
  if (insn.b !== K_IMM) {
    c.set(L_SRC);
    setOperation(g, CC_UNIVERSAL);
    g.closeIf();
  } else setAuxiliary(g);
}

for (const name of ["SHLD", "SHRD"] as const) {
  define(name, (g, insn) => {
    const c = g.code, count = insn.imm & 31, left = name === "SHLD";
    const b = source(g, insn, T1), a = modify(g, insn, T0);
    c.get(a);
    c.const(count);
    c.byte(left ? W.SHL : W.SHR_U);
    c.get(b);
    c.const(32 - count);
    c.byte(left ? W.SHR_U : W.SHL);
    c.byte(W.OR);
    c.set(T2);
    if (g.flagsNeeded) { // CF: the last bit out; OF: the sign changed
      c.get(a);
      c.const(left ? 32 - count : count - 1);
      c.byte(W.SHR_U);
      c.const(31);
      c.byte(W.SHL);
      c.tee(T3);
      c.get(T3);
      c.get(T2);
      c.byte(W.XOR);
      c.get(a);
      c.byte(W.XOR);
      c.const(1);
      c.byte(W.SHR_U);
      c.const(0x4000_0000);
      c.byte(W.AND);
      c.byte(W.OR);
      setUniversalFlags(g, T2, 4);
    }
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && insn.c === K_IMM && (insn.imm & 31) !== 0);
}

// Bits.

for (const [name, opcode] of [["BT", 0], ["BTS", W.OR], ["BTR", W.AND], ["BTC", W.XOR]] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const immediate = insn.b === K_IMM;
    const b = immediate ? -1 : source(g, insn, T1);
    const a = opcode === 0 ? destination(g, insn, T0) : modify(g, insn, T0);
    const pushBit = () => immediate ? c.const(insn.imm & 31) : c.get(b);
    if (g.flagsNeeded) {
      pushAuxiliary(g);
      c.set(T2);
      // CF becomes the bit; CF xor OF follows it, so that OF stays.
      c.get(a);
      pushBit();
      c.byte(W.SHR_U);
      c.get(T2);
      c.const(31);
      c.byte(W.SHR_U);
      c.byte(W.XOR);
      c.const(1);
      c.byte(W.AND);
      c.const(0xc000_0000 | 0);
      c.byte(W.MUL);
      c.get(T2);
      c.byte(W.XOR);
      setAuxiliary(g);
    }
    if (opcode === 0) return;
    c.get(a);
    c.const(1);
    pushBit();
    c.byte(W.SHL);
    if (name === "BTR") {
      c.const(-1);
      c.byte(W.XOR);
    }
    c.byte(opcode);
    c.set(T2);
    store(g, insn, T2);
  }, (insn) => insn.size === 4 && (insn.a === K_REG || insn.b === K_IMM));
}

for (const name of ["BSF", "BSR"] as const) {
  define(name, (g, insn) => {
    const c = g.code;
    const b = source(g, insn, T1);
    c.get(b);
    c.set(T1);
    if (g.flagsNeeded) {
      // ZF says whether there is a bit; the interpreter clears the rest, and sets PF with ZF. A result of 1 would
      // have odd parity and one of 0 even parity, which is that.
      c.get(T1);
      c.const(0);
      c.byte(W.NE);
      c.set(T2);
      setLogicFlags(g, T2, 4);
    }
    c.get(T1);
    g.openIf();
    if (name === "BSR") c.const(31);
    c.get(T1);
    c.byte(name === "BSF" ? W.CTZ : W.CLZ);
    if (name === "BSR") c.byte(W.SUB);
    c.set(T2);
    setRegister(g, K_REG, insn.ar, insn.size, T2);
    g.closeIf();
  }, (insn) => insn.size === 4);
}

define("BSWAP", (g, insn) => {
  const c = g.code, r = g.reg(insn.ar);
  c.get(r);
  c.const(8);
  c.byte(W.ROTL);
  c.const(0x00ff_00ff);
  c.byte(W.AND);
  c.get(r);
  c.const(8);
  c.byte(W.ROTR);
  c.const(0xff00_ff00 | 0);
  c.byte(W.AND);
  c.byte(W.OR);
  c.set(r);
}, (insn) => insn.size === 4);

// Moves.

define("MOV", (g, insn) => {
  const b = source(g, insn, T1);
  assign(g, insn, b);
});

define("MOVNTI", (g, insn) => assign(g, insn, source(g, insn, T1)), (insn) => insn.a === K_MEM);

for (const name of ["MOVZX", "MOVSX"] as const) {
  define(name, (g, insn) => {
    const b = source(g, insn, T1);
    if (name === "MOVZX") return assign(g, insn, b);
    g.code.get(b);
    g.code.byte(insn.srcSize === 1 ? W.EXTEND8_S : W.EXTEND16_S);
    g.code.set(T1);
    assign(g, insn, T1);
  });
}

define("LEA", (g, insn) => {
  pushOffset(g, insn);
  g.code.set(T2);
  assign(g, insn, T2);
});

define("XCHG", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0), b = source(g, insn, T1);
  c.get(a);
  c.set(T2);
  c.get(b);
  c.set(T1);
  store(g, insn, T1);
  setRegister(g, insn.b, insn.br, insn.size, T2);
});

define("XADD", (g, insn) => {
  const c = g.code;
  const a = modify(g, insn, T0);
  c.get(a);
  c.set(T0);
  c.get(source(g, insn, T1));
  c.set(T1);
  binary(c, T0, T1, W.ADD, T2);
  setFlags(g, CC_ADD8 + log2(insn.size), T2, T1, T0);
  store(g, insn, T2);
  if (insn.a !== insn.b || insn.ar !== insn.br) setRegister(g, insn.b, insn.br, insn.size, T0);
});

define("CMPXCHG", (g, insn) => {
  const c = g.code, size = insn.size;
  c.get(modify(g, insn, T0));
  c.set(T0);
  c.get(source(g, insn, T1));
  c.get(T0);
  pushRegister(g, K_REG, EAX, size);
  c.tee(T3);
  c.get(T0);
  c.byte(W.EQ);
  c.byte(W.SELECT);
  c.set(T2);
  store(g, insn, T2);
  binary(c, T3, T0, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(size), T2, T0, T3);
  // With another destination register than the accumulator, an equal accumulator is set to itself.
  if (!(insn.a === K_REG && insn.ar === EAX)) setRegister(g, K_REG, EAX, size, T0);
});

define("CMOV", (g, insn) => {
  const b = source(g, insn, T1);
  emitCondition(g, insn.code);
  g.openIf();
  assign(g, insn, b);
  g.closeIf();
});

define("SETCC", (g, insn) => {
  emitCondition(g, insn.code);
  g.code.set(T1);
  assign(g, insn, T1);
});

define("CBW", (g, insn) => {
  const c = g.code;
  c.get(g.reg(EAX));
  c.byte(insn.size === 2 ? W.EXTEND8_S : W.EXTEND16_S);
  c.set(T1);
  setRegister(g, K_REG, EAX, insn.size, T1);
});

define("CWD", (g, insn) => {
  const c = g.code;
  c.get(g.reg(EAX));
  if (insn.size === 2) c.byte(W.EXTEND16_S);
  c.const(31);
  c.byte(W.SHR_S);
  c.set(T1);
  setRegister(g, K_REG, EDX, insn.size, T1);
});

define("NOP", () => {});

// The stack.

define("PUSH", (g, insn) => {
  if (insn.a === K_SREG) return pushSegment(g, insn);
  if (insn.a === K_IMM) return push(g, () => g.code.const(insn.imm));
  const local = destination(g, insn, T1);
  push(g, () => g.code.get(local));
}, (insn) => insn.size === 4);

/** Only the selector's 16 bits are written (Intel SDM volume 2, PUSH). */
function pushSegment(g: Emission, insn: Insn): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD16_U, STATE_SELECTORS + 2 * insn.ar);
  c.set(T0);
  c.get(g.reg(ESP));
  c.const(4);
  c.byte(W.SUB);
  c.tee(T2);
  storeMemory(g, 2, T0);
  c.get(T2);
  c.set(g.reg(ESP));
}

define("MOVFROMSEG", (g, insn) => {
  g.code.const(0);
  g.code.memory(W.I32_LOAD16_U, STATE_SELECTORS + 2 * insn.br);
  g.code.set(T1);
  setRegister(g, K_REG, insn.ar, insn.size, T1);
}, (insn) => insn.a === K_REG && insn.br < 6);

/** At CPL 0, which needs no look at IOPL. Clearing IF cannot let an interrupt in. */
define("CLI", (g, insn) => {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    c.const(0);
    c.memory(W.I32_LOAD, STATE_CPL);
    giveUp();
    c.const(0);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_EFLAGS);
    c.const(~IF);
    c.byte(W.AND);
    c.memory(W.I32_STORE, STATE_EFLAGS);
  });
});

define("POP", (g, insn) => {
  pop(g, T1);
  setRegister(g, K_REG, insn.ar, 4, T1);
}, (insn) => insn.size === 4 && insn.a === K_REG);

define("LEAVE", (g) => leave(g), (insn) => insn.size === 4);

define("PUSHF", (g) => {
  const c = g.code;
  pushLazyFlags(g);
  c.call(IMPORT.FLAGS);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.byte(W.OR);
  c.const(2);
  c.byte(W.OR);
  c.const(~(VM | RF));
  c.byte(W.AND);
  c.set(T1);
  push(g, () => c.get(T1));
}, (insn) => insn.size === 4);

// Strings.

const single = (insn: Insn) => insn.rep === 0 && insn.addrSize === 4 && insn.seg < FS && insn.seg !== CS;

/** Move an index register by one element in the direction that DF gives. */
function advance(g: Emission, register: number, size: number): void {
  const c = g.code;
  c.get(g.reg(register));
  c.const(-size);
  c.const(size);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.const(DF);
  c.byte(W.AND);
  c.byte(W.SELECT);
  c.byte(W.ADD);
  c.set(g.reg(register));
}

/** Load the element at an index register into a local. */
function element(g: Emission, register: number, size: number, into: number): void {
  g.code.get(g.reg(register));
  loadMemory(g, size);
  g.code.set(into);
}

define("LODS", (g, insn) => {
  element(g, ESI, insn.size, T1);
  setRegister(g, K_REG, EAX, insn.size, T1);
  advance(g, ESI, insn.size);
}, single);

define("STOS", (g, insn) => {
  if (insn.rep !== 0) return repeatStore(g, insn);
  g.code.get(g.reg(EDI));
  storeMemory(g, insn.size, g.reg(EAX));
  advance(g, EDI, insn.size);
}, (insn) => single(insn) || (repeated(insn) && insn.size === 4));

define("MOVS", (g, insn) => {
  if (insn.rep !== 0) return repeatMove(g, insn);
  element(g, ESI, insn.size, T1);
  g.code.get(g.reg(EDI));
  storeMemory(g, insn.size, T1);
  advance(g, ESI, insn.size);
  advance(g, EDI, insn.size);
}, (insn) => single(insn) || repeated(insn));

/** REP forms that have a quick way. */
const repeated = (insn: Insn) => insn.rep === 0xf3 && insn.addrSize === 4 && insn.seg < FS && insn.seg !== CS;

/** The number of bytes of a forward REP on one page goes into T0; anything longer, or backward, gives up. */
function repeatLength(g: Emission, insn: Insn, giveUp: () => void): void {
  const c = g.code;
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EFLAGS);
  c.const(DF);
  c.byte(W.AND);
  giveUp();
  c.get(g.reg(ECX));
  c.const(4096);
  c.byte(W.GE_U);
  giveUp();
  c.get(g.reg(ECX));
  c.const(insn.size >> 1);
  c.byte(W.SHL);
  c.set(T0);
}

/** Host address for T0 bytes from an index register, all on one page that the TLB knows, into a local. */
function repeatHost(g: Emission, register: number, write: boolean, into: number, giveUp: () => void): void {
  const c = g.code;
  c.get(g.reg(register));
  c.const(0xfff);
  c.byte(W.AND);
  c.get(T0);
  c.byte(W.ADD);
  c.const(4096);
  c.byte(W.GT_U);
  giveUp();
  c.get(g.reg(register));
  pushMiss(g, 1, write);
  giveUp();
  pushHost(g);
  c.set(into);
}

function addLength(g: Emission, register: number): void {
  g.code.get(g.reg(register));
  g.code.get(T0);
  g.code.byte(W.ADD);
  g.code.set(g.reg(register));
}

function repeatMove(g: Emission, insn: Insn): void {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    repeatLength(g, insn, giveUp);
    repeatHost(g, ESI, false, T1, giveUp);
    repeatHost(g, EDI, true, T2, giveUp);
    c.get(T2); // copying onto itself a little further on repeats what was just written
    c.get(T1);
    c.byte(W.SUB);
    c.get(T0);
    c.byte(W.LT_U);
    giveUp();
    c.get(T2);
    c.get(T1);
    c.get(T0);
    c.bulk(10, 2); // memory.copy
    addLength(g, ESI);
    addLength(g, EDI);
    c.const(0);
    c.set(g.reg(ECX));
  });
}

/** Stores of doublewords whose bytes are all the same, zeros above all. */
function repeatStore(g: Emission, insn: Insn): void {
  const c = g.code;
  g.tryQuick(insn, (giveUp) => {
    c.get(g.reg(EAX));
    c.const(8);
    c.byte(W.ROTL);
    c.get(g.reg(EAX));
    c.byte(W.NE);
    giveUp();
    repeatLength(g, insn, giveUp);
    repeatHost(g, EDI, true, T2, giveUp);
    c.get(T2);
    c.get(g.reg(EAX));
    c.get(T0);
    c.bulk(11, 1); // memory.fill
    addLength(g, EDI);
    c.const(0);
    c.set(g.reg(ECX));
  });
}

define("SCAS", (g, insn) => {
  element(g, EDI, insn.size, T1);
  pushRegister(g, K_REG, EAX, insn.size);
  g.code.set(T0);
  binary(g.code, T0, T1, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, T1, T0);
  advance(g, EDI, insn.size);
}, single);

define("CMPS", (g, insn) => {
  element(g, ESI, insn.size, T0);
  element(g, EDI, insn.size, T1);
  binary(g.code, T0, T1, W.SUB, T2);
  setFlags(g, CC_SUB8 + log2(insn.size), T2, T1, T0);
  advance(g, ESI, insn.size);
  advance(g, EDI, insn.size);
}, single);

// Flags.

for (const name of ["CLD", "STD"] as const) {
  define(name, (g) => {
    const c = g.code;
    c.const(0);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_EFLAGS);
    c.const(name === "STD" ? DF : ~DF);
    c.byte(name === "STD" ? W.OR : W.AND);
    c.memory(W.I32_STORE, STATE_EFLAGS);
  });
}

for (const name of ["LFENCE", "MFENCE", "SFENCE"]) define(name, () => {}, (insn) => !insn.mem);

define("CLC", (g) => replaceCarry(g, (c) => c.const(0)));
define("STC", (g) => replaceCarry(g, (c) => c.const(1)));
define("CMC", (g) =>
  replaceCarry(g, (c) => {
    c.get(T2);
    c.const(31);
    c.byte(W.SHR_U);
    c.byte(W.EQZ);
  }));

/** Set CF to what `push` puts on the stack; OF and the others stay. */
function replaceCarry(g: Emission, push: (c: Emission["code"]) => void): void {
  if (!g.flagsNeeded) return;
  const c = g.code;
  pushAuxiliary(g);
  c.set(T2);
  push(c);
  c.get(T2);
  c.const(31);
  c.byte(W.SHR_U);
  c.byte(W.XOR);
  c.const(0xc000_0000 | 0);
  c.byte(W.MUL);
  c.get(T2);
  c.byte(W.XOR);
  setAuxiliary(g);
}
