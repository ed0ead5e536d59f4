/**
 * How long property tests run: `LGUEST_CASES` operations from `LGUEST_SEED`, or what is usual for the suite.
 *
 * @module
 */
import { casesOf, seedOf } from "../engine/random.ts";

const SETTINGS = Deno.permissions.querySync({ name: "env" }).state === "granted";

/** What fast-check is told. */
export interface Effort {
  /** Repeats a run: printed by fast-check when a property fails, taken from `LGUEST_SEED`. */
  readonly seed: number;
  /** Runs. */
  readonly numRuns: number;
}

/**
 * The parameters for a property, each run of which makes about `perRun` operations.
 *
 * @param operations how many in all, unless `LGUEST_CASES` says
 */
export function effort(operations: number, perRun: number): Effort {
  const cases = SETTINGS ? casesOf(operations) : operations;
  const seed = SETTINGS ? seedOf(1) : 1;
  if (cases !== operations) console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${cases}`);
  return { seed, numRuns: Math.ceil(cases / perRun) };
}
