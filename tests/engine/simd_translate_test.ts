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
import {
  buildNative,
  canRunNative,
  R_CODE,
  R_CONTROL,
  R_LENGTH,
  R_MXCSR,
  R_STATUS,
  R_XMM,
  RECORD,
  runNative,
} from "./simd_native.ts";
import { difference, environment, hex } from "./simd_report.ts";
import { DOUBLES, Random, SINGLES } from "./simd_values.ts";

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
  let last = "";
  for (let at = 0; at < records.length; at += RECORD) {
    const before = records.subarray(at, at + RECORD), ours = before.slice();
    const view = new DataView(records.buffer, at, RECORD), k = at / RECORD % STATES;
    // On one page, or over its end where the operand is not aligned.
    const setting = { base: EDGES.inside - (k % 4 === 0 ? 32 : 256), cold: k === 7 };
    const code = hex(before.subarray(R_CODE, R_CODE + view.getUint32(R_LENGTH, true)));
    if (code !== last) {
      last = code;
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

function fail(found: ReadonlyMap<string, readonly string[]>): void {
  const report = [...found].map(([key, list]) => `${key}: ${list.length}\n${list.slice(0, 3).join("\n")}`);
  if (report.length > 0) throw new Error(`Differences:\n${report.join("\n")}`);
}

/** Opcodes with one operand: SQRT and its approximations, conversions. */
const UNARY = [0x51, 0x52, 0x53, 0x5a, 0x5b, 0x2c, 0x2d, 0xe6];

/** Pairs of edges: all for products and quotients, a third of them for the rest. */
function pairsOf(form: Form): (readonly [Edge, Edge])[] {
  const edges: readonly Edge[] = form.lane === "double" ? DOUBLES : SINGLES.map((bits) => [bits, bits]);
  if (UNARY.includes(form.opcode)) return edges.map((edge) => [edges[9]!, edge]);
  const step = form.opcode === 0x59 || form.opcode === 0x5e ? 1 : 3;
  return edges.flatMap((first, i) =>
    edges.filter((_, k) => (i + k) % step === 0).map((second) => [first, second] as const)
  );
}

/** Upper and lower half of a double, or twice a single. */
type Edge = readonly [number, number];

/** Records of one floating-point instruction on XMM1 and XMM2 with the same pair of edges in all lanes, each twice. */
function makePairs(form: Form, random: Random): Uint8Array<ArrayBuffer> {
  const pairs = pairsOf(form).flatMap((pair) => [pair, pair]), records = new Uint8Array(pairs.length * RECORD);
  const bytes = [[], [0x66], [0xf3], [0xf2]][form.prefix]!.concat(0x0f, form.opcode, 0xca);
  if (form.immediate) bytes.push(random.below(8));
  pairs.forEach((pair, i) => {
    const view = new DataView(records.buffer, i * RECORD, RECORD);
    fillCase({ form, bytes, memory: false, reg: 1, rm: 2 }, view, random);
    view.setUint32(R_MXCSR, i % 2 ? 0x1fa0 : 0x1f80, true); // PE, or not yet
    view.setUint16(R_CONTROL, 0x37f, true);
    view.setUint16(R_STATUS, 0, true);
    pair.forEach(([high, low], n) => {
      for (let at = R_XMM + 16 * (n + 1), lane = 0; lane < 2; lane++, at += 8) {
        const sign = random.next() & 0x8000_0000;
        view.setUint32(at, (low | (form.lane === "double" ? 0 : sign)) >>> 0, true);
        view.setUint32(at + 4, (high | sign) >>> 0, true);
      }
    });
  });
  return records;
}

/** The floating-point forms with XMM operands, or of which one is a general register. */
function floatForms(): Form[] {
  const found = new Map<number, Form>();
  for (const form of forms(SIMD_HANDLERS)) {
    const code = form.prefix << 8 | form.opcode;
    if (form.lane !== "integer" && SIMD_HANDLERS[code]) found.set(code, form);
  }
  return [...found.values()];
}

Deno.test({
  name: "translated floating-point instructions do with edges what the processor does",
  ignore: !canRunNative(),
  async fn() {
    const directory = Deno.makeTempDirSync();
    const found = new Map<string, string[]>(), random = new Random(1);
    try {
      const path = buildNative(directory);
      for (const form of floatForms()) {
        const records = makePairs(form, random);
        compareBatch(records, await runNative(path, records), found);
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
    fail(found);
  },
});

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
    fail(found);
  },
});
