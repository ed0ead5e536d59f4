/**
 * What `standin_test.ts` kills: a process that reads a stand-in's file whose Guest has nothing to do.
 *
 * @module
 */
import { GuestMemory } from "../../../lib/memory.ts";
import { GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { createCharDeviceOverStandIn } from "./_standin/mod.ts";
import type { ScriptedOptions } from "./_standin/scripted_host.ts";

const options: ScriptedOptions = { script: [{ kind: "halt" }] };
const { device } = await createCharDeviceOverStandIn({
  memory: GuestMemory.allocate(1 << 20),
  generation: GENERATIONS.at(-1)!,
  host: new URL("./_standin/scripted_host.ts", import.meta.url),
  options,
});
device.initialize({ pfnLimit: 256, start: 0, deviceLimit: 256 });
console.log("reading");
device.run();
