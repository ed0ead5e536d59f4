/**
 * The module of a virtual CPU's Worker as the program has it with `--engine=lguest`, but that the device's file is that
 * of a stand-in, which this starts. Read next: `main.ts`, the program around it; `lib/vcpu_worker.ts`.
 *
 * @module
 */
import { generationOf } from "../../../../lib/platform/lguest/generation.ts";
import { serveVcpu, type VcpuWorld } from "../../../../lib/vcpu.ts";
import { createMachine } from "../../../../lib/vcpu_machines.ts";
import { startStandInNow } from "./mod.ts";

function overStandIn({ memory, platform }: VcpuWorld): VcpuWorld["platform"] {
  if (platform.kind !== "lguest" || platform.host.kind !== "device") throw new Error("The engine must be lguest");
  const { path } = startStandInNow({ memory, generation: generationOf(platform.generation) });
  return { ...platform, host: { ...platform.host, options: { ...platform.host.options, path } } };
}

serveVcpu((world) => createMachine({ ...world, platform: overStandIn(world) }));
