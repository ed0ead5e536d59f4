/**
 * The lguest bus with a Guest that does anything: writes over its descriptors and rings, notifies every kind of
 * address, sets any status and accepts any feature, among what good drivers do. Nothing of that may throw, leave memory
 * or interrupt where no queue is; at most it is the Guest's death, with a reason, once.
 */
import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { describe } from "../../../../lib/platform/lguest/bus/description.ts";
import { MemoryConsole } from "../../../../lib/platform/console.ts";
import { BlockDevice } from "../../../../lib/virtio/block.ts";
import { ConsoleDevice } from "../../../../lib/virtio/console.ts";
import { NetDevice } from "../../../../lib/virtio/net.ts";
import { RngDevice } from "../../../../lib/virtio/rng.ts";
import { Random } from "../../../engine/random.ts";
import { header } from "../../../virtio/_block_driver.ts";
import { TestCable } from "../../../virtio/_cable.ts";
import { type Descriptor, INDIRECT, NEXT, type RingDriver, WRITE } from "../../../virtio/_driver.ts";
import { effort } from "../../../virtio/_effort.ts";
import { ShiftyMemory } from "../../../virtio/_memory.ts";
import { MemoryBackend } from "../../../virtio/_memory_backend.ts";
import { ERAS, type Found, LegacyDriver, LegacyGuest } from "./_legacy.ts";

const RAM = 0x2_0000;
/** The page of descriptors, and three for each of six queues. */
const LIMIT = RAM + 19 * 4096;
const STEPS = 120;

const KINDS = [
  "probe",
  "probe",
  "chain",
  "chain",
  "chain",
  "chain",
  "chain",
  "chain",
  "kick",
  "kick",
  "page",
  "ring",
  "descriptor",
  "status",
  "accept",
  "notify",
  "attend",
  "host",
  "host",
  "host",
  "power",
] as const;
type Deed = { readonly kind: typeof KINDS[number]; readonly seed: number };

const deed: fc.Arbitrary<Deed> = fc.record({ kind: fc.constantFrom(...KINDS), seed: fc.integer() });

/** A machine with all devices, and a Guest that obeys deeds. */
class Bench {
  readonly memory: ShiftyMemory;
  readonly guest: LegacyGuest;
  readonly found: readonly Found[];
  backend!: MemoryBackend;
  cable!: TestCable;
  readonly port = new MemoryConsole();
  /** Drivers that have come, by device. */
  drivers: (LegacyDriver | undefined)[] = [];

  constructor(seed: number) {
    this.memory = new ShiftyMemory(LIMIT + 4096, new Random(seed));
    this.guest = new LegacyGuest(
      (memory) => {
        this.backend = new MemoryBackend(memory, { limit: 8 });
        this.cable = new TestCable(memory);
        const block = new BlockDevice({ name: "block vda", memory, backend: this.backend, id: "" });
        return [
          new RngDevice({ memory, source: (bytes) => void bytes.fill(0x5a) }),
          [block, describe(block, { flush: seed % 2 === 0 })],
          new NetDevice({ name: "net eth0", memory, backend: this.cable, mac: [2, 0, 0, 0, 0, 1] }),
          new ConsoleDevice({ memory, port: this.port }),
        ];
      },
      this.memory,
      RAM,
    );
    this.found = this.guest.scan();
  }

  act({ kind, seed }: Deed): void {
    const random = new Random(seed);
    const { memory, guest } = this;
    const index = random.below(this.found.length);
    const driver = this.drivers[index];
    switch (kind) {
      case "probe":
        return this.#probe(index, random);
      case "chain":
        if (driver) this.#chain(driver, random);
        break;
      case "kick":
        if (driver) guest.bus.notify(random.pick(driver.rings).descriptors);
        break;
      case "page":
        memory.setUint8(RAM + random.below(random.chance(0.9) ? 130 : 4096), random.value() & 0xff);
        break;
      case "ring":
        memory.setUint16(random.pick(this.found[index]!.queues).address + random.below(0x3000 - 1), random.value());
        break;
      case "descriptor":
        if (driver) random.pick(driver.rings).setDescriptor(random.below(8), this.#descriptor(random));
        break;
      case "status":
        this.#driver(index, random).setStatus(random.pick([0, 1, 3, 7, 4, 0x80, 0x83, random.value() & 0xff]));
        break;
      case "accept":
        this.#driver(index, random).accept(BigInt(random.chance(0.5) ? 0 : random.value()));
        break;
      case "notify":
        guest.bus.notify(this.#address(random));
        break;
      case "attend":
        guest.bus.attend();
        break;
      case "host":
        return this.#host(random);
      case "power":
        guest.bus.reset();
        this.drivers = [];
    }
  }

  #driver(index: number, random: Random): LegacyDriver {
    return new LegacyDriver(this.guest, this.found[index]!, random.pick(ERAS));
  }

  #probe(index: number, random: Random): void {
    this.memory.chance = 0; // a driver may count on rings that are 0
    const driver = this.#driver(index, random);
    // What the Guest has done to its page before is its own affair.
    const features = random.pick([0n, driver.offered, BigInt(random.value())]);
    this.drivers[index] = undefined;
    const deaths = this.guest.deaths.length;
    driver.setStatus(0);
    if (this.guest.deaths.length > deaths) return;
    driver.probe(features, 0x1000 + 0x4000 * index);
    if (random.chance(0.5)) driver.ready();
    this.drivers[index] = driver;
    this.memory.chance = random.pick([0, 0, 0, 0.001, 0.02]);
  }

  /** A chain as a good driver makes it, or nearly, and a kick. */
  #chain(driver: LegacyDriver, random: Random): void {
    const ring = random.pick(driver.rings);
    const writes = this.#wants(driver, ring);
    const first = ring.availableIndex % 8 * 4;
    const parts: Descriptor[] = [];
    if (driver.found.type === 2) {
      const [out, room] = [random.below(3), 512 * random.below(5)];
      this.memory.write(0x100, header(random.pick([0, 0, 1, 4, 8, 2, 0x8000_0001]), random.below(70)));
      parts.push({ address: 0x100, length: 16, flags: 0, next: 0 });
      parts.push({ address: 0x4000, length: room, flags: out ? 0 : WRITE, next: 0 });
      parts.push({ address: 0x200, length: 1, flags: WRITE, next: 0 });
    } else {
      for (let i = 1 + random.below(3); i > 0; i--) {
        const length = random.pick([10, 12, 64, 1514, 4096]);
        parts.push({ address: random.below(RAM - 4096), length, flags: writes ? WRITE : 0, next: 0 });
      }
    }
    if (random.chance(0.06)) parts[random.below(parts.length)] = this.#descriptor(random);
    parts.forEach((part, index) => {
      if (index + 1 < parts.length) Object.assign(part, { flags: part.flags | NEXT, next: first + index + 1 });
      ring.setDescriptor(first + index, part);
    });
    ring.setNoInterrupt(random.chance(0.3));
    ring.makeAvailable(random.chance(0.98) ? first : random.below(0x1_0000));
    this.guest.bus.notify(ring.descriptors);
  }

  /** Whether a queue is for buffers that the device writes. */
  #wants(driver: LegacyDriver, ring: RingDriver): boolean {
    return driver.found.type === 4 || ring === driver.rings[0];
  }

  #descriptor(random: Random): Descriptor {
    return {
      address: random.pick([
        BigInt(random.below(LIMIT)),
        BigInt(RAM + random.below(200)),
        BigInt(LIMIT + 4096 - random.below(16)),
        BigInt(random.value()) << 32n | BigInt(random.value()),
      ]),
      length: random.pick([0, 1, 16, 512, random.below(LIMIT), random.value()]),
      flags: random.pick([0, WRITE, NEXT, INDIRECT, random.below(8)]),
      next: random.below(300),
    };
  }

  #address(random: Random): number {
    const { address } = random.pick(random.pick(this.found).queues);
    return random.pick([
      RAM + random.pick(this.found).offset,
      RAM + random.below(4096),
      address,
      address + random.below(3) * 4096,
      random.below(RAM),
      LIMIT - 1 - random.below(4),
      random.chance(0.1) ? LIMIT + random.below(5) : 0,
      random.chance(0.1) ? random.value() : 0,
    ]);
  }

  /** The host's side moves. */
  #host(random: Random): void {
    const { backend, cable, port } = this;
    if (backend.waiting.length > 0) backend.carryOut(random.below(backend.waiting.length), random.chance(0.9));
    if (cable.coming.length < 8) {
      const packet = new Uint8Array(random.pick([12, 60, 1526, 9000])).fill(0x33, 12);
      if (random.chance(0.3)) packet.set([random.below(4), random.pick([0, 1, 4, 0x81])]);
      cable.coming.push(packet);
    }
    if (random.chance(0.3)) port.type("typed");
    port.capacity = port.output.length + random.pick([0, 5, 1000]);
    this.guest.time += random.pick([0, 1, 300]);
    this.guest.bus.attend();
  }
}

Deno.test("LguestBus: whatever a Guest writes or notifies is its own death at most, with a reason, once", () => {
  const totals = { runs: 0, starts: 0, interrupts: 0, deaths: 0, resets: 0, sent: 0, output: 0, reads: 0 };
  fc.assert(
    fc.property(fc.array(deed, { minLength: STEPS, maxLength: STEPS, size: "max" }), fc.nat(), (deeds, seed) => {
      const bench = new Bench(seed);
      const { guest, memory } = bench;
      let deaths = 0;
      for (const one of deeds) {
        bench.act(one);
        assert(guest.deaths.length <= deaths + 1, "died twice without a reset");
        if (guest.deaths.length > deaths) {
          deaths++;
          const reason = guest.deaths.at(-1)!;
          assert(
            /^Virtio [a-z0-9 ]+: the driver .+ \(virtio 1\.2 §[\d.]+\)$/.test(reason) ||
              /^Bad NOTIFY 0x[0-9a-f]+: the Guest's memory ends at 0x33000$/.test(reason),
            reason,
          );
          const { length } = guest.lines;
          guest.bus.notify(RAM);
          assertEquals(guest.lines.length, length, "a dead Guest is heard no more");
          memory.chance = 0;
          guest.bus.reset();
          bench.drivers = [];
        }
      }
      assert(guest.raised.every((irq) => irq >= 1 && irq <= 6), "an interrupt that no queue has");
      memory.chance = 0;
      guest.bus.reset();
      // Whatever there was, a power-on makes the same page.
      assertEquals(guest.scan(), [...bench.found]);
      memory.assertGuards();
      totals.runs++;
      totals.starts += guest.lines.filter((line) => line.startsWith("Device ")).length;
      totals.interrupts += guest.raised.length;
      totals.deaths += deaths;
      totals.resets += guest.lines.filter((line) => line.startsWith("Resetting ")).length;
      totals.sent += bench.cable.sent.length;
      totals.output += bench.port.output.length;
      totals.reads += bench.backend.kicks;
    }),
    effort(24_000, STEPS),
  );
  // All of it has happened, often.
  assert(Object.values(totals).every((count) => count >= totals.runs / 2), JSON.stringify(totals));
});
