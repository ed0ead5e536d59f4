/**
 * The block device under random requests, compared with a model of the disk's contents, and under drivers that do
 * anything; over a disk in memory and over a file with its Worker.
 *
 * @module
 */
import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import type { BlockBackend } from "../../lib/storage/backend.ts";
import { openDisk } from "../../lib/storage/disk.ts";
import { RingBlockBackend } from "../../lib/storage/ring_backend.ts";
import { BlockDevice } from "../../lib/virtio/block.ts";
import { BLOCK_STATUS, BLOCK_TYPE } from "../../lib/virtio/block_config.ts";
import { Random } from "../engine/random.ts";
import { Folder, MAY_USE_FILES } from "../storage/_disk.ts";
import { BlockDriver, header, range } from "./_block_driver.ts";
import { EVENT_IDX, INDIRECT_DESC, type Part } from "./_driver.ts";
import { effort } from "./_effort.ts";
import { abuse, deeds } from "./_hostile.ts";
import { GuardedMemory, ShiftyMemory } from "./_memory.ts";
import { MemoryBackend } from "./_memory_backend.ts";

const SECTORS = 64;
/** Of parts of requests from a driver that does anything. */
const LENGTHS = [1, 15, 16, 16, 16, 17, 512, 512, 513, 1024];
const BUFFERS = 0x2_0000;
const { IN, OUT, FLUSH, DISCARD, WRITE_ZEROES } = BLOCK_TYPE;

/** One request: what it does, and how its bytes are cut. */
interface Step {
  readonly type: number;
  readonly sector: number;
  readonly sectors: number;
  readonly fill: number;
  readonly cuts: readonly number[];
  readonly indirect: boolean;
  /** Which of the requests under way the host does next, and how many. */
  readonly host: readonly number[];
}

const step: fc.Arbitrary<Step> = fc.record({
  type: fc.constantFrom(IN, IN, OUT, OUT, FLUSH, DISCARD, WRITE_ZEROES),
  sector: fc.nat(SECTORS),
  sectors: fc.nat(8),
  fill: fc.nat(255),
  cuts: fc.array(fc.nat(5000), { maxLength: 4 }),
  indirect: fc.boolean(),
  host: fc.array(fc.nat(15), { maxLength: 4 }),
});

/** Cut bytes, or room for bytes, into parts; with empty ones where two cuts meet. */
function cut(what: Uint8Array | number, cuts: readonly number[]): Part[] {
  const length = typeof what === "number" ? what : what.length;
  const places = [0, ...cuts.filter((place) => place < length).sort((a, b) => a - b), length];
  return places.slice(1).map((end, index) => {
    const start = places[index]!;
    return typeof what === "number" ? { room: end - start } : { bytes: what.slice(start, end) };
  });
}

/** A driver that knows what must come of its requests. */
class ModelDriver {
  readonly #driver: BlockDriver;
  /** The contents that the disk will have when all is done. */
  readonly contents: Uint8Array;
  /** By head: the sectors that it touches, and what it must read. */
  readonly #open = new Map<number, { sector: number; end: number; expected: readonly number[] }>();

  constructor(driver: BlockDriver, contents: Uint8Array) {
    this.#driver = driver;
    this.contents = contents;
  }

  /**
   * Do steps.
   *
   * @param host has the host do something that was asked of it, and the device look: which is told by a number
   */
  run(steps: readonly Step[], host: (which: number) => void): void {
    for (const step of steps) {
      // While another request touches the same sectors, their order would matter.
      while (this.#collides(step) || this.#driver.ring.free < 12) this.#advance(host, 0);
      this.#offer(step);
      for (const which of step.host) this.#advance(host, which);
    }
    while (this.#open.size > 0) this.#advance(host, 0);
  }

  #advance(host: (which: number) => void, which: number): void {
    this.#driver.kick();
    host(which);
    this.#check();
  }

  #collides({ sector, sectors }: Step): boolean {
    return [...this.#open.values()].some((other) => sector < other.end && other.sector < sector + sectors);
  }

  /** Make a request available, and apply it to the model. */
  #offer({ type, sector, sectors, fill, cuts, indirect }: Step): void {
    const { ring } = this.#driver;
    const inside = type === FLUSH || sector + sectors <= SECTORS;
    const place = this.contents.subarray(sector * 512, (sector + sectors) * 512);
    let sent = header(type, sector);
    let room = 1;
    let expected: number[] = [];
    if (type === IN) {
      room += sectors * 512;
      expected = inside ? [...place, BLOCK_STATUS.OK] : [];
    } else if (type === OUT) {
      const data = Uint8Array.from({ length: sectors * 512 }, (_, index) => index * fill);
      sent = new Uint8Array([...sent, ...data]);
      if (inside) place.set(data);
    } else if (type !== FLUSH) {
      sent = new Uint8Array([...header(type), ...range(sector, sectors)]);
      if (inside && type === WRITE_ZEROES) place.fill(0);
    }
    if (type !== IN) expected = room === 1 && inside ? [BLOCK_STATUS.OK] : [BLOCK_STATUS.IOERR];
    if (ring.outstanding === 0) ring.allocateFrom(BUFFERS);
    const head = ring.offer([...cut(sent, cuts), ...cut(room, cuts)], indirect);
    this.#open.set(head, { sector, end: sector + sectors, expected });
  }

  /** Compare what has come back. */
  #check(): void {
    for (const { head, written, bytes } of this.#driver.ring.used()) {
      const { expected } = this.#open.get(head)!;
      this.#open.delete(head);
      // A read that fails says that it wrote one byte, the status, which is not the first.
      if (expected.length > 0) assertEquals([...bytes], expected);
      else assertEquals(written, 1);
    }
  }
}

/** A device's own features, with those of queues that are to be negotiated. */
function featuresOf(memory: GuardedMemory, backend: BlockBackend, transport: bigint): bigint {
  return new BlockDevice({ name: "block vda", memory, backend, id: "" }).features | INDIRECT_DESC | transport;
}

const stepLists = fc.array(step, { minLength: 20, maxLength: 60, size: "max" });
const transports = fc.constantFrom(0n, EVENT_IDX);

Deno.test("BlockDevice does random requests, ended in any order, as a model of the disk says", () => {
  const memory = new GuardedMemory(1 << 20);
  const limits = fc.integer({ min: 1, max: 8 });
  const property = fc.property(stepLists, transports, limits, (steps, transport, limit) => {
    const backend = new MemoryBackend(memory, { sectors: SECTORS, limit });
    const driver = new BlockDriver(memory, backend, { size: 64, features: featuresOf(memory, backend, transport) });
    const model = new ModelDriver(driver, backend.bytes.slice());
    model.run(steps, (which) => {
      if (backend.waiting.length > 0) backend.carryOut(which % backend.waiting.length);
      driver.device.attend();
    });
    assertEquals(backend.bytes, model.contents);
    memory.assertGuards();
  });
  fc.assert(property, effort(10_000, 40));
});

Deno.test({
  name: "BlockDevice does random requests on a file, by its Worker, as a model of the disk says",
  ignore: !MAY_USE_FILES,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", SECTORS * 512);
    const memory = new GuardedMemory(1 << 20);
    const attention = new Int32Array(new SharedArrayBuffer(4));
    const disk = await openDisk({ path, memory, attention });
    const backend = new RingBlockBackend(disk.setup, memory);
    const property = fc.property(stepLists, transports, (steps, transport) => {
      const driver = new BlockDriver(memory, backend, { size: 64, features: featuresOf(memory, backend, transport) });
      const model = new ModelDriver(driver, Deno.readFileSync(path));
      model.run(steps, (which) => {
        // Some looks come before the Worker is done.
        if (which % 2 === 0) Atomics.wait(attention, 0, 0, 1);
        Atomics.store(attention, 0, 0);
        driver.device.attend();
      });
      assertEquals(Deno.readFileSync(path), model.contents);
      driver.device.reset();
      memory.assertGuards();
    });
    fc.assert(property, effort(2_000, 40));
    await disk.close();
  },
});

const anyNumber = fc.oneof(
  fc.bigInt(0n, 80n),
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.bigInt(2n ** 64n - 4n, 2n ** 64n - 1n),
);

/** A request with anything in it. */
const anyRequest = fc.record({
  type: fc.oneof(fc.constantFrom(...Object.values(BLOCK_TYPE)), fc.integer({ min: 0, max: 0xffff_ffff })),
  sector: anyNumber,
  sent: fc.oneof(
    fc.constantFrom(0, 1, 15, 17, 32, 512, 513, 1024, 4096),
    fc.record({
      sector: anyNumber,
      sectors: fc.oneof(fc.nat(70), fc.nat(0xffff_ffff)),
      flags: fc.constantFrom(0, 0, 1, 2),
    }),
  ),
  room: fc.constantFrom(1, 1, 2, 20, 21, 22, 512, 513, 1025, 4097),
  cuts: fc.array(fc.nat(5000), { maxLength: 4 }),
  ok: fc.boolean(),
});

Deno.test("BlockDevice answers every request with a status, and asks the host only for what lies on the disk", () => {
  const memory = new GuardedMemory(1 << 20);
  const seen = new Set<string>();
  const property = fc.property(
    fc.array(anyRequest, { minLength: 20, maxLength: 20 }),
    fc.boolean(),
    (requests, readOnly) => {
      // This backend throws if it is asked for anything beyond its end.
      const backend = new MemoryBackend(memory, { sectors: SECTORS, readOnly });
      const before = backend.bytes.slice();
      const driver = new BlockDriver(memory, backend, { size: 16 });
      for (const { type, sector, sent, room, cuts, ok } of requests) {
        const data = typeof sent === "number" ? new Uint8Array(sent) : range(sent.sector, sent.sectors, sent.flags);
        driver.ring.allocateFrom(BUFFERS);
        const rooms = cut(room, cuts).map((part): Part => ({ address: driver.ring.allocate(room), ...part }));
        driver.ring.offer([...cut(new Uint8Array([...header(type, sector), ...data]), cuts), ...rooms], true);
        driver.kick();
        if (backend.waiting.length > 0) backend.carryOut(0, ok);
        driver.device.attend();
        const used = driver.ring.used();
        assertEquals(used.length, 1);
        const last = rooms.findLast((part) => "room" in part && part.room > 0) as { room: number; address: number };
        const status = memory.getUint8(last.address + last.room - 1);
        seen.add(`${Object.values(BLOCK_TYPE).includes(type as 0) ? type : "other"}: ${status}`);
      }
      if (readOnly) assertEquals(backend.bytes, before);
      memory.assertGuards();
    },
  );
  fc.assert(property, effort(20_000, 20));
  const { OK, IOERR, UNSUPP } = BLOCK_STATUS;
  const both = [IN, OUT, FLUSH].flatMap((type) => [`${type}: ${OK}`, `${type}: ${IOERR}`]);
  const all = [DISCARD, WRITE_ZEROES].flatMap((type) => [OK, IOERR, UNSUPP].map((status) => `${type}: ${status}`));
  assertEquals([...seen].sort(), [...both, ...all, `${BLOCK_TYPE.GET_ID}: ${OK}`, `other: ${UNSUPP}`].sort());
});

/** Make much of memory look like headers of requests, or like ranges, wherever 8 divides the address. */
function sowHeaders(memory: GuardedMemory, random: Random): void {
  const pattern = new Uint32Array(2 * 3584);
  const type = random.pick([0, 1, 4, 8, 11, 13, 99]);
  const high = random.chance(0.1) ? random.value() : 0;
  for (let word = 0; word < pattern.length; word += 2) pattern.set([type, high], word);
  memory.write(0x9000, new Uint8Array(pattern.buffer));
}

Deno.test("BlockDevice survives every driver", () => {
  const memory = new ShiftyMemory(65536, new Random(13));
  const seen = { errors: new Set<string>(), served: 0 };
  const property = fc.property(deeds(200), (list) => {
    const backend = new MemoryBackend(memory, { limit: 4 });
    const device = new BlockDevice({ name: "block vda", memory, backend, id: "disk" });
    const own = (random: Random) => {
      if (random.chance(0.5)) sowHeaders(memory, random);
      while (backend.waiting.length > 0 && random.chance(0.8)) {
        backend.carryOut(random.below(backend.waiting.length), random.chance(0.9));
      }
      device.attend();
    };
    const { errors, served } = abuse(device, memory, list, { own, lengths: LENGTHS });
    for (const error of errors) seen.errors.add(error);
    seen.served += served;
  });
  fc.assert(property, effort(20_000, 150));
  const messages = [...seen.errors].join("\n");
  for (const part of ["request queue", "a header has 16", "no room for the status", "§5.2.4", "§2.7.5)", "§2.7.6.1"]) {
    assert(messages.includes(part), `No driver did "${part}"`);
  }
  assert(seen.served > 1000, `${seen.served} requests were served`);
});

Deno.test({
  name: "a file and its Worker survive every driver, and the file keeps its length",
  ignore: !MAY_USE_FILES,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", SECTORS * 512 + 100);
    const memory = new ShiftyMemory(65536, new Random(17));
    const attention = new Int32Array(new SharedArrayBuffer(4));
    const disk = await openDisk({ path, memory, attention });
    const backend = new RingBlockBackend(disk.setup, memory);
    let served = 0;
    const property = fc.property(deeds(200), (list) => {
      const device = new BlockDevice({ name: "block vda", memory, backend, id: "disk" });
      const own = (random: Random) => {
        if (random.chance(0.5)) sowHeaders(memory, random);
        Atomics.wait(attention, 0, 0, 1);
        Atomics.store(attention, 0, 0);
        device.attend();
      };
      served += abuse(device, memory, list, { own, lengths: LENGTHS }).served;
    });
    fc.assert(property, effort(10_000, 150));
    assert(served > 100, `${served} requests were served`);
    assertEquals(Deno.statSync(path).size, SECTORS * 512 + 100);
    await disk.close();
  },
});
