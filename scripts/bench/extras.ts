/**
 * What is measured at the shell's prompt, after the last phase: a machine that waits for a key enters; memory, use of
 * the host's processor by an idle Guest, and the delay from a key to its echo leave. Read next: `process.ts`.
 *
 * @module
 */
import type { RunningMachine } from "./machine.ts";
import { cpuMilliseconds, type MemoryUse, memoryUse } from "./process.ts";
import { summarize, type Summary } from "./table.ts";

/** What one machine did at the prompt. */
export interface Extras {
  /** Percent of one processor of the host that the idle Guest takes. */
  readonly idlePercent: number;
  /** Milliseconds from a key to its echo. */
  readonly echo: Summary;
  /** What the process holds; nothing if the Guest's RAM is not to be found in it. */
  readonly memory: MemoryUse | undefined;
}

/** Time for what the last phase and the shell's start left to do. */
const SETTLE = 3000;
const IDLE = 10_000;
const KEYS = 50;
/** Between keys: long enough for the Guest to be idle again. */
const KEY_PAUSE = 60;
const ECHO_TIMEOUT = 10_000;
/** ^U: the shell forgets the line. */
const ERASE = "\x15";

/** Measure one machine; it stands at its prompt before and after. */
export async function measureExtras(machine: RunningMachine, ram: number): Promise<Extras> {
  const memory = memoryUse(machine.pid, ram);
  await pause(SETTLE);
  const started = performance.now();
  const cpu = cpuMilliseconds(machine.pid);
  await pause(IDLE);
  const idlePercent = (cpuMilliseconds(machine.pid) - cpu) * 100 / (performance.now() - started);
  const delays: number[] = [];
  for (let key = 0; key < KEYS; key++) {
    const typed = await machine.type("x");
    const echo = await machine.waitFor(/x/, ECHO_TIMEOUT);
    delays.push(echo.at - typed);
    await pause(KEY_PAUSE);
  }
  await machine.type(ERASE);
  return { idlePercent, echo: summarize(delays)!, memory };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
