/**
 * The control instructions (Intel SDM volume 1, §8.3.8): initialization, control and status word, the register stack's
 * management. Those without "wait" in them (FNxxx) run while an exception is pending.
 *
 * Read next: `environment.ts`.
 *
 * @module
 */
import { CR0_MP, CR0_TS } from "../../control_bits.ts";
import type { Cpu } from "../../cpu.ts";
import { NM } from "../../fault.ts";
import type { Insn } from "../../insn.ts";
import { EAX, STATE_FPU_DP, STATE_FPU_IP, STATE_FPU_OPCODE } from "../../state.ts";
import { B, C1, ES, SF } from "./float80.ts";
import {
  check,
  controlWord,
  free,
  pending,
  pop,
  setControlWord,
  setStatus,
  setTags,
  setTop,
  status,
  statusWord,
  top,
} from "./unit.ts";

/** The state after FNINIT, also what FNSAVE leaves behind. */
export function initialize(cpu: Cpu): void {
  setStatus(cpu, 0);
  setTop(cpu, 0);
  setTags(cpu, 0);
  setControlWord(cpu, 0x37f);
  cpu.i32[STATE_FPU_OPCODE >> 2] = 0;
  cpu.i32.fill(0, STATE_FPU_IP >> 2, (STATE_FPU_IP >> 2) + 2);
  cpu.i32.fill(0, STATE_FPU_DP >> 2, (STATE_FPU_DP >> 2) + 2);
}

/** FNINIT. */
export function fninit(cpu: Cpu, _insn: Insn): void {
  cpu.needFpu();
  initialize(cpu);
}

/** FNCLEX. */
export function fnclex(cpu: Cpu, _insn: Insn): void {
  cpu.needFpu();
  setStatus(cpu, status(cpu) & ~(0x3f | SF | ES | B));
}

/** FENI, FDISI, FSETPM: meant something to the 8087 and the 287, nothing since. */
export function fnnop(cpu: Cpu, _insn: Insn): void {
  cpu.needFpu();
}

/** FNOP. */
export function fnop(cpu: Cpu, _insn: Insn): void {
  check(cpu);
}

/** FLDCW. */
export function fldcw(cpu: Cpu, insn: Insn): void {
  check(cpu);
  setControlWord(cpu, cpu.read16(cpu.linear(insn, 2, false)));
}

/** FNSTCW. */
export function fnstcw(cpu: Cpu, insn: Insn): void {
  cpu.needFpu();
  cpu.write16(cpu.linear(insn, 2, true), controlWord(cpu));
}

/** FNSTSW m16. */
export function fnstsw(cpu: Cpu, insn: Insn): void {
  cpu.needFpu();
  cpu.write16(cpu.linear(insn, 2, true), statusWord(cpu));
}

/** FNSTSW AX. */
export function fnstswAx(cpu: Cpu, _insn: Insn): void {
  cpu.needFpu();
  cpu.setSized(EAX, 2, statusWord(cpu));
}

/** FFREE. */
export function ffree(cpu: Cpu, insn: Insn): void {
  check(cpu);
  free(cpu, insn.rm);
  setStatus(cpu, status(cpu) & ~C1);
}

/** FFREEP: undocumented, and on every processor. */
export function ffreep(cpu: Cpu, insn: Insn): void {
  check(cpu);
  free(cpu, insn.rm);
  pop(cpu);
  setStatus(cpu, status(cpu) & ~C1);
}

/** FINCSTP: TOP moves, tags stay. */
export function fincstp(cpu: Cpu, _insn: Insn): void {
  check(cpu);
  setTop(cpu, top(cpu) + 1);
  setStatus(cpu, status(cpu) & ~C1);
}

/** FDECSTP. */
export function fdecstp(cpu: Cpu, _insn: Insn): void {
  check(cpu);
  setTop(cpu, top(cpu) - 1);
  setStatus(cpu, status(cpu) & ~C1);
}

/** FWAIT: #NM only if CR0.MP is set as well (SDM volume 3, §2.5). */
export function fwait(cpu: Cpu, _insn: Insn): void {
  if ((cpu.cr0 & (CR0_MP | CR0_TS)) === (CR0_MP | CR0_TS)) cpu.raise(NM);
  pending(cpu);
}
