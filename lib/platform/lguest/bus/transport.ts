/**
 * A virtio device on the lguest bus, of the legacy interface (virtio 1.2 §1.3.1, §2.2.3): its descriptor, its rings, and
 * how far its driver has got.
 *
 * Notifications enter, which `bus.ts` has told apart; resets, kicks and the driver's features go on to the
 * {@link VirtioDevice}; interrupts leave, one for each queue. The descriptor is written here and then belongs to the
 * Guest, which may write anything over it: of what it holds, only the status and the accepted features are ever read
 * again, each once and into a copy that is judged. All else is kept privately.
 *
 * When a driver is ready is not told alike by all versions. Up to 2.6.39 each write of the status is notified, when the
 * features are not accepted yet too, and DRIVER_OK at the end. From 3.0 on DRIVER_OK is not: the driver notifies once
 * when it has accepted its features, and from then on only a status of 0 or FAILED. In both, drivers use their queues
 * before DRIVER_OK (§3.1.2: a device must bear that), and never before the features are settled. So DRIVER_OK or the
 * first kick begins the device, whichever comes first, and nothing that a driver can see depends on its version.
 *
 * A kick of a device whose status is 0, or FAILED, is heard by nobody, as on PCI: the original's eventfd swallows it,
 * too, once the device has run. What a driver does wrong becomes one call of `died`, and the device is silent until the
 * bus is reset. Read next: `../../../virtio/queue.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../../../memory.ts";
import { DriverError, QUEUE_SIZE, STATUS, type VirtioDevice } from "../../../virtio/device.ts";
import { VirtQueue } from "../../../virtio/queue.ts";
import type { BusDescription } from "./description.ts";
import { DESCRIPTOR, PAGE_SIZE, RING, VQCONFIG } from "./layout.ts";
import { InterruptPacer } from "./pacer.ts";

/** What a device on the bus has to do with. */
export interface LguestTransportOptions {
  /** The Guest's memory, with the pages of the bus. */
  readonly memory: GuestMemory;
  /** Interrupt the Guest. */
  readonly raiseInterrupt: (irq: number) => void;
  /** The driver broke the specification: the Guest must stop. */
  readonly died: (message: string) => void;
  /** Hears of each status, start and reset. */
  readonly log?: ((line: string) => void) | undefined;
  /** Hears of a driver that gave up. */
  readonly warn?: ((line: string) => void) | undefined;
  /** Milliseconds from any start; `performance.now()` unless told otherwise. */
  readonly now?: (() => number) | undefined;
}

/** Where a device is on the bus. */
export interface BusPlace {
  /** Guest-physical address of its descriptor. */
  readonly descriptor: number;
  /** Guest-physical address of its first queue's rings; those of the others follow. */
  readonly rings: number;
  /** Its first queue's interrupt; those of the others follow. */
  readonly irq: number;
}

/** Bytes that a device's descriptor takes. */
export function descriptorSize(device: VirtioDevice, { features, configLength }: BusDescription): number {
  return DESCRIPTOR.SIZE + device.queueNames.length * VQCONFIG.SIZE + 2 * featureLength(features) + configLength;
}

/** A virtio device as the lguest bus has it. */
export class LguestBusTransport {
  readonly #device: VirtioDevice;
  readonly #description: BusDescription;
  readonly #place: BusPlace;
  readonly #options: LguestTransportOptions;
  readonly #featureLength: number;
  /** Where the bytes of accepted features and of the configuration are. */
  readonly #acceptedAt: number;
  readonly #configAt: number;
  /** The configuration as it was written last. */
  #config = new Uint8Array(0);
  /** The queues that the device may be told of; none before the driver is ready. */
  #running: readonly VirtQueue[] | undefined;
  /** What was negotiated with the driver that runs. */
  #features = 0n;
  #pacers: readonly InterruptPacer[] = [];
  #hasWarned = false;
  #isSilent = false;
  /** Counts resets: what an earlier activation's queues and device say is not heard. */
  #epoch = 0;

  /**
   * A device whose descriptor is not written yet, see {@link publish}.
   *
   * @param device what the driver is to find
   * @param description what is offered of it
   * @param place where; `bus.ts` has seen to it that it fits
   * @param options memory, and who hears what
   */
  constructor(
    device: VirtioDevice,
    description: BusDescription,
    { place, ...options }: LguestTransportOptions & { readonly place: BusPlace },
  ) {
    this.#device = device;
    this.#description = description;
    this.#place = place;
    this.#options = options;
    this.#featureLength = featureLength(description.features);
    const queues = device.queueNames.length;
    this.#acceptedAt = place.descriptor + DESCRIPTOR.SIZE + queues * VQCONFIG.SIZE + this.#featureLength;
    this.#configAt = this.#acceptedAt + this.#featureLength;
  }

  /** Power-on: the device forgets its driver, and the rings are zeroed. The descriptor is not there any more. */
  reset(): void {
    this.#stop();
    this.#isSilent = false;
    this.#hasWarned = false;
  }

  /** Write the descriptor as a Guest finds it first, into bytes that are 0. */
  publish(): void {
    const { memory } = this.#options;
    const { descriptor, irq, rings } = this.#place;
    const { configLength } = this.#description;
    const names = this.#device.queueNames;
    memory.setUint8(descriptor + DESCRIPTOR.TYPE, this.#device.type);
    memory.setUint8(descriptor + DESCRIPTOR.NUM_VQ, names.length);
    memory.setUint8(descriptor + DESCRIPTOR.FEATURE_LEN, this.#featureLength);
    memory.setUint8(descriptor + DESCRIPTOR.CONFIG_LEN, configLength);
    for (const queue of names.keys()) {
      const at = descriptor + DESCRIPTOR.SIZE + queue * VQCONFIG.SIZE;
      memory.setUint16(at + VQCONFIG.NUM, QUEUE_SIZE);
      memory.setUint16(at + VQCONFIG.IRQ, irq + queue);
      memory.setUint32(at + VQCONFIG.PFN, (rings + queue * RING.size) / PAGE_SIZE);
    }
    memory.write(this.#acceptedAt - this.#featureLength, toBytes(this.#description.features, this.#featureLength));
    this.#config = this.#readConfig();
    memory.write(this.#configAt, this.#config);
  }

  /** From now on nothing that the driver does reaches the device, until {@link reset}. */
  silence(): void {
    this.#isSilent = true;
  }

  /** A backend may have something new. */
  attend(): void {
    this.#guard(() => this.#device.attend());
  }

  /** The driver notified the descriptor: it has written the status, or has accepted its features. */
  statusChanged(): void {
    this.#guard(() => this.#judgeStatus(this.#readStatus()));
  }

  /** The driver notified a queue's rings. */
  kick(queue: number): void {
    this.#guard(() => {
      if (!this.#running) {
        const status = this.#readStatus();
        if (status === 0 || status & STATUS.FAILED) {
          this.#options.log?.(`${this.#device.name}: kicked without a driver, device status 0x${status.toString(16)}`);
          return;
        }
        this.#start();
      }
      this.#device.notify(queue);
    });
  }

  #readStatus(): number {
    return this.#options.memory.getUint8(this.#place.descriptor + DESCRIPTOR.STATUS);
  }

  #judgeStatus(status: number): void {
    const { name } = this.#device;
    this.#options.log?.(`${name}: device status -> 0x${status.toString(16)}`);
    if (status === 0) {
      this.#restart();
    } else if (status & STATUS.FAILED) {
      if (!this.#hasWarned) this.#options.warn?.(`Device ${name}: the Guest's driver gave up (status FAILED)`);
      this.#hasWarned = true;
      if (this.#running) this.#restart();
    } else if (this.#running) {
      if (this.#readAccepted() !== this.#features) {
        throw this.#error("accepted other features when the device was running", "3.1.2");
      }
    } else if (status & STATUS.DRIVER_OK) {
      this.#start();
    }
  }

  #start(): void {
    const { features: offered } = this.#description;
    const features = this.#readAccepted();
    const excess = features & ~offered;
    if (excess !== 0n) throw this.#error(`accepted features 0x${excess.toString(16)} that were not offered`, "2.2.1");
    const hex = (bits: bigint) => Array.from(toBytes(bits, this.#featureLength), (byte) => ` ${twoDigits(byte)}`);
    const list = `offered${hex(offered).join("")}, accepted${hex(features).join("")}`;
    this.#options.log?.(`Device ${this.#device.name} OK: ${list}`);
    const epoch = ++this.#epoch;
    const pacers: InterruptPacer[] = [];
    this.#pacers = pacers;
    this.#features = features;
    const queues = this.#device.queueNames.map((queueName, index) => {
      const raise = () => {
        if (epoch === this.#epoch && !this.#isSilent) this.#options.raiseInterrupt(this.#place.irq + index);
      };
      let interrupt = raise;
      if (this.#description.polled?.includes(index)) {
        const pacer = new InterruptPacer(raise, this.#options.now ?? (() => performance.now()));
        pacers.push(pacer);
        interrupt = () => pacer.request();
      }
      return this.#makeQueue(`${this.#device.name} ${queueName} queue`, index, interrupt);
    });
    this.#running = queues;
    this.#device.activate({
      features,
      queues,
      configChanged: () => {
        if (epoch === this.#epoch && !this.#isSilent) this.#refreshConfig();
      },
    });
  }

  #makeQueue(name: string, index: number, interrupt: () => void): VirtQueue {
    const at = this.#place.rings + index * RING.size;
    return new VirtQueue({
      memory: this.#options.memory,
      name,
      size: QUEUE_SIZE,
      descriptors: at + RING.descriptors,
      available: at + RING.available,
      used: at + RING.used,
      features: this.#features,
      interrupt,
    });
  }

  /** The driver resets the device, or has given up. */
  #restart(): void {
    this.#options.log?.(`Resetting device ${this.#device.name}`);
    this.#stop();
    this.#refreshConfig();
  }

  /** Linux counts on rings that are zero: it does not write their indices when it begins (`vring_new_virtqueue()`). */
  #stop(): void {
    const { memory } = this.#options;
    this.#epoch++;
    this.#running = undefined;
    this.#features = 0n;
    this.#pacers = [];
    this.#device.reset();
    memory.fill(this.#acceptedAt, this.#featureLength, 0);
    memory.fill(this.#place.rings, this.#device.queueNames.length * RING.size, 0);
  }

  /** The features that the driver has accepted, read once. */
  #readAccepted(): bigint {
    const bytes = this.#options.memory.copy(this.#acceptedAt, this.#featureLength);
    return bytes.reduceRight((bits, byte) => bits << 8n | BigInt(byte), 0n);
  }

  #readConfig(): Uint8Array<ArrayBuffer> {
    const { configLength } = this.#device;
    return Uint8Array.from(
      { length: this.#description.configLength },
      (_, offset) => offset < configLength ? this.#device.readConfig(offset, 1) : 0,
    );
  }

  /**
   * Show what has changed in the configuration. There is no interrupt for that on this bus; the driver sees it when it
   * looks. Bytes that are as before stay as they are: the driver may have written there, such as an address of its own,
   * which matters to nobody but itself.
   */
  #refreshConfig(): void {
    const config = this.#readConfig();
    for (const [offset, byte] of config.entries()) {
      if (byte !== this.#config[offset]) this.#options.memory.setUint8(this.#configAt + offset, byte);
    }
    this.#config = config;
  }

  /** Do something that a driver's deeds may stop. */
  #guard(action: () => void): void {
    if (this.#isSilent) return;
    try {
      action();
      for (const pacer of this.#pacers) pacer.settle();
    } catch (error) {
      if (!(error instanceof DriverError)) throw error;
      this.silence();
      this.#options.died(error.message);
    }
  }

  #error(what: string, section: string): DriverError {
    return new DriverError(this.#device.name, what, section);
  }
}

/** Bytes that feature bits take: up to the one with the highest bit. */
function featureLength(features: bigint): number {
  return features === 0n ? 0 : Math.ceil(features.toString(2).length / 8);
}

/** The lowest bits, in bytes. */
function toBytes(bits: bigint, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, index) => Number(bits >> BigInt(8 * index) & 0xffn));
}

function twoDigits(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
