/**
 * Runs integer cases on the processor underneath and in our own engines, and collects what differs. Used by the test
 * and by `scripts/conformance.ts`. Enters: a seed and a number of cases. Leaves: a {@link Tally}.
 *
 * @module
 */
import type { Case, Outcome } from "./case.ts";
import { describe, differences } from "./compare.ts";
import { generate, type Surroundings, TESTED } from "./generate.ts";
import { TestMachine } from "./machine.ts";
import { MAX_BATCH, type Oracle } from "./native/oracle.ts";
import { Random } from "./random.ts";

/** What came of many cases. */
export interface Tally {
  cases: number;
  /** Cases by form. */
  readonly exercised: Map<string, number>;
  /** Cases by fault vector. */
  readonly traps: Map<number, number>;
  /** Reports, at most a few for each form. */
  readonly failures: string[];
  /** Failed cases by form. */
  readonly failed: Map<string, number>;
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { cases: 0, exercised: new Map(), traps: new Map(), failures: [], failed: new Map() };
}

/** Run the cases of one seed: case n is made from the seed and n alone, so each can be had again. */
export async function runInteger(
  oracle: Oracle,
  seed: number,
  count: number,
  into: Tally = emptyTally(),
): Promise<Tally> {
  const machines = [new TestMachine({ pae: true }), new TestMachine({ pae: false })];
  const host = { low: oracle.hasLow, ldt: oracle.hasLdt };
  for (let first = 0; first < count; first += MAX_BATCH / 4) {
    const cases: Case[] = [];
    for (let n = first; n < Math.min(count, first + MAX_BATCH / 4); n++) cases.push(integerCase(seed, n, host));
    const outcomes = await oracle.run(cases);
    cases.forEach((one, i) => judge(one, first + i, outcomes[i]!, machines[(first + i) % 2]!, into));
  }
  return into;
}

/** Case number `n` of a seed. */
export function integerCase(seed: number, n: number, host: Surroundings): Case {
  return generate(TESTED[n % TESTED.length]!, new Random(seed * 0x10_0000 + n), host);
}

function judge(one: Case, n: number, expected: Outcome, machine: TestMachine, into: Tally): void {
  into.cases++;
  count(into.exercised, one.key);
  count(into.traps, expected.trap);
  let found: string[];
  try {
    const actual = machine.interpret(one);
    found = differences(one, expected, actual, { noExecute: machine.paging.pae });
  } catch (error) {
    found = [`threw ${error instanceof Error ? error.stack : String(error)}`];
  }
  if (found.length === 0) return;
  count(into.failed, one.key);
  if (into.failed.get(one.key)! <= 3) into.failures.push(`#${n} ${describe(one)}\n    ${found.join("\n    ")}`);
}

function count<K>(map: Map<K, number>, key: K): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
