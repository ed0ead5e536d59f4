import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { E820_TYPE, memoryMap } from "../../lib/boot/e820.ts";

Deno.test("memoryMap() gives a PC's map", () => {
  assertEquals(memoryMap(64 << 20), [
    { address: 0, size: 0x9fc00, type: 1 },
    { address: 0x9fc00, size: 0x400, type: 2 },
    { address: 0xf0000, size: 0x10000, type: 2 },
    { address: 0x100000, size: 63 << 20, type: 1 },
  ]);
});

Deno.test("memoryMap() lets later ranges override earlier ones, and joins what touches", () => {
  const reserved = [
    { address: 0xe0000, size: 0x20000, type: E820_TYPE.RESERVED },
    { address: 0xe8000, size: 0x1000, type: E820_TYPE.ACPI },
  ];
  assertEquals(memoryMap(2 << 20, reserved).slice(2), [
    { address: 0xe0000, size: 0x8000, type: 2 },
    { address: 0xe8000, size: 0x1000, type: 3 },
    { address: 0xe9000, size: 0x17000, type: 2 },
    { address: 0x100000, size: 0x100000, type: 1 },
  ]);
});

Deno.test("memoryMap() never overlaps, is in order, and says the last word on every address", () => {
  const range = fc.record({
    address: fc.nat(0x300000),
    size: fc.integer({ min: 1, max: 0x80000 }),
    type: fc.constantFrom(1, 2, 3, 4),
  });
  fc.assert(fc.property(fc.array(range, { maxLength: 8 }), fc.nat(0x300000), (reserved, address) => {
    const map = memoryMap(4 << 20, reserved);
    map.slice(1).forEach((next, index) => {
      const last = map[index]!;
      assertEquals(last.address + last.size <= next.address, true);
    });
    const covers = (entry: { address: number; size: number }) =>
      entry.address <= address && address < entry.address + entry.size;
    const wanted = [...memoryMap(4 << 20), ...reserved].findLast(covers)?.type;
    assertEquals(map.find(covers)?.type, wanted);
  }));
});
