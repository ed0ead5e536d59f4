/**
 * The machines that a virtual CPU's thread can have around it: the PC on the built-in CPU, and lguest's own on one of
 * two Hosts. Everything is made here and nothing decided: `platform_choice.ts` has done that. Read next:
 * `platform/pc/pc.ts`, `platform/lguest/machine.ts`, `vcpu_devices.ts`.
 *
 * @module
 */
import { SoftEngine } from "./engine/soft/engine.ts";
import { CharDevice } from "./platform/lguest/char_device.ts";
import { generationOf } from "./platform/lguest/generation.ts";
import { LguestEngine } from "./platform/lguest/launcher.ts";
import { LguestMachine } from "./platform/lguest/machine.ts";
import { SoftHost } from "./platform/lguest/soft_host.ts";
import { PcMachine } from "./platform/pc/pc.ts";
import type { LguestSetup } from "./platform_choice.ts";
import type { VcpuMachine, VcpuWorld } from "./vcpu.ts";
import { sumTraffic } from "./statistics.ts";
import { createDevices, type VcpuDevices } from "./vcpu_devices.ts";

/** Make the machine that was chosen. */
export function createMachine(world: VcpuWorld): VcpuMachine {
  const { memory, console, devices: setups, log, warn, platform } = world;
  const devices = createDevices({ memory, console: console.virtio, setups, log, warn });
  return platform.kind === "pc" ? createPc(world, devices) : createLguest(world, devices, platform);
}

function createPc({ memory, console, pausable, log }: VcpuWorld, devices: VcpuDevices): VcpuMachine {
  const machine = new PcMachine({
    memory,
    console: console.serial,
    clock: pausable.clock,
    hold: () => pausable.hold(),
    ...(log && { log }),
  });
  for (const { device, description } of devices.list) machine.attachVirtio(device, description);
  return {
    machine,
    engine: new SoftEngine(memory, machine),
    statistics: () => machine.statistics(),
    drain: () => {
      machine.poll();
      return devices.console.drain() && !console.pendingOutput;
    },
  };
}

function createLguest(world: VcpuWorld, devices: VcpuDevices, setup: LguestSetup): VcpuMachine {
  const { memory, console, pausable, log, warn } = world;
  const generation = generationOf(setup.generation);
  const machine = new LguestMachine({
    memory,
    ramSize: setup.ramSize,
    generation,
    console: console.virtio,
    clock: pausable.clock,
    hold: () => pausable.hold(),
    warn,
    ...(log && { log }),
  });
  // The original's first device is the console on PCI, and its last one on the lguest bus.
  const [first, ...others] = devices.list;
  const inOrder = generation.transport === "pci" ? devices.list : [...others, first!];
  for (const { device, description } of inOrder) machine.attachVirtio(device, description);
  const soft = setup.host.kind === "soft" ? new SoftHost(memory, generation, { clock: pausable.clock }) : undefined;
  const device = soft ??
    new CharDevice({ memory, generation, ...(setup.host.kind === "device" && setup.host.options) });
  const engine = new LguestEngine({ device, machine, memory, log });
  return {
    machine,
    engine,
    statistics: () => ({
      exits: { ...(soft?.counts ?? engine.counts) },
      bytes: sumTraffic(inOrder.map((one) => one.device)),
    }),
    drain: () => {
      machine.poll();
      return devices.console.drain();
    },
    close: () => device.close(),
  };
}
