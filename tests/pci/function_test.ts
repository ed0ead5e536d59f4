import { assertEquals, assertThrows } from "@std/assert";
import { COMMAND, PciFunction, REGISTER } from "../../lib/pci/function.ts";
import { FakeLine } from "../platform/pc/_fakes.ts";
import { fakeFunction, FakeRegisters, IDENTITY } from "./_fakes.ts";

Deno.test("PciFunction shows its identity, and no write changes it", () => {
  const { fn } = fakeFunction("one");
  const identity = () => [0x00, 0x08, 0x2c].map((at) => fn.read(at, 4));
  const wanted = [0x5678_1234, 0x0180_029a, 0xef01_abcd];
  assertEquals(identity(), wanted);
  for (const at of [0x00, 0x08, 0x2c]) fn.write(at, 4, 0xffff_ffff);
  assertEquals([...identity(), fn.read(REGISTER.HEADER_TYPE, 1)], [...wanted, 0]);
});

Deno.test("PciFunction tells a BAR's size to who writes ones, and keeps an address aligned to it", () => {
  const { fn } = fakeFunction("one", 0x4000);
  fn.write(REGISTER.BAR0, 4, 0xffff_ffff);
  assertEquals(fn.read(REGISTER.BAR0, 4), 0xffff_c000);
  fn.write(REGISTER.BAR0, 4, 0xe123_4567);
  assertEquals(fn.read(REGISTER.BAR0, 4), 0xe123_4000);
  fn.write(REGISTER.BAR0 + 2, 2, 0xf00d);
  fn.write(REGISTER.BAR0 + 1, 1, 0xff);
  assertEquals(fn.read(REGISTER.BAR0, 4), 0xf00d_c000);
});

Deno.test("PciFunction has nothing where it has no BAR, and no expansion ROM", () => {
  const { fn } = fakeFunction("one", 0x100, 2);
  for (let at = 0x10; at < 0x34; at += 4) fn.write(at, 4, 0xffff_ffff);
  const got = Array.from({ length: 9 }, (_, index) => fn.read(0x10 + 4 * index, 4));
  assertEquals(got, [0, 0, 0xffff_ff00, 0, 0, 0, 0, 0xef01_abcd, 0]);
});

Deno.test("PciFunction lets a driver set memory, bus master and INTx disable in the command register, no more", () => {
  const { fn } = fakeFunction("one");
  fn.write(REGISTER.COMMAND, 4, 0xffff_ffff);
  assertEquals(fn.read(REGISTER.COMMAND, 4), COMMAND.MEMORY | COMMAND.BUS_MASTER | COMMAND.INTX_DISABLE);
});

Deno.test("PciFunction keeps cache line size, latency and interrupt line, as an operating system's notes", () => {
  const { fn } = fakeFunction("one");
  fn.write(REGISTER.CACHE_LINE, 4, 0xffff_1208);
  fn.write(REGISTER.INTERRUPT_LINE, 4, 0xffff_ff0b);
  assertEquals([fn.read(REGISTER.CACHE_LINE, 4), fn.read(REGISTER.INTERRUPT_LINE, 4)], [0x1208, 0x010b]);
});

Deno.test("PciFunction links its capabilities, and says that it has them", () => {
  const { fn } = fakeFunction("one");
  assertEquals([fn.read(REGISTER.STATUS, 2), fn.read(REGISTER.CAPABILITIES, 1)], [0, 0]);
  const first = fn.addCapability(0x09, [5, 1, 2]);
  const second = fn.addCapability(0x11, [7]);
  assertEquals([first, second], [0x40, 0x48]);
  assertEquals([fn.read(REGISTER.STATUS, 2), fn.read(REGISTER.CAPABILITIES, 1)], [0x10, 0x40]);
  fn.write(0x40, 4, 0xffff_ffff);
  assertEquals([fn.read(0x40, 4), fn.read(0x48, 4)], [0x0105_4809, 0x0007_0011]);
  assertEquals(fn.read(0x44, 1), 2);
});

Deno.test("PciFunction tells a live capability of accesses to it alone, and keeps what it lets a driver write", () => {
  const { fn } = fakeFunction("one");
  fn.addCapability(0x09, [4, 0]);
  const heard: string[] = [];
  const at = fn.addCapability(0x09, [8, 0, 1, 2, 3, 4], {
    writable: [0, 0, 0xff, 0x0f, 0, 0],
    beforeRead: (offset, width) => heard.push(`r${width}@${offset}`),
    afterWrite: (offset, width) => heard.push(`w${width}@${offset}`),
  });
  fn.write(at + 4, 4, 0xffff_ffff);
  assertEquals(fn.read(at + 4, 4), 0x0403_0fff);
  fn.read(0x40, 4);
  fn.write(0x44 + 8, 4, 0);
  fn.read(at + 5, 1);
  assertEquals(heard, ["w4@4", "r4@4", "r1@5"]);
  fn.reset();
  assertEquals(fn.peek(at + 4, 4), 0x0403_0000);
});

Deno.test("PciFunction asserts its wire unless the driver has disabled it, and shows it in the status either way", () => {
  const { fn } = fakeFunction("one");
  const line = new FakeLine();
  fn.connect(line);
  const see = () => [line.high, fn.read(REGISTER.STATUS, 2), fn.read(REGISTER.STATUS, 1), fn.read(REGISTER.COMMAND, 4)];
  fn.interrupt = true;
  assertEquals(see(), [true, 8, 8, 0x8_0000]);
  fn.write(REGISTER.COMMAND, 2, COMMAND.INTX_DISABLE);
  assertEquals(see(), [false, 8, 8, 0x8_0400]);
  fn.write(REGISTER.COMMAND + 1, 1, 0);
  assertEquals(see(), [true, 8, 8, 0x8_0000]);
  fn.interrupt = false;
  assertEquals(see(), [false, 0, 0, 0]);
});

Deno.test("PciFunction.reset() disables memory, forgets BARs and takes its interrupt back", () => {
  const { fn } = fakeFunction("one");
  const line = new FakeLine();
  fn.connect(line);
  fn.write(REGISTER.BAR0, 4, 0xe000_0000);
  fn.write(REGISTER.COMMAND, 2, COMMAND.MEMORY | COMMAND.BUS_MASTER);
  fn.write(REGISTER.INTERRUPT_LINE, 1, 7);
  fn.interrupt = true;
  assertEquals(fn.rangeOf(fn.bars[0]!), { start: 0xe000_0000, end: 0xe000_1000 });
  fn.reset();
  assertEquals([line.high, fn.rangeOf(fn.bars[0]!)], [false, undefined]);
  const read = (at: number) => fn.read(at, 4);
  assertEquals([REGISTER.COMMAND, REGISTER.BAR0, REGISTER.INTERRUPT_LINE].map(read), [0, 0, 0x01ff]);
});

Deno.test("PciFunction refuses BARs that cannot be, and more capabilities than there is room for", () => {
  const bar = (index: number, size: number) => () =>
    new PciFunction("odd", IDENTITY, [{ index, size, registers: new FakeRegisters() }]);
  for (const [index, size] of [[6, 16], [-1, 16], [0.5, 16], [0, 8], [0, 48], [0, 2 ** 32]] as const) {
    assertThrows(bar(index, size), RangeError, '"odd"');
  }
  const { fn } = fakeFunction("one");
  fn.addCapability(9, new Array<number>(190).fill(0));
  assertThrows(() => fn.addCapability(9, [3]), RangeError, "no room");
});
