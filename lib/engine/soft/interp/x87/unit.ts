/**
 * The register stack and the status word in shared memory: what stands between the instructions (`load_store.ts`,
 * `basic.ts`, `control.ts`, …) and the arithmetic (Intel SDM volume 1, §8.1 and §8.5).
 *
 * How an instruction runs: {@link check} (may the x87 be used, is an exception pending), fetch memory operands (which
 * may fault while nothing is changed yet), {@link note} (instruction and data pointers), take operands, compute, and
 * end with {@link finish}, {@link finishTo} or {@link finishPush}.
 *
 * @module
 */
import { CR0_NE } from "../../control_bits.ts";
import type { Cpu } from "../../cpu.ts";
import { MF } from "../../fault.ts";
import type { Insn } from "../../insn.ts";
import {
  CS,
  STATE_FPU_CONTROL,
  STATE_FPU_DP,
  STATE_FPU_IP,
  STATE_FPU_OPCODE,
  STATE_FPU_REGS,
  STATE_FPU_STATUS,
  STATE_FPU_TAGS,
  STATE_FPU_TOP,
} from "../../state.ts";
import { B, begin, C1, DE, env, ES, Float80, IE, OE, setIndefinite, SF, UE, ZE } from "./float80.ts";

const U_CONTROL = STATE_FPU_CONTROL >> 1, U_STATUS = STATE_FPU_STATUS >> 1;
const I_REGS = STATE_FPU_REGS >> 2, U_REGS = STATE_FPU_REGS >> 1;
const I_TOP = STATE_FPU_TOP >> 2, I_TAGS = STATE_FPU_TAGS >> 2, I_OPCODE = STATE_FPU_OPCODE >> 2;
const I_IP = STATE_FPU_IP >> 2, I_DP = STATE_FPU_DP >> 2;

/** Operands and result of the instruction at hand. */
export const st0: Float80 = new Float80(), operand: Float80 = new Float80(), result: Float80 = new Float80();

/**
 * Every waiting instruction begins so: #NM, #MF, and the environment for {@link env}.
 *
 * With CR0.NE clear the processor would signal an external interrupt controller and go on when that answers; here it
 * goes on at once, as if IGNNE# were asserted (SDM volume 3, §9.2): kernels for a 486 and later set NE.
 */
export function check(cpu: Cpu): void {
  cpu.needFpu();
  if (cpu.u16[U_STATUS]! & ES) pending(cpu);
  begin(cpu.u16[U_CONTROL]!);
}

/** Raise #MF if an unmasked exception waits: FWAIT, and MMX instructions after their own checks. */
export function pending(cpu: Cpu): void {
  if ((cpu.u16[U_STATUS]! & ES) !== 0 && (cpu.cr0 & CR0_NE) !== 0) cpu.raise(MF);
}

/** Remember the instruction and its data (§8.1.8, §8.1.9), and clear C1, which most instructions do. */
export function note(cpu: Cpu, insn: Insn): void {
  noteOnly(cpu, insn);
  cpu.u16[U_STATUS]! &= ~C1;
}

/** As {@link note}, but C1 stays. */
export function noteOnly(cpu: Cpu, insn: Insn): void {
  const i32 = cpu.i32;
  i32[I_OPCODE] = insn.code;
  i32[I_IP] = cpu.eip;
  i32[I_IP + 1] = cpu.selectors[CS]!;
  if (insn.mem) {
    i32[I_DP] = cpu.offset(insn);
    i32[I_DP + 1] = cpu.selectors[insn.seg]!;
  }
}

/** The status word without TOP. */
export function status(cpu: Cpu): number {
  return cpu.u16[U_STATUS]!;
}

/** Set the status word without TOP. */
export function setStatus(cpu: Cpu, value: number): void {
  cpu.u16[U_STATUS] = value;
}

/** Set the condition codes C0, C2, C3 and C1 given in `mask`. */
export function setConditions(cpu: Cpu, mask: number, codes: number): void {
  cpu.u16[U_STATUS] = cpu.u16[U_STATUS]! & ~mask | codes;
}

/** Status word as a program sees it, with TOP in bits 11 to 13. */
export function statusWord(cpu: Cpu): number {
  return cpu.u16[U_STATUS]! | cpu.i32[I_TOP]! << 11;
}

/** The control word. */
export function controlWord(cpu: Cpu): number {
  return cpu.u16[U_CONTROL]!;
}

/** Set control word, and ES and B by what is pending under it. Bits that do not exist stay 0, bit 6 reads 1. */
export function setControlWord(cpu: Cpu, value: number): void {
  cpu.u16[U_CONTROL] = value & 0x1f3f | 0x40;
  summarize(cpu);
}

/** Recompute ES and B. */
export function summarize(cpu: Cpu): void {
  const flags = cpu.u16[U_STATUS]! & ~(ES | B);
  cpu.u16[U_STATUS] = flags | ((flags & ~cpu.u16[U_CONTROL]! & 0x3f) !== 0 ? ES | B : 0);
}

/** TOP. */
export function top(cpu: Cpu): number {
  return cpu.i32[I_TOP]!;
}

/** Set TOP. */
export function setTop(cpu: Cpu, value: number): void {
  cpu.i32[I_TOP] = value & 7;
}

/** Bit per physical register: not empty. */
export function tags(cpu: Cpu): number {
  return cpu.i32[I_TAGS]!;
}

/** Set all tags. */
export function setTags(cpu: Cpu, value: number): void {
  cpu.i32[I_TAGS] = value;
}

/** Whether ST(i) is empty. */
export function isEmpty(cpu: Cpu, i: number): boolean {
  return (cpu.i32[I_TAGS]! >> (cpu.i32[I_TOP]! + i & 7) & 1) === 0;
}

/** Mark ST(i) as empty. */
export function free(cpu: Cpu, i: number): void {
  cpu.i32[I_TAGS]! &= ~(1 << (cpu.i32[I_TOP]! + i & 7));
}

/** Take ST(i), empty or not. */
export function get(cpu: Cpu, i: number, x: Float80): void {
  const n = cpu.i32[I_TOP]! + i & 7;
  const at = I_REGS + (n << 2);
  const word = cpu.u16[U_REGS + (n << 3) + 4]!;
  x.lo = cpu.i32[at]!;
  x.hi = cpu.i32[at + 1]!;
  x.sign = word >> 15;
  x.exp = word & 0x7fff;
}

/** Set ST(i), which then is not empty. */
export function put(cpu: Cpu, i: number, x: Float80): void {
  const n = cpu.i32[I_TOP]! + i & 7;
  const at = I_REGS + (n << 2);
  cpu.i32[at] = x.lo;
  cpu.i32[at + 1] = x.hi;
  cpu.u16[U_REGS + (n << 3) + 4] = x.sign << 15 | x.exp;
  cpu.i32[I_TAGS]! |= 1 << n;
}

/** Free ST(0) and increment TOP. */
export function pop(cpu: Cpu): void {
  const n = cpu.i32[I_TOP]!;
  cpu.i32[I_TAGS]! &= ~(1 << n);
  cpu.i32[I_TOP] = n + 1 & 7;
}

/** Put what `env.raised` and `env.up` say into the status word. */
export function report(cpu: Cpu): void {
  const raised = env.raised;
  let word = cpu.u16[U_STATUS]! | raised | env.up;
  if ((raised & ~env.control & 0x3f) !== 0) word |= ES | B;
  cpu.u16[U_STATUS] = word;
}

/** Push `result` without a look at the tags. */
export function push(cpu: Cpu): void {
  cpu.i32[I_TOP] = cpu.i32[I_TOP]! - 1 & 7;
  put(cpu, 0, result);
}

/** Stack underflow: IE, SF, C1 = 0. Returns whether it is masked, so that the instruction goes on with indefinite. */
export function underflow(cpu: Cpu): boolean {
  env.raised = IE | SF;
  env.up = 0;
  cpu.u16[U_STATUS]! &= ~C1;
  report(cpu);
  return (env.control & IE) !== 0;
}

/** Stack overflow: IE, SF, C1 = 1. Returns whether it is masked. */
export function overflow(cpu: Cpu): boolean {
  env.raised = IE | SF;
  env.up = C1;
  report(cpu);
  return (env.control & IE) !== 0;
}

/** Report, and put `result` into ST(i) unless an unmasked exception refuses it; returns whether it was put. */
export function finishTo(cpu: Cpu, i: number): boolean {
  if ((env.raised | env.up) !== 0) {
    report(cpu);
    if ((env.raised & ~env.control & (IE | DE | ZE)) !== 0) return false;
  }
  put(cpu, i, result);
  return true;
}

/** Report, and push `result` unless an unmasked exception refuses it or the stack is full. */
export function finishPush(cpu: Cpu): void {
  if ((cpu.i32[I_TAGS]! >> (cpu.i32[I_TOP]! - 1 & 7) & 1) !== 0) {
    if (!overflow(cpu)) return;
    setIndefinite(result);
  } else if ((env.raised | env.up) !== 0) {
    report(cpu);
    if ((env.raised & ~env.control & IE) !== 0) return; // a denormal from memory is loaded even if DE is unmasked
  }
  push(cpu);
}

/** Whether what was raised keeps a store to memory from happening (§8.5: an unmasked IE, OE or UE). */
export function storeRefused(): boolean {
  return (env.raised & ~env.control & (IE | DE | ZE | OE | UE)) !== 0;
}
