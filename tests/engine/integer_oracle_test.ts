/**
 * Every integer instruction form against the processor underneath: registers, flags, faults, memory. A failure prints
 * the case; `LGUEST_SEED` and `LGUEST_CASES` run others, `scripts/conformance.ts` runs on and on. Read next:
 * `integer_run.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { FORMS, untestable } from "./forms.ts";
import { TESTED } from "./generate.ts";
import { runInteger } from "./integer_run.ts";
import { Oracle, oracleMissing } from "./native/oracle.ts";
import { casesOf, seedOf } from "./random.ts";

const missing = oracleMissing();
if (missing) console.log(`integer_oracle_test.ts is ignored: ${missing}`);

Deno.test({
  name: "integer instructions do what the processor underneath does",
  ignore: missing !== undefined,
  async fn() {
    const seed = seedOf(1), count = casesOf(100_000);
    console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${count}`);
    await using oracle = await Oracle.start();
    const tally = await runInteger(oracle, seed, count);
    assertEquals(tally.failures.slice(0, 20).join("\n"), "");
    assertEquals(tally.cases, count);
    assertEquals(TESTED.filter((form) => !tally.exercised.has(form.key)).map((form) => form.key), []);
  },
});

Deno.test("each form of the opcode tables is tested or has a reason not to be", () => {
  const untested = FORMS.filter((form) => !TESTED.includes(form) && untestable(form) === undefined);
  assertEquals(untested, []);
});

Deno.test({
  name: "the cases reach every fault that user mode can raise",
  ignore: missing !== undefined,
  async fn() {
    await using oracle = await Oracle.start();
    const tally = await runInteger(oracle, 7, 20_000);
    const wanted = [0, 1, 3, 4, 5, 6, 11, 12, 13, 14];
    assertEquals(wanted.filter((vector) => !tally.traps.has(vector)), []);
  },
});
