/**
 * `deno task bench --kernel=FILE`: one kernel on both platforms of the same engine, lguest's and a PC. Paravirtual has to
 * be worth it: the ratio should not be above 1.
 *
 * The runs take turns, as in `main.ts`. Each is ended by a signal, upon which the program tells what it counted: how often
 * the engine left the Guest, by kind. (A kernel without ACPI cannot power a PC off.) Read next: `session.ts`, `report.ts`.
 *
 * @module
 */
import { Progress } from "../../lib/cli/progress.ts";
import { makeImage } from "./image.ts";
import { MachineError, type RunningMachine } from "./machine.ts";
import { platformContestant } from "./machines.ts";
import type { BenchOptions } from "./options.ts";
import { choosePhases, START } from "./phases.ts";
import { hostLoad, phaseTable, remarks, type Runs } from "./report.ts";
import { runSession, type Session } from "./session.ts";
import { markdown } from "./table.ts";

/** What the program counted in one run. */
interface Counted {
  /** How often the engine left the Guest, by kind. */
  readonly exits: Readonly<Record<string, number>>;
  /** From the first instruction to the end. */
  readonly seconds: number;
}

/** What is measured unless asked otherwise: what a kernel does, and not only a processor. */
const PHASES = ["syscalls", "forkexec"];

/** How long the program may take to end. */
const END_TIMEOUT = 60_000;

/** Measure; the tables leave. */
export async function benchPlatforms(options: BenchOptions, directory: string, abort: AbortSignal): Promise<string> {
  const phases = choosePhases(options.phases.length > 0 ? options.phases : PHASES);
  const names = phases.map(({ name }) => name);
  const image = await makeImage(directory, { memory: options.memory, phases: names, kernel: options.kernel });
  const all = (["lguest", "pc"] as const).map((platform) => ({
    contestant: platformContestant(platform, image),
    sessions: [] as Session<Counted>[],
  }));
  for (let run = 1; run <= options.runs; run++) {
    for (const { contestant: { title, command }, sessions } of all) {
      const progress = new Progress(`Run ${run} of ${options.runs}: ${title}`);
      const session = await runSession(command, { abort, atPrompt: terminate });
      progress.done();
      sessions.push(session);
      const times = session.timings.map(({ name, host }) => `${name} ${(host / 1000).toFixed(2)}`).join(", ");
      console.error(`Run ${run} of ${title}: ${times}${session.failure ? `; ${session.failure}` : ""}`);
    }
  }
  const rows = [START, ...phases];
  const notes = remarks(rows, all).map((line) => `- ${line}`);
  return [
    `"${options.kernel}", best of ${options.runs} runs (median in parentheses), ${options.memory} MiB; ${hostLoad()}:`,
    "",
    phaseTable(rows, all, "host"),
    "",
    "The same in processor time of the whole process; a busy host disturbs it less:",
    "",
    phaseTable(rows, all, "cpu"),
    "",
    "Exits of the engine in the last run, from the first instruction to the end: how many a second (how many).",
    "",
    exitTable(all),
    ...(notes.length > 0 ? ["", ...notes] : []),
    "",
  ].join("\n");
}

/** End the program; the last line on stderr is an object with what was counted. */
async function terminate(machine: RunningMachine): Promise<Counted> {
  Deno.kill(machine.pid, "SIGTERM");
  const end = performance.now() + END_TIMEOUT;
  while (performance.now() < end) {
    const counted = parseCounted(machine.complaints.at(-1)?.line ?? "");
    if (counted) return counted;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new MachineError(`no object with what was counted within ${END_TIMEOUT / 1000} s`);
}

function parseCounted(line: string): Counted | undefined {
  if (!line.startsWith("{")) return undefined;
  const { exits, runSeconds } = JSON.parse(line);
  return exits && runSeconds ? { exits, seconds: runSeconds } : undefined;
}

/** A row for each kind of exit that either platform has. */
function exitTable(all: readonly Runs<Counted>[]): string {
  const last = all.map(({ sessions }) => sessions.at(-1)?.extras);
  const kinds = [...new Set(last.flatMap((counted) => Object.keys(counted?.exits ?? {})))]
    .filter((kind) => last.some((counted) => counted?.exits[kind]));
  const cell = (counted: Counted | undefined, kind: string) => {
    const count = counted?.exits[kind];
    return counted && count ? `${Math.round(count / counted.seconds)} (${count})` : "–";
  };
  return markdown(
    ["exit", ...all.map(({ contestant }) => contestant.title)],
    kinds.map((kind) => [kind, ...last.map((counted) => cell(counted, kind))]),
  );
}
