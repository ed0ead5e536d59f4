/**
 * A driver that does what a driver must not do, for any device: descriptors, tables and rings of every wrong kind among
 * good ones, kicks, resets and configuration accesses at any time. What leaves a device must be a `DriverError`; what it
 * writes must lie in Guest memory.
 *
 * A test makes a list of {@link Deed}s with fast-check ({@link deeds}), so that a failing one shrinks, and gives it to
 * {@link abuse} with a device. Read next: `_driver.ts`, the good driver.
 *
 * @module
 */
import fc from "fast-check";
import { assert } from "@std/assert";
import { DriverError, type VirtioDevice } from "../../lib/virtio/device.ts";
import { Random } from "../engine/random.ts";
import { type Descriptor, EVENT_IDX, INDIRECT, INDIRECT_DESC, NEXT, RingDriver, WRITE } from "./_driver.ts";
import type { ShiftyMemory } from "./_memory.ts";

/** Descriptors in each queue: few, so that what was written for one chain meets another. */
const SIZE = 8;

const KINDS = [
  "chain",
  "chain",
  "chain",
  "chain",
  "table",
  "descriptor",
  "entry",
  "index",
  "poke",
  "notify",
  "notify",
  "notify",
  "attend",
  "own",
  "own",
  "config",
  "reset",
] as const;

/** One deed: its kind, and a seed for everything random in it. */
export interface Deed {
  readonly kind: typeof KINDS[number];
  readonly seed: number;
}

/** Lists of deeds: `count` of them, or fewer. */
export function deeds(count: number): fc.Arbitrary<Deed[]> {
  const deed = fc.record({ kind: fc.constantFrom(...KINDS), seed: fc.integer() });
  return fc.array(deed, { minLength: Math.ceil(count / 2), maxLength: count, size: "max" });
}

/** What a test adds to the abuse of its device. */
export interface AbuseOptions {
  /** What is done at an "own" deed: a backend moves. */
  readonly own?: (random: Random) => void;
  /** Parts of good chains: lengths that this device finds meaningful, out of which it is chosen at random. */
  readonly lengths?: readonly number[];
  /** Feature bits of the device that may be negotiated; all of its own by default. */
  readonly features?: bigint;
}

/** What came of it, by which a test can tell that it tried something. */
export interface AbuseReport {
  /** Messages of the `DriverError`s. */
  readonly errors: string[];
  /** Requests that the device gave back. */
  served: number;
}

/**
 * Do deeds to a device. After a `DriverError` the machine would stop: the device is reset and gets a new driver.
 *
 * @param device the device, which may have had other drivers
 * @param memory its memory, as small as 64 KiB
 * @param list what is done
 * @param options what this device needs beside
 */
export function abuse(
  device: VirtioDevice,
  memory: ShiftyMemory,
  list: readonly Deed[],
  options: AbuseOptions = {},
): AbuseReport {
  const report: AbuseReport = { errors: [], served: 0 };
  let drivers: HostileDriver[] = [];
  const guarded = (action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof DriverError)) throw error;
      report.errors.push(error.message);
      drivers = [];
    }
  };
  const connect = (random: Random) => {
    for (const driver of drivers) report.served += driver.ring.usedIndex;
    memory.chance = 0;
    device.reset();
    const transport = random.pick([0n, INDIRECT_DESC, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX]);
    const own = random.chance(0.5) ? options.features ?? device.features : 0n;
    const features = transport | own;
    drivers = device.queueNames.map((name, index) =>
      new HostileDriver(memory, `${device.name} ${name} queue`, index, features, options)
    );
    const queues = drivers.map(({ ring }) => random.chance(0.95) ? ring.queue() : undefined);
    memory.chance = random.pick([0, 0, 0.01, 0.1]);
    guarded(() => device.activate({ features, queues, configChanged: () => {} }));
  };
  for (const { kind, seed } of list) {
    const random = new Random(seed);
    if (drivers.length === 0) connect(random);
    const driver = drivers.length > 0 ? random.pick(drivers) : undefined;
    if (kind === "reset") connect(random);
    else if (kind === "attend") guarded(() => device.attend());
    else if (kind === "own") guarded(() => options.own?.(random));
    else if (kind === "config") guarded(() => configure(device, random));
    else if (kind === "notify") {
      if (driver) guarded(() => device.notify(driver.index));
    } else driver?.misbehave(kind, random);
  }
  for (const driver of drivers) report.served += driver.ring.usedIndex;
  memory.chance = 0;
  device.reset();
  memory.assertGuards();
  return report;
}

function configure(device: VirtioDevice, random: Random): void {
  const width = random.pick([1, 2, 4] as const);
  const offset = random.below(device.configLength + 1);
  if (offset + width > device.configLength) return; // a transport lets nothing of this come here
  if (random.chance(0.5)) device.writeConfig(offset, width, random.value());
  const value = device.readConfig(offset, width);
  assert(Number.isInteger(value), `Configuration offset ${offset} reads as ${value}`);
}

/** A driver of one queue, good or bad by chance. */
class HostileDriver {
  readonly index: number;
  readonly ring: RingDriver;
  readonly #memory: ShiftyMemory;
  readonly #lengths: readonly number[];

  constructor(memory: ShiftyMemory, name: string, index: number, features: bigint, options: AbuseOptions) {
    this.#memory = memory;
    this.index = index;
    this.#lengths = options.lengths ?? [1, 2, 16, 100, 512, 4096];
    this.ring = new RingDriver(memory, { at: 0x1000 * (index + 1), size: SIZE, name, features });
  }

  misbehave(kind: "chain" | "table" | "descriptor" | "entry" | "index" | "poke", random: Random): void {
    const { ring } = this;
    const memory = this.#memory;
    switch (kind) {
      case "chain":
      case "table":
        this.#chain(kind === "table", random);
        break;
      case "descriptor":
        ring.setDescriptor(random.below(SIZE), this.#descriptor(random));
        break;
      case "entry":
        ring.makeAvailable(random.below(random.chance(0.9) ? SIZE : 0x1_0000));
        break;
      case "index":
        if (random.chance(0.2)) memory.setUint16(ring.available + 2, random.value() & 0xffff);
        else memory.setUint16(ring.available + 2, (ring.availableIndex + random.below(5) - 2) & 0xffff);
        break;
      case "poke":
        memory.setUint16(ring.descriptors + random.below(SIZE * 26 + 12 - 1), random.value() & 0xffff);
    }
  }

  /** A chain as a good driver makes it, or nearly. */
  #chain(indirect: boolean, random: Random): void {
    const { ring } = this;
    const bad = random.chance(0.2);
    const parts = 1 + random.below(indirect ? 12 : 4);
    const firstWritable = random.below(parts + 1);
    const table = indirect ? 0x8000 + 16 * random.below(256) : ring.descriptors;
    const first = random.below(SIZE);
    const place = (part: number) => indirect ? part : (first + part) % SIZE;
    for (let part = 0; part < parts; part++) {
      const flags = (part >= firstWritable ? WRITE : 0) | (part + 1 < parts ? NEXT : 0);
      const length = random.pick(this.#lengths);
      const address = random.below(Math.max(1, this.#memory.size - length));
      const good = { address, length, flags, next: place(part + 1) };
      ring.setDescriptor(place(part), bad && random.chance(0.3) ? this.#descriptor(random) : good, table);
    }
    if (indirect) {
      const length = bad ? random.value() : 16 * parts;
      ring.setDescriptor(first, { address: table, length, flags: INDIRECT | random.pick([0, WRITE]), next: 0 });
    }
    ring.makeAvailable(first);
  }

  /** A descriptor of any kind. */
  #descriptor(random: Random): Descriptor {
    const { size } = this.#memory;
    const address = random.pick([
      BigInt(random.below(size)),
      BigInt(size - random.below(16)),
      BigInt(random.value()),
      BigInt(random.value()) << 32n | BigInt(random.value()),
    ]);
    const length = random.pick([0, random.pick(this.#lengths), random.below(size), random.value()]);
    return {
      address,
      length,
      flags: random.below(8) | (random.chance(0.1) ? random.value() & 0xfff8 : 0),
      next: random.below(SIZE + 1),
    };
  }
}
