/**
 * One run of one machine: it boots, goes through all phases, and is switched off. A command enters; the times of the
 * phases leave, as the host saw the Guest's markers come, with the Guest's own times and results beside them. Read
 * next: `extras.ts`, what the last run does besides; `report.ts`.
 *
 * @module
 */
import { DONE_MARKER, INIT_MARKER, PROMPT } from "./image.ts";
import { type MachineCommand, RunningMachine } from "./machine.ts";
import { START } from "./phases.ts";
import { cpuMilliseconds } from "./process.ts";

/** One phase of one run. */
export interface Timing {
  /** The phase's name. */
  readonly name: string;
  /** Milliseconds by the host's clock: the figure that counts. */
  readonly host: number;
  /** Milliseconds of processor time that the process took, all threads together. */
  readonly cpu: number;
  /** Milliseconds by the Guest's clock, if it had one already. */
  readonly guest: number | undefined;
  /** What the phase computed. */
  readonly check: string;
}

/** One run. */
export interface Session<Extras> {
  /** Its phases in order; not all of them, if it failed. */
  readonly timings: readonly Timing[];
  /** Milliseconds from process start to the Guest's first instruction, where the program tells. */
  readonly firstInstruction: number | undefined;
  /** What was measured at the shell's prompt. */
  readonly extras: Extras | undefined;
  /** Why it ended early. */
  readonly failure: string | undefined;
}

const BOOT_TIMEOUT = 180_000;
const PHASE_TIMEOUT = 180_000;
const MARKER = new RegExp(`@begin (\\w+)\\r?\\n|${DONE_MARKER}\\r?\\n`);

/** How a run differs from others. */
export interface SessionOptions<Extras> {
  /** Ends it early. */
  readonly abort: AbortSignal;
  /** Called when the Guest waits at its shell's prompt, all phases done. */
  readonly atPrompt?: ((machine: RunningMachine) => Promise<Extras>) | undefined;
}

/** Run a machine. */
export async function runSession<Extras>(
  command: MachineCommand,
  { abort, atPrompt }: SessionOptions<Extras>,
): Promise<Session<Extras>> {
  const machine = new RunningMachine(command, abort);
  const timings: Timing[] = [];
  let extras: Extras | undefined;
  let failure: string | undefined;
  try {
    const init = await machine.waitFor(new RegExp(`${INIT_MARKER}\\r?\\n`), BOOT_TIMEOUT);
    const cpu = cpuMilliseconds(machine.pid);
    timings.push({ name: START.name, host: init.at - machine.startedAt, cpu, guest: undefined, check: "" });
    await timePhases(machine, timings);
    if (atPrompt) {
      await machine.waitFor(new RegExp(PROMPT), PHASE_TIMEOUT);
      extras = await atPrompt(machine);
    }
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    await machine.dispose();
  }
  return { timings, firstInstruction: firstInstruction(machine), extras, failure };
}

async function timePhases(machine: RunningMachine, timings: Timing[]): Promise<void> {
  for (;;) {
    const begin = await machine.waitFor(MARKER, PHASE_TIMEOUT);
    const name = begin.match[1];
    if (name === undefined) return;
    const cpuBefore = cpuMilliseconds(machine.pid);
    const end = await machine.waitFor(new RegExp(`@end ${name} (\\d+) `), PHASE_TIMEOUT);
    const cpu = cpuMilliseconds(machine.pid) - cpuBefore;
    const guest = Number(end.match[1]) / 1e6;
    const result = await machine.waitFor(/([0-9a-f]+)\r?\n/, PHASE_TIMEOUT);
    timings.push({ name, host: end.at - begin.at, cpu, guest, check: result.match[1] ?? "" });
  }
}

/** `--verbose` of lguest says when; the line comes by way of its main thread, so it is some tenths of a ms late. */
function firstInstruction(machine: RunningMachine): number | undefined {
  const line = machine.complaints.find(({ line }) => line.includes("First instruction"));
  return line && line.at - machine.startedAt;
}
