/**
 * How a run of the program ended: for the shell a status, for the user a line, and with `--json` one object for
 * programs. Read next: `launch.ts`.
 *
 * @module
 */
import type { StopReason } from "../engine/engine.ts";
import type { Statistics } from "../statistics.ts";

/** Why it ended: the Guest's own reasons, those from outside, or that it could not begin. */
export type OutcomeReason = "poweroff" | "died" | "crashed" | "interrupted" | "terminated" | "usage" | "error";

/** How a run ended. */
export interface Outcome {
  /** In a word. */
  readonly reason: OutcomeReason;
  /** In a sentence; absent where the word says it. */
  readonly message?: string;
  /** The exit status. */
  readonly status: number;
}

/** What a Guest leaves to be told. */
export interface Measures {
  /** When its first instruction ran, in milliseconds since the program's start; `undefined` if none did. */
  readonly startedAt: number | undefined;
  /** When it had stopped, likewise. */
  readonly endedAt: number;
  /** What was counted. */
  readonly statistics: Statistics;
}

const NONE: Statistics = { exits: {}, bytes: {} };

/** What a Guest's own end is to the shell and the user. */
export function outcomeOf(stop: StopReason): Outcome {
  switch (stop.kind) {
    case "poweroff":
      return { reason: "poweroff", status: 0 };
    case "died":
      return { reason: "died", message: stop.message, status: 1 };
    case "crashed":
      return { reason: "crashed", message: stop.message, status: 1 };
    case "terminated":
      return { reason: "terminated", status: 1 };
    case "reset":
      throw new Error("A Guest that is reset goes on");
  }
}

/**
 * The object that `--json` prints, as one line. Seconds are of the host's clock: `startSeconds` from the program's
 * start to the Guest's first instruction, `runSeconds` from there to its end; both are null if there was none.
 *
 * @param outcome how it ended
 * @param measures what the Guest left, if there was one
 */
export function outcomeJson({ reason, message, status }: Outcome, measures?: Measures): string {
  const { startedAt, endedAt, statistics = NONE } = measures ?? {};
  const seconds = (milliseconds: number) => Math.round(milliseconds) / 1000;
  return JSON.stringify({
    reason,
    ...(message !== undefined && { message }),
    status,
    startSeconds: startedAt === undefined ? null : seconds(startedAt),
    runSeconds: startedAt === undefined || endedAt === undefined ? null : seconds(endedAt - startedAt),
    ...statistics,
  });
}
