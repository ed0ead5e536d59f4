import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { REGISTER } from "../../lib/pci/function.ts";
import type { Width } from "../../lib/platform/bus.ts";
import { DEVICE_TYPE } from "../../lib/virtio/device.ts";
import { VirtioPciTransport } from "../../lib/virtio/pci_transport.ts";
import { COMMON } from "../../lib/virtio/pci_transport_common.ts";
import { virtioIdentity } from "../../lib/virtio/pci_transport_layout.ts";
import { BAR, FakeDevice, PciDriver, VERSION_1 } from "./_pci.ts";
import { RingDriver } from "./_driver.ts";

function bench(configLength?: number) {
  const device = new FakeDevice(configLength);
  return { device, driver: new PciDriver(device) };
}

Deno.test("a virtio device is a modern one by its identity", () => {
  const { driver } = bench();
  const read = (at: number, width: Width) => driver.bus.read(1, at, width);
  assertEquals([read(0, 2), read(2, 2), read(8, 1), read(0x2c, 2)], [0x1af4, 0x1042, 1, 0x1af4]);
  assertEquals([read(0x2e, 2) >= 0x40, read(REGISTER.INTERRUPT_PIN, 1)], [true, 1]);
});

Deno.test("a virtio device has the class that its driver's users expect, and a console is no serial port", () => {
  const types = [DEVICE_TYPE.NET, DEVICE_TYPE.BLOCK, DEVICE_TYPE.CONSOLE, DEVICE_TYPE.RNG, 63];
  assertEquals(types.map((type) => virtioIdentity(type).classCode >> 8), [0x0200, 0x0180, 0x0780, 0xff00, 0xff00]);
});

Deno.test("capabilities tell of structures that lie in BAR 0, aligned, and do not overlap", () => {
  const { driver } = bench();
  const { structures } = driver;
  assertEquals([...structures.keys()], [1, 2, 3, 4, 5]);
  const places = [1, 2, 3, 4].map((type) => structures.get(type)!);
  assertEquals(places.map(({ length }) => length), [56, 8, 1, 10]);
  assertEquals([1, 4].map((type) => structures.get(type)!.offset % 4), [0, 0]);
  assertEquals([structures.get(2)!.offset % 2, structures.get(2)!.extra], [0, 4]);
  const inOrder = places.toSorted((left, right) => left.offset - right.offset);
  const ends = inOrder.map(({ offset, length }, index) => offset + length <= (inOrder[index + 1]?.offset ?? 0x1000));
  assertEquals(ends, [true, true, true, true]);
});

Deno.test("a device without configuration has no capability for it", () => {
  const { driver } = bench(0);
  assertEquals([...driver.structures.keys()], [1, 2, 3, 5]);
});

Deno.test("a device whose configuration or queues do not fit is refused", () => {
  const { driver } = bench();
  const make = (device: FakeDevice) => () =>
    new VirtioPciTransport(device, { memory: driver.memory, died: () => {}, log: undefined });
  assertThrows(make(new FakeDevice(0x601)), RangeError, "fake");
  const wide = Object.assign(new FakeDevice(), { queueNames: new Array<string>(513).fill("many") });
  assertThrows(make(wide), RangeError, "fake");
});

Deno.test("a driver that keeps to the rules gets its device running, with what was negotiated", () => {
  const { device, driver } = bench();
  driver.negotiate(VERSION_1);
  assertEquals(driver.offered(), device.features | 1n << 28n | 1n << 29n | VERSION_1);
  const wanted = VERSION_1 | 1n << 29n | 1n << 40n | 1n;
  driver.start(wanted);
  assertEquals([driver.deaths, driver.get(COMMON.DEVICE_STATUS)], [[], 15]);
  const { features, queues } = device.activation!;
  assertEquals([features, queues.map((queue) => queue!.name)], [wanted, ["fake first queue", "fake second queue"]]);
  assertEquals(queues.map((queue) => queue!.size), [8, 8]);
  assertEquals([...new Set(device.calls)], ["reset", "activate"]);
});

Deno.test("queues that were not enabled are not there for the device", () => {
  const { device, driver } = bench();
  driver.start(VERSION_1, [1]);
  assertEquals(device.activation!.queues.map((queue) => queue?.name), [undefined, "fake second queue"]);
});

Deno.test("registers read back what they were set to, each queue its own", () => {
  const { driver } = bench();
  driver.negotiate(VERSION_1 | 1n);
  driver.place(0, { size: 4, descriptors: 0x1_2340, available: 0x1_5678, used: 0x1_9abc });
  driver.place(1, { size: 256, descriptors: 0x2_0000 });
  driver.set(COMMON.QUEUE_ENABLE, 1);
  driver.set(COMMON.QUEUE_SELECT, 0);
  const see = () => [24, 26, 28, 30, 32, 36, 40, 48].map((field) => driver.get(field));
  assertEquals(see(), [4, 0xffff, 0, 0, 0x1_2340, 0, 0x1_5678, 0x1_9abc]);
  driver.set(COMMON.QUEUE_SELECT, 1);
  assertEquals(see(), [256, 0xffff, 1, 1, 0x2_0000, 0, 0x1_1000, 0x1_2000]);
  assertEquals([driver.get(COMMON.NUM_QUEUES), driver.get(COMMON.QUEUE_SELECT)], [2, 1]);
  const words = [0, 1, 2].map((select) => {
    driver.set(COMMON.DRIVER_FEATURE_SELECT, select);
    return driver.get(COMMON.DRIVER_FEATURE);
  });
  assertEquals([words, driver.get(COMMON.DRIVER_FEATURE_SELECT)], [[1, 1, 0], 2]);
  driver.set(COMMON.DEVICE_FEATURE_SELECT, 7);
  assertEquals([driver.get(COMMON.DEVICE_FEATURE), driver.get(COMMON.DEVICE_FEATURE_SELECT)], [0, 7]);
  assertEquals(driver.deaths, []);
});

Deno.test("a queue that does not exist has size 0, and touching it changes none that does", () => {
  const { driver } = bench();
  driver.negotiate();
  driver.place(2, { size: 2, descriptors: 0x5_0000 });
  driver.place(0xffff, { size: 2, descriptors: 0x5_0000 });
  const see = [24, 28, 30, 32].map((field) => driver.get(field));
  driver.set(COMMON.QUEUE_SELECT, 0);
  assertEquals([see, driver.get(COMMON.QUEUE_SIZE), driver.get(COMMON.QUEUE_DESC)], [[0, 0, 0, 0], 256, 0]);
  assertEquals(driver.deaths, []);
});

Deno.test("each queue has its own doorbell, and only a running queue's is heard", () => {
  const { device, driver } = bench();
  driver.negotiate();
  driver.kick(0);
  driver.start(VERSION_1, [1]);
  device.calls.length = 0;
  driver.kick(1);
  driver.kick(0);
  driver.kick(1);
  assertEquals([device.calls, driver.deaths], [["notify 1", "notify 1"], []]);
  driver.set(COMMON.DEVICE_STATUS, 0);
  driver.kick(1);
  assertEquals(device.calls.slice(2), ["reset"]);
});

Deno.test("used buffers assert the interrupt and ISR bit 0 until the ISR is read", () => {
  const { device, driver } = bench();
  const ring = new RingDriver(driver.memory, { at: 0x3_0000, size: 8 });
  driver.negotiate();
  driver.place(0, { descriptors: ring.descriptors, available: ring.available, used: ring.usedRing });
  driver.set(COMMON.QUEUE_ENABLE, 1);
  driver.set(COMMON.DEVICE_STATUS, 15);
  ring.offer([{ room: 4 }]);
  driver.kick(0);
  const queue = device.activation!.queues[0]!;
  queue.push({ chain: queue.pop()!, written: 0 });
  assertEquals([driver.line.high, driver.isr()], [false, 0]);
  queue.flush();
  assertEquals([driver.line.high, driver.bus.read(1, REGISTER.STATUS, 2) & 8], [true, 8]);
  assertEquals([driver.isr(), driver.line.high, driver.bus.read(1, REGISTER.STATUS, 2) & 8], [1, false, 0]);
  assertEquals([driver.isr(), driver.deaths], [0, []]);
});

Deno.test("a changed configuration sets ISR bit 1, and the generation changes when the driver reads it", () => {
  const { device, driver } = bench();
  driver.start();
  const generation = driver.get(COMMON.CONFIG_GENERATION);
  const config = driver.addressOf(4);
  driver.mmio.read(config, 4);
  assertEquals(driver.get(COMMON.CONFIG_GENERATION), generation);
  device.activation!.configChanged();
  assertEquals([driver.line.high, driver.isr(), driver.line.high], [true, 2, false]);
  driver.mmio.read(config, 1);
  assertEquals(driver.get(COMMON.CONFIG_GENERATION), (generation + 1) & 0xff);
  driver.mmio.read(config, 1);
  assertEquals(driver.get(COMMON.CONFIG_GENERATION), (generation + 1) & 0xff);
});

Deno.test("configuration is read at any width, before the driver is known too, and is 0 behind its end", () => {
  const { driver } = bench(10);
  const config = driver.addressOf(4);
  const reads = ([[0, 1], [2, 2], [4, 4], [1, 4], [8, 4], [9, 2], [9, 4], [3, 2]] as const)
    .map(([offset, width]) => driver.mmio.read(config + offset, width));
  assertEquals(reads, [0, 0x0302, 0x0706_0504, 0x0403_0201, 0x0908, 0x0009, 0x0009, 0x0403]);
  assertEquals(driver.deaths, []);
});

Deno.test("configuration is written at any time", () => {
  const { device, driver } = bench();
  driver.mmio.write(driver.addressOf(4) + 8, 2, 0x4142);
  driver.mmio.write(driver.addressOf(4), 1, 0x43);
  assertEquals([device.calls.slice(1), driver.deaths], [["config 8/2 = 16706", "config 0/1 = 67"], []]);
});

Deno.test("writing 0 to the status resets the device and every register, whatever was going on", () => {
  const { device, driver } = bench();
  driver.start(VERSION_1 | 1n);
  driver.set(COMMON.DEVICE_FEATURE_SELECT, 1);
  const { queues, configChanged } = device.activation!;
  configChanged();
  device.calls.length = 0;
  driver.set(COMMON.DEVICE_STATUS, 0);
  assertEquals([device.calls, driver.line.high, driver.get(COMMON.DEVICE_STATUS)], [["reset"], false, 0]);
  // What an earlier life says is not heard.
  configChanged();
  driver.memory.setUint16(0x1_1002, 1); // descriptor 0, which names nothing, is available
  queues[0]!.push({ chain: queues[0]!.pop()!, written: 0 });
  queues[0]!.flush();
  assertEquals([driver.line.high, driver.isr()], [false, 0]);
  driver.set(COMMON.DEVICE_STATUS, 3);
  const see = [0, 8, 12, 22, 24, 28, 32, 40, 48].map((field) => driver.get(field));
  assertEquals([see, driver.deaths], [[0, 0, 0, 0, 256, 0, 0, 0, 0], []]);
  driver.start();
  assertEquals([driver.get(COMMON.DEVICE_STATUS), driver.deaths], [15, []]);
});

Deno.test("power-on resets a device that its driver has given up, or that has died", () => {
  const { device, driver } = bench();
  driver.start();
  device.isOffended = true;
  driver.kick(0);
  assertEquals(driver.deaths, ["Virtio fake first queue: the driver was rude (virtio 1.2 §2.7)"]);
  driver.switchOn();
  driver.start();
  assertEquals([driver.deaths.length, device.activation !== undefined], [1, true]);
});

Deno.test("after a mistake of the driver the device is silent", () => {
  const { device, driver } = bench();
  driver.start();
  device.isOffended = true;
  driver.transport.attend();
  device.calls.length = 0;
  const { configChanged } = device.activation!;
  driver.kick(0);
  driver.transport.attend();
  driver.set(COMMON.QUEUE_SELECT, 1);
  driver.set(COMMON.DEVICE_STATUS, 0);
  configChanged();
  assertEquals([device.calls, driver.line.high, driver.get(COMMON.DEVICE_STATUS)], [[], false, 0xff]);
  assertEquals(driver.deaths.length, 1);
});

Deno.test("an error that is no driver's is not hidden", () => {
  const { device, driver } = bench();
  Object.assign(device, {
    attend: () => {
      throw new TypeError("our own");
    },
  });
  assertThrows(() => driver.transport.attend(), TypeError, "our own");
});

Deno.test("the log tells of status writes and resets", () => {
  const { driver } = bench();
  driver.negotiate();
  assertEquals(driver.lines, [
    "fake: device status -> 0x0",
    "Resetting device fake",
    "fake: device status -> 0x1",
    "fake: device status -> 0x3",
    "fake: device status -> 0xb",
  ]);
});

Deno.test("between the structures nothing is read", () => {
  const { driver } = bench();
  const places = [0x38, 0x101, 0x20c, 0x7fc, 0x800, 0xffc].map((offset) => driver.mmio.read(BAR + offset, 4));
  assertEquals([places, driver.deaths], [[0, 0, 0, 0, 0, 0], []]);
  driver.mmio.write(BAR + 0x40, 4, 0);
  assertMatch(driver.deaths[0]!, /^Virtio fake: the driver wrote 4 bytes at 64 of BAR 0.*§4\.1\.4\)$/);
});
