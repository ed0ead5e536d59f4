/**
 * SSE and SSE2 in generated code against the processor underneath: each instruction is translated once and run from
 * many states, with its operand on one page or over a page's end. `LGUEST_SEED` repeats a run, `LGUEST_CASES` sets how
 * many states there are in all. Read next: `simd_engine.ts`.
 *
 * @module
 */
import { SIMD_HANDLERS } from "../../lib/engine/soft/interp/simd/mod.ts";
import { encode, fillCase, type Form, forms } from "./simd_cases.ts";
import { EDGES, SimdEngine } from "./simd_engine.ts";
import { buildNative, canRunNative, R_CODE, R_LENGTH, RECORD, runNative } from "./simd_native.ts";
import { difference, environment, hex } from "./simd_report.ts";
import { Random } from "./simd_values.ts";

/** States of one instruction, and instructions handed to the processor at once. */
const STATES = 24, BATCH = 500;

/** Records of `BATCH` instructions. */
function makeBatch(all: readonly Form[], random: Random): Uint8Array<ArrayBuffer> {
  const records = new Uint8Array(BATCH * STATES * RECORD);
  for (let i = 0; i < BATCH; i++) {
    const encoding = encode(random.pick(all), random);
    for (let k = 0; k < STATES; k++) {
      fillCase(encoding, new DataView(records.buffer, (i * STATES + k) * RECORD, RECORD), random);
    }
  }
  return records;
}

/** Run a batch, each instruction from all of its states, and collect differences. */
function compareBatch(records: Uint8Array<ArrayBuffer>, native: Uint8Array, found: Map<string, string[]>): void {
  const engine = new SimdEngine({ threshold: 0 });
  for (let at = 0; at < records.length; at += RECORD) {
    const before = records.subarray(at, at + RECORD), ours = before.slice();
    const view = new DataView(records.buffer, at, RECORD), k = at / RECORD % STATES;
    // On one page, or over its end where the operand is not aligned.
    const setting = { base: EDGES.inside - (k % 4 === 0 ? 32 : 256), cold: k === 7 };
    if (k === 0) {
      engine.setCode([...before.subarray(R_CODE, R_CODE + view.getUint32(R_LENGTH, true))]);
      engine.run(ours, setting); // this one is interpreted
    }
    engine.run(ours, setting);
    engine.save(ours, setting.base);
    const text = difference(before, native.subarray(at, at + RECORD), ours);
    if (text === undefined) continue;
    const key = hex(before.subarray(R_CODE, R_CODE + 2 + (before[R_CODE] === 0x0f ? 0 : 1)));
    found.set(key, [...found.get(key) ?? [], text]);
  }
}

Deno.test({
  name: "translated SIMD instructions do what the processor does",
  ignore: !canRunNative(),
  async fn() {
    const seed = environment("LGUEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
    const cases = environment("LGUEST_CASES") ?? 8 * BATCH * STATES;
    console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${cases}`);
    const directory = Deno.makeTempDirSync();
    const found = new Map<string, string[]>();
    try {
      const path = buildNative(directory);
      const all = forms(SIMD_HANDLERS).filter((form) => SIMD_HANDLERS[form.prefix << 8 | form.opcode]);
      const random = new Random(seed);
      for (let done = 0; done < cases; done += BATCH * STATES) {
        const records = makeBatch(all, random);
        compareBatch(records, await runNative(path, records), found);
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
    const report = [...found].map(([key, list]) => `${key}: ${list.length}\n${list.slice(0, 3).join("\n")}`);
    if (report.length > 0) throw new Error(`Seed ${seed}, differences:\n${report.join("\n")}`);
  },
});
