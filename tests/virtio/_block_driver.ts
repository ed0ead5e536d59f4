/**
 * The driver's side of a block device (virtio 1.2 §5.2.6): requests by type and sector, over any layout of descriptors.
 *
 * @module
 */
import type { GuestMemory } from "../../lib/memory.ts";
import type { BlockBackend } from "../../lib/storage/backend.ts";
import { BlockDevice } from "../../lib/virtio/block.ts";
import { drive, INDIRECT_DESC, type Part, type RingDriver, type RingOptions } from "./_driver.ts";

/** The header of a request. */
export function header(type: number, sector: number | bigint = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return new Uint8Array(view.buffer);
}

/** What a DISCARD or WRITE_ZEROES sends. */
export function range(sector: number | bigint, sectors: number, flags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, sectors, true);
  view.setUint32(12, flags, true);
  return new Uint8Array(view.buffer);
}

/** A request that was offered. */
export interface Offered {
  readonly head: number;
  /** Where the status byte will be; 0xff until then. */
  readonly status: number;
  /** Where the data is, or will be. */
  readonly data: number;
}

/** A request's end as the driver sees it. */
export interface Ended {
  readonly status: number;
  /** What the device says it has written. */
  readonly written: number;
}

/** Where a {@link BlockDriver} puts its queue, and what its device is given beside. */
export interface BlockDriverOptions extends RingOptions {
  readonly log?: (line: string) => void;
  readonly id?: string;
}

/** A driver of a block device. */
export class BlockDriver {
  readonly device: BlockDevice;
  readonly memory: GuestMemory;
  readonly ring: RingDriver;
  readonly #offered = new Map<number, Offered>();

  /** Make a device over a backend, and bring its driver up. */
  constructor(
    memory: GuestMemory,
    backend: BlockBackend,
    options: BlockDriverOptions = {},
  ) {
    const { log, id = "disk.img", ...ring } = options;
    this.memory = memory;
    this.device = new BlockDevice({ name: "block vda", memory, backend, id, ...(log && { log }) });
    this.ring = drive(this.device, memory, { features: this.device.features | INDIRECT_DESC, ...ring }).drivers[0]!;
  }

  /** Make a request available, as Linux does: header, data, status. */
  offer(type: number, sector: number | bigint, data: Uint8Array | number, indirect = false): Offered {
    const parts: Part[] = [{ bytes: header(type, sector) }];
    const length = typeof data === "number" ? data : data.length;
    const place = this.ring.allocate(length);
    if (length > 0) {
      parts.push(typeof data === "number" ? { room: data, address: place } : { bytes: data, address: place });
    }
    return this.offerParts(parts, place, indirect);
  }

  /** Make a request of parts available; a byte for the status is added. */
  offerParts(parts: readonly Part[], data = 0, indirect = false): Offered {
    const status = this.ring.allocate(1);
    this.memory.setUint8(status, 0xff);
    const offered = { head: this.ring.offer([...parts, { room: 1, address: status }], indirect), status, data };
    this.#offered.set(offered.head, offered);
    return offered;
  }

  /** Kick the device. */
  kick(): void {
    this.device.notify();
  }

  /** Requests that came back since the last call, by the address of their status. */
  ended(): Map<number, Ended> {
    const ended = new Map<number, Ended>();
    for (const { head, written } of this.ring.used()) {
      const { status } = this.#offered.get(head)!;
      ended.set(status, { status: this.memory.getUint8(status), written });
    }
    return ended;
  }
}
