/** The virtual CPU's Worker with an engine that needs no kernel. */
import { PcMachine } from "../../lib/platform/pc/pc.ts";
import { serveVcpu } from "../../lib/vcpu.ts";
import { FakeEngine } from "./_fake_engine.ts";

serveVcpu(({ memory, console, log }) => {
  const machine = new PcMachine({ memory, console: console.serial, ...(log && { log }) });
  const drain = () => {
    machine.poll();
    return !console.pendingOutput;
  };
  const close = () => log?.("The virtual CPU is closed");
  return { machine, engine: new FakeEngine(memory, machine), drain, statistics: () => machine.statistics(), close };
});
