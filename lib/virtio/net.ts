/**
 * The network card (virtio 1.2 §5.1): a receive queue, a transmit queue, and packets that carry a header which says
 * what is still to be done to them: checksums, cutting into segments.
 *
 * To send, the driver's buffers go to the backend as they are; a header that makes no sense is refused by the host's
 * kernel, and the packet lost. What comes is copied into as many of the driver's buffers as it takes if it can merge
 * them (MRG_RXBUF), else into one. The header of a legacy driver that cannot merge is shorter (§5.1.6.1). Ethernet
 * promises nothing: a packet that fits nowhere, or that comes while no driver is there, is dropped. Packets for which no
 * buffer is there yet wait in the backend, which is bounded. Read next: `lib/net/tap_backend.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { LEGACY_NET_HEADER, MAX_PACKET, NET_HEADER, type NetBackend, OFFLOAD } from "../net/backend.ts";
import type { Mac } from "../net/tunnet.ts";
import type { Traffic } from "../statistics.ts";
import { type Activation, DEVICE_TYPE, DriverError, FEATURE, type VirtioDevice } from "./device.ts";
import type { Chain, Done, VirtQueue } from "./queue.ts";
import { scatter } from "./segments.ts";

/** Feature bits (§5.1.3), by number. */
export const NET_FEATURE = {
  CSUM: 0,
  GUEST_CSUM: 1,
  MAC: 5,
  GUEST_TSO4: 7,
  GUEST_TSO6: 8,
  GUEST_ECN: 9,
  HOST_TSO4: 11,
  HOST_TSO6: 12,
  HOST_ECN: 13,
  MRG_RXBUF: 15,
  STATUS: 16,
} as const;

type Feature = keyof typeof NET_FEATURE;

/** Which feature needs one of which others (§5.1.3.1). */
const NEEDS: readonly (readonly [Feature, readonly Feature[]])[] = [
  ["GUEST_TSO4", ["GUEST_CSUM"]],
  ["GUEST_TSO6", ["GUEST_CSUM"]],
  ["GUEST_ECN", ["GUEST_TSO4", "GUEST_TSO6"]],
  ["HOST_TSO4", ["CSUM"]],
  ["HOST_TSO6", ["CSUM"]],
  ["HOST_ECN", ["HOST_TSO4", "HOST_TSO6"]],
];

/** Queues (§5.1.2). */
const RECEIVE = 0;
const TRANSMIT = 1;

/** Configuration (§5.1.4): the address, and the status in two bytes behind it. */
const CONFIG_STATUS = 6;
const CONFIG_LENGTH = 8;
const STATUS_LINK_UP = 1;

/** The packet's header (§5.1.6): where its fields are. */
const HEADER_FLAGS = 0;
const HEADER_GSO_TYPE = 1;
const HEADER_NUM_BUFFERS = 10;
const FLAG_NEEDS_CSUM = 1;
const FLAG_DATA_VALID = 2;
/** What a segment is to become, and what is added to that when its congestion bits matter. */
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_ECN = 0x80;

/** What a {@link NetDevice} is made of. */
export interface NetDeviceOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The other end of the cable. */
  readonly backend: NetBackend;
  /** The card's address. */
  readonly mac: Mac;
  /** What messages call it: "net eth0". */
  readonly name: string;
  /** Takes a line when the host refuses a packet for the first time. */
  readonly warn?: (line: string) => void;
}

/** How many packets went where. */
export interface NetCounters {
  /** Packets that the host took. */
  sent: number;
  /** Packets that the host refused, or that were longer than a packet can be. */
  refused: number;
  /** Packets that reached the driver. */
  received: number;
  /** Packets that fitted into no buffer, or that the driver could not have understood. */
  dropped: number;
}

/** A network card. */
export class NetDevice implements VirtioDevice {
  readonly name: string;
  readonly type: number = DEVICE_TYPE.NET;
  readonly features: bigint = Object.values(NET_FEATURE).reduce((bits, bit) => bits | 1n << BigInt(bit), 0n);
  readonly queueNames: readonly string[] = ["receive", "transmit"];
  readonly configLength: number = CONFIG_LENGTH;
  /** Bytes of the frames received and sent. */
  readonly traffic: Traffic = { kind: "net", in: 0, out: 0 };
  /** How many packets went where, since the card was made. */
  readonly counters: NetCounters = { sent: 0, refused: 0, received: 0, dropped: 0 };
  readonly #memory: GuestMemory;
  readonly #backend: NetBackend;
  readonly #mac: Mac;
  readonly #warn: (line: string) => void;
  #warned = false;
  #linkUp = true;
  #active: ActiveDriver | undefined;

  /**
   * A card without a driver.
   *
   * @param options its cable and its address
   */
  constructor(options: NetDeviceOptions) {
    this.name = options.name;
    this.#memory = options.memory;
    this.#backend = options.backend;
    this.#mac = options.mac;
    this.#warn = options.warn ?? (() => {});
    this.attend();
  }

  readConfig(offset: number, width: 1 | 2 | 4): number {
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.#configByte(offset + i);
    return value;
  }

  writeConfig(offset: number, _width: 1 | 2 | 4, _value: number): void {
    throw new DriverError(this.name, `wrote the read-only configuration at ${offset}`, "5.1.4");
  }

  activate({ features, queues, configChanged }: Activation): void {
    const has = (feature: Feature) => (features >> BigInt(NET_FEATURE[feature]) & 1n) === 1n;
    for (const [feature, needed] of NEEDS) {
      if (has(feature) && !needed.some(has)) {
        throw new DriverError(this.name, `accepted ${feature} without ${needed.join(" or ")}`, "5.1.3.1");
      }
    }
    const offloads = (has("GUEST_CSUM") ? OFFLOAD.CSUM : 0) | (has("GUEST_TSO4") ? OFFLOAD.TSO4 : 0) |
      (has("GUEST_TSO6") ? OFFLOAD.TSO6 : 0) | (has("GUEST_ECN") ? OFFLOAD.ECN : 0);
    const isModern = (features >> BigInt(FEATURE.VERSION_1) & 1n) === 1n;
    this.#discard();
    this.#backend.setOffloads(offloads);
    this.#active = {
      receive: queues[RECEIVE],
      transmit: queues[TRANSMIT],
      merges: has("MRG_RXBUF"),
      header: isModern || has("MRG_RXBUF") ? NET_HEADER : LEGACY_NET_HEADER,
      offloads,
      seesLink: has("STATUS"),
      spare: [],
      configChanged,
    };
    if (queues[TRANSMIT]) this.#transmit(queues[TRANSMIT], this.#active.header);
    this.attend();
  }

  notify(queue: number): void {
    if (!this.#active) return;
    if (queue === TRANSMIT && this.#active.transmit) this.#transmit(this.#active.transmit, this.#active.header);
    else this.#receive(this.#active);
  }

  attend(): void {
    if (this.#active) this.#receive(this.#active);
    else this.#discard();
    if (this.#linkUp && !this.#backend.linkUp) {
      this.#linkUp = false;
      const sees = this.#active?.seesLink ?? true;
      const effect = sees ? "the Guest sees its cable unplugged" : "the Guest is not told, and nothing comes or goes";
      this.#warn(`Virtio ${this.name}: the host's interface is gone; ${effect}`);
      this.#active?.configChanged();
    }
  }

  reset(): void {
    if (!this.#active) return;
    this.#active = undefined;
    this.#backend.setOffloads(0);
    this.#discard();
  }

  #configByte(offset: number): number {
    if (offset === CONFIG_STATUS) return this.#linkUp ? STATUS_LINK_UP : 0;
    return this.#mac[offset] ?? 0;
  }

  /** Nobody is there to take what comes. */
  #discard(): void {
    while (this.#backend.peek()) {
      this.counters.dropped++;
      this.#backend.release();
    }
  }

  #transmit(queue: VirtQueue, header: number): void {
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      this.#send(queue, chain, header);
      queue.push({ chain, written: 0 });
    }
    queue.flush();
  }

  /** Send what one chain holds. An empty frame cannot be sent, and is no error of the driver's either. */
  #send(queue: VirtQueue, { readable, readableLength, writableLength }: Chain, header: number): void {
    if (writableLength > 0) {
      throw new DriverError(queue.name, "put a device-writable descriptor into a packet to be sent", "5.1.6.2");
    }
    if (readableLength < header) {
      const what = `sent a packet of ${readableLength} bytes, which has no room for its header of ${header}`;
      throw new DriverError(queue.name, what, "5.1.6.2");
    }
    if (readableLength <= MAX_PACKET - NET_HEADER + header && this.#backend.send(readable, readableLength, header)) {
      this.counters.sent++;
      this.traffic.out += readableLength - header;
      return;
    }
    this.counters.refused++;
    if (this.#warned) return;
    this.#warned = true;
    this.#warn(`Virtio ${this.name}: the host refused a packet of ${readableLength} bytes; further ones are only lost`);
  }

  /** Give the driver what has come, as long as it has buffers. */
  #receive(driver: ActiveDriver): void {
    const { receive } = driver;
    if (!receive) return this.#discard();
    for (let packet = this.#backend.peek(); packet; packet = this.#backend.peek()) {
      if (understands(driver, packet)) {
        const fate = this.#deliver(driver, receive, packet);
        if (fate === "waits") break;
        this.counters[fate]++;
        if (fate === "received") this.traffic.in += packet.length - NET_HEADER;
      } else {
        this.counters.dropped++;
      }
      this.#backend.release();
    }
    receive.flush();
  }

  /** Copy one packet into the driver's buffers, if there are enough. */
  #deliver(driver: ActiveDriver, queue: VirtQueue, packet: Uint8Array): "received" | "dropped" | "waits" {
    const { spare, merges } = driver;
    const short = NET_HEADER - driver.header;
    let room = 0;
    let used = 0;
    while (room < packet.length - short) {
      // With every descriptor in hand, or with one where only one may be used, no more will come.
      if (used === (merges ? queue.size : 1)) return "dropped";
      if (used === spare.length) {
        const chain = this.#popBuffer(queue, merges);
        if (!chain) return "waits";
        spare.push(chain);
      }
      room += spare[used++]!.writableLength;
    }
    packet[HEADER_NUM_BUFFERS] = used & 0xff;
    packet[HEADER_NUM_BUFFERS + 1] = used >> 8;
    // A tap may say that a checksum was verified to a driver that asked for nothing (§5.1.6.4.1).
    if ((driver.offloads & OFFLOAD.CSUM) === 0) packet[HEADER_FLAGS] = 0;
    // Without num_buffers at its end, the header moves up to the frame.
    if (short > 0) packet.copyWithin(short, 0, driver.header);
    const done: Done[] = [];
    let offset = short;
    for (const chain of spare.splice(0, used)) {
      const part = packet.subarray(offset, offset + chain.writableLength);
      scatter(this.#memory, chain.writable, 0, part);
      done.push({ chain, written: part.length });
      offset += part.length;
    }
    queue.push(...done);
    return "received";
  }

  #popBuffer(queue: VirtQueue, merges: boolean): Chain | undefined {
    const chain = queue.pop();
    if (!chain) return undefined;
    if (chain.readableLength > 0) {
      throw new DriverError(queue.name, "put a device-readable descriptor into a receive buffer", "5.1.6.3");
    }
    if (merges && chain.writableLength < NET_HEADER) {
      const what = `gave a receive buffer of ${chain.writableLength} bytes, less than the header's ${NET_HEADER}`;
      throw new DriverError(queue.name, what, "5.1.6.3.1");
    }
    return chain;
  }
}

/** What there is between {@link NetDevice.activate} and {@link NetDevice.reset}. */
interface ActiveDriver {
  readonly receive: VirtQueue | undefined;
  readonly transmit: VirtQueue | undefined;
  /** Whether a packet may be spread over several buffers. */
  readonly merges: boolean;
  /** Bytes of the header in front of each packet: a legacy driver that does not merge has no `num_buffers` (§5.1.6.1). */
  readonly header: number;
  /** What the driver does by itself, of {@link OFFLOAD}. */
  readonly offloads: number;
  /** Whether the driver looks at the link's status. */
  readonly seesLink: boolean;
  /** Buffers that were taken from the queue for a packet that then had to wait for more, in order. */
  readonly spare: Chain[];
  readonly configChanged: () => void;
}

/**
 * Whether the driver has agreed to what a packet's header leaves to it (§5.1.6.4.1); packets that came before the host
 * knew what was agreed to may ask for more.
 */
function understands({ offloads }: ActiveDriver, packet: Uint8Array): boolean {
  const flags = packet[HEADER_FLAGS]!;
  if ((flags & FLAG_NEEDS_CSUM) !== 0 && (offloads & OFFLOAD.CSUM) === 0) return false;
  if ((flags & ~(FLAG_NEEDS_CSUM | FLAG_DATA_VALID)) !== 0) return false;
  const type = packet[HEADER_GSO_TYPE]!;
  if (type === GSO_NONE) return true;
  if ((type & GSO_ECN) !== 0 && (offloads & OFFLOAD.ECN) === 0) return false;
  switch (type & ~GSO_ECN) {
    case GSO_TCPV4:
      return (offloads & OFFLOAD.TSO4) !== 0;
    case GSO_TCPV6:
      return (offloads & OFFLOAD.TSO6) !== 0;
    default:
      return false;
  }
}
