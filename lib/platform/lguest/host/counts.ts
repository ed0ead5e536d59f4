/**
 * How often a Guest came to its Host, by reason: what `--verbose` prints at the end.
 *
 * @module
 */

/** Counters; plain numbers, so that counting costs next to nothing. */
export interface HostCounts {
  /** Hypercalls by INT 1Fh. */
  hypercall: number;
  /** Hypercalls that came through the ring. */
  ringHypercall: number;
  /** Page faults that the Guest got. */
  pageFault: number;
  /** System calls. */
  systemCall: number;
  /** Other exceptions that the Guest got. */
  exception: number;
  /** Interrupts that the Guest took. */
  interrupt: number;
  /** Instructions at a port that were emulated, by Host or Launcher. */
  port: number;
  /** Instructions at a device's registers in memory that the Launcher emulated. */
  mmio: number;
  /** Notifications that went to the Launcher. */
  notify: number;
  /** Times that it had nothing to do. */
  halt: number;
}

/** Counters that start at 0. */
export function newCounts(): HostCounts {
  return {
    hypercall: 0,
    ringHypercall: 0,
    pageFault: 0,
    systemCall: 0,
    exception: 0,
    interrupt: 0,
    port: 0,
    mmio: 0,
    notify: 0,
    halt: 0,
  };
}
