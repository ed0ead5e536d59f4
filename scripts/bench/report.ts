/**
 * Makes the tables: all runs of all machines enter, Markdown leaves. Ratios come first; a ratio below 1 means that
 * lguest needs less. Times depend on the machine and on what else it does, and stand there to complete the picture.
 *
 * @module
 */
import type { Contestant } from "./machines.ts";
import type { Phase } from "./phases.ts";
import type { Session } from "./session.ts";

/** All runs of one machine. */
export interface Runs {
  readonly contestant: Contestant;
  readonly sessions: readonly Session<unknown>[];
}

/** Best and median of some figures. */
export interface Summary {
  readonly best: number;
  readonly median: number;
}

/** The Guest's clock may differ from the host's by this much before the report mentions it. */
const CLOCK_TOLERANCE = 0.1;
/** Milliseconds below which the two clocks are not compared. */
const CLOCK_FLOOR = 50;

/** Best and median; nothing of nothing. */
export function summarize(values: readonly number[]): Summary | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  const best = sorted[0];
  if (best === undefined || low === undefined || high === undefined) return undefined;
  return { best, median: (low + high) / 2 };
}

/** Which figure of a {@link Timing} a table shows. */
export type Figure = "host" | "cpu";

/** The table of phases. */
export function phaseTable(phases: readonly Phase[], all: readonly Runs[], figure: Figure): string {
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

/** Lines about what went wrong: runs that ended early, results that differ, clocks that differ. */
export function remarks(phases: readonly Phase[], all: readonly Runs[]): string[] {
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

/** A table in Markdown, columns aligned. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${
      widths.map((width, i) => i === 0 ? (row[i] ?? "").padEnd(width) : (row[i] ?? "").padStart(width)).join(" | ")
    } |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** Every run's time of a phase. */
function timesOf({ sessions }: Runs, name: string, figure: Figure): Summary | undefined {
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
