/**
 * IN and OUT, and who may use them (Intel SDM volume 1, §19.5).
 *
 * @module
 */
import type { Cpu } from "../cpu.ts";
import { type Insn, K_IMM } from "../insn.ts";
import type { Width } from "../../../platform/bus.ts";
import { EAX, EDX, IOPL } from "../state.ts";

/** #GP(0) unless IOPL or the task's I/O permission bit map allows `size` ports from `port`. */
export function checkPorts(cpu: Cpu, port: number, size: number): void {
  if (cpu.cpl <= (cpu.systemFlags & IOPL) >> 12) return;
  const { base, limit, access } = cpu.task;
  if ((access & 0xf) < 9 || limit < 0x67) cpu.gp();
  const at = (cpu.mmu.readSystem(base + 0x66 | 0, 2)) + (port >> 3);
  if (at + 1 > limit) cpu.gp();
  const bits = cpu.mmu.readSystem(base + at | 0, 2);
  if ((bits >> (port & 7)) & ((1 << size) - 1)) cpu.gp();
}

export function input(cpu: Cpu, insn: Insn): void {
  const port = insn.b === K_IMM ? insn.imm & 0xff : cpu.getSized(EDX, 2);
  checkPorts(cpu, port, insn.size);
  cpu.setSized(EAX, insn.size, cpu.machine.ports.read(port, insn.size as Width));
}

export function output(cpu: Cpu, insn: Insn): void {
  const port = insn.a === K_IMM ? insn.imm & 0xff : cpu.getSized(EDX, 2);
  checkPorts(cpu, port, insn.size);
  const value = cpu.getSized(EAX, insn.size);
  cpu.machine.ports.write(port, insn.size as Width, value >>> 0);
}
