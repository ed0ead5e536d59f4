/**
 * The long run of the CPU's proofs: round after round with new seeds, until something differs, the time is up, or ^C.
 *
 * ```sh
 * deno run -P scripts/conformance.ts [minutes] [seed]
 * ```
 *
 * Enters: how long, and a first seed (the clock's if there is none; it is printed). Leaves: a line per round; the
 * differences and status 1 if there are any. Integer instructions are compared with the processor underneath, programs
 * between interpreter and translator; the other suites (decoder, x87, SIMD) run as tests with this seed and more cases.
 * Read next: `tests/engine/integer_run.ts`, `tests/engine/lockstep.ts`.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { emptyTally, runInteger } from "../tests/engine/integer_run.ts";
import { lockstep, TRANSLATING } from "../tests/engine/lockstep.ts";
import { Oracle, oracleMissing } from "../tests/engine/native/oracle.ts";

/** Cases of one round. */
const INTEGER = 200_000, PROGRAMS = 500, OTHERS = 300_000;
const SUITES = [
  "decoder_test.ts",
  "x87_oracle_test.ts",
  "simd_test.ts",
  "simd_translate_test.ts",
  "simd_sequence_test.ts",
];

const minutes = Number(Deno.args[0] ?? 10);
const first = Number(Deno.args[1] ?? Date.now() % 1_000_000);
const end = performance.now() + minutes * 60_000;
const missing = oracleMissing();
if (missing) console.log(`No comparison with the processor underneath: ${missing}`);
let failed = false;
for (let seed = first; performance.now() < end && !failed; seed++) failed = !await round(seed);
Deno.exit(failed ? 1 : 0);

/** One round of everything; whether all agreed. */
async function round(seed: number): Promise<boolean> {
  const start = performance.now();
  const reports = [...await integer(seed), ...programs(seed), ...await suites(seed)];
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`seed ${seed}: ${reports.length === 0 ? "no difference" : "DIFFERENCES"} (${seconds} s)`);
  for (const report of reports) console.log(report);
  return reports.length === 0;
}

async function integer(seed: number): Promise<string[]> {
  if (missing) return [];
  await using oracle = await Oracle.start();
  return (await runInteger(oracle, seed, INTEGER, emptyTally())).failures;
}

function programs(seed: number): string[] {
  const seeds = Array.from({ length: PROGRAMS }, (_, i) => seed * PROGRAMS + i);
  return seeds.map((one) => lockstep(one, TRANSLATING)).filter((text) => text !== "");
}

async function suites(seed: number): Promise<string[]> {
  const folder = fromFileUrl(new URL("../tests/engine", import.meta.url));
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-P", ...SUITES.map((name) => `${folder}/${name}`)],
    env: { LGUEST_SEED: String(seed), LGUEST_CASES: String(OTHERS), NO_COLOR: "1" },
  }).output();
  return success ? [] : [new TextDecoder().decode(stdout)];
}
