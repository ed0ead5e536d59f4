/**
 * MMX, SSE and SSE2 against the processor underneath, bit for bit. `LGUEST_SEED` repeats a run, `LGUEST_CASES` sets how
 * many cases there are in all.
 *
 * @module
 */
import { SIMD_HANDLERS } from "../../lib/engine/soft/interp/simd/mod.ts";
import { type Form, forms, makeCase } from "./simd_cases.ts";
import { SimdMachine } from "./simd_machine.ts";
import { buildNative, canRunNative, R_CODE, RECORD, runNative } from "./simd_native.ts";
import { difference, environment, hex } from "./simd_report.ts";
import { Random } from "./simd_values.ts";

const BATCH = 20_000;

function makeBatch(all: readonly Form[], first: number, count: number, random: Random): Uint8Array<ArrayBuffer> {
  const records = new Uint8Array(count * RECORD);
  for (let i = 0; i < count; i++) {
    makeCase(all[(first + i) % all.length]!, new DataView(records.buffer, i * RECORD, RECORD), random);
  }
  return records;
}

/** Run a batch on both and collect differences, at most a few of each form. */
async function compareBatch(
  path: string,
  records: Uint8Array<ArrayBuffer>,
  found: Map<string, string[]>,
): Promise<void> {
  const machine = new SimdMachine();
  const native = await runNative(path, records);
  for (let at = 0; at < records.length; at += RECORD) {
    const before = records.subarray(at, at + RECORD), ours = before.slice();
    machine.run(ours);
    const text = difference(before, native.subarray(at, at + RECORD), ours);
    if (text === undefined) continue;
    const key = hex(before.subarray(R_CODE, R_CODE + 2 + (before[R_CODE] === 0x0f ? 0 : 1)));
    const list = found.get(key) ?? [];
    list.push(text);
    found.set(key, list);
  }
}

Deno.test({
  name: "SIMD instructions do what the processor does",
  ignore: !canRunNative(),
  async fn() {
    const seed = environment("LGUEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    const cases = environment("LGUEST_CASES") ?? 120_000;
    console.log(`seed ${seed}, ${cases} cases`);
    const directory = Deno.makeTempDirSync();
    const found = new Map<string, string[]>();
    try {
      const path = buildNative(directory);
      const all = forms(SIMD_HANDLERS), random = new Random(seed);
      for (let done = 0; done < cases; done += BATCH) {
        await compareBatch(path, makeBatch(all, done, Math.min(BATCH, cases - done), random), found);
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
    const report = [...found].map(([key, list]) => `${key}: ${list.length}\n${list.slice(0, 3).join("\n")}`);
    if (report.length > 0) throw new Error(`Seed ${seed}, differences:\n${report.join("\n")}`);
  },
});
