/**
 * `lguest doctor`: what this machine offers to Guests, and what to do about what it does not. The text and the exit
 * status leave. Read next: `doctor_checks.ts`.
 *
 * @module
 */
import { COLOR, paint, streamWantsColor } from "./color.ts";
import { type Check, type CheckState, type DoctorOptions, runChecks } from "./doctor_checks.ts";
import { hostSurroundings } from "./doctor_host.ts";

const COLORS: Readonly<Record<CheckState, string | undefined>> = {
  ok: COLOR.green,
  limited: COLOR.yellow,
  none: undefined,
  failed: COLOR.red,
};

/** What there is to print, and the exit status: 1 if no Guest can be run here at all. */
export interface Diagnosis {
  /** What to print on stdout. */
  readonly text: string;
  /** The exit status. */
  readonly status: number;
}

/**
 * Look at this machine.
 *
 * @param options files that the user named, and whether a program will read the answer
 */
export function diagnose(options: DoctorOptions & { readonly json: boolean }): Diagnosis {
  const checks = runChecks(hostSurroundings(), options);
  const works = canWork(checks);
  const text = options.json
    ? JSON.stringify({ works, checks }) + "\n"
    : formatChecks(checks, streamWantsColor(Deno.stdout));
  return { text, status: works ? 0 : 1 };
}

/** Whether any Guest can be run. */
export function canWork(checks: readonly Check[]): boolean {
  return checks.every(({ state }) => state !== "failed");
}

/**
 * A line for each check: name, state, what was found, what to do.
 *
 * @param checks what was found
 * @param colors whether the states are coloured
 */
export function formatChecks(checks: readonly Check[], colors: boolean): string {
  const nameWidth = Math.max(...checks.map(({ name }) => name.length));
  const stateWidth = Math.max(...checks.map(({ state }) => state.length));
  const lines = checks.map(({ name, state, found, advice }) => {
    const shown = paint(state, colors ? COLORS[state] : undefined) + " ".repeat(stateWidth - state.length);
    return `${name.padEnd(nameWidth)}  ${shown}  ${found}${advice === undefined ? "" : `; ${advice}`}`;
  });
  const verdict = canWork(checks) ? "Guests can be run on this machine." : "No Guest can be run on this machine.";
  return [...lines, "", verdict, ""].join("\n");
}
