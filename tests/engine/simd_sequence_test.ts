/**
 * Sequences of SIMD, integer and x87 instructions in generated code against the interpreter, from many states, with
 * operands on one page, over a page's end, where nothing is and where nothing may be written, and with SSE switched off:
 * registers, flags, memory and faults must be the same. `LGUEST_SEED` repeats a run, `LGUEST_CASES` sets how many states
 * there are in all. Read next: `simd_sequences.ts`.
 *
 * @module
 */
import { fillState } from "./simd_cases.ts";
import { EDGES, nameOf, type Setting, SimdEngine } from "./simd_engine.ts";
import { R_MEMORY, R_OFFSET, RECORD } from "./simd_native.ts";
import { environment, hex } from "./simd_report.ts";
import { makeSequence } from "./simd_sequences.ts";
import { fill, type Lane, Random } from "./simd_values.ts";

/** States of one sequence: more than it takes until the second engine translates. */
const STATES = 20;
const LANES: readonly Lane[] = ["integer", "single", "double"];

function makeSetting(random: Random): Setting {
  const edge = random.pick([EDGES.inside, EDGES.inside, EDGES.inside, EDGES.absent, EDGES.readOnly, EDGES.before]);
  const dice = random.below(40);
  const disabled = dice < 3 ? (["emulate", "switched", "unsupported"] as const)[dice] : undefined;
  return {
    base: edge + (random.below(3) > 0 ? -128 : random.pick([-48, -32, -16, 0, 64])),
    cold: random.below(10) === 0,
    ...(disabled ? { disabled } : {}),
  };
}

function makeState(random: Random): Uint8Array {
  const record = new Uint8Array(RECORD), view = new DataView(record.buffer);
  const lane = random.pick(LANES);
  fillState(lane, view, random);
  fill(view, R_MEMORY, 64, random.below(3) === 0 ? random.pick(LANES) : lane, random);
  if (random.below(10) === 0) view.setUint32(R_OFFSET, random.below(16), true);
  return record;
}

/** What the translating engine did differently from the interpreter, if anything. */
function compare(reference: SimdEngine, engine: SimdEngine, random: Random): string | undefined {
  const code = makeSequence(random);
  reference.setCode(code);
  engine.setCode(code);
  for (let i = 0; i < STATES; i++) {
    const state = makeState(random), setting = makeSetting(random);
    reference.run(state, setting);
    engine.run(state, setting);
    const expected = reference.end(), actual = engine.end();
    const lines: string[] = [];
    for (let k = 0; k < expected.length; k++) {
      if (expected[k] === actual[k]) continue;
      lines.push(`  ${nameOf(k)}: interpreter ${expected[k]! >>> 0}, translator ${actual[k]! >>> 0}`);
    }
    if (lines.length === 0) continue;
    const where = `[${hex(Uint8Array.from(code))}] state ${i} ${JSON.stringify(setting)}`;
    return [where, `  ${hex(state)}`, ...lines.slice(0, 12)].join("\n");
  }
  return undefined;
}

Deno.test("translated sequences of SIMD, integer and x87 instructions do what interpreted ones do", () => {
  const seed = environment("LGUEST_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]!;
  const cases = environment("LGUEST_CASES") ?? 30_000;
  console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${cases}`);
  const random = new Random(seed), reference = new SimdEngine({ interpretOnly: true });
  const engines = [new SimdEngine({ threshold: 0 }), new SimdEngine({ threshold: 3 })];
  const failures: string[] = [];
  for (let done = 0; done < cases && failures.length < 5; done += STATES) {
    const text = compare(reference, engines[done / STATES % 2]!, random);
    if (text !== undefined) failures.push(text);
  }
  if (failures.length > 0) throw new Error(`Seed ${seed}, differences:\n${failures.join("\n")}`);
});
