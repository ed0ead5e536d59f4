/**
 * `deno task bench`: lguest, QEMU's TCG and v86 side by side, on the same kernel, initramfs, command line and memory.
 *
 * The machines take turns (A B C A B C …), so that a busy host slows all of them, and what is printed first are ratios
 * of one run of this program: best of all runs, median in parentheses. No test asserts any of it. Read next:
 * `options.ts`, `image.ts`, `machines.ts`, `session.ts`, `extras.ts`, `report.ts`; `devices.ts` for the virtio devices,
 * `platforms.ts` for a kernel on both platforms.
 *
 * @module
 */
import { sayError } from "../../lib/cli/messages.ts";
import { Progress } from "../../lib/cli/progress.ts";
import { GuestError } from "../../lib/guest_error.ts";
import { benchDevices } from "./devices.ts";
import { type Extras, measureExtras } from "./extras.ts";
import { type Image, makeImage } from "./image.ts";
import type { RunningMachine } from "./machine.ts";
import { type Contestant, findContestant } from "./machines.ts";
import { type BenchOptions, parseBenchOptions, USAGE } from "./options.ts";
import { choosePhases, type Phase, START } from "./phases.ts";
import { benchPlatforms } from "./platforms.ts";
import { extrasTable, hostLoad, phaseTable, remarks, type Runs } from "./report.ts";
import { runSession, type Session } from "./session.ts";

if (import.meta.main) Deno.exit(await bench(Deno.args));

/** Measure and print; returns the exit status. */
async function bench(words: readonly string[]): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-bench-" });
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      abort.abort();
      Deno.removeSync(directory, { recursive: true });
      Deno.exit(130);
    });
  }
  try {
    const options = parseBenchOptions(words);
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    const measure = options.kernel !== undefined ? benchPlatforms : options.devices ? benchDevices : benchProcessors;
    const text = await measure(options, directory, abort.signal);
    console.log(text);
    if (options.output !== undefined) await Deno.writeTextFile(options.output, text);
    return 0;
  } catch (error) {
    sayError(error, false);
    return 1;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Run them all; the tables leave. */
async function benchProcessors(options: BenchOptions, directory: string, abort: AbortSignal): Promise<string> {
  const phases = choosePhases(options.phases);
  const image = await makeImage(directory, { memory: options.memory, phases: phases.map(({ name }) => name) });
  const contestants = await findContestants(options, image);
  return report([START, ...phases], await runAll(contestants, options, abort), options);
}

async function findContestants(options: BenchOptions, image: Image): Promise<Contestant[]> {
  const found: Contestant[] = [];
  for (const name of options.machines) {
    try {
      found.push(await findContestant(name, image));
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      console.error(`Without ${name}: ${error.message}`);
    }
  }
  if (found.length === 0) throw new GuestError("None of the machines can be run here");
  return found;
}

/** The machines take turns; the last run of each measures what is not a phase, too. */
async function runAll(contestants: readonly Contestant[], options: BenchOptions, abort: AbortSignal): Promise<Runs[]> {
  const sessions = contestants.map((): Session<Extras>[] => []);
  const atPrompt = (machine: RunningMachine) => measureExtras(machine, options.memory * 2 ** 20);
  for (let run = 1; run <= options.runs; run++) {
    for (const [i, contestant] of contestants.entries()) {
      const progress = new Progress(`Run ${run} of ${options.runs}: ${contestant.title}`);
      const last = options.extras && run === options.runs;
      const session = await runSession(contestant.command, { abort, atPrompt: last ? atPrompt : undefined });
      progress.done();
      sessions[i]!.push(session);
      const times = session.timings.map(({ name, host }) => `${name} ${(host / 1000).toFixed(2)}`).join(", ");
      console.error(`Run ${run} of ${contestant.title}: ${times}${session.failure ? `; ${session.failure}` : ""}`);
    }
  }
  return contestants.map((contestant, i) => ({ contestant, sessions: sessions[i]! }));
}

function report(phases: readonly Phase[], all: readonly Runs[], options: BenchOptions): string {
  const notes = remarks(phases, all).map((line) => `- ${line}`);
  return [
    `Best of ${options.runs} runs (median in parentheses), ${options.memory} MiB of memory each; ${hostLoad()}:`,
    "",
    phaseTable(phases, all, "host"),
    "",
    "The same in processor time of the whole process, all threads together; a busy host disturbs it less:",
    "",
    phaseTable(phases, all, "cpu"),
    ...(options.extras ? extrasSection(all) : []),
    ...(notes.length > 0 ? ["", ...notes] : []),
    "",
  ].join("\n");
}

/** How the figures were got stands below them, since none of them explains itself. */
function extrasSection(all: readonly Runs[]): string[] {
  return [
    "",
    extrasTable(all),
    "",
    "Best (median). Memory beyond RAM: the process's resident set, peak and after all phases, less the pages of the Guest's " +
    "RAM that are resident. Idle: the process's user and system time over 10 s at the shell's prompt. Echo: from a byte " +
    "written to the process's stdin to the shell's answer on its stdout, 50 times.",
  ];
}
