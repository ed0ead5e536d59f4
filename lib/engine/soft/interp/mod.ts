/**
 * The interpreter: one function for each operation of `../opcodes.ts`. Read first: `alu.ts` and `data.ts`; what makes
 * a kernel work is in `segments.ts`, `interrupt.ts`, `system.ts`; floating point in `x87/` and `simd/`.
 *
 * @module
 */
import type { Handlers } from "../decoder.ts";
import type { Handler } from "../insn.ts";
import { OP } from "../opcodes.ts";
import * as alu from "./alu.ts";
import * as control from "./control.ts";
import * as data from "./data.ts";
import * as decimal from "./decimal.ts";
import { cpuid } from "./identify.ts";
import * as interrupt from "./interrupt.ts";
import { input, output } from "./ports.ts";
import * as segments from "./segments.ts";
import * as strings from "./strings.ts";
import * as system from "./system.ts";
import { fences, ldmxcsr, movnti, SIMD_HANDLERS, stmxcsr } from "./simd/mod.ts";
import { fwait, fxrstor, fxsave, X87_HANDLERS } from "./x87/mod.ts";

const BY_NAME: Record<string, Handler> = {
  ADD: alu.add,
  OR: alu.or,
  ADC: alu.adc,
  SBB: alu.sbb,
  AND: alu.and,
  SUB: alu.sub,
  XOR: alu.xor,
  CMP: alu.cmp,
  TEST: alu.test,
  NOT: alu.not,
  NEG: alu.neg,
  INC: alu.inc,
  DEC: alu.dec,
  MUL: alu.mul,
  IMUL1: alu.imulAccumulator,
  IMUL: alu.imul,
  DIV: alu.div,
  IDIV: alu.idiv,
  ROL: alu.rol,
  ROR: alu.ror,
  RCL: alu.rcl,
  RCR: alu.rcr,
  SHL: alu.shl,
  SHR: alu.shr,
  SAR: alu.sar,
  SHLD: alu.shld,
  SHRD: alu.shrd,
  BT: alu.bt,
  BTS: alu.bts,
  BTR: alu.btr,
  BTC: alu.btc,
  BSF: alu.bsf,
  BSR: alu.bsr,
  XADD: alu.xadd,
  CMPXCHG: alu.cmpxchg,
  CMPXCHG8B: alu.cmpxchg8b,
  DAA: decimal.daa,
  DAS: decimal.das,
  AAA: decimal.aaa,
  AAS: decimal.aas,
  AAM: decimal.aam,
  AAD: decimal.aad,
  SALC: decimal.salc,
  MOV: data.mov,
  MOVZX: data.movzx,
  MOVSX: data.movsx,
  LEA: data.lea,
  XCHG: data.xchg,
  BSWAP: data.bswap,
  CMOV: data.cmov,
  SETCC: data.setcc,
  CBW: data.cbw,
  CWD: data.cwd,
  XLAT: data.xlat,
  PUSH: data.push,
  POP: data.pop,
  PUSHA: data.pusha,
  POPA: data.popa,
  PUSHF: data.pushf,
  POPF: data.popf,
  ENTER: data.enter,
  LEAVE: data.leave,
  CLC: data.clc,
  STC: data.stc,
  CMC: data.cmc,
  CLD: data.cld,
  STD: data.std,
  LAHF: data.lahf,
  SAHF: data.sahf,
  BOUND: data.bound,
  ARPL: data.arpl,
  NOP: data.nop,
  UD: data.ud,
  RDTSC: data.rdtsc,
  MOVFROMSEG: data.movFromSegment,
  MOVTOSEG: data.movToSegment,
  LDSEG: data.ldseg,
  MOVS: strings.movs,
  STOS: strings.stos,
  LODS: strings.lods,
  CMPS: strings.cmps,
  SCAS: strings.scas,
  INS: strings.ins,
  OUTS: strings.outs,
  IN: input,
  OUT: output,
  JMP: control.jmp,
  JCC: control.jcc,
  JCXZ: control.jcxz,
  LOOP: control.loop,
  LOOPE: control.loope,
  LOOPNE: control.loopne,
  CALL: control.call,
  CALLI: control.callIndirect,
  JMPI: control.jmpIndirect,
  RET: control.ret,
  JMPF: control.jmpFar,
  CALLF: control.callFar,
  JMPFI: control.jmpFarIndirect,
  JCALLF: control.callFarIndirect,
  RETF: control.retFar,
  INT: interrupt.int,
  INT3: interrupt.int3,
  INTO: interrupt.into,
  ICEBP: interrupt.icebp,
  IRET: interrupt.iret,
  CLI: interrupt.cli,
  STI: interrupt.sti,
  LAR: segments.lar,
  LSL: segments.lsl,
  VERR: segments.verr,
  VERW: segments.verw,
  MOVCR: system.movControl,
  MOVDR: system.movDebug,
  CLTS: system.clts,
  LMSW: system.lmsw,
  SMSW: system.smsw,
  SLDT: system.sldt,
  STR: system.str,
  LLDT: system.lldt,
  LTR: system.ltr,
  SGDT: system.sgdt,
  SIDT: system.sidt,
  LGDT: system.lgdt,
  LIDT: system.lidt,
  INVLPG: system.invlpg,
  INVD: system.wbinvd,
  WBINVD: system.wbinvd,
  HLT: system.hlt,
  RDMSR: system.rdmsr,
  WRMSR: system.wrmsr,
  RDPMC: system.rdpmc,
  SYSENTER: system.sysenter,
  SYSEXIT: system.sysexit,
  CPUID: cpuid,
  FWAIT: fwait,
  FXSAVE: fxsave,
  FXRSTOR: fxrstor,
  LDMXCSR: ldmxcsr,
  STMXCSR: stmxcsr,
  MOVNTI: movnti,
  LFENCE: fences,
  MFENCE: fences,
  SFENCE: fences,
};

/** What executes each operation: hand it to a `Decoder`. */
export const HANDLERS: Handlers = { op: byNumber(), simd: SIMD_HANDLERS, x87: X87_HANDLERS };

function byNumber(): Handler[] {
  const handlers: Handler[] = [];
  for (const [name, number] of Object.entries(OP)) {
    const handler = BY_NAME[name];
    if (handler) handlers[number] = handler;
  }
  return handlers;
}
