/**
 * What can stand below the CPU: a supervisor takes the place of the IDT, the GDT and the page tables, as a hypervisor
 * does that runs its Guest's kernel at privilege level 1. The CPU keeps doing everything else. There is one in
 * `platform/lguest/host/`; a PC has none.
 *
 * Enters: a fault, an interrupt, a selector, a linear address that missed the TLB. Leaves: the CPU's new state. Read
 * next: `interp/interrupt.ts`, `interp/segments.ts` and `page_walk.ts`, where it is asked.
 *
 * @module
 */
import type { PageWalk } from "./page_walk.ts";

/** What stands below a CPU. */
export interface Supervisor {
  /** The descriptors that selectors name, low word and high word of each. There is no LDT. */
  readonly gdt: Int32Array;
  /**
   * An interrupt or exception, or INT n at the current instruction; instead of what the IDT says.
   *
   * @param vector 0 to 255
   * @param code the error code, or -1 if the vector has none
   * @param returnTo the EIP to go on at: behind the instruction for INT n, else where the CPU is
   * @param software INT n, INT3 or INTO: who may use it is for the supervisor to judge
   * @throws {CpuFault} if the INT is not allowed
   * @throws {typeof STOP} if the engine must be left; EIP is where to go on
   */
  deliver(vector: number, code: number, returnTo: number, software: boolean): void;
  /**
   * Find the page of a linear address, and leave it in the fields of `walk`.
   *
   * @throws {CpuFault} #PF, if it may not be used like this
   * @throws {typeof STOP} if the engine must be left
   */
  find(walk: PageWalk, address: number, write: boolean, user: boolean): void;
}

/** Thrown through the engine to leave it in the middle of everything; made once, since that is cheap to throw. */
export const STOP = { name: "stop the engine" };
