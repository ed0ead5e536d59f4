/**
 * Runs integer cases on the processor underneath and in our own engines, and collects what differs. Used by the test
 * and by `scripts/conformance.ts`. Enters: a seed and a number of cases. Leaves: a {@link Tally}.
 *
 * @module
 */
import type { Case, Outcome } from "./case.ts";
import { describe, differences } from "./compare.ts";
import { canRunOn, EngineMachine } from "./engine_machine.ts";
import { generate, type Surroundings, TESTED } from "./generate.ts";
import { REGION_CODE } from "./layout.ts";
import { TestMachine } from "./machine.ts";
import { MAX_BATCH, type Oracle } from "./native/oracle.ts";
import { Random } from "./random.ts";

/** Reports kept for one form. */
const REPORTED = 3;

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

/** Who runs the cases, beside the processor underneath. */
interface Runner {
  readonly name: string;
  readonly noExecute: boolean;
  /** Which cases, by their number. */
  takes(n: number, one: Case, expected: Outcome): boolean;
  run(one: Case): Outcome;
}

/** The bare interpreter runs every case, whole engines a part of them. */
function runners(): Runner[] {
  const handlers = [true, false].map((pae, i): Runner => {
    const machine = new TestMachine({ pae });
    return {
      name: `interpreter, ${pae ? "PAE" : "two-level"} paging`,
      noExecute: pae,
      takes: (n, one) => n % 2 === i && (pae || one.codeAt >= REGION_CODE),
      run: (one) => machine.interpret(one),
    };
  });
  const engines = [{ interpretOnly: true }, { threshold: 0 }].map((options, i): Runner => {
    const machine = new EngineMachine(options);
    return {
      name: `engine, ${JSON.stringify(options)}`,
      noExecute: true,
      takes: (n, one, expected) => n % (4 + 4 * i) === 2 * i && canRunOn(one, expected),
      run: (one) => machine.run(one, 1 + i),
    };
  });
  return [...handlers, ...engines];
}

/** Run the cases of one seed: case n is made from the seed and n alone, so each can be had again. */
export async function runInteger(
  oracle: Oracle,
  seed: number,
  count: number,
  into: Tally = emptyTally(),
): Promise<Tally> {
  const sides = runners();
  const host = { low: oracle.hasLow, ldt: oracle.hasLdt };
  for (let first = 0; first < count; first += MAX_BATCH) {
    const cases: Case[] = [];
    for (let n = first; n < Math.min(count, first + MAX_BATCH); n++) cases.push(integerCase(seed, n, host));
    const outcomes = await oracle.run(cases);
    cases.forEach((one, i) => {
      const expected = outcomes[i]!;
      increment(into.exercised, one.key);
      increment(into.traps, expected.trap);
      into.cases++;
      for (const side of sides) if (side.takes(first + i, one, expected)) judge(one, first + i, expected, side, into);
    });
  }
  return into;
}

/** Case number `n` of a seed. */
export function integerCase(seed: number, n: number, host: Surroundings): Case {
  return generate(TESTED[n % TESTED.length]!, new Random(seed * 0x10_0000 + n), host);
}

function judge(one: Case, n: number, expected: Outcome, side: Runner, into: Tally): void {
  let found: string[];
  try {
    found = differences(one, expected, side.run(one), side);
  } catch (error) {
    found = [`threw ${error instanceof Error ? error.stack : String(error)}`];
  }
  if (found.length === 0) return;
  increment(into.failed, one.key);
  if (into.failed.get(one.key)! <= REPORTED) {
    into.failures.push(`#${n} (${side.name}) ${describe(one)}\n    ${found.join("\n    ")}`);
  }
}

function increment<K>(map: Map<K, number>, key: K): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
