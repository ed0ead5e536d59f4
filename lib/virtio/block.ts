/**
 * The virtio block device (virtio 1.2 §5.2): a disk. The driver's requests come in by one queue and leave as requests
 * of a {@link BlockBackend}; what the backend has done goes back into the queue, in any order.
 *
 * Nothing here waits: a request that moves data is under way until {@link BlockDevice.attend} hears of its end. A
 * request is judged whole before anything of it is done, by a copy of its header. Read next: `block_config.ts`, the
 * numbers; `../storage/ring_backend.ts`, the backend.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { BLOCK_OP, type BlockBackend, type BlockOp, SECTOR_SIZE } from "../storage/backend.ts";
import {
  BLOCK_CONFIG_SIZE,
  BLOCK_FEATURE,
  BLOCK_STATUS,
  BLOCK_TYPE,
  blockConfig,
  blockFeatures,
  HEADER_SIZE,
  ID_SIZE,
  LEGACY_BARRIER,
  MAX_DISCARD_SECTORS,
  MAX_ZERO_SECTORS,
  RANGE_SIZE,
  RANGE_UNMAP,
} from "./block_config.ts";
import type { Traffic } from "../statistics.ts";
import { type Activation, DEVICE_TYPE, DriverError, FEATURE, type VirtioDevice } from "./device.ts";
import type { Chain, Done, Segment, VirtQueue } from "./queue.ts";
import { gather, scatter, split } from "./segments.ts";

/** What a {@link BlockDevice} is made of. */
export interface BlockDeviceOptions {
  /** What messages call it: "block vda". */
  readonly name: string;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Where the bytes are. */
  readonly backend: BlockBackend;
  /** What it tells a driver that asks for its serial number; the first 20 characters of it, as ASCII (§5.2.6). */
  readonly id: string;
  /** Takes a line for each request that is done: `block vda: WRITE to sector 8: 4096 bytes, OK`. */
  readonly log?: (line: string) => void;
}

/** A request whose header was read. */
interface Order {
  readonly chain: Chain;
  readonly type: number;
  /** The first sector; a number that is not exact is beyond every disk. */
  sector: number;
  /** Bytes from there. */
  length: number;
  /** What the driver sends: all behind the header. */
  readonly sent: readonly Segment[];
  readonly sentLength: number;
  /** Where the driver wants data: all before the status. */
  readonly wanted: readonly Segment[];
  readonly wantedLength: number;
}

/** A range of sectors that a DISCARD or WRITE_ZEROES names. */
interface SectorRange {
  readonly sector: number;
  readonly sectors: number;
  readonly flags: number;
}

/** A request that is judged: what the status byte is to say. */
type Status = typeof BLOCK_STATUS[keyof typeof BLOCK_STATUS];

const NONE: readonly Segment[] = [];

/** How the log calls the types of requests that name sectors, and those that do not. */
const MOVES: { readonly [type: number]: string } = {
  [BLOCK_TYPE.IN]: "READ from",
  [BLOCK_TYPE.OUT]: "WRITE to",
  [BLOCK_TYPE.DISCARD]: "DISCARD at",
  [BLOCK_TYPE.WRITE_ZEROES]: "WRITE_ZEROES at",
};
const OTHERS: { readonly [type: number]: string } = { [BLOCK_TYPE.FLUSH]: "FLUSH", [BLOCK_TYPE.GET_ID]: "GET_ID" };
const STATUS_NAMES = ["OK", "IOERR", "UNSUPP"] as const;

/** A disk for the Guest. */
export class BlockDevice implements VirtioDevice {
  readonly name: string;
  readonly type: number = DEVICE_TYPE.BLOCK;
  readonly features: bigint;
  readonly queueNames: readonly string[] = ["request"];
  readonly configLength: number = BLOCK_CONFIG_SIZE;
  /** Bytes read and written. */
  readonly traffic: Traffic = { kind: "block", in: 0, out: 0 };
  readonly #memory: GuestMemory;
  readonly #backend: BlockBackend;
  readonly #config: DataView<ArrayBuffer>;
  readonly #id = new Uint8Array(ID_SIZE);
  readonly #log: ((line: string) => void) | undefined;
  /** The header, or the range, that is being judged. */
  readonly #scratch = new Uint8Array(Math.max(HEADER_SIZE, RANGE_SIZE));
  readonly #scratchView = new DataView(this.#scratch.buffer);
  #queue: VirtQueue | undefined;
  #features = 0n;
  /** Bits of a request's type that mean nothing here. */
  #ignored = 0;
  /** Done, and not in the used ring yet. */
  #finished: Done[] = [];
  /** Whether the queue may hold requests that the backend had no room for. */
  #waiting = false;

  /**
   * A disk that no driver has found yet.
   *
   * @param options the parts
   */
  constructor({ name, memory, backend, id, log }: BlockDeviceOptions) {
    this.name = name;
    this.#memory = memory;
    this.#backend = backend;
    this.features = blockFeatures(backend.readOnly);
    this.#config = blockConfig(backend);
    new TextEncoder().encodeInto(id.replaceAll(/[^ -~]/g, "_"), this.#id);
    this.#log = log;
  }

  /** Read the configuration space, which never changes. */
  readConfig(offset: number, width: 1 | 2 | 4): number {
    if (width === 1) return this.#config.getUint8(offset);
    return width === 2 ? this.#config.getUint16(offset, true) : this.#config.getUint32(offset, true);
  }

  /** There is nothing to be written: `writeback` belongs to a feature that is not offered. */
  writeConfig(offset: number): void {
    throw new DriverError(
      this.name,
      `wrote configuration offset ${offset}, where nothing can be written`,
      "5.2.4",
    );
  }

  /** Begin. */
  activate({ queues, features }: Activation): void {
    this.#queue = queues[0];
    this.#features = features;
    this.#ignored = features >> BigInt(FEATURE.VERSION_1) & 1n ? 0 : LEGACY_BARRIER;
    this.#serve();
  }

  /** Look for requests. */
  notify(): void {
    this.#serve();
  }

  /** Give back what the backend has done. */
  attend(): void {
    this.#backend.poll();
    if (this.#waiting) this.#serve();
    else this.#giveBack();
  }

  /** Forget what is under way. */
  reset(): void {
    this.#backend.reset();
    this.#queue = undefined;
    this.#features = 0n;
    this.#finished = [];
    this.#waiting = false;
  }

  /** Take all requests that there is room for, and give back all that are done. */
  #serve(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    let submitted = false;
    this.#waiting = false;
    for (;;) {
      if (this.#backend.room === 0) {
        this.#waiting = true;
        break;
      }
      const chain = queue.pop();
      if (chain === undefined) break;
      const order = this.#read(chain);
      const status = this.#judge(order);
      if (status === undefined) submitted = true;
      else this.#finish(order, status, order.type === BLOCK_TYPE.GET_ID ? Math.min(ID_SIZE, order.wantedLength) : 0);
    }
    if (submitted) this.#backend.kick();
    this.#giveBack();
  }

  #giveBack(): void {
    if (this.#finished.length === 0) return;
    const finished = this.#finished;
    this.#finished = [];
    this.#queue!.push(...finished);
    this.#queue!.flush();
  }

  /** Cut a chain into header, data and status, wherever its descriptors are cut. */
  #read(chain: Chain): Order {
    const { readable, readableLength, writable, writableLength } = chain;
    if (readableLength < HEADER_SIZE) {
      const bytes = `${readableLength} device-readable bytes`;
      throw new DriverError(this.#queue!.name, `sent a request of ${bytes}: a header has ${HEADER_SIZE}`, "5.2.6");
    }
    if (writableLength === 0) {
      throw new DriverError(this.#queue!.name, `left no room for the status of a request`, "5.2.6");
    }
    gather(this.#memory, readable, 0, this.#scratch);
    const view = this.#scratchView;
    const type = (view.getUint32(0, true) & ~this.#ignored) >>> 0;
    return {
      chain,
      type,
      sector: view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32,
      length: type === BLOCK_TYPE.IN ? writableLength - 1 : readableLength - HEADER_SIZE,
      sent: split(readable, HEADER_SIZE)[1],
      sentLength: readableLength - HEADER_SIZE,
      wanted: split(writable, writableLength - 1)[0],
      wantedLength: writableLength - 1,
    };
  }

  /** Hand a request to the backend, or say at once how it ends. */
  #judge(order: Order): Status | undefined {
    switch (order.type) {
      case BLOCK_TYPE.IN:
        return this.#move(BLOCK_OP.READ, order, order.wanted);
      case BLOCK_TYPE.OUT:
        if (this.#backend.readOnly) return BLOCK_STATUS.IOERR;
        return this.#move(BLOCK_OP.WRITE, order, order.sent);
      case BLOCK_TYPE.FLUSH:
        return this.#submit(BLOCK_OP.FLUSH, order, { sector: 0, sectors: 0, ranges: NONE });
      case BLOCK_TYPE.GET_ID:
        scatter(this.#memory, order.wanted, 0, this.#id);
        return BLOCK_STATUS.OK;
      case BLOCK_TYPE.DISCARD:
        return this.#sweep(BLOCK_OP.DISCARD, order);
      case BLOCK_TYPE.WRITE_ZEROES:
        return this.#sweep(BLOCK_OP.ZERO, order);
      default:
        return BLOCK_STATUS.UNSUPP;
    }
  }

  /** IN and OUT. */
  #move(op: BlockOp, order: Order, ranges: readonly Segment[]): Status | undefined {
    const { sector, length } = order;
    const sectors = length / SECTOR_SIZE;
    if (length % SECTOR_SIZE !== 0 || !this.#onDisk(sector, sectors)) return BLOCK_STATUS.IOERR;
    return this.#submit(op, order, { sector, sectors, ranges });
  }

  /** DISCARD and WRITE_ZEROES. */
  #sweep(op: BlockOp, order: Order): Status | undefined {
    const discard = op === BLOCK_OP.DISCARD;
    if (this.#backend.readOnly) return BLOCK_STATUS.IOERR;
    if (!this.#has(discard ? BLOCK_FEATURE.DISCARD : BLOCK_FEATURE.WRITE_ZEROES)) return BLOCK_STATUS.UNSUPP;
    if (order.sentLength !== RANGE_SIZE) return BLOCK_STATUS.IOERR;
    const { sector, sectors, flags } = this.#readRange(order.sent);
    order.sector = sector;
    order.length = sectors * SECTOR_SIZE;
    if ((flags & (discard ? ~0 : ~RANGE_UNMAP)) !== 0) return BLOCK_STATUS.UNSUPP;
    const limit = discard ? MAX_DISCARD_SECTORS : MAX_ZERO_SECTORS;
    if (sectors > limit || !this.#onDisk(sector, sectors)) return BLOCK_STATUS.IOERR;
    return this.#submit(op, order, { sector, sectors, ranges: NONE });
  }

  #readRange(sent: readonly Segment[]): SectorRange {
    gather(this.#memory, sent, 0, this.#scratch);
    const view = this.#scratchView;
    return {
      sector: view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32,
      sectors: view.getUint32(8, true),
      flags: view.getUint32(12, true),
    };
  }

  /** Whether sectors lie on the disk; right also where their sum is rounded, which is far beyond every disk. */
  #onDisk(sector: number, sectors: number): boolean {
    return sector + sectors <= this.#backend.sectors;
  }

  #has(feature: number): boolean {
    return (this.#features >> BigInt(feature) & 1n) === 1n;
  }

  #submit(
    op: BlockOp,
    order: Order,
    what: { readonly sector: number; readonly sectors: number; readonly ranges: readonly Segment[] },
  ): undefined {
    this.#backend.submit({
      op,
      ...what,
      // A driver that does without FLUSH expects that what is written is safe (§5.2.6.2).
      durable: op !== BLOCK_OP.READ && op !== BLOCK_OP.FLUSH && !this.#has(BLOCK_FEATURE.FLUSH),
      done: (ok) => {
        if (ok && op === BLOCK_OP.READ) this.traffic.in += order.length;
        else if (ok && op === BLOCK_OP.WRITE) this.traffic.out += order.length;
        const moved = ok && op === BLOCK_OP.READ ? order.wantedLength : 0;
        this.#finish(order, ok ? BLOCK_STATUS.OK : BLOCK_STATUS.IOERR, moved);
      },
    });
  }

  /** Write the status, and remember to give the request back. */
  #finish(order: Order, status: Status, moved: number): void {
    const { chain } = order;
    const last = chain.writable.at(-1)!;
    this.#memory.setUint8(last.address + last.length - 1, status);
    this.#finished.push({ chain, written: moved + 1 });
    this.#log?.(this.#describe(order, status));
  }

  #describe({ type, sector, length }: Order, status: Status): string {
    const move = MOVES[type];
    const result = STATUS_NAMES[status];
    if (move !== undefined) return `${this.name}: ${move} sector ${sector}: ${length} bytes, ${result}`;
    return `${this.name}: ${OTHERS[type] ?? `request of type ${type}`}: ${result}`;
  }
}
