/**
 * The driver's side of a split virtqueue (virtio 1.2 §2.7), for the tests of queues and devices: it lays the rings out
 * in Guest memory, chains descriptors, makes them available and reads what was used. It is a well-behaved driver; a
 * test that wants a bad one writes over the rings with {@link RingDriver.setDescriptor} and its like.
 *
 * Typical use: `const { drivers: [requests] } = drive(device, memory)`, `requests.offer([{ bytes }, { room: 512 }])`,
 * `device.notify(0)`, `requests.used()`.
 *
 * @module
 */
import type { GuestMemory } from "../../lib/memory.ts";
import { FEATURE, type VirtioDevice } from "../../lib/virtio/device.ts";
import { VirtQueue } from "../../lib/virtio/queue.ts";

/** Feature bits as a mask, to be combined: `EVENT_IDX | INDIRECT_DESC`. */
export const INDIRECT_DESC: bigint = 1n << BigInt(FEATURE.INDIRECT_DESC);
export const EVENT_IDX: bigint = 1n << BigInt(FEATURE.EVENT_IDX);
/** Without it a driver is one of the legacy interface. */
export const VERSION_1: bigint = 1n << BigInt(FEATURE.VERSION_1);

/** Descriptor flags (§2.7.5). */
export const NEXT = 1;
export const WRITE = 2;
export const INDIRECT = 4;

/** A descriptor as it stands in a table. */
export interface Descriptor {
  /** 64 bits. */
  address: bigint | number;
  length: number;
  flags: number;
  next: number;
}

/** One buffer of a request: bytes for the device, or room for what it writes; at an address of choice or a new one. */
export type Part =
  | { readonly bytes: Uint8Array | string; readonly address?: number }
  | { readonly room: number; readonly address?: number };

/** A request that the device gave back. */
export interface Used {
  /** Its head. */
  readonly head: number;
  /** Bytes that the device says it wrote. */
  readonly written: number;
  /** What stands in that many bytes of the request's writable buffers. */
  readonly bytes: Uint8Array;
}

/** Where a {@link RingDriver} puts its things. */
export interface RingOptions {
  /** Guest-physical address from which it may use memory; 64 KiB by default. */
  readonly at?: number;
  /** Where the rings are, if not there too: zeroed by whoever laid them out. */
  readonly rings?: { readonly descriptors: number; readonly available: number; readonly used: number };
  /** Descriptors: a power of two; 16 by default. */
  readonly size?: number;
  /** Negotiated features. */
  readonly features?: bigint;
  /** What messages call the queue. */
  readonly name?: string;
  /** Called for each interrupt, beside being counted. */
  readonly interrupt?: () => void;
}

/** A driver of one queue. */
export class RingDriver {
  readonly memory: GuestMemory;
  readonly size: number;
  readonly features: bigint;
  readonly name: string;
  /** Guest-physical addresses of the three areas (each is zeroed, unless the options say where they are). */
  readonly descriptors: number;
  readonly available: number;
  readonly usedRing: number;
  /** Interrupts so far. */
  interrupts = 0;
  /** The driver's available index, and how far it has read the used ring; modulo 2^16. */
  availableIndex = 0;
  seen = 0;
  readonly #interrupt: () => void;
  readonly #free: number[] = [];
  readonly #parts = new Map<number, { descriptors: number[]; writable: { address: number; length: number }[] }>();
  #nextBuffer: number;

  /** Lay out an empty queue in memory. */
  constructor(memory: GuestMemory, options: RingOptions = {}) {
    this.memory = memory;
    this.size = options.size ?? 16;
    this.features = options.features ?? 0n;
    this.name = options.name ?? "test queue";
    this.#interrupt = options.interrupt ?? (() => {});
    const at = ((options.at ?? 0x1_0000) + 15) & ~15;
    if (options.rings) {
      this.descriptors = options.rings.descriptors;
      this.available = options.rings.available;
      this.usedRing = options.rings.used;
      this.#nextBuffer = at;
    } else {
      this.descriptors = at;
      this.available = this.descriptors + 16 * this.size;
      this.usedRing = (this.available + 6 + 2 * this.size + 3) & ~3;
      this.#nextBuffer = (this.usedRing + 6 + 8 * this.size + 15) & ~15;
      memory.fill(this.descriptors, this.#nextBuffer - this.descriptors, 0);
    }
    for (let index = this.size - 1; index >= 0; index--) this.#free.push(index);
  }

  /** The device's side of this queue. */
  queue(): VirtQueue {
    const { memory, name, size, descriptors, available, usedRing: used, features } = this;
    const interrupt = () => {
      this.interrupts++;
      this.#interrupt();
    };
    return new VirtQueue({ memory, name, size, descriptors, available, used, features, interrupt });
  }

  /** Free descriptors. */
  get free(): number {
    return this.#free.length;
  }

  /** Requests that the device has, or that wait for {@link used}. */
  get outstanding(): number {
    return this.#parts.size;
  }

  /** Guest-physical room for `length` bytes that nothing else of this driver uses; aligned to 16. */
  allocate(length: number): number {
    const address = this.#nextBuffer;
    if (!this.memory.contains(address, length)) throw new Error("The test's driver has no more Guest memory");
    this.#nextBuffer = (address + length + 15) & ~15;
    return address;
  }

  /** From here on {@link allocate} gives memory at and above `address`: for long tests that reuse their buffers. */
  allocateFrom(address: number): void {
    this.#nextBuffer = address;
  }

  /** The address up to which memory was given out. */
  get allocated(): number {
    return this.#nextBuffer;
  }

  /** Write a descriptor into a table (the queue's own unless told otherwise). */
  setDescriptor(index: number, descriptor: Descriptor, table: number = this.descriptors): void {
    const at = table + 16 * index;
    this.memory.setBigUint64(at, BigInt(descriptor.address));
    this.memory.setUint32(at + 8, descriptor.length);
    this.memory.setUint16(at + 12, descriptor.flags);
    this.memory.setUint16(at + 14, descriptor.next);
  }

  /** Put a head into the available ring and move the index, whatever the head. */
  makeAvailable(...heads: number[]): void {
    for (const head of heads) {
      this.memory.setUint16(this.available + 4 + 2 * (this.availableIndex & (this.size - 1)), head);
      this.availableIndex = (this.availableIndex + 1) & 0xffff;
    }
    this.memory.setUint16(this.available + 2, this.availableIndex);
  }

  /**
   * Chain parts and make the chain available.
   *
   * @param indirect put the parts into an indirect table
   * @returns the head; the request can be recognised by it in {@link used}
   */
  offer(parts: readonly Part[], indirect = false): number {
    const descriptors = parts.map((part): Descriptor => {
      if ("bytes" in part) {
        const bytes = typeof part.bytes === "string" ? new TextEncoder().encode(part.bytes) : part.bytes;
        const address = part.address ?? this.allocate(bytes.length);
        this.memory.write(address, bytes);
        return { address, length: bytes.length, flags: 0, next: 0 };
      }
      return { address: part.address ?? this.allocate(part.room), length: part.room, flags: WRITE, next: 0 };
    });
    const writable = descriptors.filter(({ flags }) => flags & WRITE)
      .map(({ address, length }) => ({ address: Number(address), length }));
    if (indirect) {
      const table = this.allocate(16 * descriptors.length);
      descriptors.forEach((descriptor, index) => {
        if (index + 1 < descriptors.length) {
          Object.assign(descriptor, { flags: descriptor.flags | NEXT, next: index + 1 });
        }
        this.setDescriptor(index, descriptor, table);
      });
      descriptors.splice(0, descriptors.length, {
        address: table,
        length: 16 * descriptors.length,
        flags: INDIRECT,
        next: 0,
      });
    }
    const places = descriptors.map(() => {
      const place = this.#free.pop();
      if (place === undefined) throw new Error("The test's driver has no more descriptors");
      return place;
    });
    descriptors.forEach((descriptor, index) => {
      const next = places[index + 1];
      if (next !== undefined) Object.assign(descriptor, { flags: descriptor.flags | NEXT, next });
      this.setDescriptor(places[index]!, descriptor);
    });
    const head = places[0]!;
    this.#parts.set(head, { descriptors: places, writable });
    this.makeAvailable(head);
    return head;
  }

  /** Take what the device has used since the last call, and free its descriptors. */
  used(): Used[] {
    const done: Used[] = [];
    const { memory } = this;
    for (; this.seen !== memory.getUint16(this.usedRing + 2); this.seen = (this.seen + 1) & 0xffff) {
      const at = this.usedRing + 4 + 8 * (this.seen & (this.size - 1));
      const head = memory.getUint32(at);
      const written = memory.getUint32(at + 4);
      const request = this.#parts.get(head);
      if (!request) throw new Error(`The device gave back ${head}, which it did not have`);
      this.#parts.delete(head);
      this.#free.push(...request.descriptors.reverse());
      const room = request.writable.reduce((sum, { length }) => sum + length, 0);
      if (written > room) throw new Error(`The device wrote ${written} bytes into a request of ${room}`);
      const bytes = new Uint8Array(written);
      let filled = 0;
      for (const { address, length } of request.writable) {
        const count = Math.min(length, written - filled);
        bytes.set(memory.slice(address, count), filled);
        filled += count;
      }
      done.push({ head, written, bytes });
    }
    return done;
  }

  /** The used index as it stands in memory. */
  get usedIndex(): number {
    return this.memory.getUint16(this.usedRing + 2);
  }

  /** Whether the device wants a kick for what was made available between index `before` and now (§2.7.10). */
  wantsKick(before: number): boolean {
    if ((this.features & EVENT_IDX) === 0n) return (this.memory.getUint16(this.usedRing) & 1) === 0;
    const event = this.memory.getUint16(this.usedRing + 4 + 8 * this.size);
    return ((this.availableIndex - event - 1) & 0xffff) < ((this.availableIndex - before) & 0xffff);
  }

  /** Ask for an interrupt when the used index passes `index` (§2.7.7); needs EVENT_IDX. */
  setUsedEvent(index: number): void {
    this.memory.setUint16(this.available + 4 + 2 * this.size, index & 0xffff);
  }

  /** Set NO_INTERRUPT or clear it; without EVENT_IDX. */
  setNoInterrupt(on: boolean): void {
    this.memory.setUint16(this.available, on ? 1 : 0);
  }
}

/** A device whose driver is ready. */
export interface Driven {
  /** A driver for each of its queues, by number. */
  readonly drivers: RingDriver[];
  /** How often the device has said that its configuration changed. */
  readonly configChanges: () => number;
}

/**
 * Activate a device, as a transport does once its driver has said DRIVER_OK.
 *
 * @param device what is driven; fresh or reset
 * @param memory its Guest's memory
 * @param options where the queues go (each in its own equal share of memory from `at`), their size and features; the
 *   device's own features are all accepted unless `features` is given
 */
export function drive(device: VirtioDevice, memory: GuestMemory, options: RingOptions = {}): Driven {
  const features = options.features ?? device.features;
  const start = options.at ?? 0x1_0000;
  const share = Math.floor((memory.size - start) / device.queueNames.length) & ~0xfff;
  const drivers = device.queueNames.map((queueName, index) =>
    new RingDriver(memory, {
      ...options,
      features,
      at: start + index * share,
      name: `${device.name} ${queueName} queue`,
    })
  );
  let changes = 0;
  device.activate({ features, queues: drivers.map((driver) => driver.queue()), configChanged: () => void changes++ });
  return { drivers, configChanges: () => changes };
}
