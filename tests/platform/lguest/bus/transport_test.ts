import { assertEquals } from "@std/assert";
import { FakeDevice } from "../../../virtio/_pci.ts";
import { ERAS, LegacyGuest, RAM } from "./_legacy.ts";

/** A device whose configuration can change. */
class ChangingDevice extends FakeDevice {
  values = [1, 2, 3, 4];
  override readConfig(offset: number): number {
    return this.values[offset]!;
  }
}

/** Two devices, the first of which is driven. */
function setUp(device: FakeDevice = new FakeDevice()) {
  const other = new FakeDevice();
  const description = { features: 1n | 1n << 5n | 1n << 9n, configLength: 4 };
  const guest = new LegacyGuest(() => [[device, description], [other, description]]);
  device.calls.length = 0;
  other.calls.length = 0;
  return { guest, device, other };
}

for (const era of ERAS) {
  Deno.test(`a device begins with its driver's first kick if that comes before DRIVER_OK: ${era}`, () => {
    const { guest, device, other } = setUp();
    const driver = guest.driver(0, era);
    driver.probe(1n);
    assertEquals(device.calls, ["reset"]);
    driver.kick(1);
    assertEquals(device.calls, ["reset", "activate", "notify 1"]);
    assertEquals(device.activation?.features, 1n);
    driver.ready();
    driver.kick(0);
    assertEquals(device.calls.slice(3), ["notify 0"]);
    assertEquals([guest.deaths, other.calls], [[], []]);
    assertEquals(guest.lines.at(era === "2.6" ? -2 : -1), "Device fake OK: offered 21 02, accepted 01 00");
  });

  Deno.test(`a driver that resets a device finds rings and accepted features at 0, and begins anew: ${era}`, () => {
    const { guest, device } = setUp();
    const driver = guest.driver(0, era);
    const [first] = driver.probe();
    first!.offer([{ room: 10 }]);
    driver.kick(0);
    driver.ready();
    const { descriptors } = first!;
    const untouched = guest.memory.copy(descriptors + 2 * 0x3000, 2 * 0x3000);
    guest.memory.fill(descriptors, 2 * 0x3000, 0xff);
    driver.setStatus(0);
    assertEquals(device.calls, ["reset", "activate", "notify 0", "reset"]);
    assertEquals([driver.accepted, driver.offered], [0n, 0x221n]);
    assertEquals(guest.memory.copy(descriptors, 2 * 0x3000), new Uint8Array(2 * 0x3000));
    assertEquals(guest.memory.copy(descriptors + 2 * 0x3000, 2 * 0x3000), untouched);
    driver.probe(1n << 5n);
    driver.kick(1);
    assertEquals([device.calls.slice(4), device.activation?.features], [["reset", "activate", "notify 1"], 1n << 5n]);
  });

  Deno.test(`a kick of a device that has no driver is heard by nobody: ${era}`, () => {
    const { guest, device } = setUp();
    const driver = guest.driver(0, era);
    driver.probe();
    driver.kick(0);
    driver.setStatus(0);
    const calls = device.calls.length;
    driver.kick(0);
    driver.kick(1);
    assertEquals([device.calls.length, guest.deaths], [calls, []]);
  });

  Deno.test(`a driver that gives up resets a device that runs, and the user is warned once: ${era}`, () => {
    const { guest, device } = setUp();
    const driver = guest.driver(0, era);
    driver.probe();
    driver.setStatus(0x83);
    assertEquals(device.calls, ["reset"]);
    driver.kick(0);
    assertEquals(device.calls, ["reset"]);
    driver.probe();
    driver.kick(0);
    driver.setStatus(0x83);
    assertEquals(device.calls, ["reset", "reset", "activate", "notify 0", "reset"]);
    assertEquals([guest.warnings, guest.deaths], [["Device fake: the Guest's driver gave up (status FAILED)"], []]);
  });
}

Deno.test("DRIVER_OK begins a device that was never kicked, of drivers that tell of it", () => {
  const { guest, device } = setUp();
  const driver = guest.driver(0, "2.6");
  driver.probe();
  driver.ready();
  driver.ready();
  assertEquals(device.calls, ["reset", "activate"]);
  assertEquals(device.activation?.features, 0x221n);
});

Deno.test("features that were not offered end the Guest at the start, once, and the device is silent after it", () => {
  for (const era of ERAS) {
    const { guest, device, other } = setUp();
    const driver = guest.driver(0, era);
    driver.probe();
    driver.accept(0x1221n);
    driver.kick(0);
    driver.kick(0);
    driver.ready();
    guest.bus.attend();
    const reason = "Virtio fake: the driver accepted features 0x1000 that were not offered (virtio 1.2 §2.2.1)";
    assertEquals([guest.deaths, device.calls, other.calls], [[reason], ["reset"], ["attend"]]);
  }
});

Deno.test("a driver that accepts other features when the device runs ends the Guest; the same again are nothing", () => {
  const { guest, device } = setUp();
  const driver = guest.driver(0, "3.x");
  driver.probe(1n);
  driver.kick(0);
  driver.accept(1n);
  assertEquals(guest.deaths, []);
  driver.accept(1n << 5n);
  assertEquals(guest.deaths, [
    "Virtio fake: the driver accepted other features when the device was running (virtio 1.2 §3.1.2)",
  ]);
  const calls = device.calls.length;
  driver.kick(0);
  assertEquals(device.calls.length, calls);
});

Deno.test("a driver's error in a device ends the Guest once, whether at a kick or when a backend moves", () => {
  for (const deed of ["kick", "attend"]) {
    const { guest, device } = setUp();
    const driver = guest.driver(0);
    driver.probe();
    driver.kick(1);
    device.isOffended = true;
    if (deed === "kick") driver.kick(0);
    else guest.bus.attend();
    device.isOffended = true;
    driver.kick(0);
    guest.bus.attend();
    assertEquals(guest.deaths, ["Virtio fake first queue: the driver was rude (virtio 1.2 §2.7)"]);
  }
});

Deno.test("each queue has an interrupt of its own, and one from before a reset is not raised", () => {
  const { guest, device, other } = setUp();
  for (const index of [0, 1]) {
    const driver = guest.driver(index);
    driver.probe(~0n, 0x1_0000 + index * 0x8_0000);
    driver.rings.forEach((ring, queue) => {
      ring.offer([{ room: 10 }]);
      ring.offer([{ room: 10 }]);
      driver.kick(queue);
    });
  }
  const queues = [device, other].flatMap(({ activation }) => activation!.queues);
  for (const queue of queues) {
    queue!.push({ chain: queue!.pop()!, written: 0 });
    queue!.flush();
  }
  assertEquals(guest.interrupts(), [1, 2, 3, 4]);
  const [stale] = device.activation!.queues;
  stale!.push({ chain: stale!.pop()!, written: 0 });
  const driver = guest.driver(0);
  driver.probe();
  driver.kick(0);
  stale!.flush();
  assertEquals(guest.interrupts(), []);
});

Deno.test("a device that dies interrupts no more, and a change from before a reset is not shown", () => {
  const device = new ChangingDevice();
  const { guest } = setUp(device);
  const driver = guest.driver(0);
  const [ring] = driver.probe();
  ring!.offer([{ room: 10 }]);
  driver.kick(0);
  const stale = device.activation!;
  stale.queues[0]!.push({ chain: stale.queues[0]!.pop()!, written: 0 });
  device.isOffended = true;
  guest.bus.attend();
  stale.queues[0]!.flush();
  assertEquals([guest.deaths.length, guest.interrupts()], [1, []]);
  guest.bus.reset();
  device.values = [9, 9, 9, 9];
  stale.configChanged();
  assertEquals([...driver.config], [1, 2, 3, 4]);
});

Deno.test("a configuration that changes is shown, but for bytes that the driver has written over", () => {
  const device = new ChangingDevice();
  const { guest } = setUp(device);
  const driver = guest.driver(0);
  assertEquals([...driver.config], [1, 2, 3, 4]);
  driver.probe();
  driver.kick(0);
  driver.setConfig(0, Uint8Array.of(9, 9));
  device.values = [1, 7, 3, 8];
  device.activation!.configChanged();
  assertEquals([...driver.config], [9, 7, 3, 8]);
  assertEquals(guest.interrupts(), []);
  // Nor does a reset by the driver undo that, and what has changed meanwhile is shown then.
  device.values = [1, 7, 5, 8];
  driver.setStatus(0);
  assertEquals([...driver.config], [9, 7, 5, 8]);
});

Deno.test("lengths and places that a Guest writes over matter to nobody but itself", () => {
  const { guest, device } = setUp();
  const driver = guest.driver(0);
  driver.probe(1n);
  const { memory } = guest;
  const status = memory.getUint8(RAM + 4);
  const accepted = memory.copy(RAM + 23, 2);
  memory.fill(RAM, 23, 0xff);
  memory.setUint8(RAM + 4, status);
  memory.write(RAM + 23, accepted);
  driver.kick(0);
  assertEquals([device.calls, device.activation?.features, guest.deaths], [["reset", "activate", "notify 0"], 1n, []]);
  driver.setStatus(0);
  assertEquals(memory.copy(RAM, 4), Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  assertEquals(driver.accepted, 0n);
});

Deno.test("backends are attended to whether a driver is there or not, until the machine stops", () => {
  const { guest, device, other } = setUp();
  guest.bus.attend();
  assertEquals([device.calls, other.calls], [["attend"], ["attend"]]);
  guest.bus.silence();
  guest.bus.attend();
  guest.driver(0).probe();
  assertEquals([device.calls, other.calls], [["attend"], ["attend"]]);
});
