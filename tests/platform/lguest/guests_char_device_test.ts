/**
 * The test kernels of `tests/guests/` once more, for each generation, on the real Host's way: every request is a system
 * call on a real file, behind which the Host in TypeScript stands in for the original. Read first:
 * `_standin/mod.ts`, `guests_test.ts`.
 *
 * @module
 */
import { GuestMemory } from "../../../lib/memory.ts";
import { GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { guestsMissing } from "../../guests/_build.ts";
import { casesOf, TOPICS } from "../../guests/_cases.ts";
import { MEMORY } from "../../guests/_layout.ts";
import { runCase, Watchdog } from "../../guests/_run.ts";
import { createCharDeviceOverStandIn, standInMissing } from "./_standin/mod.ts";

const missing = guestsMissing() ?? standInMissing();
if (missing) console.log(`guests_char_device_test.ts is ignored: ${missing}`);
const ignore = missing !== undefined;

/** How long a Host may be silent, on a machine with a lot to do. */
const PATIENCE = 600_000;

for (const generation of GENERATIONS) {
  Deno.test({
    name: `a device of Linux ${generation.versions} does what every test kernel wants`,
    ignore,
    async fn(t) {
      const memory = GuestMemory.allocate(MEMORY);
      await using run = await createCharDeviceOverStandIn({ memory, generation });
      using watchdog = new Watchdog(run.attention, PATIENCE);
      for (const topic of TOPICS) {
        for (const test of casesOf(topic, generation)) {
          await t.step(`${topic}.c, ${test.name}`, () => {
            watchdog.feed();
            runCase(test, { device: run.device, memory, generation, attention: run.attention });
          });
        }
      }
    },
  });
}
