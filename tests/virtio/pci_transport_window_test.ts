import { assertEquals, assertMatch } from "@std/assert";
import { COMMAND, REGISTER } from "../../lib/pci/function.ts";
import type { Width } from "../../lib/platform/bus.ts";
import { BAR, FakeDevice, PciDriver, VERSION_1 } from "./_pci.ts";

function bench() {
  const device = new FakeDevice();
  const driver = new PciDriver(device);
  const { capability } = driver.structures.get(5)!;
  const window = (offset: number, length: number, bar = 0) => {
    driver.bus.write(1, capability + 4, 1, bar);
    driver.bus.write(1, capability + 8, 4, offset);
    driver.bus.write(1, capability + 12, 4, length);
  };
  const read = (width: Width) => driver.bus.read(1, capability + 16, width);
  const write = (width: Width, value: number) => driver.bus.write(1, capability + 16, width, value);
  return { device, driver, window, read, write, capability };
}

Deno.test("the window reads registers with memory disabled, in the window's width", () => {
  const { driver, window, read } = bench();
  driver.bus.write(1, REGISTER.COMMAND, 2, 0);
  assertEquals(driver.mmio.read(BAR, 4), 0xffff_ffff);
  window(driver.structures.get(1)!.offset + 18, 2);
  assertEquals([read(4), read(2), read(1)], [2, 2, 2]);
  window(driver.structures.get(4)!.offset + 4, 4);
  assertEquals([read(4), read(2)], [0x0706_0504, 0x0504]);
  assertEquals(driver.deaths, []);
});

Deno.test("the window writes registers", () => {
  const { device, driver, window, read, write } = bench();
  window(20, 1);
  write(4, 1);
  write(4, 3);
  assertEquals([read(4) & 0xff, driver.mmio.read(BAR + 20, 1)], [3, 3]);
  window(0x208, 2);
  write(4, 0xffff_1234);
  assertEquals(device.calls.at(-1), "config 8/2 = 4660");
  assertEquals(driver.deaths, []);
});

Deno.test("the window rings doorbells and reads the ISR, with what that does", () => {
  const { device, driver, window, read, write } = bench();
  driver.start(VERSION_1);
  window(driver.structures.get(2)!.offset + 4, 2);
  write(2, 1);
  assertEquals(device.calls.at(-1), "notify 1");
  device.activation!.configChanged();
  window(driver.structures.get(3)!.offset, 1);
  assertEquals([read(1), read(1), driver.line.high, driver.deaths], [2, 0, false, []]);
});

Deno.test("a window that points nowhere reads what stands there", () => {
  const { driver, window, read } = bench();
  for (
    const [offset, length, bar] of [
      [0, 0, 0],
      [0, 3, 0],
      [0, 8, 0],
      [2, 4, 0],
      [0, 4, 1],
      [0x38, 4, 0],
      [0x20c, 4, 0],
      [
        0xffff_fffc,
        4,
        0,
      ],
    ] as const
  ) {
    window(offset, length, bar);
    assertEquals(read(4), 0);
  }
  assertEquals(driver.deaths, []);
});

Deno.test("a write through a window that points nowhere is the driver's mistake", () => {
  const { driver, window, write } = bench();
  window(1, 2);
  write(4, 0);
  write(4, 0);
  assertEquals(driver.deaths.length, 1);
  assertMatch(driver.deaths[0]!, /^Virtio fake: .*§4\.1\.4\.9\.2\)$/);
});

Deno.test("the window keeps what the driver set, and power-on forgets it", () => {
  const { driver, window, capability } = bench();
  window(20, 1, 0);
  const see = () => [4, 8, 12].map((at) => driver.bus.read(1, capability + at, 4));
  assertEquals(see(), [0, 20, 1]);
  driver.switchOn();
  assertEquals([see(), driver.bus.read(1, REGISTER.COMMAND, 2)], [[0, 0, 0], COMMAND.MEMORY]);
});
