/**
 * A virtio device on the PCI bus (virtio 1.2 §4.1), modern and not transitional.
 *
 * Register accesses enter through BAR 0 or the configuration window; kicks, configuration accesses and resets go on to
 * the {@link VirtioDevice}; its interrupts leave through the function's INTx pin, with the reason in the ISR byte.
 * There is no MSI-X, since there is no local APIC that a message could go to.
 *
 * Whatever the driver does wrong ends here: a {@link DriverError} of queue, device or transport becomes one call of
 * {@link TransportOptions.died}, and from then on the device is silent until the machine is reset. A device reads and
 * writes memory whether or not the driver has set "bus master"; virtio has its own order of things for that. Read next:
 * `pci_transport_common.ts`, then `queue.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { ALL_ONES } from "../pci/bus.ts";
import { PciFunction } from "../pci/function.ts";
import type { BusDevice, Width } from "../platform/bus.ts";
import { DriverError, type VirtioDevice } from "./device.ts";
import { COMMON, CommonConfiguration } from "./pci_transport_common.ts";
import {
  BAR_SIZE,
  CAPABILITY_TYPE,
  capabilityBody,
  COMMON_PLACE,
  devicePlace,
  ISR_PLACE,
  NOTIFY_MULTIPLIER,
  NOTIFY_OFFSET,
  notifyPlace,
  type Place,
  VENDOR_CAPABILITY,
  virtioIdentity,
  within,
} from "./pci_transport_layout.ts";
import { ConfigWindow } from "./pci_transport_window.ts";
import type { VirtQueue } from "./queue.ts";

/** Bits of the ISR byte (§4.1.4.5). */
export const ISR = { QUEUE: 1, CONFIG: 2 } as const;

/** What a transport needs besides its device. */
export interface TransportOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The driver broke the specification: the Guest must stop. */
  readonly died: (message: string) => void;
  /** Hears of each status write and reset. */
  readonly log?: ((line: string) => void) | undefined;
}

/** A virtio device as a PCI function. */
export class VirtioPciTransport implements BusDevice {
  /** What goes onto the bus. */
  readonly function: PciFunction;
  readonly #device: VirtioDevice;
  readonly #options: TransportOptions;
  readonly #common: CommonConfiguration;
  readonly #devicePlace: Place;
  readonly #notifyPlace: Place;
  /** The queues that the device may be told of: none before the driver is ready. */
  #running: readonly (VirtQueue | undefined)[] = [];
  #isr = 0;
  #isSilent = false;
  /** The configuration has changed, and the driver has not read it since. */
  #isConfigNew = false;
  /** Counts resets: what an earlier activation's queues and device say is not heard. */
  #epoch = 0;

  /**
   * A function that is on no bus.
   *
   * @param device what the driver is to find
   * @param options memory, and who hears what
   * @throws {RangeError} if the device's configuration or queues are too many for the BAR
   */
  constructor(device: VirtioDevice, options: TransportOptions) {
    this.#device = device;
    this.#options = options;
    this.#devicePlace = devicePlace(device);
    this.#notifyPlace = notifyPlace(device);
    const end = this.#notifyPlace.offset + this.#notifyPlace.length;
    if (this.#devicePlace.offset + this.#devicePlace.length > NOTIFY_OFFSET || end > BAR_SIZE) {
      throw new RangeError(`Virtio ${device.name}: configuration or queues do not fit into ${BAR_SIZE} bytes`);
    }
    this.#common = new CommonConfiguration(device, options.memory, {
      start: (features) => this.#start(features),
      reset: () => this.#restart(),
    });
    const bar = { index: 0, size: BAR_SIZE, registers: this };
    this.function = new PciFunction(device.name, virtioIdentity(device.type), [bar]);
    const add = (type: number, place: Place, extra?: number) =>
      this.function.addCapability(VENDOR_CAPABILITY, capabilityBody(type, place, extra));
    const places = [COMMON_PLACE, ISR_PLACE, this.#notifyPlace];
    add(CAPABILITY_TYPE.COMMON, COMMON_PLACE);
    add(CAPABILITY_TYPE.NOTIFY, this.#notifyPlace, NOTIFY_MULTIPLIER);
    add(CAPABILITY_TYPE.ISR, ISR_PLACE);
    if (device.configLength > 0) {
      places.push(this.#devicePlace);
      add(CAPABILITY_TYPE.DEVICE, this.#devicePlace);
    }
    new ConfigWindow(this.function, {
      registers: this,
      places,
      misused: () => this.#fail(this.#error("wrote to pci_cfg_data while it addressed no register", "4.1.4.9.2")),
    });
  }

  /** Power-on: the device forgets its driver. The bus resets the function itself. */
  reset(): void {
    this.#stop();
    this.#common.reset();
    this.#isSilent = false;
  }

  /** From now on nothing that the driver does reaches the device, until {@link reset}. */
  silence(): void {
    this.#isSilent = true;
  }

  /** A backend may have something new. */
  attend(): void {
    if (this.#isSilent) return;
    try {
      this.#device.attend();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Read BAR 0. */
  read(offset: number, width: Width): number {
    if (this.#isSilent) return ALL_ONES[width];
    try {
      if (within(ISR_PLACE, offset, width)) return this.#readIsr();
      if (within(COMMON_PLACE, offset, width)) return this.#common.read(offset, width);
      if (within(this.#devicePlace, offset, 1)) return this.#readConfig(offset - this.#devicePlace.offset, width);
      return 0; // between the structures, and doorbells: nothing to see
    } catch (error) {
      this.#fail(error);
      return ALL_ONES[width];
    }
  }

  /** Write BAR 0. */
  write(offset: number, width: Width, value: number): void {
    if (this.#isSilent) return;
    try {
      if (within(this.#notifyPlace, offset, width)) this.#notify(offset - NOTIFY_OFFSET, width, value);
      else if (within(COMMON_PLACE, offset, width)) this.#writeCommon(offset, width, value);
      else if (within(this.#devicePlace, offset, width)) {
        this.#writeConfig(offset - this.#devicePlace.offset, width, value);
      } else throw this.#error(`wrote ${width} bytes at ${offset} of BAR 0, where nothing can be written`, "4.1.4");
    } catch (error) {
      this.#fail(error);
    }
  }

  #writeCommon(offset: number, width: Width, value: number): void {
    if (this.#options.log && offset === COMMON.DEVICE_STATUS) {
      this.#options.log(`${this.#device.name}: device status -> 0x${value.toString(16)}`);
    }
    this.#common.write(offset, width, value);
  }

  #start(features: bigint): void {
    const epoch = ++this.#epoch;
    const say = (reason: number) => {
      if (epoch === this.#epoch && !this.#isSilent) this.#setIsr(this.#isr | reason);
    };
    const queues = this.#common.queues.start(features, () => say(ISR.QUEUE));
    this.#running = queues;
    this.#device.activate({
      features,
      queues,
      configChanged: () => {
        this.#isConfigNew = true;
        say(ISR.CONFIG);
      },
    });
  }

  #stop(): void {
    this.#epoch++;
    this.#running = [];
    this.#setIsr(0);
    this.#device.reset();
  }

  #restart(): void {
    this.#options.log?.(`Resetting device ${this.#device.name}`);
    this.#stop();
  }

  /** The driver rings a queue's doorbell (§4.1.5.2): of a queue that is not running, nobody hears. */
  #notify(offset: number, width: Width, value: number): void {
    const queue = Math.floor(offset / NOTIFY_MULTIPLIER);
    if (width !== 2 || offset % NOTIFY_MULTIPLIER !== 0 || value !== queue) {
      throw this.#error(`wrote ${value} (${width} bytes) at ${offset} of the doorbells`, "4.1.5.2");
    }
    if (this.#running[queue]) this.#device.notify(queue);
  }

  #readIsr(): number {
    const isr = this.#isr;
    this.#setIsr(0);
    return isr;
  }

  #setIsr(bits: number): void {
    this.#isr = bits;
    this.function.interrupt = bits !== 0;
  }

  /** Any width and place is read, before FEATURES_OK too (§2.5.2); what lies behind the end is 0. */
  #readConfig(offset: number, width: Width): number {
    if (this.#isConfigNew) {
      this.#isConfigNew = false;
      this.#common.nextGeneration();
    }
    const length = this.#device.configLength;
    if (offset % width === 0 && offset + width <= length) return this.#device.readConfig(offset, width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) {
      value = value * 256 + (offset + i < length ? this.#device.readConfig(offset + i, 1) : 0);
    }
    return value;
  }

  #writeConfig(offset: number, width: Width, value: number): void {
    if (offset % width !== 0) throw this.#error(`wrote ${width} bytes at ${offset} of its configuration`, "4.1.3.1");
    this.#device.writeConfig(offset, width, value);
  }

  #fail(error: unknown): void {
    if (!(error instanceof DriverError)) throw error;
    if (this.#isSilent) return;
    this.silence();
    this.#options.died(error.message);
  }

  #error(what: string, section: string): DriverError {
    return new DriverError(this.#device.name, what, section);
  }
}
