/** A Worker that counts for ever and stands still when it is told to; it tells how much its clock is behind. */
/// <reference lib="deno.worker" />
import { createHostClock } from "../../lib/platform/host_clock.ts";
import { Pausable } from "../../lib/platform/pause.ts";

/** What is posted to it. */
export interface PauseOrder {
  readonly pause: Int32Array<SharedArrayBuffer>;
  /** How often it has looked. */
  readonly count: Int32Array<SharedArrayBuffer>;
  /** How many milliseconds its clock is behind. */
  readonly behind: Int32Array<SharedArrayBuffer>;
}

self.onmessage = ({ data: { pause, count, behind } }: MessageEvent<PauseOrder>) => {
  const host = createHostClock();
  const pausable = new Pausable(pause, host);
  for (;;) {
    // In this order, so that it is not too much where this thread is interrupted in between; too little it is once.
    const now = host.now(), late = Math.round((now - pausable.clock.now()) / 1e6);
    if (late > Atomics.load(behind, 0)) Atomics.store(behind, 0, late);
    Atomics.add(count, 0, 1);
    pausable.hold();
  }
};
