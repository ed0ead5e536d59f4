/**
 * Ports, before Linux 4.0: a Guest had none, and its Host skipped over the instructions that ask for them. From 4.0 on
 * the Launcher emulates them (`../emulate.ts`), since PCI is found by ports.
 *
 * @module
 */
import { EAX } from "../../../engine/soft/state.ts";
import { decodePort, MAX_LENGTH } from "../instruction.ts";
import { GUEST_PL } from "../protocol.ts";
import type { Lguest } from "./lg.ts";
import { findPhysical } from "./page_tables.ts";

/**
 * Bytes of the instruction at the Guest's EIP; zeros where no page is. Its code segment is taken to be flat.
 *
 * @param bytes where they go; less than a page
 * @returns `bytes`
 */
export function instructionBytes(lg: Lguest, bytes: Uint8Array): Uint8Array {
  const { cpu } = lg, { eip } = cpu;
  const host = cpu.mmu.directSystem(eip, bytes.length);
  if (host >= 0) { // nearly always: it was fetched from there
    for (let i = 0; i < bytes.length; i++) bytes[i] = cpu.u8[host + i]!;
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) {
    const physical = findPhysical(lg, eip + i | 0);
    bytes[i] = physical !== undefined && lg.addressOk(physical, 1) ? lg.memory.getUint8(physical) : 0;
  }
  return bytes;
}

/**
 * Skip an IN, OUT or CLI of the Guest's kernel; what it reads is all ones: nothing is there.
 *
 * @returns whether it was one
 */
export function skipPortInstruction(lg: Lguest): boolean {
  const { cpu } = lg;
  if (cpu.cpl !== GUEST_PL) return false;
  const instruction = decodePort(instructionBytes(lg, new Uint8Array(MAX_LENGTH)));
  if (instruction === undefined) return false;
  if (instruction.kind === "in") cpu.setSized(EAX, instruction.width, -1);
  cpu.eip = cpu.eip + instruction.length | 0;
  return true;
}
