/**
 * MXCSR: rounding mode, masks and sticky flags, and what happens when an unmasked exception is found (Intel SDM
 * volume 1, §10.2.3, §11.5).
 *
 * What enters: the flags a whole instruction raised, in the two groups that the manual keeps apart (§11.5.2): those
 * found by looking at operands, those found by rounding results. What leaves: MXCSR with them set, or #XM.
 *
 * Read next: `exact.ts` (who finds them), `arithmetic.ts` (who mostly proves that there are none).
 *
 * @module
 */
import { CR4_OSXMMEXCPT } from "../../control_bits.ts";
import type { Cpu } from "../../cpu.ts";
import { UD, XM } from "../../fault.ts";
import { STATE_MXCSR } from "../../state.ts";

/** Exception flags of MXCSR: invalid, denormal, divide by zero, overflow, underflow, precision. */
export const IE = 1, DE = 2, ZE = 4, OE = 8, UE = 0x10, PE = 0x20;
/** Denormals are zeros; flush to zero. */
export const DAZ = 0x40, FTZ = 0x8000;
/** Rounding control. */
export const RC = 0x6000;
/** Its values: to nearest (even), down, up, toward zero. */
export const RC_NEAREST = 0, RC_DOWN = 0x2000, RC_UP = 0x4000, RC_ZERO = 0x6000;
/** Distance from a flag to its mask. */
export const MASK_SHIFT = 7;
/** Bits of MXCSR that exist. */
export const MXCSR_MASK = 0xffff;

const I_MXCSR = STATE_MXCSR >> 2;

/** Flags of the instruction at hand, lanes together; cleared by {@link clearRaised}. */
export const raised = {
  /** IE, DE and ZE: found before anything is computed. */
  before: 0,
  /** OE, UE and PE. */
  after: 0,
};

/** Forget the flags of the last instruction. */
export function clearRaised(): void {
  raised.before = raised.after = 0;
}

/** MXCSR. */
export function mxcsr(cpu: Cpu): number {
  return cpu.i32[I_MXCSR]!;
}

/** Whether an inexact result must be noticed: PE is not set yet, or unmasked. */
export function wantsPrecision(control: number): boolean {
  return (control & (PE | PE << MASK_SHIFT)) !== (PE | PE << MASK_SHIFT);
}

/**
 * Set the sticky flags that the instruction raised. Operands' exceptions in any lane, if unmasked, come before all that
 * rounding would find: then no result was computed.
 *
 * @throws {CpuFault} #XM (#UD if the system does not handle it) for an unmasked exception
 */
export function settle(cpu: Cpu): void {
  const control = cpu.i32[I_MXCSR]!;
  const unmasked = ~(control >> MASK_SHIFT);
  if ((raised.before & unmasked) !== 0) {
    cpu.i32[I_MXCSR] = control | raised.before;
    trap(cpu);
  }
  const all = raised.before | raised.after;
  cpu.i32[I_MXCSR] = control | all;
  if ((all & unmasked) !== 0) trap(cpu);
}

function trap(cpu: Cpu): never {
  cpu.raise((cpu.cr4 & CR4_OSXMMEXCPT) !== 0 ? XM : UD);
}
