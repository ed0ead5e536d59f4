import { assertEquals } from "@std/assert";
import type { Width } from "../../lib/platform/bus.ts";
import { fakeBus, readConfig, select, writeConfig } from "./_fakes.ts";

Deno.test("ConfigPorts shows a host bridge as device 0, and the other devices after it", () => {
  const { ports } = fakeBus([0x1000]);
  assertEquals([readConfig(ports, 0, 0x0b, 1), readConfig(ports, 0, 0x0a, 1)], [0x06, 0x00]);
  assertEquals([readConfig(ports, 0, 0x00, 2), readConfig(ports, 0, 0x0e, 1)], [0x8086, 0]);
  assertEquals([readConfig(ports, 1, 0x00, 4), readConfig(ports, 1, 0x02, 2)], [0x5678_1234, 0x5678]);
});

Deno.test("ConfigPorts answers a kernel that tries mechanism 1", () => {
  const { ports } = fakeBus([]);
  // Linux: a byte to CFBh, then a whole address that must read back.
  ports.write(0xcfb, 1, 0x01);
  const before = ports.read(0xcf8, 4);
  ports.write(0xcf8, 4, 0x8000_0000);
  assertEquals(ports.read(0xcf8, 4), 0x8000_0000);
  ports.write(0xcf8, 4, before);
  assertEquals(ports.read(0xcf8, 4), before);
});

Deno.test("ConfigPorts keeps the latch's reserved bits 0", () => {
  const { ports } = fakeBus([]);
  ports.write(0xcf8, 4, 0xffff_ffff);
  assertEquals(ports.read(0xcf8, 4), 0x80ff_fffc);
});

Deno.test("ConfigPorts takes an address in bytes and words", () => {
  const { ports } = fakeBus([]);
  ports.write(0xcfa, 2, 0x8012);
  ports.write(0xcf8, 1, 0x35);
  ports.write(0xcf8, 2, 0x5678);
  assertEquals([ports.read(0xcf8, 4), ports.read(0xcfa, 2), ports.read(0xcfb, 1), ports.read(0xcf8, 1)], [
    0x8012_5678,
    0x8012,
    0x80,
    0x78,
  ]);
});

Deno.test("ConfigPorts reads and writes the register at any width and place", () => {
  const { ports } = fakeBus([0x1000]);
  writeConfig(ports, 1, 0x10, 4, 0xe123_4000);
  const got = ([[0, 1], [1, 1], [2, 1], [3, 1], [0, 2], [1, 2], [2, 2], [0, 4]] as const)
    .map(([at, width]) => readConfig(ports, 1, 0x10 + at, width));
  assertEquals(got, [0x00, 0x40, 0x23, 0xe1, 0x4000, 0x2340, 0xe123, 0xe123_4000]);
});

Deno.test("ConfigPorts takes an access across its two registers byte by byte", () => {
  const { ports, reset } = fakeBus([0x1000]);
  select(ports, 1, 0x00);
  assertEquals([ports.read(0xcfb, 2), ports.read(0xcfa, 4), ports.read(0xcff, 2)], [0x3480, 0x1234_8000, 0xff56]);
  ports.write(0xcf7, 4, 0x0604_0500); // CF9h is the third of four ports, and gets its byte
  assertEquals(reset.written, [0x04]);
  // The last byte of the address, and then the first one of the register that it selects.
  select(ports, 1, 0x3c);
  ports.write(0xcfb, 2, 0x0b00);
  ports.write(0xcfb, 2, 0x0c80);
  assertEquals(readConfig(ports, 1, 0x3c, 1), 0x0c);
});

Deno.test("ConfigPorts passes byte accesses to CF9h on to the reset register, and no others", () => {
  const { ports, reset } = fakeBus([]);
  ports.write(0xcf9, 1, 0x06);
  assertEquals([reset.written, ports.read(0xcf9, 1)], [[0x06], 0x5a]);
  ports.write(0xcf8, 4, 0x8000_0600);
  ports.write(0xcf8, 2, 0x0e00);
  ports.write(0xcf9, 2, 0x0006);
  assertEquals([reset.written, ports.read(0xcf8, 4)], [[0x06], 0x8000_0600]);
});

Deno.test("ConfigPorts reads all ones and loses writes on other buses, functions and devices, and when disabled", () => {
  const { ports, functions } = fakeBus([0x1000]);
  const addresses = [0x8000_1010, 0x8000_0910, 0x8001_0810, 0x0000_0810];
  const got = addresses.map((address) => {
    ports.write(0xcf8, 4, address);
    ports.write(0xcfc, 4, 0xe000_0000);
    return ([1, 2, 4] as Width[]).map((width) => ports.read(0xcfc, width));
  });
  assertEquals(got, addresses.map(() => [0xff, 0xffff, 0xffff_ffff]));
  assertEquals(functions[0]!.fn.read(0x10, 4), 0);
});

Deno.test("ConfigPorts.reset() forgets the address", () => {
  const { ports, config } = fakeBus([]);
  select(ports, 0, 0);
  config.reset();
  assertEquals([ports.read(0xcf8, 4), ports.read(0xcfc, 4)], [0, 0xffff_ffff]);
});

Deno.test("ConfigPorts logs each configuration access, as the original did", () => {
  const lines: string[] = [];
  const { ports } = fakeBus([0x1000], (line) => lines.push(line));
  readConfig(ports, 1, 0x02, 2);
  writeConfig(ports, 1, 0x3c, 1, 11);
  ports.write(0xcf8, 4, 0);
  assertEquals(lines, [
    "PCI: 0x80000800/ffffffff: bus 0 dev 1 func 0 reg 0",
    "IO IN of ffff to 3326: 0x00005678",
    "PCI: 0x8000083c/ffffffff: bus 0 dev 1 func 0 reg 15",
    "IO OUT of ff to 3324: 0x0000000b",
    "PCI DISABLED: 0x0/ffffffff: bus 0 dev 0 func 0 reg 0",
  ]);
});
