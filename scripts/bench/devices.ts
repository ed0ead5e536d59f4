/**
 * `deno task bench --devices`: disk, console and network of lguest and of QEMU's TCG with the same virtio devices, on
 * the same files, kernel and memory. Both keep the disk in the host's page cache, which holds all of it beforehand.
 *
 * The machines take turns, as in the benchmark of the CPU (`main.ts`), and ratios of one run of this program come
 * first. It needs root, for a network namespace with taps. Read next: `device_image.ts`, `device_machines.ts`,
 * `device_session.ts`.
 *
 * @module
 */
import { buildLibrary } from "../../ffi/build.ts";
import { Progress } from "../../lib/cli/progress.ts";
import { GuestError } from "../../lib/guest_error.ts";
import { NetworkNamespace } from "../network_namespace.ts";
import { makeDeviceImage } from "./device_image.ts";
import { type DeviceContestant, findDeviceContestant } from "./device_machines.ts";
import {
  type DeviceSession,
  type DeviceSessionOptions,
  type Measure,
  MEASURES,
  measureScript,
  runDeviceSession,
} from "./device_session.ts";
import type { BenchOptions } from "./options.ts";
import { markdown, summarize, type Summary } from "./table.ts";

/** All runs of one machine. */
interface DeviceRuns {
  readonly contestant: DeviceContestant;
  readonly sessions: readonly DeviceSession[];
}

/** How long each job of fio runs. */
const SECONDS = 5;
const QUICK_SECONDS = 2;

/**
 * Run them all.
 *
 * @param directory takes the files
 * @returns the table and what is to be said about it, in Markdown
 * @throws {GuestError} if something is missing
 */
export async function benchDevices(options: BenchOptions, directory: string, abort: AbortSignal): Promise<string> {
  buildLibrary();
  await using namespace = await NetworkNamespace.create(`lguest-bench-${Deno.pid}`);
  const seconds = options.extras ? SECONDS : QUICK_SECONDS;
  const image = await makeDeviceImage(directory, options.memory, measureScript(seconds));
  const contestants: DeviceContestant[] = [];
  for (const name of options.machines) {
    try {
      contestants.push(await findDeviceContestant(name, image, namespace));
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      console.error(`Without ${name}: ${error.message}`);
    }
  }
  if (contestants.length === 0) throw new GuestError("None of the machines can be run here");
  return report(await runAll(contestants, options.runs, { image, namespace, abort }), options);
}

async function runAll(
  contestants: readonly DeviceContestant[],
  runs: number,
  options: DeviceSessionOptions,
): Promise<DeviceRuns[]> {
  const sessions = contestants.map((): DeviceSession[] => []);
  for (let run = 1; run <= runs; run++) {
    for (const [i, contestant] of contestants.entries()) {
      const progress = new Progress(`Run ${run} of ${runs}: ${contestant.title}`);
      const session = await runDeviceSession(contestant, options);
      progress.done();
      sessions[i]!.push(session);
      const figures = [...session.figures].map(([name, figure]) => `${name} ${figure.toFixed(figure < 10 ? 2 : 0)}`);
      console.error(
        `Run ${run} of ${contestant.title}: ${figures.join(", ")}${session.failure ? `; ${session.failure}` : ""}`,
      );
    }
  }
  return contestants.map((contestant, i) => ({ contestant, sessions: sessions[i]! }));
}

function report(all: readonly DeviceRuns[], { runs, memory }: BenchOptions): string {
  const ours = all.find(({ contestant }) => contestant.name === "lguest");
  const others = ours ? all.filter((runs) => runs !== ours) : [];
  const head = [
    "devices",
    ...others.map(({ contestant }) => `lguest / ${contestant.title}`),
    ...all.map(({ contestant }) => contestant.title),
  ];
  const rows = MEASURES.map((measure) => [
    measure.title,
    ...others.map((other) => ratioCell(measure, figuresOf(ours!, measure), figuresOf(other, measure))),
    ...all.map((runs) => figureCell(measure, figuresOf(runs, measure))),
  ]);
  const [load = 0] = Deno.loadavg();
  const notes = all.flatMap(remarks).map((line) => `- ${line}`);
  return [
    `Best of ${runs} runs (median in parentheses), ${memory} MiB of memory each; ${navigator.hardwareConcurrency} ` +
    `processors, load ${load.toFixed(1)}. A ratio is one of times, also for rates: below 1 lguest is the faster one.`,
    "",
    markdown(head, rows),
    ...(notes.length > 0 ? ["", ...notes] : []),
    "",
  ].join("\n");
}

function figuresOf({ sessions }: DeviceRuns, { name, rate }: Measure): Summary | undefined {
  const figures = sessions.flatMap(({ figures }) => figures.get(name) ?? []);
  // The best of rates is the highest.
  const summary = summarize(figures.map((figure) => rate ? -figure : figure));
  return summary && { best: Math.abs(summary.best), median: Math.abs(summary.median) };
}

function ratioCell({ rate }: Measure, ours: Summary | undefined, theirs: Summary | undefined): string {
  if (!ours || !theirs) return "–";
  const ratio = (a: number, b: number) => (rate ? b / a : a / b).toFixed(2);
  return `${ratio(ours.best, theirs.best)} (${ratio(ours.median, theirs.median)})`;
}

function figureCell({ digits }: Measure, figures: Summary | undefined): string {
  return figures ? `${figures.best.toFixed(digits)} (${figures.median.toFixed(digits)})` : "–";
}

function remarks({ contestant: { title }, sessions }: DeviceRuns): string[] {
  return sessions.flatMap(({ failure, lost }, i) => [
    ...(failure === undefined ? [] : [`Run ${i + 1} of ${title} ended early: ${failure}`]),
    ...(lost === 0 ? [] : [`Run ${i + 1} of ${title}: ${lost} bytes of the console's output were lost`]),
  ]);
}
