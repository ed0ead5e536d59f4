/**
 * The common configuration structure (virtio 1.2 §4.1.4.3): features, status, queues. Register accesses enter, what
 * leaves is "the driver is ready, with these features and queues" and "the driver resets the device".
 *
 * Every field must be accessed in its own width (§4.1.3.1). What the driver must not do at all, or not yet, is a {@link
 * DriverError}. Read next: `pci_transport_status.ts` (the order of things), `pci_transport_queues.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import type { Width } from "../platform/bus.ts";
import { DriverError, FEATURE, type VirtioDevice } from "./device.ts";
import { QueueSetup } from "./pci_transport_queues.ts";
import { DeviceStatus } from "./pci_transport_status.ts";

/** Offsets of the fields (§4.1.4.3). */
export const COMMON = {
  DEVICE_FEATURE_SELECT: 0,
  DEVICE_FEATURE: 4,
  DRIVER_FEATURE_SELECT: 8,
  DRIVER_FEATURE: 12,
  CONFIG_MSIX_VECTOR: 16,
  NUM_QUEUES: 18,
  DEVICE_STATUS: 20,
  CONFIG_GENERATION: 21,
  QUEUE_SELECT: 22,
  QUEUE_SIZE: 24,
  QUEUE_MSIX_VECTOR: 26,
  QUEUE_ENABLE: 28,
  QUEUE_NOTIFY_OFF: 30,
  QUEUE_DESC: 32,
  QUEUE_DRIVER: 40,
  QUEUE_DEVICE: 48,
} as const;

/** "No vector": all there is where the function has no MSI-X capability (§4.1.5.1.2). */
export const NO_VECTOR = 0xffff;

/** The width of the field at each offset; the rest are 32 bits. */
const NARROW: Readonly<Record<number, Width>> = {
  [COMMON.CONFIG_MSIX_VECTOR]: 2,
  [COMMON.NUM_QUEUES]: 2,
  [COMMON.DEVICE_STATUS]: 1,
  [COMMON.CONFIG_GENERATION]: 1,
  [COMMON.QUEUE_SELECT]: 2,
  [COMMON.QUEUE_SIZE]: 2,
  [COMMON.QUEUE_MSIX_VECTOR]: 2,
  [COMMON.QUEUE_ENABLE]: 2,
  [COMMON.QUEUE_NOTIFY_OFF]: 2,
};

/** What the driver's progress causes. */
export interface Progress {
  /** The driver is ready; called after the status says so. */
  start(features: bigint): void;
  /** The driver resets the device; called before the status says so. */
  reset(): void;
}

/** The common configuration structure of a device. */
export class CommonConfiguration {
  /** How far the driver has got. */
  readonly status: DeviceStatus;
  /** The queues it has set up. */
  readonly queues: QueueSetup;
  readonly #device: VirtioDevice;
  readonly #progress: Progress;
  readonly #offered: bigint;
  #accepted = 0n;
  #deviceSelect = 0;
  #driverSelect = 0;
  #generation = 0;

  /**
   * Registers as after a reset.
   *
   * @param device whose features and queues they show
   * @param memory where the driver puts queues
   * @param progress what is called when the driver gets ahead
   */
  constructor(device: VirtioDevice, memory: GuestMemory, progress: Progress) {
    this.#device = device;
    this.#progress = progress;
    this.status = new DeviceStatus(device.name);
    this.queues = new QueueSetup(device, memory);
    this.#offered = Object.values(FEATURE).reduce((bits, bit) => bits | 1n << BigInt(bit), device.features);
  }

  /** As before the driver came. */
  reset(): void {
    this.status.reset();
    this.queues.reset();
    this.#accepted = 0n;
    this.#deviceSelect = 0;
    this.#driverSelect = 0;
  }

  /** The driver is about to read a configuration that has changed since it read it last (§4.1.4.3.1). */
  nextGeneration(): void {
    this.#generation = (this.#generation + 1) & 0xff;
  }

  /**
   * Read a field.
   *
   * @throws {DriverError} if the driver must not do that, or not yet
   */
  read(offset: number, width: Width): number {
    this.#checkWidth(offset, width);
    switch (offset) {
      case COMMON.DEVICE_FEATURE_SELECT:
        this.status.requireDriver("read device_feature_select");
        return this.#deviceSelect;
      case COMMON.DEVICE_FEATURE:
        this.status.requireDriver("read device_feature");
        return half(this.#offered, this.#deviceSelect);
      case COMMON.DRIVER_FEATURE_SELECT:
        this.status.requireDriver("read driver_feature_select");
        return this.#driverSelect;
      case COMMON.DRIVER_FEATURE:
        this.status.requireDriver("read driver_feature");
        return half(this.#accepted, this.#driverSelect);
      case COMMON.CONFIG_MSIX_VECTOR:
        return NO_VECTOR;
      case COMMON.NUM_QUEUES:
        return this.#device.queueNames.length;
      case COMMON.DEVICE_STATUS:
        return this.status.read();
      case COMMON.CONFIG_GENERATION:
        return this.#generation;
      case COMMON.QUEUE_SELECT:
        return this.queues.selected;
    }
    this.status.requireDriver("read a queue's registers");
    switch (offset) {
      case COMMON.QUEUE_SIZE:
        return this.queues.size;
      case COMMON.QUEUE_MSIX_VECTOR:
        return NO_VECTOR;
      case COMMON.QUEUE_ENABLE:
        return this.queues.isEnabled ? 1 : 0;
      case COMMON.QUEUE_NOTIFY_OFF:
        // Each queue has its own doorbell, in order.
        return this.queues.size === 0 ? 0 : this.queues.selected;
      default:
        return this.queues.half((offset - COMMON.QUEUE_DESC) >> 2);
    }
  }

  /**
   * Write a field.
   *
   * @throws {DriverError} if the driver must not do that, or not yet
   */
  write(offset: number, width: Width, value: number): void {
    this.#checkWidth(offset, width);
    switch (offset) {
      case COMMON.DEVICE_FEATURE_SELECT:
        this.status.requireDriver("wrote device_feature_select");
        this.#deviceSelect = value;
        return;
      case COMMON.DRIVER_FEATURE_SELECT:
        this.status.requireDriver("wrote driver_feature_select");
        this.#driverSelect = value;
        return;
      case COMMON.DRIVER_FEATURE:
        this.#accept(value);
        return;
      case COMMON.CONFIG_MSIX_VECTOR:
      case COMMON.QUEUE_MSIX_VECTOR:
        // There is nothing to map; the driver reads back that it failed (§4.1.5.1.2.1).
        return;
      case COMMON.DEVICE_STATUS:
        this.#setStatus(value);
        return;
      case COMMON.QUEUE_SELECT:
        this.queues.selected = value;
        return;
      case COMMON.QUEUE_SIZE:
        this.status.requireSetup("wrote queue_size");
        this.queues.size = value;
        return;
      case COMMON.QUEUE_ENABLE:
        if (value !== 1) throw this.#error(`wrote ${value} to queue_enable`, "4.1.4.3.2");
        if (this.queues.isEnabled) return;
        this.status.requireSetup("enabled a queue");
        this.queues.enable();
        return;
    }
    if (offset < COMMON.QUEUE_DESC) {
      throw this.#error(`wrote to a read-only field of the common configuration, at ${offset}`, "4.1.4.3.2");
    }
    this.status.requireSetup("wrote a queue's address");
    this.queues.setHalf((offset - COMMON.QUEUE_DESC) >> 2, value);
  }

  #accept(value: number): void {
    this.status.requireDriver("wrote driver_feature");
    if (this.status.areFeaturesFixed) throw this.#error("wrote driver_feature after FEATURES_OK", "3.1.1");
    const select = this.#driverSelect;
    const excess = (value & ~half(this.#offered, select)) >>> 0;
    if (excess !== 0) {
      throw this.#error(`accepted features 0x${excess.toString(16)} (word ${select}) that were not offered`, "2.2.1");
    }
    // Words behind the second can only be 0 here.
    if (select > 1) return;
    const shift = BigInt(32 * select);
    this.#accepted = this.#accepted & ~(0xffff_ffffn << shift) | BigInt(value) << shift;
  }

  #setStatus(value: number): void {
    if (value === 0) {
      this.#progress.reset();
      this.reset();
      return;
    }
    // Without VERSION_1 it is a driver of the legacy interface, which does not exist here (§6.2).
    const isModern = (this.#accepted >> BigInt(FEATURE.VERSION_1) & 1n) === 1n;
    if (this.status.write(value, isModern)) this.#progress.start(this.#accepted);
  }

  #checkWidth(offset: number, width: Width): void {
    const natural = NARROW[offset] ?? (offset % 4 === 0 ? 4 : undefined);
    if (natural !== width) {
      throw this.#error(`accessed ${width} bytes at ${offset} of the common configuration`, "4.1.3.1");
    }
  }

  #error(what: string, section: string): DriverError {
    return new DriverError(this.#device.name, what, section);
  }
}

/** 32 feature bits, from bit `32 * select` on; none beyond the 64 there are (§4.1.4.3.1). */
function half(features: bigint, select: number): number {
  return select > 1 ? 0 : Number(features >> BigInt(32 * select) & 0xffff_ffffn);
}
