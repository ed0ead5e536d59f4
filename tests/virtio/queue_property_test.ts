import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { type Activation, DEVICE_TYPE, type VirtioDevice } from "../../lib/virtio/device.ts";
import type { Chain, VirtQueue } from "../../lib/virtio/queue.ts";
import { Random } from "../engine/random.ts";
import { EVENT_IDX, INDIRECT_DESC, type Part, RingDriver } from "./_driver.ts";
import { effort } from "./_effort.ts";
import { abuse, deeds } from "./_hostile.ts";
import { ShiftyMemory } from "./_memory.ts";

const RAM = 65536;

/** A device that holds requests for a while, judges them as no real one does, and writes to every byte it may. */
class Probe implements VirtioDevice {
  readonly name = "probe";
  readonly type = DEVICE_TYPE.RNG;
  readonly features = 0n;
  readonly queueNames = ["request"];
  readonly configLength = 0;
  readonly #memory: ShiftyMemory;
  readonly #held: Chain[] = [];
  #queue: VirtQueue | undefined;

  constructor(memory: ShiftyMemory) {
    this.#memory = memory;
  }

  readConfig(): number {
    return 0;
  }

  writeConfig(): void {}

  activate(activation: Activation): void {
    this.#queue = activation.queues[0];
  }

  notify(): void {
    const queue = this.#queue;
    if (!queue) return;
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      this.#judge(chain);
      this.#held.push(chain);
      assert(this.#held.length <= queue.size, "There are more requests than descriptors");
    }
  }

  attend(): void {}

  reset(): void {
    this.#queue = undefined;
    this.#held.length = 0;
  }

  /** Give some requests back, in any order. */
  finish(random: Random): void {
    const queue = this.#queue;
    if (!queue || this.#held.length === 0) return;
    const done = [];
    while (this.#held.length > 0 && (done.length === 0 || random.chance(0.7))) {
      const [chain] = this.#held.splice(random.below(this.#held.length), 1);
      for (const { address, length } of chain!.writable) this.#memory.fill(address, length, random.bits() & 0xff);
      done.push({ chain: chain!, written: chain!.writableLength });
    }
    queue.push(...done);
    queue.flush();
  }

  #judge(chain: Chain): void {
    let total = 0;
    for (const { address, length } of [...chain.readable, ...chain.writable]) {
      assert(length > 0 && this.#memory.contains(address, length), `A segment of ${length} bytes at ${address}`);
      total += length;
    }
    assertEquals(total, chain.readableLength + chain.writableLength);
    assert(chain.readable.length + chain.writable.length <= 256 && total <= 2 ** 32);
  }
}

Deno.test("VirtQueue lets nothing but DriverError out and nothing beside RAM in, whatever the driver does", () => {
  const memory = new ShiftyMemory(RAM, new Random(3));
  const device = new Probe(memory);
  const seen = { errors: new Set<string>(), served: 0 };
  fc.assert(
    fc.property(deeds(200), (list) => {
      const { errors, served } = abuse(device, memory, list, { own: (random) => device.finish(random) });
      for (const error of errors) seen.errors.add(error.replace(/.*§/, ""));
      seen.served += served;
    }),
    effort(40_000, 150),
  );
  // The deeds have reached what they are for: each section, and good requests.
  for (const section of ["2.7.4.2)", "2.7.5)", "2.7.5.3)", "2.7.5.3.1)", "2.7.6)", "2.7.6.1)", "2.7.13)"]) {
    assert(seen.errors.has(section), `No driver broke §${section}`);
  }
  assert(seen.served > 1000, `${seen.served} requests were served`);
});

const step = fc.record({
  kind: fc.constantFrom("offer", "offer", "device", "finish", "driver"),
  seed: fc.integer(),
});

Deno.test("VirtQueue loses, invents and stalls nothing with a driver that kicks and looks only when it must", () => {
  const memory = new ShiftyMemory(1 << 20, new Random(5));
  const property = fc.property(
    fc.array(step, { minLength: 60, maxLength: 140, size: "max" }),
    fc.constantFrom(0n, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC),
    fc.constantFrom(1, 2, 8, 64),
    (steps, features, size) => {
      const pair = new Pair(memory, features, size);
      for (const { kind, seed } of steps) pair[kind](new Random(seed));
      pair.settle();
    },
  );
  fc.assert(property, effort(40_000, 100));
  memory.assertGuards();
});

/** A good driver and a good device, each of which acts only when the other has told it to. */
class Pair {
  readonly #driver: RingDriver;
  readonly #queue: VirtQueue;
  readonly #expected: { head: number; chain: Omit<Chain, "head"> }[] = [];
  readonly #held: Chain[] = [];
  readonly #promised = new Map<number, number>();
  readonly #buffers: number;
  #kicked = false;
  #interrupted = false;

  constructor(memory: ShiftyMemory, features: bigint, size: number) {
    const interrupt = () => void (this.#interrupted = true);
    this.#driver = new RingDriver(memory, { features, size, interrupt });
    this.#queue = this.#driver.queue();
    this.#buffers = this.#driver.allocated;
  }

  /** The driver makes a request available, and kicks if it is to. */
  offer(random: Random): void {
    const driver = this.#driver;
    const indirect = (driver.features & INDIRECT_DESC) !== 0n && random.chance(0.5);
    const parts = 1 + random.below(indirect ? 20 : Math.min(5, driver.size));
    if (driver.free < (indirect ? 1 : parts)) return;
    if (driver.outstanding === 0) driver.allocateFrom(this.#buffers);
    const readable = random.below(parts + 1);
    const list = Array.from({ length: parts }, (_, index): Part => {
      const length = random.pick([0, 1, 2, 7, 64, 300]);
      return index < readable ? { bytes: new Uint8Array(length), address: driver.allocate(length) } : {
        room: length,
        address: driver.allocate(length),
      };
    });
    const segments = (keep: (part: Part) => boolean) =>
      list.filter(keep).map((part) => ({
        address: part.address!,
        length: "bytes" in part ? part.bytes.length : part.room,
      })).filter(({ length }) => length > 0);
    const [out, into] = [segments((part) => "bytes" in part), segments((part) => "room" in part)];
    const sum = (of: { length: number }[]) => of.reduce((total, { length }) => total + length, 0);
    const before = driver.availableIndex;
    const head = driver.offer(list, indirect);
    const chain = { readable: out, writable: into, readableLength: sum(out), writableLength: sum(into) };
    this.#expected.push({ head, chain });
    if (driver.wantsKick(before)) this.#kicked = true;
  }

  /** The device takes requests if it was kicked; it stops early at times, and then kicks itself. */
  device(random: Random): void {
    if (!this.#kicked) return;
    this.#kicked = false;
    for (;;) {
      const chain = this.#queue.pop();
      if (!chain) return;
      assertEquals({ head: chain.head, chain: without(chain) }, this.#expected.shift());
      this.#held.push(chain);
      if (random.chance(0.2)) {
        this.#kicked = true;
        return;
      }
    }
  }

  /** The device gives requests back, in any order. */
  finish(random: Random): void {
    if (this.#held.length === 0) return;
    const done = [];
    while (this.#held.length > 0 && (done.length === 0 || random.chance(0.5))) {
      const [chain] = this.#held.splice(random.below(this.#held.length), 1);
      const written = random.below(chain!.writableLength + 1);
      this.#promised.set(chain!.head, written);
      done.push({ chain: chain!, written });
    }
    this.#queue.push(...done);
    if (random.chance(0.8)) this.#queue.flush();
  }

  /** The driver looks at the used ring if it was interrupted, and then says when it wants to be interrupted next. */
  driver(random: Random): void {
    if (!this.#interrupted) return;
    this.#interrupted = false;
    this.#collect();
    if ((this.#driver.features & EVENT_IDX) === 0n) {
      // A driver that polls for a while switches interrupts off, on again, and looks once more.
      this.#driver.setNoInterrupt(true);
      this.finish(random);
      this.#driver.setNoInterrupt(false);
    } else {
      this.#driver.setUsedEvent(this.#driver.seen);
    }
    this.#collect();
    this.#driver.setUsedEvent(this.#driver.seen);
  }

  /** Let both run until neither has anything to do: everything must have been served then. */
  settle(): void {
    const random = new Random(1);
    for (let round = 0; round < 1000; round++) {
      this.device(random);
      this.finish(random);
      this.#queue.flush();
      this.driver(random);
    }
    assertEquals([this.#expected.length, this.#held.length, this.#driver.outstanding], [0, 0, 0]);
    assertEquals(this.#queue.pop(), undefined);
    assertEquals(this.#driver.usedIndex, this.#driver.availableIndex);
  }

  #collect(): void {
    for (const { head, written } of this.#driver.used()) {
      assertEquals(written, this.#promised.get(head));
      this.#promised.delete(head);
    }
  }
}

function without({ readable, writable, readableLength, writableLength }: Chain): Omit<Chain, "head"> {
  return { readable, writable, readableLength, writableLength };
}
