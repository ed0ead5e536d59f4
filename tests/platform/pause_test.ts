import { assert, assertEquals } from "@std/assert";
import { Pausable, PauseControl, type PauseWords } from "../../lib/platform/pause.ts";
import type { PauseOrder } from "./pause_worker.ts";

const ignore = Deno.permissions.querySync({ name: "read" }).state !== "granted";

const word = () => new Int32Array(new SharedArrayBuffer(4));

Deno.test("Pausable.clock is the host's while nobody wants a pause", () => {
  let now = 5;
  const pausable = new Pausable(word(), { now: () => now });
  pausable.hold();
  assertEquals(pausable.clock.now(), 5);
  now = 9;
  assertEquals(pausable.clock.now(), 9);
});

Deno.test("PauseControl.settled() does not wait for a pause that was taken back", async () => {
  const words: PauseWords = { attention: word(), pause: word() };
  const control = new PauseControl(words);
  control.request();
  assertEquals([control.isWanted, words.attention[0]! < 0], [true, true]);
  const settled = control.settled();
  control.release();
  await settled;
  assertEquals(control.isWanted, false);
});

Deno.test({
  name: "a thread stands still between request() and release(), again and again, and its clock with it",
  ignore,
  fn: async () => {
    const words: PauseWords = { attention: word(), pause: word() }, count = word(), behind = word();
    const control = new PauseControl(words);
    const worker = new Worker(new URL("./pause_worker.ts", import.meta.url), { type: "module" });
    try {
      worker.postMessage({ pause: words.pause, count, behind } satisfies PauseOrder);
      for (let turn = 0; turn < 20; turn++) {
        control.request();
        await control.settled();
        const counted = Atomics.load(count, 0);
        assert(counted > turn, `${counted} turns`);
        await new Promise((done) => setTimeout(done, turn === 0 ? 300 : 0));
        assertEquals(Atomics.load(count, 0), counted);
        control.release();
        // It goes on, unless it is stopped again at once.
        if (turn % 2 === 0) {
          while (Atomics.load(count, 0) === counted) await new Promise((done) => setTimeout(done, 1));
        } else await new Promise((done) => setTimeout(done, 1));
      }
      // The first pause was that long.
      assert(Atomics.load(behind, 0) >= 299, `${Atomics.load(behind, 0)} ms behind`);
    } finally {
      worker.terminate();
    }
  },
});
