/**
 * What is timed in a run, and how it is called in the table. The names are those of `guest/phases.c`, but for the
 * first. Read next: `session.ts`, which times them.
 *
 * @module
 */

import { GuestError } from "../../lib/guest_error.ts";

/** One row of the table. */
export interface Phase {
  /** What the Guest's markers call it. */
  readonly name: string;
  /** What the table calls it. */
  readonly title: string;
}

/** From the process's start to the first line of `/init`: no phase of the Guest's program, but a row as the others. */
export const START: Phase = { name: "start", title: "process start to `/init`" };

/** What the Guest's program does, in this order. */
export const GUEST_PHASES: readonly Phase[] = [
  { name: "integer", title: "integer loop, 100 M iterations" },
  { name: "sieve", title: "sieve of 4 MB, ten times" },
  { name: "recursion", title: "recursive `fib(34)`" },
  { name: "indirect", title: "30 M indirect calls" },
  { name: "mandelbrot", title: "Mandelbrot set in SSE2 doubles" },
  { name: "x87", title: "10 M divisions in x87 doubles" },
  { name: "syscalls", title: "1 M system calls, `int $0x80`" },
  { name: "sysenter", title: "1 M system calls, vDSO" },
  { name: "gzip", title: "`gzip -6` of 2 MB, three times" },
  { name: "ash", title: "shell loop, 20,000 iterations" },
  { name: "forkexec", title: "200 `fork` + `exec`" },
];

/**
 * Those phases that somebody asked for, in their order.
 *
 * @param names their names; all if there are none
 * @throws {GuestError} if there is no such phase
 */
export function choosePhases(names: readonly string[]): Phase[] {
  const unknown = names.find((name) => !GUEST_PHASES.some((phase) => phase.name === name));
  if (unknown !== undefined) {
    throw new GuestError(
      `No phase is called "${unknown}"; there are ${GUEST_PHASES.map(({ name }) => name).join(", ")}`,
    );
  }
  return GUEST_PHASES.filter(({ name }) => names.length === 0 || names.includes(name));
}
