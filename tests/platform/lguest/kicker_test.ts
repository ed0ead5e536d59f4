/**
 * Interrupting the thread that runs a Guest on the real Host, over the stand-in for its device.
 */
import { assertEquals, assertRejects } from "@std/assert";
import { openLibrary } from "../../../ffi/library.ts";
import { GuestError } from "../../../lib/guest_error.ts";
import { GuestMemory } from "../../../lib/memory.ts";
import { ATTENTION_LOOK, ATTENTION_TERMINATE, signal } from "../../../lib/platform/attention.ts";
import { type Generation, GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { KICK, startKicker } from "../../../lib/platform/lguest/kicker.ts";
import type { AttentionRequest } from "./_attention_worker.ts";
import { type CharDeviceRun, createCharDeviceOverStandIn, standInMissing } from "./_standin/mod.ts";
import type { ScriptedOptions } from "./_standin/scripted_host.ts";

const missing = standInMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

const PCI = GENERATIONS.findLast(({ transport }) => transport === "pci")!;
const BUS = GENERATIONS.findLast(({ transport }) => transport === "bus")!;
const NOTIFY = { kind: "notify", address: 0x1000 } as const;

async function begin(generation: Generation, options: ScriptedOptions): Promise<CharDeviceRun> {
  const host = new URL("./_standin/scripted_host.ts", import.meta.url);
  const run = await createCharDeviceOverStandIn({ memory: GuestMemory.allocate(1 << 20), generation, host, options });
  run.device.initialize({ pfnLimit: 256, start: 0, deviceLimit: 256 });
  return run;
}

/** A thread that wants this one's attention, each time that it is in a read. */
async function startAttention({ attention, kicker }: CharDeviceRun, times: number): Promise<Disposable> {
  const worker = new Worker(new URL("./_attention_worker.ts", import.meta.url), { type: "module" });
  const request: AttentionRequest = { attention, kick: kicker.kick, times };
  worker.postMessage(request);
  await new Promise((resolve) => worker.onmessage = resolve);
  return { [Symbol.dispose]: () => worker.terminate() };
}

Deno.test(`a Guest that has nothing to do is interrupted, each time that somebody wants it${needs}`, {
  ignore,
}, async () => {
  for (const generation of [PCI, BUS]) {
    await using run = await begin(generation, { script: [{ kind: "halt" }] });
    const times = 200;
    using _ = await startAttention(run, times);
    for (let i = 0; i < times;) {
      assertEquals(run.device.run(), { kind: "interrupted" });
      // A signal may come late: then this is for nothing, as it may be for any thread.
      if (Atomics.exchange(run.attention, 0, 0) !== 0) i++;
    }
  }
});

Deno.test(`an interrupt between two reads wakes a Guest that was interrupted${needs}`, { ignore }, async () => {
  await using run = await begin(BUS, { script: [{ kind: "halt" }, NOTIFY] });
  using _ = await startAttention(run, 1);
  assertEquals(run.device.run(), { kind: "interrupted" });
  Atomics.store(run.attention, 0, 0);
  run.device.raiseInterrupt(4);
  let exit = run.device.run();
  while (exit.kind === "interrupted") exit = run.device.run();
  assertEquals(exit, NOTIFY);
});

Deno.test(`outside of a read nobody is in the way of a thread whose attention is wanted${needs}`, {
  ignore,
}, async () => {
  await using run = await begin(BUS, { script: [NOTIFY] });
  assertEquals(run.device.run(), NOTIFY);
  signal(run.attention, ATTENTION_TERMINATE);
  assertEquals(Atomics.load(new Int32Array(run.kicker.kick), KICK.THREAD), 0);
  // Were there signals, this would give EINTR; it waits for nothing, which takes longer than the Worker pauses.
  assertEquals(openLibrary().lguest_poll(new Int32Array(2), 0, 200), 0);
});

Deno.test(`a thread that has ended is not waited for, and the Worker ends when it is told${needs}`, {
  ignore,
}, async () => {
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const kicker = startKicker({ attention });
  await kicker.ready;
  const words = new Int32Array(kicker.kick);
  // No thread has this number: it is more than Linux gives (PID_MAX_LIMIT).
  Atomics.store(words, KICK.THREAD, 0x7fff_ffff);
  signal(attention, ATTENTION_LOOK);
  for (let tries = 0; Atomics.load(words, KICK.THREAD) !== 0 && tries < 1000; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(Atomics.load(words, KICK.THREAD), 0);
  await kicker.close();
});

Deno.test(`a Worker without the C library says so${needs}`, { ignore }, async () => {
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const kicker = startKicker({ attention, library: "/no/such.so" });
  await assertRejects(() => kicker.ready, GuestError, `C library "/no/such.so" cannot be opened`);
  await kicker.close();
});
