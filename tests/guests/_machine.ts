/**
 * Runs a test kernel in a whole machine: the Host in TypeScript, the Launcher's loop, a console and a source of "random"
 * bytes on PCI or on the lguest bus. Read first: `_run.ts`; the kernels are bus.c and pci.c.
 *
 * @module
 */
import { loadElf, parseElf } from "../../lib/boot/elf.ts";
import type { StopReason } from "../../lib/engine/engine.ts";
import type { GuestMemory } from "../../lib/memory.ts";
import { MemoryConsole } from "../../lib/platform/console.ts";
import type { Generation } from "../../lib/platform/lguest/generation.ts";
import { LguestEngine } from "../../lib/platform/lguest/launcher.ts";
import { LguestMachine } from "../../lib/platform/lguest/machine.ts";
import { SoftHost } from "../../lib/platform/lguest/soft_host.ts";
import { ConsoleDevice } from "../../lib/virtio/console.ts";
import { RngDevice } from "../../lib/virtio/rng.ts";
import { buildGuest } from "./_build.ts";
import { COMMAND_LINE, INFO, PARAMETERS, RAM } from "./_layout.ts";

/** A machine with a console and a source of bytes 1, 2, 3, ... */
export interface TestMachine {
  /** What the Guest has printed. */
  readonly console: MemoryConsole;
  /** The names of tests enter, to be run one after the other, each but the last ending with a restart. */
  run(...names: readonly string[]): StopReason;
}

/**
 * Build a machine.
 *
 * @param topic the C file with the tests
 * @param memory RAM, and on the lguest bus the pages behind it
 * @param generation which Host, and so which bus
 */
export function createTestMachine(topic: string, memory: GuestMemory, generation: Generation): TestMachine {
  const console = new MemoryConsole();
  const device = new SoftHost(memory, generation);
  const machine = new LguestMachine({ memory, ramSize: RAM, generation, console });
  machine.attachVirtio(new ConsoleDevice({ memory, port: console }));
  const source = (bytes: Uint8Array) => bytes.forEach((_, i) => bytes[i] = i + 1);
  machine.attachVirtio(new RngDevice({ memory, source }));
  const engine = new LguestEngine({ device, machine, memory });
  const file = buildGuest(topic, generation);
  const image = parseElf(file, topic);

  function runOne(name: string): StopReason {
    memory.fill(0, memory.size, 0);
    machine.reset();
    loadElf(memory, file, image);
    memory.write(COMMAND_LINE, new TextEncoder().encode(name));
    memory.setUint8(0x1e8, 1); // e820_entries (boot protocol, zero page)
    memory.setBigUint64(0x2d8, BigInt(RAM)); // e820_map[0].size
    memory.setUint32(PARAMETERS + INFO.MEMORY, machine.pfnLimit() * 4096);
    memory.setUint32(PARAMETERS + INFO.DEVICE_LIMIT, machine.deviceLimit() * 4096);
    memory.setUint32(PARAMETERS + INFO.RAM, RAM);
    engine.reset({ eip: image.entry, esi: 0 });
    return engine.run();
  }

  return {
    console,
    run(...names) {
      for (const name of names.slice(0, -1)) {
        const { kind } = runOne(name);
        if (kind !== "reset") throw new Error(`${name} ended with "${kind}" instead of a restart`);
      }
      return runOne(names.at(-1)!);
    },
  };
}
