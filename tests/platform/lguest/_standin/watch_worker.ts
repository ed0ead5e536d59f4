/**
 * The module of the Worker that sees what arrives at the stand-in while it runs a Guest, and has the Guest interrupted
 * by the Host's attention word. Read next: `server_worker.ts`.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { openLibrary } from "../../../../ffi/library.ts";
import { GuestMemory } from "../../../../lib/memory.ts";
import { signal } from "../../../../lib/platform/attention.ts";
import { ENDED, IDLE, keepFiles, RUNNING, sayReady, type StandInReport, type StandInRequest, STATE } from "./shared.ts";

const POLLIN = 1;

self.addEventListener("message", ({ data }: MessageEvent<StandInRequest>) => {
  const library = openLibrary();
  const { attention } = new GuestMemory(data.memory.memory, data.memory.base, data.memory.size);
  const state = new Int32Array(data.state);
  const waits = Int32Array.of(data.fuse, POLLIN, data.event, POLLIN);
  keepFiles();
  sayReady(state);
  report({ kind: "ready" });
  while (Atomics.load(state, STATE) !== ENDED) {
    Atomics.wait(state, STATE, IDLE);
    library.lguest_poll(waits, 2, -1);
    if (waits[3]! >>> 16 !== 0) break;
    if (Atomics.load(state, STATE) !== RUNNING) continue;
    signal(attention, 0);
    // The Guest needs a moment to come to where it can be interrupted.
    Atomics.wait(state, STATE, RUNNING, 1);
  }
  library.lguest_close(data.fuse);
  report({ kind: "ended" });
  self.close();
});

function report(message: StandInReport): void {
  self.postMessage(message);
}
