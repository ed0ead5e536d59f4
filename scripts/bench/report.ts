/**
 * Makes the tables: all runs of all machines enter, Markdown leaves. Ratios come first; a ratio below 1 means that
 * lguest needs less. Times depend on the machine and on what else it does, and stand there to complete the picture.
 *
 * @module
 */
import type { Extras } from "./extras.ts";
import type { Contestant } from "./machines.ts";
import type { Phase } from "./phases.ts";
import type { MemoryUse } from "./process.ts";
import type { Session } from "./session.ts";
import { markdown, summarize, type Summary } from "./table.ts";

/** All runs of one machine. */
export interface Runs<Measured = Extras> {
  readonly contestant: Contestant;
  readonly sessions: readonly Session<Measured>[];
}

/** The Guest's clock may differ from the host's by this much before the report mentions it. */
const CLOCK_TOLERANCE = 0.1;
/** Milliseconds below which the two clocks are not compared. */
const CLOCK_FLOOR = 50;

/** Which figure of a {@link Timing} a table shows. */
export type Figure = "host" | "cpu";

/** The table of phases. */
export function phaseTable(phases: readonly Phase[], all: readonly Runs<unknown>[], figure: Figure): string {
  const ours = all.find(({ contestant }) => contestant.name === "lguest");
  const others = ours ? all.filter((runs) => runs !== ours) : [];
  const head = [
    "phase",
    ...others.map(({ contestant }) => `lguest / ${contestant.title}`),
    ...all.map(({ contestant }) => `${contestant.title}, s`),
  ];
  const rows = phases.map(({ name, title }) => [
    title,
    ...others.map((other) => ratioCell(timesOf(ours!, name, figure), timesOf(other, name, figure))),
    ...all.map((runs) => secondsCell(timesOf(runs, name, figure))),
  ]);
  return markdown(head, rows);
}

/** The table of what is not a phase: how soon the Guest runs, memory, idling, echo. */
export function extrasTable(all: readonly Runs[]): string {
  const extras = all.map(({ sessions }) => sessions.map(({ extras }) => extras).find((value) => value !== undefined));
  const starts = all.map(({ sessions }) =>
    summarize(sessions.flatMap(({ firstInstruction }) => firstInstruction ?? []))
  );
  return markdown(["", ...all.map(({ contestant }) => contestant.title)], [
    ["process start to the first Guest instruction, ms", ...starts.map(millisecondsCell)],
    ["memory beyond the Guest's RAM, peak (now), MiB", ...extras.map((value) => beyondCell(value?.memory))],
    ["RAM that the Guest touched, MiB", ...extras.map((value) => mib(value?.memory?.touchedRam))],
    ["host CPU of an idle Guest, % of one", ...extras.map((value) => value ? value.idlePercent.toFixed(1) : "–")],
    ["a key to its echo, ms", ...extras.map((value) => millisecondsCell(value?.echo))],
  ]);
}

/** Lines about what went wrong: runs that ended early, results that differ, clocks that differ. */
export function remarks(phases: readonly Phase[], all: readonly Runs<unknown>[]): string[] {
  const lines: string[] = [];
  for (const { contestant, sessions } of all) {
    for (const [i, { failure }] of sessions.entries()) {
      if (failure !== undefined) lines.push(`Run ${i + 1} of ${contestant.title} ended early: ${failure}`);
    }
  }
  for (const { name, title } of phases) {
    const results = new Map<string, Set<string>>();
    for (const { contestant, sessions } of all) {
      for (const { timings } of sessions) {
        for (const timing of timings.filter((timing) => timing.name === name)) {
          results.set(timing.check, (results.get(timing.check) ?? new Set()).add(contestant.title));
          const clock = clockRemark(contestant.title, title, timing.host, timing.guest);
          if (clock) lines.push(clock);
        }
      }
    }
    if (results.size > 1) {
      const who = [...results].map(([check, names]) => `${check} (${[...names].join(", ")})`).join(", ");
      lines.push(`The machines disagree about the result of "${title}": ${who}`);
    }
  }
  return lines;
}

/** Every run's time of a phase. */
function timesOf({ sessions }: Runs<unknown>, name: string, figure: Figure): Summary | undefined {
  return summarize(
    sessions.flatMap(({ timings }) => timings.filter((timing) => timing.name === name).map((timing) => timing[figure])),
  );
}

function ratioCell(ours: Summary | undefined, theirs: Summary | undefined): string {
  if (!ours || !theirs) return "–";
  return `${ratio(ours.best / theirs.best)} (${ratio(ours.median / theirs.median)})`;
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function secondsCell(times: Summary | undefined): string {
  return times ? `${(times.best / 1000).toFixed(2)} (${(times.median / 1000).toFixed(2)})` : "–";
}

function clockRemark(machine: string, phase: string, host: number, guest: number | undefined): string | undefined {
  if (guest === undefined || host < CLOCK_FLOOR || Math.abs(guest - host) <= CLOCK_TOLERANCE * host) return undefined;
  return `The clock in ${machine} says ${guest.toFixed(0)} ms for "${phase}", the host's ${host.toFixed(0)} ms`;
}

function millisecondsCell(times: Summary | undefined): string {
  return times ? `${times.best.toFixed(1)} (${times.median.toFixed(1)})` : "–";
}

function beyondCell(memory: MemoryUse | undefined): string {
  if (!memory) return "–";
  return `${mib(memory.peak - memory.touchedRam)} (${mib(memory.resident - memory.touchedRam)})`;
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? "–" : (bytes / 2 ** 20).toFixed(0);
}

/** A busy host makes times long and ratios rough; whoever reads them should know. */
export function hostLoad(): string {
  const [load = 0] = Deno.loadavg();
  return `${navigator.hardwareConcurrency} processors, load ${load.toFixed(1)} (a quiet host has about 1)`;
}
