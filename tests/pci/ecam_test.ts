import { assertEquals } from "@std/assert";
import { ECAM_BUS_SIZE, EcamRegion } from "../../lib/pci/ecam.ts";
import type { Width } from "../../lib/platform/bus.ts";
import { fakeBus } from "./_fakes.ts";

function bench() {
  const { memory, bus, functions } = fakeBus([0x1000, 0x1000]);
  memory.register(0xfe00_0000, ECAM_BUS_SIZE, new EcamRegion(bus), "configuration space");
  const at = (device: number, offset: number) => 0xfe00_0000 + device * 0x8000 + offset;
  return { memory, functions, at };
}

Deno.test("EcamRegion has each device's registers at its 32 KiB", () => {
  const { memory, at } = bench();
  assertEquals([0, 1, 2].map((device) => memory.read(at(device, 0), 2)), [0x8086, 0x1234, 0x1234]);
  memory.write(at(2, 0x3c), 1, 0x0b);
  assertEquals([memory.read(at(1, 0x3c), 1), memory.read(at(2, 0x3c), 1)], [0xff, 0x0b]);
});

Deno.test("EcamRegion takes any width, across two registers too", () => {
  const { memory, at } = bench();
  memory.write(at(1, 0x0d), 4, 0xffff_ff40); // latency; what follows is read-only
  memory.write(at(1, 0x10), 4, 0xe123_4000);
  const reads = ([[0x00, 4], [0x02, 2], [0x03, 1], [0x01, 4], [0x13, 2], [0x0d, 4]] as [number, Width][])
    .map(([offset, width]) => memory.read(at(1, offset), width));
  assertEquals(reads, [0x5678_1234, 0x5678, 0x56, 0x0056_7812, 0x00e1, 0x0000_0040]);
});

Deno.test("EcamRegion reads all ones and loses writes behind 256 bytes, in other functions and where no device is", () => {
  const { memory, at } = bench();
  const nowhere = [at(1, 0x100), at(1, 0xffc), at(1, 0x1000), at(1, 0x703c), at(3, 0), at(31, 0x7ffc)];
  for (const address of nowhere) memory.write(address, 4, 0);
  assertEquals(nowhere.map((address) => memory.read(address, 4)), nowhere.map(() => 0xffff_ffff));
  assertEquals([memory.read(at(1, 0xfe), 4), memory.read(at(31, 0x7fff), 1)], [0xffff_0000, 0xff]);
});
