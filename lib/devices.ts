/**
 * The devices that a user asked for, on the host's side: files and taps are opened here, by the main thread, before the
 * root directory or the user is changed.
 *
 * {@link DeviceOption}s enter, in the order of the command line; {@link DeviceSetup}s leave, plain data of which
 * `vcpu_devices.ts` makes the devices in the virtual CPU's thread. Read next: `storage/disk.ts`, `net/tap.ts`.
 *
 * @module
 */
import { GuestError } from "./guest_error.ts";
import type { GuestMemory } from "./memory.ts";
import { describeTunnet, openTap } from "./net/tap.ts";
import { startTapWorkers, type TapSetup } from "./net/tap_workers.ts";
import type { Mac, TunnetSpec } from "./net/tunnet.ts";
import { DEVICE_NUMBERS } from "./pci/bus.ts";
import { openDisk } from "./storage/disk.ts";
import type { DiskSetup } from "./storage/ring_backend.ts";

/** A device that a Guest shall have. */
export type DeviceOption =
  /** A disk: a raw image or a block device. */
  | { readonly kind: "block"; readonly path: string; readonly readOnly?: boolean }
  /** A network card, connected to a tap interface. */
  | { readonly kind: "net"; readonly tunnet: TunnetSpec }
  /** A source of random numbers. */
  | { readonly kind: "rng" };

/** What the virtual CPU's thread makes a device of. */
export type DeviceSetup =
  | { readonly kind: "block"; readonly path: string; readonly disk: DiskSetup }
  | { readonly kind: "net"; readonly network: string; readonly tap: TapSetup; readonly mac: Mac }
  | { readonly kind: "rng" };

/** What {@link HostDevices.open} needs besides the options. */
export interface HostDevicesOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The attention word of the virtual CPU's thread. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** Path of the C library, if a user named it. */
  readonly library?: string | undefined;
}

/** The most devices that a Guest can have: the bus has room for them, the host bridge and the console. */
const MAX_DEVICES = DEVICE_NUMBERS - 2;

/** A device that is open. */
interface Opened {
  readonly setup: DeviceSetup;
  close(): Promise<void>;
}

/** Everything that was opened for a Guest. */
export class HostDevices {
  readonly #opened: readonly Opened[];

  private constructor(opened: readonly Opened[]) {
    this.#opened = opened;
  }

  /**
   * Open all devices, or none.
   *
   * @throws {GuestError} for the first that cannot be opened, or if there are more than the bus has room for
   */
  static async open(options: readonly DeviceOption[], place: HostDevicesOptions): Promise<HostDevices> {
    if (options.length > MAX_DEVICES) {
      throw new GuestError(`A Guest can have ${MAX_DEVICES} devices besides its console: got ${options.length}`);
    }
    const results = await Promise.allSettled(options.map((option) => openDevice(option, place)));
    const devices = new HostDevices(results.flatMap((one) => one.status === "fulfilled" ? one.value : []));
    const failed = results.find((one) => one.status === "rejected");
    if (!failed) return devices;
    await devices.close();
    throw failed.reason;
  }

  /** What is to be posted to the virtual CPU's thread, in the order of the options. */
  get setups(): readonly DeviceSetup[] {
    return this.#opened.map(({ setup }) => setup);
  }

  /** Finish what is under way and close everything; the virtual CPU's thread must have ended. */
  async close(): Promise<void> {
    await Promise.all(this.#opened.map((device) => device.close()));
  }
}

async function openDevice(option: DeviceOption, { memory, attention, library }: HostDevicesOptions): Promise<Opened> {
  switch (option.kind) {
    case "block": {
      const { path, readOnly = false } = option;
      const { setup, close } = await openDisk({ path, readOnly, memory, attention });
      return { setup: { kind: "block", path, disk: setup }, close };
    }
    case "net": {
      const tap = openTap(option.tunnet, library);
      const workers = startTapWorkers(tap, { attention, ...(library !== undefined && { library }) });
      try {
        await workers.ready;
      } catch (error) {
        await workers.close();
        throw error;
      }
      const network = `${describeTunnet(option.tunnet)} by ${tap.name}`;
      return { setup: { kind: "net", network, tap: workers.setup, mac: tap.mac }, close: () => workers.close() };
    }
    case "rng":
      return { setup: { kind: "rng" }, close: () => Promise.resolve() };
  }
}
