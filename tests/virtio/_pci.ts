/**
 * A virtio device without a purpose, on a PCI bus, and a driver of its registers: for the tests of the transport.
 *
 * @module
 */
import { PciBus } from "../../lib/pci/bus.ts";
import { COMMAND, REGISTER } from "../../lib/pci/function.ts";
import { createHostBridge } from "../../lib/pci/host_bridge.ts";
import { AddressSpace, type Width } from "../../lib/platform/bus.ts";
import { type Activation, DEVICE_TYPE, DriverError, type VirtioDevice } from "../../lib/virtio/device.ts";
import { VirtioPciTransport } from "../../lib/virtio/pci_transport.ts";
import { COMMON } from "../../lib/virtio/pci_transport_common.ts";
import type { GuestMemory } from "../../lib/memory.ts";
import { FakeLine } from "../platform/pc/_fakes.ts";
import { GuardedMemory } from "./_memory.ts";

/** Where the tests' BAR stands. */
export const BAR = 0xe000_0000;
/** VERSION_1, without which no driver gets far. */
export const VERSION_1: bigint = 1n << 32n;

/** A device that notes what reaches it. It offers features 0, 5 and 40. */
export class FakeDevice implements VirtioDevice {
  readonly name = "fake";
  readonly type = DEVICE_TYPE.BLOCK;
  readonly features = 1n | 1n << 5n | 1n << 40n;
  readonly queueNames = ["first", "second"];
  readonly configLength: number;
  /** What happened, in order. */
  readonly calls: string[] = [];
  /** What it was activated with, and not yet reset. */
  activation: Activation | undefined;
  /** The next call of notify or attend throws. */
  isOffended = false;

  /** @param configLength bytes of its configuration, which reads as its offsets */
  constructor(configLength = 10) {
    this.configLength = configLength;
  }

  readConfig(offset: number, width: Width): number {
    if (offset < 0 || offset + width > this.configLength) throw new Error(`readConfig(${offset}, ${width})`);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + offset + i;
    return value;
  }

  writeConfig(offset: number, width: Width, value: number): void {
    if (offset < 0 || offset + width > this.configLength) throw new Error(`writeConfig(${offset}, ${width})`);
    if (offset === 4) throw new DriverError(this.name, "wrote to what is read-only", "2.5");
    this.calls.push(`config ${offset}/${width} = ${value}`);
  }

  activate(activation: Activation): void {
    if (this.activation) throw new Error("Activated twice");
    this.activation = activation;
    this.calls.push("activate");
  }

  notify(queue: number): void {
    if (!this.activation?.queues[queue]) throw new Error(`notify(${queue})`);
    this.calls.push(`notify ${queue}`);
    this.#takeOffence();
  }

  attend(): void {
    this.calls.push("attend");
    this.#takeOffence();
  }

  reset(): void {
    this.activation = undefined;
    this.calls.push("reset");
  }

  #takeOffence(): void {
    if (!this.isOffended) return;
    this.isOffended = false;
    throw new DriverError(`${this.name} first queue`, "was rude", "2.7");
  }
}

/** A structure that a capability names. */
export interface Structure {
  readonly offset: number;
  readonly length: number;
  /** The field behind, of those types that have one. */
  readonly extra: number;
  /** Where the capability is in configuration space. */
  readonly capability: number;
}

/** A driver that finds the device as virtio 1.2 §4.1.4 says, and touches its registers. */
export class PciDriver {
  readonly memory: GuestMemory;
  readonly mmio = new AddressSpace();
  readonly bus: PciBus;
  readonly line = new FakeLine();
  /** Why the machine was to stop. */
  readonly deaths: string[] = [];
  /** What was logged. */
  readonly lines: string[] = [];
  readonly transport: VirtioPciTransport;
  /** The structures in BAR 0, by cfg_type. */
  readonly structures: ReadonlyMap<number, Structure>;

  /**
   * A driver that has found the device.
   *
   * @param device what is driven
   * @param memory of 1 MiB; the device's own, if it has one
   */
  constructor(device: VirtioDevice, memory: GuestMemory = new GuardedMemory(1 << 20)) {
    this.memory = memory;
    this.bus = new PciBus(this.mmio, memory.size);
    this.transport = new VirtioPciTransport(device, {
      memory: this.memory,
      died: (message) => this.deaths.push(message),
      log: (line) => this.lines.push(line),
    });
    this.bus.add(createHostBridge());
    this.bus.add(this.transport.function);
    this.transport.function.connect(this.line);
    this.switchOn();
    this.structures = this.#find();
  }

  /** Power-on, and what the firmware does. */
  switchOn(): void {
    this.transport.reset();
    this.bus.reset();
    this.bus.write(1, REGISTER.BAR0, 4, BAR);
    this.bus.write(1, REGISTER.COMMAND, 2, COMMAND.MEMORY);
  }

  /** Read a field of the common configuration in its own width, or another. */
  get(field: number, width: Width = widthOf(field)): number {
    return this.mmio.read(this.addressOf(1) + field, width);
  }

  /** Write a field of the common configuration. */
  set(field: number, value: number, width: Width = widthOf(field)): void {
    this.mmio.write(this.addressOf(1) + field, width, value);
  }

  /** Where a structure stands in memory, by cfg_type. */
  addressOf(type: number): number {
    return BAR + this.structures.get(type)!.offset;
  }

  /** Read the interrupt status. */
  isr(): number {
    return this.mmio.read(this.addressOf(3), 1);
  }

  /** Kick a queue. */
  kick(queue: number): void {
    const { extra } = this.structures.get(2)!;
    this.mmio.write(this.addressOf(2) + queue * extra, 2, queue);
  }

  /** The 64 feature bits that are offered. */
  offered(): bigint {
    const [low, high] = [0, 1].map((select) => {
      this.set(COMMON.DEVICE_FEATURE_SELECT, select);
      return BigInt(this.get(COMMON.DEVICE_FEATURE));
    });
    return high! << 32n | low!;
  }

  /** Accept features. */
  accept(features: bigint): void {
    for (const select of [0, 1]) {
      this.set(COMMON.DRIVER_FEATURE_SELECT, select);
      this.set(COMMON.DRIVER_FEATURE, Number(features >> BigInt(32 * select) & 0xffff_ffffn));
    }
  }

  /** As far as features that are accepted (§3.1.1, steps 1 to 6). */
  negotiate(features: bigint = VERSION_1): void {
    this.set(COMMON.DEVICE_STATUS, 0);
    this.set(COMMON.DEVICE_STATUS, 1);
    this.set(COMMON.DEVICE_STATUS, 3);
    this.accept(features);
    this.set(COMMON.DEVICE_STATUS, 11);
    this.get(COMMON.DEVICE_STATUS);
  }

  /** Set a queue's size and addresses, without enabling it. */
  place(queue: number, { size = 8, descriptors = 0x1_0000, available = 0x1_1000, used = 0x1_2000 } = {}): void {
    this.set(COMMON.QUEUE_SELECT, queue);
    this.set(COMMON.QUEUE_SIZE, size);
    for (const [field, address] of [[32, descriptors], [40, available], [48, used]] as const) {
      this.set(field, address % 2 ** 32);
      this.set(field + 4, Math.floor(address / 2 ** 32));
    }
  }

  /** Up to DRIVER_OK, with the queues given. */
  start(features: bigint = VERSION_1, queues: readonly number[] = [0, 1]): void {
    this.negotiate(features);
    for (const queue of queues) {
      const at = 0x1_0000 + 0x4000 * queue;
      this.memory.fill(at, 0x3000, 0);
      this.place(queue, { descriptors: at, available: at + 0x1000, used: at + 0x2000 });
      this.set(COMMON.QUEUE_ENABLE, 1);
    }
    this.set(COMMON.DEVICE_STATUS, 15);
  }

  #find(): Map<number, Structure> {
    const found = new Map<number, Structure>();
    const read = (at: number, width: Width) => this.bus.read(1, at, width);
    for (let at = read(REGISTER.CAPABILITIES, 1); at !== 0; at = read(at + 1, 1)) {
      if (read(at, 1) !== 9) continue;
      const extra = read(at + 2, 1) >= 20 ? read(at + 16, 4) : 0;
      found.set(read(at + 3, 1), { offset: read(at + 8, 4), length: read(at + 12, 4), extra, capability: at });
    }
    return found;
  }
}

/** The width of a field of the common configuration (§4.1.4.3). */
export function widthOf(field: number): Width {
  return field === 20 || field === 21 ? 1 : field >= 16 && field < 32 ? 2 : 4;
}
