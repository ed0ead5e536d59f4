/**
 * Where Guest and Host meet: everything that takes a Guest's CPU out of its own instructions comes here first. Some of
 * it the Guest must never notice, some the Launcher has to see, and the rest is the Guest's own. Read next:
 * `hypercalls.ts`.
 *
 * @module
 */
import { GP } from "../../../engine/soft/fault.ts";
import type { PageWalk } from "../../../engine/soft/page_walk.ts";
import { RF } from "../../../engine/soft/state.ts";
import { STOP, type Supervisor } from "../../../engine/soft/supervisor.ts";
import { DATA } from "../generation.ts";
import { FIRST_EXTERNAL_VECTOR, GUEST_PL, LGUEST_IRQS, LGUEST_TRAP_ENTRY } from "../protocol.ts";
import { doHypercalls } from "./hypercalls.ts";
import { deliverInterrupt, deliverTrap, killByTrap, softwareLevel, SYSCALL_VECTOR } from "./interrupts_and_traps.ts";
import type { Lguest } from "./lg.ts";
import { type Access, findPage, guestPhysical } from "./page_tables.ts";
import { instructionBytes, skipPortInstruction } from "./ports.ts";

const INVALID = 6, PROTECTION = 13, PAGE_FAULT = 14;
/** Of the error code of a selector: it names a gate of the IDT (Intel SDM volume 3, §6.13). */
const ERROR_IDT = 2;
/** VMCALL, and what the Host puts in its place: INT 1Fh, NOP. */
const VMCALL = [0x0f, 0x01, 0xc1] as const, HYPERCALL = Uint8Array.of(0xcd, LGUEST_TRAP_ENTRY, 0x90);

/** The Host below one Guest's CPU. */
export class HostSupervisor implements Supervisor {
  readonly gdt: Int32Array;
  readonly #lg: Lguest;
  readonly #access: Access = { address: 0, write: false, user: false };

  /** @param lg the Guest */
  constructor(lg: Lguest) {
    this.#lg = lg;
    this.gdt = lg.gdt;
  }

  find(walk: PageWalk, address: number, write: boolean, user: boolean): void {
    const access = this.#access; // made once: this is called for each page that a Guest touches
    access.address = address;
    access.write = write;
    access.user = user;
    findPage(this.#lg, walk, access);
  }

  deliver(vector: number, code: number, returnTo: number, software: boolean): void {
    const lg = this.#lg, { cpu } = lg;
    if (software) {
      if (softwareLevel(lg, vector) < cpu.cpl) cpu.raise(GP, vector << 3 | ERROR_IDT);
      if (vector === LGUEST_TRAP_ENTRY) hypercall(lg, returnTo);
      else this.#software(vector, returnTo); // EIP stays until the frame is written, which may have to be tried again
    } else if (vector >= FIRST_EXTERNAL_VECTOR && vector < FIRST_EXTERNAL_VECTOR + LGUEST_IRQS) {
      lg.counts.interrupt++;
      deliverInterrupt(lg, vector);
    } else {
      lg.errorCode = Math.max(code, 0);
      if (vector === PAGE_FAULT) lg.lastPageFault = cpu.fault.address >>> 0;
      fault(lg, vector, returnTo);
    }
    // Behind a fault the engine looks whether it must stop; elsewhere it would go on for a while.
    if (lg.mustStop && lg.pendingTrap === undefined) throw STOP;
  }

  #software(vector: number, returnTo: number): void {
    const lg = this.#lg;
    lg.errorCode = 0;
    if (vector === SYSCALL_VECTOR) lg.counts.systemCall++;
    else lg.counts.exception++;
    if (!deliverTrap(lg, vector, returnTo, true)) killByTrap(lg, vector, returnTo);
  }
}

function hypercall(lg: Lguest, returnTo: number): void {
  lg.cpu.eip = returnTo;
  lg.hcall = true;
  doHypercalls(lg);
}

/** An exception: the Host's, the Launcher's or the Guest's. */
function fault(lg: Lguest, vector: number, eip: number): void {
  const pci = lg.generation.transport === "pci";
  switch (vector) {
    case PROTECTION:
      if (lg.errorCode !== 0) break;
      if (pci) return launcher(lg, vector);
      if (skipPortInstruction(lg)) {
        lg.cpu.systemFlags &= ~RF;
        lg.counts.port++;
        return;
      }
      if (rewriteHypercall(lg)) return;
      break;
    case INVALID:
      if (rewriteHypercall(lg)) return;
      break;
    case PAGE_FAULT:
      if (lg.iomem !== undefined) return launcher(lg, vector);
      if (lg.data !== undefined) lg.setData(DATA.CR2, lg.lastPageFault);
      lg.counts.pageFault++;
      break;
  }
  if (vector !== PAGE_FAULT) lg.counts.exception++;
  if (!deliverTrap(lg, vector, eip)) killByTrap(lg, vector, eip);
}

/** The Launcher must emulate the instruction. */
function launcher(lg: Lguest, vector: number): void {
  lg.cpu.systemFlags &= ~RF; // the Guest shall not see that there was a fault
  lg.pendingTrap = vector;
  if (vector === PROTECTION) lg.counts.port++;
  else lg.counts.mmio++;
}

/**
 * Up to 2.6.33 the kernel makes hypercalls by the instruction of another hypervisor, which faults here. The Host writes
 * its own over it, so that this happens once at each place.
 *
 * @returns whether the instruction is one
 */
function rewriteHypercall(lg: Lguest): boolean {
  if (!lg.generation.vmcall || lg.cpu.cpl !== GUEST_PL) return false;
  const bytes = instructionBytes(lg, new Uint8Array(VMCALL.length));
  if (!VMCALL.every((byte, i) => bytes[i] === byte)) return false;
  HYPERCALL.forEach((byte, i) => {
    const address = guestPhysical(lg, lg.cpu.eip + i | 0);
    if (lg.addressOk(address, 1)) lg.memory.setUint8(address, byte);
  });
  return true;
}

/** A Launcher injects a trap; its error code is that of the trap which it answers. */
export function injectTrap(lg: Lguest, vector: number): boolean {
  if (vector === PAGE_FAULT && lg.data !== undefined) lg.setData(DATA.CR2, lg.lastPageFault);
  return deliverTrap(lg, vector, lg.cpu.eip);
}
