/**
 * What Linux before 4.0 does on the lguest bus (`drivers/lguest/lguest_device.c`), and legacy virtio drivers with it:
 * for the tests of the bus. It finds devices by their descriptors, negotiates as one era or the other, and drives queues
 * where the descriptors say.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { LguestBus, type LguestBusOptions } from "../../../../lib/platform/lguest/bus/bus.ts";
import type { BusDescription } from "../../../../lib/platform/lguest/bus/description.ts";
import type { VirtioDevice } from "../../../../lib/virtio/device.ts";
import { RingDriver } from "../../../virtio/_driver.ts";
import { GuardedMemory } from "../../../virtio/_memory.ts";

/** Bytes of RAM in most tests. */
export const RAM = 1 << 20;
/** Pages above it. */
export const PAGES = 128;

/**
 * How a driver tells of its status: up to 2.6.39 each write is notified, from 3.0 on only that features are accepted,
 * and a status of 0 or FAILED.
 */
export type Era = "2.6" | "3.x";
/** Both. */
export const ERAS: readonly Era[] = ["2.6", "3.x"];

/** A descriptor as Linux reads it. */
export interface Found {
  /** Where in the page. */
  readonly offset: number;
  readonly type: number;
  readonly size: number;
  readonly featureLength: number;
  readonly configLength: number;
  readonly queues: readonly { readonly num: number; readonly irq: number; readonly address: number }[];
}

/** A device and what is said of it, or what the bus says of it by itself. */
export type Attached = VirtioDevice | readonly [VirtioDevice, BusDescription];

/** A Guest on the bus. */
export class LegacyGuest {
  readonly memory: GuardedMemory;
  readonly ramSize: number;
  readonly bus: LguestBus;
  /** Interrupts, in order. */
  readonly raised: number[] = [];
  readonly deaths: string[] = [];
  readonly lines: string[] = [];
  readonly warnings: string[] = [];
  /** What was printed before there was a console. */
  printed = "";
  /** Milliseconds. */
  time = 0;

  /**
   * A machine that is on.
   *
   * @param memory RAM and pages above it
   * @param attach makes the devices
   */
  constructor(
    attach: (memory: GuardedMemory) => readonly Attached[],
    memory: GuardedMemory = new GuardedMemory(RAM + 4096 * PAGES),
    ramSize: number = RAM,
  ) {
    this.memory = memory;
    this.ramSize = ramSize;
    const options: LguestBusOptions = {
      memory,
      ramSize,
      raiseInterrupt: (irq) => void this.raised.push(irq),
      died: (message) => void this.deaths.push(message),
      earlyConsole: (bytes) => void (this.printed += new TextDecoder().decode(bytes)),
      log: (line) => void this.lines.push(line),
      warn: (line) => void this.warnings.push(line),
      now: () => this.time,
    };
    this.bus = new LguestBus(options);
    for (const one of attach(memory)) {
      if ("name" in one) this.bus.attach(one);
      else this.bus.attach(...one);
    }
    this.bus.reset();
  }

  /** All descriptors, up to the type 0 that ends them. */
  scan(): Found[] {
    const { memory, ramSize } = this;
    const found: Found[] = [];
    for (let offset = 0; offset < 4096 && memory.getUint8(ramSize + offset) !== 0; offset += found.at(-1)!.size) {
      const at = ramSize + offset;
      const [type, count, featureLength, configLength] = memory.copy(at, 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const queues = Array.from({ length: count }, (_, index) => {
        const queue = at + 5 + 8 * index;
        return {
          num: memory.getUint16(queue),
          irq: memory.getUint16(queue + 2),
          address: memory.getUint32(queue + 4) * 4096,
        };
      });
      const size = 5 + 8 * count + 2 * featureLength + configLength;
      found.push({ offset, type, size, featureLength, configLength, queues });
    }
    return found;
  }

  /** A driver of a device, by its number on the bus. */
  driver(index: number, era: Era = "3.x"): LegacyDriver {
    return new LegacyDriver(this, this.scan()[index]!, era);
  }

  /** Interrupts since the last call. */
  interrupts(): number[] {
    return this.raised.splice(0);
  }
}

/** A driver of one device. */
export class LegacyDriver {
  readonly found: Found;
  readonly era: Era;
  /** Where the descriptor is. */
  readonly address: number;
  readonly #guest: LegacyGuest;
  /** Its queues, once they were found. */
  rings: RingDriver[] = [];

  constructor(guest: LegacyGuest, found: Found, era: Era) {
    this.#guest = guest;
    this.found = found;
    this.era = era;
    this.address = guest.ramSize + found.offset;
  }

  get #featuresAt(): number {
    return this.address + 5 + 8 * this.found.queues.length;
  }

  /** The features that are offered. */
  get offered(): bigint {
    return this.#bits(this.#featuresAt);
  }

  /** The features that are accepted. */
  get accepted(): bigint {
    return this.#bits(this.#featuresAt + this.found.featureLength);
  }

  /** The configuration. */
  get config(): Uint8Array {
    return this.#guest.memory.copy(this.#featuresAt + 2 * this.found.featureLength, this.found.configLength);
  }

  /** Write into the configuration. */
  setConfig(offset: number, bytes: Uint8Array): void {
    this.#guest.memory.write(this.#featuresAt + 2 * this.found.featureLength + offset, bytes);
  }

  /** Notify the descriptor. */
  notify(): void {
    this.#guest.bus.notify(this.address);
  }

  /** Write a status, and tell of it as this era does. */
  setStatus(status: number): void {
    this.#guest.memory.setUint8(this.address + 4, status);
    if (this.era === "2.6" || status === 0 || status & 0x80) this.notify();
  }

  /** Write accepted features, and tell of it as this era does. */
  accept(features: bigint): void {
    for (let index = 0; index < this.found.featureLength; index++) {
      const at = this.#featuresAt + this.found.featureLength + index;
      this.#guest.memory.setUint8(at, Number(features >> BigInt(8 * index) & 0xffn));
    }
    if (this.era === "3.x") this.notify();
  }

  /**
   * Come, up to queues that are found: but for DRIVER_OK, which {@link ready} sets.
   *
   * @param features what the driver knows; of it, all that is offered is accepted
   * @param at where its buffers are
   */
  probe(features: bigint = ~0n, at = 0x1_0000): RingDriver[] {
    const { memory } = this.#guest;
    this.setStatus(0);
    this.setStatus(1);
    this.setStatus(3);
    const accepted = features & this.offered;
    this.accept(accepted);
    const { queues } = this.found;
    this.rings = queues.map(({ num, address }, index) => {
      const rings = { descriptors: address, available: address + 16 * num, used: address + 8192 };
      // As `vring_new_virtqueue()`, it goes on with the indices that it finds, which must be 0.
      assertEquals([memory.getUint16(rings.available + 2), memory.getUint16(rings.used + 2)], [0, 0]);
      const share = 0x4_0000;
      return new RingDriver(memory, { at: at + index * share, size: num, features: accepted, rings });
    });
    return this.rings;
  }

  /** Set DRIVER_OK. */
  ready(): void {
    this.setStatus(7);
  }

  /** Kick a queue as Linux does: unless the device has asked not to. */
  kick(queue: number): void {
    const ring = this.rings[queue]!;
    if (ring.wantsKick(ring.availableIndex)) this.#guest.bus.notify(ring.descriptors);
  }

  #bits(at: number): bigint {
    return this.#guest.memory.copy(at, this.found.featureLength)
      .reduceRight((bits, byte) => bits << 8n | BigInt(byte), 0n);
  }
}
