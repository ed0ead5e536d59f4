/**
 * The network card with drivers that do anything: kick, reset, write over their rings and descriptors, while packets
 * of every size come. Whatever happens is a `DriverError` or nothing.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { GuestMemory } from "../../lib/memory.ts";
import { LEGACY_NET_HEADER, MAX_PACKET, NET_HEADER, type NetBackend } from "../../lib/net/backend.ts";
import { DriverError } from "../../lib/virtio/device.ts";
import { NET_FEATURE, type NetCounters, NetDevice } from "../../lib/virtio/net.ts";
import type { Segment } from "../../lib/virtio/queue.ts";
import { casesOf, seedOf } from "../engine/random.ts";
import { EVENT_IDX, INDIRECT_DESC, RingDriver, VERSION_1 } from "./_driver.ts";

const granted = Deno.permissions.querySync({ name: "env" }).state === "granted";
const RAM = 1 << 18;
const SIZE = 8;
/** Where the two queues lie; buffers are anywhere. */
const QUEUES = [0x1000, 0x8000] as const;

/** A host that looks at what it is given, and sends packets from a stock. */
class Host implements NetBackend {
  linkUp = true;
  readonly coming: Uint8Array[] = [];
  constructor(readonly memory: GuestMemory) {}

  send(segments: readonly Segment[], length: number, header: number = NET_HEADER): boolean {
    assert(header === NET_HEADER || header === LEGACY_NET_HEADER);
    assert(length >= header && length - header <= MAX_PACKET - NET_HEADER);
    let sum = 0;
    for (const segment of segments) {
      assert(this.memory.contains(segment.address, segment.length));
      sum += segment.length;
    }
    assertEquals(sum, length);
    return length % 2 === 0;
  }

  peek(): Uint8Array | undefined {
    return this.coming[0];
  }

  release(): void {
    assert(this.coming.length > 0, "a packet is released once");
    this.coming.shift();
  }

  setOffloads(): void {}
}

/** One deed: its kind, and numbers that it may use. */
type Deed = readonly [kind: number, a: number, b: number, c: number, d: number];

const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 11, 12, 13, 60, 1514, 1526, 65562, 0xffff_ffff, 0x8000_0000, RAM - 1, RAM, RAM - 12),
  fc.integer({ min: 0, max: RAM - 1 }),
);
const deed: fc.Arbitrary<Deed> = fc.tuple(fc.integer({ min: 0, max: 39 }), word, word, word, word);

/** A card and a driver, for one run. */
class Bench {
  readonly memory = GuestMemory.allocate(RAM);
  readonly host = new Host(this.memory);
  readonly device = new NetDevice({ memory: this.memory, backend: this.host, mac: [2, 0, 0, 0, 0, 1], name: "net" });
  drivers: RingDriver[] = [];
  operations = 0;
  errors = 0;

  /** Reset the card and have a driver come, with features as the bits of a number say. */
  restart(bits: number): void {
    this.device.reset();
    let features = 0n;
    Object.values(NET_FEATURE).forEach((bit, index) => {
      if (bits & 0xc_0000 || bits >> index & 1) features |= 1n << BigInt(bit);
    });
    if (bits & 0x1_0000) features |= EVENT_IDX;
    if (bits & 0x2_0000) features |= INDIRECT_DESC;
    if (bits & 0x10_0000) features |= VERSION_1;
    this.drivers = QUEUES.map((at) => new RingDriver(this.memory, { at, size: SIZE, features }));
    this.device.activate({ features, queues: this.drivers.map((driver) => driver.queue()), configChanged: () => {} });
  }

  /** Do something; after a driver's error the machine would have stopped, here the next driver comes. */
  act([kind, a, b, c, d]: Deed): void {
    this.operations++;
    const driver = this.drivers[a & 1];
    try {
      if (!driver || kind === 0) this.restart(b);
      else if (kind === 1) this.device.reset();
      else if (kind < 5) this.device.notify(a & 1);
      else if (kind < 7) this.device.attend();
      else if (kind < 10) this.#packet(b % (MAX_PACKET - NET_HEADER) + NET_HEADER, c, d);
      else if (kind < 13) this.#descriptor(driver, b, c, d, true);
      else if (kind < 15) this.#descriptor(driver, b, c, d, false);
      else if (kind < 18) driver.makeAvailable(b % SIZE);
      else if (kind === 18) this.memory.setUint32(QUEUES[a & 1]! + b % 300, c);
      else if (kind === 19) this.memory.setUint16(driver.available + 2, b & 0xffff);
      else if (kind < 36) this.#offer(driver, b, c);
      else this.device.attend();
    } catch (error) {
      if (!(error instanceof DriverError)) throw error;
      this.errors++;
      this.device.reset();
      this.drivers = [];
    }
  }

  #packet(length: number, flags: number, type: number): void {
    if (this.host.coming.length > 16) return;
    const bytes = new Uint8Array(length).fill(0xa5);
    bytes[0] = flags & 3;
    bytes[1] = [0, 0, 0, 1, 4, 0x81][type % 6]!;
    this.host.coming.push(bytes);
  }

  /** Do what a good driver does, as far as what was written over before lets it. */
  #offer(driver: RingDriver, address: number, length: number): void {
    const index = driver.availableIndex % SIZE;
    this.#descriptor(driver, index, address, length, true);
    driver.makeAvailable(index);
    this.device.notify(driver === this.drivers[0] ? 0 : 1);
  }

  /** A descriptor: as the queue wants it, or with anything in it. */
  #descriptor(driver: RingDriver, index: number, address: number, length: number, tame: boolean): void {
    const flags = driver === this.drivers[0] ? 2 : 0;
    const place = index % SIZE;
    driver.setDescriptor(
      place,
      tame
        ? { address: 0x1_0000 + address % 0x1_0000, length: 12 + length % (length & 1 ? 70000 : 2000), flags, next: 0 }
        : { address: BigInt(address) << BigInt(index & 32), length, flags: index >> 8 & 7, next: index >> 16 & 15 },
    );
  }
}

Deno.test("whatever a driver of the network card does ends in a DriverError or in nothing", () => {
  const totals = { operations: 0, errors: 0, sent: 0, refused: 0, received: 0, dropped: 0 };
  fc.assert(
    fc.property(fc.array(deed, { minLength: 50, maxLength: 150, size: "max" }), (deeds) => {
      const bench = new Bench();
      for (const one of deeds) bench.act(one);
      totals.operations += bench.operations;
      totals.errors += bench.errors;
      for (const [name, count] of Object.entries(bench.device.counters)) totals[name as keyof NetCounters] += count;
    }),
    { seed: granted ? seedOf(503) : 503, numRuns: granted ? casesOf(300) : 300 },
  );
  // All of it has happened, often.
  assert(Object.values(totals).every((count) => count >= totals.operations / 200), JSON.stringify(totals));
});

Deno.test("a card whose driver merges delivers every packet byte for byte, whatever the sizes of its buffers", () => {
  const sizes = fc.array(fc.integer({ min: NET_HEADER, max: 3000 }), { minLength: 1, maxLength: 40 });
  const lengths = fc.array(fc.integer({ min: NET_HEADER, max: 9000 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, lengths, (rooms, packets) => {
      const memory = GuestMemory.allocate(1 << 20);
      const host = new Host(memory);
      const device = new NetDevice({ memory, backend: host, mac: [2, 0, 0, 0, 0, 1], name: "net" });
      const receive = new RingDriver(memory, { size: 64 });
      const features = 1n << BigInt(NET_FEATURE.MRG_RXBUF);
      device.activate({ features, queues: [receive.queue(), undefined], configChanged: () => {} });
      for (const [index, length] of packets.entries()) {
        const bytes = Uint8Array.from({ length }, (_, at) => at < NET_HEADER ? 0 : at * 13 + index);
        host.coming.push(bytes.slice());
        device.attend();
        let offered = 0;
        while (host.coming.length > 0) {
          receive.offer([{ room: rooms[offered++ % rooms.length]! }]);
          if (receive.allocated > 0x8_0000) receive.allocateFrom(0x2_0000);
          device.notify(0);
          assert(offered <= 64, "64 descriptors are enough, or the packet is dropped");
        }
        const used = receive.used();
        if (used.length === 0) continue; // it did not fit into 64 buffers: dropped, the buffers stay
        const got = Uint8Array.from(used.flatMap(({ bytes }) => [...bytes]));
        new DataView(bytes.buffer).setUint16(10, used.length, true);
        assertEquals(got, bytes);
      }
    }),
    { seed: granted ? seedOf(504) : 504, numRuns: granted ? casesOf(60) : 60 },
  );
});
