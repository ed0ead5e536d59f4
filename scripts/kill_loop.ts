/**
 * The long run of `kill -9` while a Guest writes; the suite has a short one (`tests/boots/virtio_kill_test.ts`).
 *
 * ```sh
 * deno run -P scripts/kill_loop.ts [kills] [seed]
 * ```
 *
 * 200 kills unless told otherwise, about three seconds each. Leaves a line per kill; ends with an error at the first
 * flushed record that is lost.
 *
 * @module
 */
import { killSeries } from "../tests/boots/_kill.ts";

/** At the same time: a boot is work for one processor. */
const SERIES = 2;

const kills = Number(Deno.args[0] ?? 200);
const seed = Number(Deno.args[1] ?? crypto.getRandomValues(new Uint32Array(1))[0]);
if (!(kills >= 1) || !Number.isInteger(seed)) {
  console.error("Want a number of kills, and a seed that is a whole number");
  Deno.exit(1);
}
let done = 0, records = 0;
await killSeries({
  series: SERIES,
  rounds: Math.ceil(kills / SERIES),
  seed,
  onRound(series, round, held) {
    done++;
    records += held;
    console.log(`Kill ${done} (series ${series}, round ${round}): ${held} records intact`);
  },
});
console.log(`${done} kills, ${records} records checked, none lost; seed ${seed}`);
