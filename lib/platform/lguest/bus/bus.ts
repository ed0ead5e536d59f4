/**
 * The lguest bus of Linux 2.6.30 to 3.19: devices that are described on the page above RAM, with their rings in the
 * pages behind it. It is a second way to find the devices of `lib/virtio/`, which know nothing of it.
 *
 * Addresses that the Guest notifies enter (the hypercall LHCALL_NOTIFY), interrupts leave. A notification of a
 * descriptor's address is about a device's status, one of a ring's first page is a kick; what stands at any other
 * address is a string that the Guest prints before it has a console. Devices are found in the order in which they were
 * attached, and have their interrupts in that order, one for each queue, from 1: the original has the console last. Read
 * next: `layout.ts` (the pages), `transport.ts` (one device).
 *
 * @module
 */
import { GuestError } from "../../../guest_error.ts";
import type { GuestMemory } from "../../../memory.ts";
import type { VirtioDevice } from "../../../virtio/device.ts";
import { LGUEST_IRQS } from "../protocol.ts";
import { type BusDescription, describe } from "./description.ts";
import { PAGE_SIZE, RING } from "./layout.ts";
import { descriptorSize, LguestBusTransport, type LguestTransportOptions } from "./transport.ts";

/** The first interrupt that is not the clock's. */
const FIRST_IRQ = 1;
/** What the lengths in a descriptor can say. */
const MAX_LENGTH = 255;
/** A string that is printed early goes on in pieces of this many bytes. */
const STRING_PIECE = 4096;

/** What a {@link LguestBus} is made of. */
export interface LguestBusOptions {
  /** RAM, and the pages of the bus behind it. */
  readonly memory: GuestMemory;
  /** Bytes of RAM, a multiple of {@link PAGE_SIZE}: the descriptors' page is at this address. */
  readonly ramSize: number;
  /** Interrupt the Guest; never called with 0. */
  readonly raiseInterrupt: (irq: number) => void;
  /** The Guest did what it must not, and has to stop. Called once until the bus is reset. */
  readonly died: (message: string) => void;
  /** Takes what the Guest prints before it has a console. */
  readonly earlyConsole: (bytes: Uint8Array<ArrayBuffer>) => void;
  /** Hears of each status, start and reset of a device. */
  readonly log?: ((line: string) => void) | undefined;
  /** Hears of a driver that gave up. */
  readonly warn?: ((line: string) => void) | undefined;
  /** Milliseconds from any start; `performance.now()` unless told otherwise. */
  readonly now?: (() => number) | undefined;
}

/** All devices of a Guest, as Linux before 4.0 finds them. */
export class LguestBus {
  readonly #options: LguestBusOptions;
  readonly #transports: LguestBusTransport[] = [];
  /** By address: who hears of a notification. */
  readonly #targets = new Map<number, () => void>();
  #descriptorEnd: number;
  #limit: number;
  #nextIrq = FIRST_IRQ;
  #isDead = false;

  /**
   * A bus without devices.
   *
   * @param options memory, and who hears what
   * @throws {RangeError} if there is no whole page of memory behind RAM
   */
  constructor(options: LguestBusOptions) {
    const { memory, ramSize } = options;
    if (ramSize % PAGE_SIZE !== 0 || !memory.contains(ramSize, PAGE_SIZE)) {
      throw new RangeError(`The lguest bus needs a page behind RAM: got ${ramSize} bytes of ${memory.size}`);
    }
    this.#options = options;
    this.#descriptorEnd = ramSize;
    this.#limit = ramSize + PAGE_SIZE;
  }

  /** The end of what the Guest may use: RAM and those pages of the bus that hold something; a multiple of a page. */
  get limit(): number {
    return this.#limit;
  }

  /**
   * Put a device behind the others. To be followed by {@link reset} before the Guest begins.
   *
   * @param device what the driver is to find
   * @param description what is offered of it; by default what the newest original offers
   * @throws {GuestError} if interrupts, descriptors or memory end before it
   */
  attach(device: VirtioDevice, description: BusDescription = describe(device)): void {
    const { memory, ramSize, raiseInterrupt, log, warn, now } = this.#options;
    const queues = device.queueNames.length;
    const place = { descriptor: this.#descriptorEnd, rings: this.#limit, irq: this.#nextIrq };
    const descriptorEnd = place.descriptor + descriptorSize(device, description);
    const limit = place.rings + queues * RING.size;
    if (description.features >> 32n !== 0n) {
      throw new RangeError(`Device ${device.name}: the lguest bus cannot offer feature bits above 31`);
    }
    if (description.configLength > MAX_LENGTH) {
      const bytes = `a configuration of ${description.configLength} bytes`;
      throw new GuestError(
        `Device ${device.name} does not fit on the lguest bus: it has ${bytes}, most is ${MAX_LENGTH}`,
      );
    }
    const full = (what: string): never => {
      const count = this.#transports.length;
      const have = count === 1 ? "1 device fits" : `${count} devices fit`;
      throw new GuestError(`Device ${device.name} is one too many for the lguest bus: ${have}, then its ${what}`);
    };
    const interrupts = LGUEST_IRQS - FIRST_IRQ;
    if (place.irq + queues > LGUEST_IRQS) full(`${interrupts} interrupts (one for each queue) are not enough`);
    if (descriptorEnd > ramSize + PAGE_SIZE) full(`page of ${PAGE_SIZE} bytes for descriptors is full`);
    if (limit > memory.size) full(`${(memory.size - ramSize) / PAGE_SIZE} pages above RAM are full`);
    this.#descriptorEnd = descriptorEnd;
    this.#limit = limit;
    this.#nextIrq += queues;
    const died = (message: string) => this.#die(message);
    const options: LguestTransportOptions = { memory, raiseInterrupt, died, log, warn, now };
    const transport = new LguestBusTransport(device, description, { ...options, place });
    this.#transports.push(transport);
    this.#targets.set(place.descriptor, () => transport.statusChanged());
    for (const queue of device.queueNames.keys()) {
      this.#targets.set(place.rings + queue * RING.size, () => transport.kick(queue));
    }
  }

  /** Power-on, the first one too: the devices forget their drivers, and the pages are as a Guest finds them first. */
  reset(): void {
    const { memory, ramSize } = this.#options;
    this.#isDead = false;
    // First all of them let go of memory: what the last Guest had a disk read may be on its way to this page.
    for (const transport of this.#transports) transport.reset();
    memory.fill(ramSize, PAGE_SIZE, 0);
    for (const transport of this.#transports) transport.publish();
  }

  /**
   * The Guest notified an address, with the hypercall LHCALL_NOTIFY.
   *
   * @param address Guest-physical
   */
  notify(address: number): void {
    if (this.#isDead) return;
    const target = this.#targets.get(address);
    if (target) target();
    else if (address >= 0 && address < this.#limit) this.#print(address);
    else this.#die(`Bad NOTIFY 0x${address.toString(16)}: the Guest's memory ends at 0x${this.#limit.toString(16)}`);
  }

  /** A backend may have something new. */
  attend(): void {
    for (const transport of this.#transports) transport.attend();
  }

  /** The Guest has stopped: nothing that happens now reaches a device, until {@link reset}. */
  silence(): void {
    this.#isDead = true;
    for (const transport of this.#transports) transport.silence();
  }

  /** The string at an address, up to its NUL or the end of memory. Linux sends 16 characters at a time. */
  #print(address: number): void {
    const { memory, earlyConsole } = this.#options;
    const nul = memory.bytes.indexOf(0, address);
    const end = nul < 0 ? this.#limit : Math.min(nul, this.#limit);
    for (let at = address; at < end; at += STRING_PIECE) {
      earlyConsole(memory.copy(at, Math.min(STRING_PIECE, end - at)));
    }
  }

  #die(message: string): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#options.died(message);
  }
}
