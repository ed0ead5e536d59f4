/**
 * The Host in TypeScript under test kernels of our own (`tests/guests/`), for each generation: once as users run it,
 * once with every block translated at once. Read first: `tests/guests/_run.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { SoftOptions } from "../../../lib/engine/soft/engine.ts";
import { GuestMemory } from "../../../lib/memory.ts";
import { GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { SoftHost } from "../../../lib/platform/lguest/soft_host.ts";
import { guestsMissing, testsOf } from "../../guests/_build.ts";
import { casesOf, TOPICS } from "../../guests/_cases.ts";
import { MEMORY } from "../../guests/_layout.ts";
import { runCase, Watchdog } from "../../guests/_run.ts";

const missing = guestsMissing();
if (missing) console.log(`guests_test.ts is ignored: ${missing}`);
const ignore = missing !== undefined;

/** How long a Host may be silent, on a machine with a lot to do. */
const PATIENCE = 600_000;

const WAYS: readonly { readonly way: string; readonly options: SoftOptions }[] = [
  { way: "", options: {} },
  { way: ", translated at once", options: { threshold: 0 } },
];

for (const generation of GENERATIONS) {
  for (const topic of TOPICS) {
    for (const { way, options } of WAYS) {
      Deno.test({
        name: `the Host of Linux ${generation.versions} does what ${topic}.c wants${way}`,
        ignore,
        async fn(t) {
          const memory = GuestMemory.allocate(MEMORY);
          using watchdog = new Watchdog(memory.attention, PATIENCE);
          const host = new SoftHost(memory, generation, options);
          for (const test of casesOf(topic, generation)) {
            await t.step(test.name, () => {
              watchdog.feed();
              runCase(test, { device: host, memory, generation });
            });
          }
          host.close();
        },
      });
    }
  }
}

Deno.test({
  name: "every test of the test kernels is run on the Hosts that it is for",
  ignore,
  fn() {
    for (const generation of GENERATIONS) {
      for (const topic of TOPICS) {
        const run = casesOf(topic, generation).flatMap(({ name, restart }) => restart ? [name, restart] : [name]);
        assertEquals([...new Set(run)].sort(), testsOf(topic, generation).sort(), `${topic}.c on ${generation.name}`);
      }
    }
  },
});
