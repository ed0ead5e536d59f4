/**
 * Runs one generated program in several engines and says where they part. Used by `lockstep_test.ts` and
 * `scripts/conformance.ts`.
 *
 * @module
 */
import type { SoftOptions } from "../../lib/engine/soft/engine.ts";
import { hex } from "./case.ts";
import { type EndState, runProgram } from "./lockstep_machine.ts";
import { makeProgram } from "./program.ts";
import { Random } from "./random.ts";

/** Translating at once, and after a few times, in batches. */
export const TRANSLATING: readonly SoftOptions[] = [{ threshold: 0 }, { threshold: 3 }];

/**
 * Run the program of a seed in the interpreter and in each of the engines.
 *
 * @returns what differs, as text; empty if nothing does
 */
export function lockstep(seed: number, engines: readonly SoftOptions[]): string {
  const program = makeProgram(seed);
  const expected = runProgram(program, { interpretOnly: true });
  if (expected.reason !== "poweroff") return `program ${seed} does not end: ${expected.reason}`;
  const interrupted = program.level === 3 ? [true, false] : [false];
  const runs = engines.flatMap((options) => interrupted.map((ticks) => ({ options, ticks })));
  return runs.map(({ options, ticks }) => {
    const name = `program ${seed}, ${JSON.stringify(options)}${ticks ? ", interrupted" : ""}: `;
    try {
      const actual = runProgram(program, options, ticks ? new Random(seed) : undefined);
      return endDifferences(expected, actual).map((line) => name + line).join("\n");
    } catch (error) {
      return `${name}threw ${error instanceof Error ? error.stack : error}`;
    }
  }).filter((text) => text !== "").join("\n");
}

/** What differs between two ends of a program. */
export function endDifferences(expected: EndState, actual: EndState): string[] {
  const found: string[] = [];
  if (expected.reason !== actual.reason) found.push(`ended by ${actual.reason}`);
  for (const [name, value] of expected.state) {
    const got = actual.state.get(name);
    if (got !== value) found.push(`${name}: expected ${value}, got ${got}`);
  }
  const want = new Int32Array(expected.memory.buffer), got = new Int32Array(actual.memory.buffer);
  for (let i = 0; i < want.length && found.length < 24; i++) {
    if (want[i] !== got[i]) found.push(`[${hex(4 * i)}]: expected ${hex(want[i]!)}, got ${hex(got[i]!)}`);
  }
  return found;
}
