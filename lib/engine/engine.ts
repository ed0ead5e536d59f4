/**
 * What executes a Guest. An engine sees memory and a {@link Machine}; it never sees a device. `soft/` is our own
 * CPU, which runs everywhere.
 *
 * @module
 */
import type { Bus } from "../platform/bus.ts";
import type { InterruptSource } from "../platform/interrupt.ts";

/** What an engine needs of the platform around it. */
export interface Machine {
  /** The x86 port space. */
  readonly ports: Bus;
  /** Everything in the physical address space that is not RAM. */
  readonly mmio: Bus;
  /** The interrupt controller's output. */
  readonly interrupts: InterruptSource;
  /** Nanoseconds since the Guest was started; never goes back. */
  now(): number;
  /** When {@link poll} must next be called, in nanoseconds; `Infinity` if only an outside event can matter. */
  deadline(): number;
  /** Let devices act: timers that are due, bytes that arrived. Called between instructions. */
  poll(): void;
  /** Wait until the deadline or an outside event: the CPU is halted. */
  wait(): void;
  /** Why the engine must stop, or `undefined` while it must not. */
  readonly stopped: StopReason | undefined;
}

/** Why a Guest stopped running. */
export type StopReason =
  | { readonly kind: "poweroff" }
  | { readonly kind: "reset" }
  | { readonly kind: "terminated" }
  | { readonly kind: "died"; readonly message: string }
  /** A Host's reason, in its own words or the Guest's last ones: to be shown as they are. */
  | { readonly kind: "crashed"; readonly message: string };

/** Registers with which the kernel is entered (Linux boot protocol, 32-bit entry: flat segments, paging off). */
export interface EntryState {
  /** Guest-physical address of the first instruction. */
  readonly eip: number;
  /** Guest-physical address of the zero page. */
  readonly esi: number;
}

/** An engine over one Guest's memory. */
export interface Engine {
  /** Put the CPU into its start state. */
  reset(entry: EntryState): void;
  /** Run until the machine stops or the Guest dies. */
  run(): StopReason;
}
