import fc from "fast-check";
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { DriverError } from "../../lib/virtio/device.ts";
import { RNG_REQUEST_LIMIT, RngDevice } from "../../lib/virtio/rng.ts";
import { Random } from "../engine/random.ts";
import { drive, INDIRECT_DESC, type RingDriver } from "./_driver.ts";
import { effort } from "./_effort.ts";
import { abuse, deeds } from "./_hostile.ts";
import { GuardedMemory, ShiftyMemory } from "./_memory.ts";

const RAM = 1 << 20;

/** A device whose bytes count up from 1, and its driver. */
function setUp(): { device: RngDevice; driver: RingDriver; memory: GuardedMemory; asked: number[] } {
  const memory = new GuardedMemory(RAM);
  const asked: number[] = [];
  const source = (bytes: Uint8Array) => {
    asked.push(bytes.length);
    bytes.forEach((_, index) => bytes[index] = index + 1);
  };
  const device = new RngDevice({ memory, source });
  const driver = drive(device, memory, { features: INDIRECT_DESC }).drivers[0]!;
  return { device, driver, memory, asked };
}

Deno.test("RngDevice fills a request in all its pieces, and not a byte more", () => {
  const { device, driver, memory } = setUp();
  const at = 0x8_0000;
  driver.offer([{ room: 3, address: at }, { room: 0 }, { room: 2, address: at + 16 }]);
  device.notify();
  const [used] = driver.used();
  assertEquals([used!.written, [...used!.bytes]], [5, [1, 2, 3, 4, 5]]);
  assertEquals([...memory.copy(at, 20)], [1, 2, 3, ...new Array(13).fill(0), 4, 5, 0, 0]);
  assertEquals(driver.interrupts, 1);
});

Deno.test("RngDevice answers every waiting request with one interrupt", () => {
  const { device, driver, asked } = setUp();
  for (const room of [1, 64, 10]) driver.offer([{ room }]);
  device.notify();
  assertEquals([asked, driver.used().map(({ written }) => written), driver.interrupts], [[1, 64, 10], [1, 64, 10], 1]);
});

Deno.test("RngDevice answers what was asked before it was activated", () => {
  const { device, driver } = setUp();
  driver.offer([{ room: 8 }]);
  device.reset();
  device.notify();
  assertEquals(driver.used(), []);
  device.activate({ features: 0n, queues: [driver.queue()], configChanged: () => {} });
  assertEquals(driver.used().length, 1);
});

Deno.test("RngDevice gives at most 64 KiB for one request", () => {
  const { device, driver, memory } = setUp();
  driver.offer([{ room: 40_000, address: 0x4_0000 }, { room: 40_000, address: 0x6_0000 }]);
  device.notify();
  assertEquals(driver.used()[0]!.written, RNG_REQUEST_LIMIT);
  const last = 0x6_0000 + RNG_REQUEST_LIMIT - 40_000;
  assertEquals([memory.getUint8(last - 1), memory.getUint8(last)], [RNG_REQUEST_LIMIT & 0xff, 0]);
});

Deno.test("RngDevice gives different bytes from the host's generator each time", () => {
  const memory = new GuardedMemory(RAM);
  const device = new RngDevice({ memory });
  const driver = drive(device, memory).drivers[0]!;
  driver.offer([{ room: 32 }]);
  driver.offer([{ room: 32 }]);
  device.notify();
  const [first, second] = driver.used();
  assertNotEquals(first!.bytes, second!.bytes);
  assertNotEquals(first!.bytes, new Uint8Array(32));
});

Deno.test("RngDevice refuses buffers to read, and writes to a configuration it does not have", () => {
  const { device, driver } = setUp();
  driver.offer([{ bytes: "seed" }, { room: 4 }]);
  assertEquals(
    assertThrows(() => device.notify(), DriverError).message,
    "Virtio rng request queue: the driver queued a device-readable buffer (virtio 1.2 §5.4.6.1)",
  );
  assertThrows(() => device.writeConfig(0), DriverError, "§5.4.4");
});

Deno.test("RngDevice survives every driver, and never writes more than was asked", () => {
  const memory = new ShiftyMemory(65536, new Random(9));
  const seen = { errors: new Set<string>(), served: 0 };
  const property = fc.property(deeds(200), (list) => {
    const { errors, served } = abuse(new RngDevice({ memory }), memory, list, { lengths: [1, 4, 64, 4096] });
    for (const error of errors) seen.errors.add(error);
    seen.served += served;
  });
  fc.assert(property, effort(20_000, 150));
  const messages = [...seen.errors].join("\n");
  for (const part of ["request queue", "§5.4.6.1", "§2.7.5)", "§2.7.6.1"]) {
    assert(messages.includes(part), `No driver did "${part}"`);
  }
  assert(seen.served > 1000, `${seen.served} requests were served`);
});
