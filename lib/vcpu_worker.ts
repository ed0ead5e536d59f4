/**
 * The module of the virtual CPU's Worker: the PC platform and the built-in CPU, run by `vcpu.ts`.
 *
 * @module
 */
import { SoftEngine } from "./engine/soft/engine.ts";
import { PcMachine } from "./platform/pc/pc.ts";
import { serveVcpu } from "./vcpu.ts";

serveVcpu({
  machine: (memory, console) => new PcMachine({ memory, console }),
  engine: (memory, machine) => new SoftEngine(memory, machine),
});
