/**
 * What was flushed survives `kill -9`. The long run is `scripts/kill_loop.ts`.
 */
import { seedOf } from "../engine/random.ts";
import { killSeries } from "./_kill.ts";
import { CANNOT_USE_DISKS } from "./_needs.ts";

Deno.test({
  name: "launch() killed while the Guest writes leaves every flushed block and file intact",
  ignore: CANNOT_USE_DISKS,
  fn: () => killSeries({ series: 2, rounds: 2, seed: seedOf(1) }),
});
