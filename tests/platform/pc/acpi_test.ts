import { assertEquals, assertThrows } from "@std/assert";
import { GuestMemory, GuestMemoryError } from "../../../lib/memory.ts";
import { writeAcpiTables } from "../../../lib/platform/pc/acpi.ts";
import { pciTerms } from "../../../lib/platform/pc/acpi_pci.ts";
import {
  amlDevice,
  amlEisaId,
  amlInteger,
  amlName,
  amlPackage,
  amlResources,
  amlScope,
  dwordMemory,
  ioPorts,
  wordBusNumbers,
} from "../../../lib/platform/pc/aml.ts";

function text(memory: GuestMemory, address: number, length: number): string {
  return new TextDecoder().decode(memory.copy(address, length));
}

function sum(memory: GuestMemory, address: number, length: number): number {
  return memory.copy(address, length).reduce((total, byte) => (total + byte) & 0xff, 0);
}

function tables() {
  const memory = GuestMemory.allocate(2 << 20);
  const { rsdp, start, end } = writeAcpiTables(memory);
  const rsdt = memory.getUint32(rsdp + 16);
  const xsdt = Number(memory.getBigUint64(rsdp + 24));
  const fadt = memory.getUint32(rsdt + 36);
  return {
    memory,
    rsdp,
    start,
    end,
    rsdt,
    xsdt,
    fadt,
    facs: memory.getUint32(fadt + 36),
    dsdt: memory.getUint32(fadt + 40),
  };
}

Deno.test("writeAcpiTables() puts a root pointer where a kernel searches for it", () => {
  const { memory, rsdp, start, end } = tables();
  assertEquals(text(memory, rsdp, 8), "RSD PTR ");
  assertEquals([rsdp % 16, start >= 0xe0000, rsdp >= start, end <= 0x100000], [0, true, true, true]);
  assertEquals([sum(memory, rsdp, 20), sum(memory, rsdp, 36)], [0, 0]);
});

Deno.test("writeAcpiTables() makes every table's bytes sum to zero within its place", () => {
  const { memory, start, end, rsdt, xsdt, fadt, dsdt } = tables();
  const found = [rsdt, xsdt, fadt, dsdt].map((address) => {
    const length = memory.getUint32(address + 4);
    return [text(memory, address, 4), sum(memory, address, length), address >= start && address + length <= end];
  });
  assertEquals(found, [["RSDT", 0, true], ["XSDT", 0, true], ["FACP", 0, true], ["DSDT", 0, true]]);
});

Deno.test("writeAcpiTables() names the same tables in 32 and in 64 bits", () => {
  const { memory, xsdt, fadt, dsdt } = tables();
  assertEquals(Number(memory.getBigUint64(xsdt + 36)), fadt);
  assertEquals(Number(memory.getBigUint64(fadt + 140)), dsdt);
  assertEquals([memory.getUint32(fadt + 56), memory.getUint32(fadt + 152)], [0x600, 0x600]);
  assertEquals([memory.getUint32(fadt + 64), memory.getUint32(fadt + 176)], [0x604, 0x604]);
  assertEquals([memory.getUint32(fadt + 76), memory.getUint32(fadt + 212)], [0x608, 0x608]);
});

Deno.test("writeAcpiTables() aligns the FACS to 64 bytes", () => {
  const { memory, facs } = tables();
  assertEquals([text(memory, facs, 4), memory.getUint32(facs + 4), facs % 64], ["FACS", 64, 0]);
});

Deno.test("writeAcpiTables() tells the reset register, and that there is no keyboard controller", () => {
  const { memory, fadt } = tables();
  assertEquals([memory.getUint8(fadt + 116), memory.getUint32(fadt + 120), memory.getUint8(fadt + 128)], [1, 0xcf9, 6]);
  assertEquals([memory.getUint32(fadt + 112) >> 10 & 1, memory.getUint16(fadt + 109) & 2], [1, 0]);
});

Deno.test("writeAcpiTables() has a DSDT that says how to turn off", () => {
  const { memory, dsdt } = tables();
  const aml = memory.copy(dsdt + 36, memory.getUint32(dsdt + 4) - 36);
  // Name (\_S5_, Package () {5, 5, 0, 0})
  assertEquals([...aml.subarray(0, 15)], [0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x08, 4, 0x0a, 5, 0x0a, 5, 0, 0]);
});

Deno.test("writeAcpiTables() has a DSDT that says where PCI is", () => {
  const { memory, dsdt } = tables();
  const aml = memory.copy(dsdt + 36, memory.getUint32(dsdt + 4) - 36);
  assertEquals([...aml.subarray(15)], [...pciTerms()]);
});

/** Everything after the four characters of a name, up to `length` bytes. */
function after(name: string, length: number): number[] {
  const aml = pciTerms();
  const codes = Array.from(name, (character) => character.charCodeAt(0));
  const at = aml.findIndex((_, index) => codes.every((code, offset) => aml[index + offset] === code));
  return aml.slice(at + 4, at + 4 + length);
}

Deno.test("pciTerms() is a PCI root bridge with bus 0, its ports and the hole for devices", () => {
  assertEquals(after("_HID", 5), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  assertEquals(after("_CRS", 56).slice(-54), [
    ...[0x0a, 16 + 8 + 26 + 2],
    ...[0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
    ...[0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8],
    ...[0x87, 23, 0, 0, 0x0c, 1, 0, 0, 0, 0, 0, 0, 0, 0xe0, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0x1e],
    ...[0x79, 0],
  ]);
});

Deno.test("pciTerms() routes pin A of every device to its interrupt request", () => {
  const [operation, , , count] = after("_PRT", 4);
  assertEquals([operation, count], [0x12, 31]);
  const routeOf = (device: number, irq: number) => [0x12, 11, 4, 0x0c, 0xff, 0xff, device, 0, 0, 0, 0x0a, irq];
  const routes = after("_PRT", 4 + 12 * 31).slice(4);
  assertEquals(routes.slice(0, 24), [...routeOf(1, 10), ...routeOf(2, 11)]);
  assertEquals(routes.slice(-12), routeOf(31, 10));
});

Deno.test("writeAcpiTables() tells where PCI configuration space is in memory, and that the board has it reserved", () => {
  const { memory, rsdt, xsdt } = tables();
  const mcfg = memory.getUint32(rsdt + 40);
  assertEquals([text(memory, mcfg, 4), Number(memory.getBigUint64(xsdt + 44))], ["MCFG", mcfg]);
  assertEquals([memory.getUint32(mcfg + 4), sum(memory, mcfg, 60)], [60, 0]);
  // Base, segment group, first and last bus.
  assertEquals([Number(memory.getBigUint64(mcfg + 44)), memory.getUint32(mcfg + 52)], [0xfe00_0000, 0]);
  const board = pciTerms().slice(-14);
  assertEquals(board, [0x86, 9, 0, 1, 0, 0, 0, 0xfe, 0, 0, 0x10, 0, 0x79, 0]);
});

Deno.test("writeAcpiTables() refuses a memory that ends below the BIOS area", () => {
  assertThrows(() => writeAcpiTables(GuestMemory.allocate(1 << 16)), GuestMemoryError);
});

Deno.test("amlInteger() takes the shortest form", () => {
  assertEquals([0, 1, 2, 0xff, 0x100, 0x12345678, 0xffffffff].map(amlInteger), [
    [0],
    [1],
    [0x0a, 2],
    [0x0a, 0xff],
    [0x0b, 0, 1],
    [0x0c, 0x78, 0x56, 0x34, 0x12],
    [0x0c, 0xff, 0xff, 0xff, 0xff],
  ]);
});

Deno.test("amlPackage() counts its length's own bytes", () => {
  // One element of as many bytes as given; the count of elements is one more.
  const lengths = [60, 61, 62, 4092, 4093].map((size) => amlPackage([new Array<number>(size).fill(0)]).slice(1, 4));
  assertEquals(lengths, [[0x3e, 1, 0], [0x3f, 1, 0], [0x41, 0x04, 1], [0x4f, 0xff, 1], [0x81, 0x00, 0x01]]);
});

Deno.test("amlName() fills short names and refuses others", () => {
  assertEquals(amlName("AB", [0]), [0x08, 0x41, 0x42, 0x5f, 0x5f, 0]);
  for (const name of ["", "ABCDE", "ab", "1A", "\\"]) assertThrows(() => amlName(name, [0]), RangeError, `"${name}"`);
});

Deno.test("amlScope() and amlDevice() hold terms", () => {
  assertEquals(amlScope("\\_SB", [1], [0]), [0x10, 8, 0x5c, 0x5f, 0x53, 0x42, 0x5f, 1, 0]);
  assertEquals(amlDevice("PCI0", [1]), [0x5b, 0x82, 6, 0x50, 0x43, 0x49, 0x30, 1]);
});

Deno.test("amlEisaId() packs letters and digits, and refuses others", () => {
  assertEquals(amlEisaId("PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
  assertEquals(amlEisaId("ABC12EF"), [0x0c, 0x04, 0x43, 0x12, 0xef]);
  for (const id of ["PNP0A0", "pnp0A03", "PNP0G03", "PNP0A033"]) assertThrows(() => amlEisaId(id), RangeError, id);
});

Deno.test("resource descriptors tell their length", () => {
  const small = [ioPorts(0x3f8, 8)];
  assertEquals(small.map((bytes) => (bytes[0]! & 7) === bytes.length - 1), [true]);
  const large = [wordBusNumbers(1, 0x20), dwordMemory(0xe000_0000, 0xf000_0000)];
  assertEquals(large.map((bytes) => bytes[1]! + 256 * bytes[2]! === bytes.length - 3), [true, true]);
  assertEquals(wordBusNumbers(1, 0x20).slice(6), [0, 0, 1, 0, 0x20, 0, 0, 0, 0x20, 0]);
  assertEquals(amlResources(...small), [0x11, 13, 0x0a, 10, ...small.flat(), 0x79, 0]);
});
