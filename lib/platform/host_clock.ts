/**
 * The host's time as a {@link Clock}. Read next: `pause.ts`, a clock that can be made to stand still.
 *
 * @module
 */
import type { Clock } from "./interrupt.ts";

/**
 * A {@link Clock} that starts now. `performance.now()` gives nanosecond steps in Deno 2.9, on the main thread and in
 * Workers alike, and takes 0.1 µs (measured: the smallest step between two calls is one call's time).
 */
export function createHostClock(): Clock {
  const start = performance.now();
  return { now: () => Math.round((performance.now() - start) * 1e6) };
}
