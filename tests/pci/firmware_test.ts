import { assertEquals, assertThrows } from "@std/assert";
import { assignResources } from "../../lib/pci/firmware.ts";
import { COMMAND, REGISTER } from "../../lib/pci/function.ts";
import { fakeBus } from "./_fakes.ts";

Deno.test("assignResources() gives every BAR an address of its own, aligned to its size, and lets it decode", () => {
  const { bus, memory } = fakeBus([0x100, 0x1000, 0x20, 0x1_0000]);
  assignResources(bus, { start: 0xe000_0000, end: 0xe100_0000 }, { irqOf: (device) => 8 + device });
  const see = [1, 2, 3, 4].map((device) => [
    bus.read(device, REGISTER.BAR0, 4),
    bus.read(device, REGISTER.INTERRUPT_LINE, 1),
    bus.read(device, REGISTER.COMMAND, 2),
  ]);
  assertEquals(see, [
    [0xe000_0000, 9, COMMAND.MEMORY],
    [0xe000_1000, 10, COMMAND.MEMORY],
    [0xe000_2000, 11, COMMAND.MEMORY],
    [0xe001_0000, 12, COMMAND.MEMORY],
  ]);
  assertEquals(memory.read(0xe001_00ff, 1), 0xff);
  assertEquals(memory.read(0xe001_00fe, 1), 0xfe);
});

Deno.test("assignResources() leaves a function without BARs and pin as it is", () => {
  const { bus } = fakeBus([]);
  assignResources(bus, { start: 0xe000_0000, end: 0xe000_0000 }, { irqOf: () => 5 });
  assertEquals([bus.read(0, REGISTER.COMMAND, 2), bus.read(0, REGISTER.INTERRUPT_LINE, 2)], [0, 0x00ff]);
});

Deno.test("assignResources() says which BAR does not fit", () => {
  const { bus } = fakeBus([0x1000, 0x1000]);
  const assign = () => assignResources(bus, { start: 0xe000_0000, end: 0xe000_1fff }, { irqOf: () => 5 });
  assertThrows(assign, RangeError, '"device 2"');
});
