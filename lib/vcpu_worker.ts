/**
 * The module of the virtual CPU's Worker: the PC platform with its virtio devices and the built-in CPU, run by
 * `vcpu.ts`. Read next: `platform/pc/pc.ts`, `vcpu_devices.ts`.
 *
 * @module
 */
import { SoftEngine } from "./engine/soft/engine.ts";
import { PcMachine } from "./platform/pc/pc.ts";
import { serveVcpu } from "./vcpu.ts";
import { createDevices } from "./vcpu_devices.ts";

serveVcpu({
  machine: ({ memory, console, devices: setups, log, warn }) => {
    const machine = new PcMachine({ memory, console: console.serial, ...(log && { log }) });
    const devices = createDevices({ memory, console: console.virtio, setups, log, warn });
    for (const { device, description } of devices.list) machine.attachVirtio(device, description);
    return {
      machine,
      drain: () => {
        machine.poll();
        return devices.console.drain() && !console.pendingOutput;
      },
    };
  },
  engine: (memory, machine) => new SoftEngine(memory, machine),
});
