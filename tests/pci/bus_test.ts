import { assertEquals, assertThrows } from "@std/assert";
import { COMMAND, REGISTER } from "../../lib/pci/function.ts";
import { fakeBus, fakeFunction, FakeRegisters, RAM_END } from "./_fakes.ts";

type Bench = ReturnType<typeof fakeBus>;

function place(bus: Bench["bus"], device: number, address: number, command: number = COMMAND.MEMORY): void {
  bus.write(device, REGISTER.BAR0, 4, address);
  bus.write(device, REGISTER.COMMAND, 2, command);
}

/** Which of the functions answers at an address: by number, or undefined. */
function answering({ memory, functions }: Bench, address: number): number | undefined {
  for (const { registers } of functions) registers.accesses.length = 0;
  memory.read(address, 4);
  const index = functions.findIndex(({ registers }) => registers.accesses.length > 0);
  return index < 0 ? undefined : index + 1;
}

Deno.test("PciBus decodes a BAR only while memory is enabled", () => {
  const bench = fakeBus([0x1000]);
  place(bench.bus, 1, 0xe000_0000, 0);
  assertEquals(bench.memory.read(0xe000_0004, 4), 0xffff_ffff);
  place(bench.bus, 1, 0xe000_0000);
  assertEquals([bench.memory.read(0xe000_0004, 4), bench.memory.read(0xe000_1000, 4)], [4, 0xffff_ffff]);
  bench.memory.write(0xe000_0ffe, 2, 0xbeef);
  assertEquals(bench.functions[0]!.registers.accesses, ["r4@4", "w2@ffe=beef"]);
  bench.bus.write(1, REGISTER.COMMAND, 1, 0);
  assertEquals(answering(bench, 0xe000_0000), undefined);
});

Deno.test("PciBus lets a BAR move, byte by byte too, with memory enabled", () => {
  const bench = fakeBus([0x1000]);
  place(bench.bus, 1, 0xe000_0000);
  bench.bus.write(1, REGISTER.BAR0 + 3, 1, 0xf1);
  assertEquals([0xe000_0000, 0xf100_0000].map((at) => answering(bench, at)), [undefined, 1]);
  bench.bus.write(1, REGISTER.BAR0, 4, 0xffff_ffff);
  assertEquals([0xf100_0000, 0xffff_f000, 0xffff_fffc].map((at) => answering(bench, at)), [undefined, 1, 1]);
});

Deno.test("PciBus decodes no BAR that reaches into RAM", () => {
  const bench = fakeBus([0x1000, 0x1000]);
  for (const address of [0, 0x10_0000, RAM_END - 0x1000]) {
    place(bench.bus, 1, address);
    assertEquals(answering(bench, address), undefined);
  }
  place(bench.bus, 1, RAM_END);
  assertEquals(answering(bench, RAM_END), 1);
});

Deno.test("PciBus gives an address that two BARs want to the lower device, and to the other when that one leaves", () => {
  const bench = fakeBus([0x1000, 0x4000]);
  place(bench.bus, 2, 0xe000_0000);
  assertEquals([0xe000_0000, 0xe000_2000].map((at) => answering(bench, at)), [2, 2]);
  place(bench.bus, 1, 0xe000_1000);
  assertEquals([0xe000_0000, 0xe000_1000, 0xe000_2000].map((at) => answering(bench, at)), [undefined, 1, undefined]);
  place(bench.bus, 1, 0xe000_4000);
  assertEquals([0xe000_0000, 0xe000_1000, 0xe000_4000].map((at) => answering(bench, at)), [2, 2, 1]);
});

Deno.test("PciBus leaves the platform's own registers alone", () => {
  const bench = fakeBus([0x1000]);
  const timer = new FakeRegisters();
  bench.memory.register(0xfed0_0000, 0x400, timer, "timer");
  place(bench.bus, 1, 0xfed0_0000);
  assertEquals([answering(bench, 0xfed0_0000), timer.accesses], [undefined, ["r4@0"]]);
  place(bench.bus, 1, 0xfed0_1000);
  assertEquals([answering(bench, 0xfed0_0000), answering(bench, 0xfed0_1000)], [undefined, 1]);
});

Deno.test("PciBus.reset() takes every BAR out of memory", () => {
  const bench = fakeBus([0x1000, 0x1000]);
  place(bench.bus, 1, 0xe000_0000);
  place(bench.bus, 2, 0xe000_1000);
  bench.bus.reset();
  assertEquals([0xe000_0000, 0xe000_1000].map((at) => answering(bench, at)), [undefined, undefined]);
  assertEquals(bench.bus.read(1, REGISTER.BAR0, 4), 0);
});

Deno.test("PciBus reads all ones where no device is", () => {
  const { bus } = fakeBus([0x1000]);
  bus.write(2, 0, 4, 0);
  assertEquals([bus.read(2, 0, 4), bus.read(31, 0, 2), bus.read(2, 3, 1)], [0xffff_ffff, 0xffff, 0xff]);
});

Deno.test("PciBus takes 31 devices beside the host bridge", () => {
  const { bus } = fakeBus(new Array<number>(31).fill(0x1000));
  assertEquals(bus.functions.length, 32);
  assertThrows(() => bus.add(fakeFunction("one more").fn), RangeError, '"one more"');
});
