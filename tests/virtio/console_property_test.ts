import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import { MemoryConsole } from "../../lib/platform/console.ts";
import { ConsoleDevice } from "../../lib/virtio/console.ts";
import { Random } from "../engine/random.ts";
import { drive, EVENT_IDX, INDIRECT_DESC, type RingDriver } from "./_driver.ts";
import { effort } from "./_effort.ts";
import { abuse, deeds } from "./_hostile.ts";
import { ShiftyMemory } from "./_memory.ts";

/** Numbers that show what was lost or reordered. */
function* bytesForEver(): Generator<number, never> {
  for (let index = 0;; index++) yield (index ^ index >>> 8) & 0xff;
}

function take(source: Generator<number, never>, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => source.next().value);
}

const step = fc.record({
  kind: fc.constantFrom("print", "print", "buffer", "buffer", "type", "read", "interrupt"),
  seed: fc.integer(),
});

/** A good driver and a terminal at either end of a console, each doing what it likes. */
class Conversation {
  readonly #port = new MemoryConsole();
  readonly #device: ConsoleDevice;
  readonly #input: RingDriver;
  readonly #output: RingDriver;
  readonly #printed = bytesForEver();
  readonly #typed = bytesForEver();
  readonly #got: number[] = [];
  #printedCount = 0;
  #typedCount = 0;
  readonly #buffers: readonly [number, number];

  constructor(memory: ShiftyMemory, features: bigint) {
    this.#device = new ConsoleDevice({ memory, port: this.#port });
    const [input, output] = drive(this.#device, memory, { features, size: 16 }).drivers;
    this.#input = input!;
    this.#output = output!;
    this.#buffers = [input!.allocated, output!.allocated];
    this.#port.capacity = 0;
  }

  /** The Guest prints some bytes in some pieces. */
  print(random: Random): void {
    const driver = this.#output;
    const parts = 1 + random.below(3);
    if (driver.free < parts) return;
    if (driver.outstanding === 0) driver.allocateFrom(this.#buffers[1]);
    const before = driver.availableIndex;
    driver.offer(
      Array.from({ length: parts }, () => {
        const length = random.pick([0, 1, 2, 17, 100]);
        this.#printedCount += length;
        return { bytes: take(this.#printed, length) };
      }),
      (driver.features & INDIRECT_DESC) !== 0n && random.chance(0.5),
    );
    if (driver.wantsKick(before)) this.#device.notify(1);
  }

  /** The Guest gives room for input. */
  buffer(random: Random): void {
    const driver = this.#input;
    if (driver.free < 2) return;
    if (driver.outstanding === 0) driver.allocateFrom(this.#buffers[0]);
    const before = driver.availableIndex;
    driver.offer([{ room: random.pick([0, 1, 5, 64]) }, { room: random.pick([1, 2, 64]) }]);
    if (driver.wantsKick(before)) this.#device.notify(0);
  }

  /** Somebody types, or pastes. */
  type(random: Random): void {
    const count = random.pick([1, 1, 3, 50, 200]);
    this.#typedCount += count;
    this.#port.type(take(this.#typed, count));
    this.#device.attend();
  }

  /** The terminal shows something and so has room again. */
  read(random: Random): void {
    this.#port.capacity = this.#port.output.length + random.pick([0, 1, 10, 300]);
    this.#device.attend();
  }

  /** The Guest looks at what the device has done. */
  interrupt(): void {
    this.#output.used();
    for (const { bytes } of this.#input.used()) for (const byte of bytes) this.#got.push(byte);
    this.#input.setUsedEvent(this.#input.seen);
    this.#output.setUsedEvent(this.#output.seen);
  }

  /** Everything must have come through, once both sides give room. */
  settle(): void {
    this.#port.capacity = Infinity;
    this.#device.attend();
    const random = new Random(1);
    // A buffer that was given holds a byte at least.
    for (let round = 0; round <= this.#typedCount; round++) {
      this.interrupt();
      this.buffer(random);
    }
    this.interrupt();
    assertEquals(Uint8Array.from(this.#port.output), take(bytesForEver(), this.#printedCount));
    assertEquals(Uint8Array.from(this.#got), take(bytesForEver(), this.#typedCount));
    assertEquals([this.#output.outstanding, this.#device.drain()], [0, true]);
  }
}

Deno.test("ConsoleDevice loses and reorders nothing in either direction, however slow both ends are", () => {
  const memory = new ShiftyMemory(1 << 20, new Random(7));
  const property = fc.property(
    fc.array(step, { minLength: 50, maxLength: 150, size: "max" }),
    fc.constantFrom(0n, EVENT_IDX, INDIRECT_DESC, EVENT_IDX | INDIRECT_DESC),
    (steps, features) => {
      const conversation = new Conversation(memory, features);
      for (const { kind, seed } of steps) conversation[kind](new Random(seed));
      conversation.settle();
    },
  );
  fc.assert(property, effort(20_000, 100));
  memory.assertGuards();
});

Deno.test("ConsoleDevice survives every driver", () => {
  const memory = new ShiftyMemory(65536, new Random(8));
  const seen = { errors: new Set<string>(), served: 0 };
  const property = fc.property(deeds(200), (list) => {
    const port = new MemoryConsole();
    port.capacity = 0;
    const device = new ConsoleDevice({ memory, port });
    const own = (random: Random) => {
      port.capacity = port.output.length + random.pick([0, 10, 1000]);
      port.type(new Uint8Array(random.pick([0, 1, 300])));
      port.window = { columns: random.below(3), rows: random.below(3) };
      device.attend();
    };
    const { errors, served } = abuse(device, memory, list, { own });
    for (const error of errors) seen.errors.add(error);
    seen.served += served;
  });
  fc.assert(property, effort(30_000, 150));
  const messages = [...seen.errors].join("\n");
  for (const part of ["output queue", "input queue", "§5.3.6.1", "§5.3.4", "§2.7.5)"]) {
    assert(messages.includes(part), `No driver did "${part}"`);
  }
  assert(seen.served > 1000, `${seen.served} requests were served`);
});
