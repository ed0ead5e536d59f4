/**
 * The devices of a Guest, in the virtual CPU's thread: what `devices.ts` opened on the host enters, virtio devices
 * leave, for the platform to put onto its bus. The console is always there and always first, as the original has it.
 * Read next: `virtio/device.ts`.
 *
 * @module
 */
import type { DeviceSetup } from "./devices.ts";
import type { GuestMemory } from "./memory.ts";
import { TapBackend } from "./net/tap_backend.ts";
import { formatMac } from "./net/tunnet.ts";
import type { ConsolePort } from "./platform/console.ts";
import { RingBlockBackend } from "./storage/ring_backend.ts";
import { BlockDevice } from "./virtio/block.ts";
import { ConsoleDevice } from "./virtio/console.ts";
import type { VirtioDevice } from "./virtio/device.ts";
import { NetDevice } from "./virtio/net.ts";
import { RngDevice } from "./virtio/rng.ts";

/** What {@link createDevices} needs. */
export interface VcpuDevicesOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The terminal. */
  readonly console: ConsolePort;
  /** What was opened on the host. */
  readonly setups: readonly DeviceSetup[];
  /** Takes a line for each request and each device, if the user wants to know. */
  readonly log?: ((line: string) => void) | undefined;
  /** Takes a line about what does not work as it should. */
  readonly warn: (line: string) => void;
}

/** A Guest's devices. */
export interface VcpuDevices {
  /** The console, which is one of {@link list}. */
  readonly console: ConsoleDevice;
  /** All of them in the order of their slots, with what the log says of each. */
  readonly list: readonly { readonly device: VirtioDevice; readonly description: string }[];
}

/** Make all devices. */
export function createDevices({ memory, console, setups, log, warn }: VcpuDevicesOptions): VcpuDevices {
  const consoleDevice = new ConsoleDevice({ memory, port: console });
  let disks = 0, cards = 0;
  const create = (setup: DeviceSetup) => {
    switch (setup.kind) {
      case "block": {
        const { path, disk } = setup;
        const name = `block ${diskName(disks++)}`;
        const backend = new RingBlockBackend(disk, memory);
        const device = new BlockDevice({ name, memory, backend, id: disk.id, ...(log && { log }) });
        const rights = disk.readOnly ? ", read-only" : "";
        return { device, description: `${name}: "${path}", ${disk.sectors} sectors${rights}` };
      }
      case "net": {
        const { network, tap, mac } = setup;
        const name = `net eth${cards++}`;
        const device = new NetDevice({ name, memory, backend: new TapBackend(tap, memory), mac, warn });
        return { device, description: `${name}: ${network}, MAC ${formatMac(mac)}` };
      }
      case "rng":
        return { device: new RngDevice({ memory }), description: "rng" };
    }
  };
  return {
    console: consoleDevice,
    list: [{ device: consoleDevice, description: "console hvc0" }, ...setups.map(create)],
  };
}

/** What Linux calls its disks; vda to vdz, then vdaa and so on. */
function diskName(index: number): string {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  return `vd${index < 26 ? "" : letters[Math.floor(index / 26) - 1]}${letters[index % 26]}`;
}
