/**
 * What a kernel is: small ELF files with the code that Linux begins with, and Debian's kernels.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { zstdCompressSync } from "node:zlib";
import { inspectKernel, type KernelFacts } from "../../lib/boot/inspect.ts";
import { readKernel } from "../../lib/boot/kernel.ts";
import { fetchKernel } from "../../scripts/debian.ts";
import { CANNOT_BOOT } from "../boots/_needs.ts";
import { makeBzImage, makeElf, withSize } from "./_fixtures.ts";

const BASE = 0x1000000;
const PAGE_OFFSET = 0xc0000000;
/** Where things lie in the small kernels, from {@link BASE} on. */
const TABLE_AT = 0x2000, ENTRY_AT = 0x2100, BANNER_AT = 0x2200;

type Code = readonly (number | readonly [word: number])[];

/** Bytes; a number in brackets is a 32-bit word. */
function bytes(code: Code): number[] {
  return code.flatMap((item) => typeof item === "number" ? [item] : [0, 8, 16, 24].map((n) => item[0]! >>> n & 255));
}

/** MOV boot_params+0x23c, %eax; CMP; JAE; MOV table(,%eax,4), %eax; SUB; JMP. */
const DISPATCH: Code = [0xa1, [BASE + 0x3000], 0x3d, [4], 0x73, 0x0e, ...jumpThroughTable(PAGE_OFFSET)];
/** The same as 2.6.24 to 2.6.29 had it. */
const OLD_DISPATCH: Code = [0x8b, 0x86, [0x23c], 0x83, 0xf8, 3, 0x73, 0x0e, ...jumpThroughTable(PAGE_OFFSET)];

function jumpThroughTable(pageOffset: number): Code {
  return [0x8b, 0x04, 0x85, [BASE + TABLE_AT], 0x2d, [pageOffset], 0xff, 0xe0, 0x0f, 0x0b];
}

const INIT: Code = [0xb8, [1], 0xbb, [BASE + 0x3000]];
const INT: Code = [0xcd, 0x1f], VMCALL: Code = [0x0f, 0x01, 0xc1];
const NEW_PGTABLE: Code = [0xb8, [4], 0xbb, [BASE + 0x4000], ...INT];
const STACK: Code = [0xbc, [PAGE_OFFSET + BASE], 0xe9, [0x100]];
/** MOV $fixmap+0x63, %eax; MOV %eax, last entry of a page. */
const TWO_LEVELS: Code = [0xb8, [0x1e73063], 0xa3, [0x1e72ffc]];
const THREE_LEVELS: Code = [0xb8, [0x1e96067], 0xa3, [0x1e94ff8]];

interface Parts {
  readonly startup?: Code;
  readonly entry?: Code;
  /** The machines' addresses. */
  readonly table?: readonly number[];
  readonly text?: string;
}

/** An ELF file of a kernel that is none. */
function kernel({ startup = DISPATCH, entry = [], table, text = "" }: Parts): Uint8Array {
  const data = new Uint8Array(0x5000).fill(0x90);
  data.set(bytes(startup), 0x70);
  data.set(bytes(entry), ENTRY_AT);
  const virtual = PAGE_OFFSET + BASE;
  data.set(bytes((table ?? [virtual + 0x200, virtual + ENTRY_AT, virtual]).map((word) => [word] as const)), TABLE_AT);
  data.set(new TextEncoder().encode(text), BANNER_AT);
  return makeElf({ address: BASE, data });
}

function inspect(file: Uint8Array): KernelFacts {
  return inspectKernel(readKernel({ name: "k", bytes: file }, { unpack: true, memorySize: 64 << 20 }));
}

function lguest(parts: Parts): KernelFacts["lguest"] {
  return inspect(kernel(parts)).lguest;
}

Deno.test("inspectKernel() finds the entry of a kernel that makes its own page tables", () => {
  const expected = { entry: BASE + ENTRY_AT, vmcall: false, hostMakesPageTables: false };
  assertEquals(lguest({ entry: [...INIT, ...INT, ...NEW_PGTABLE, ...STACK] }), expected);
});

Deno.test("inspectKernel() finds the entry of a kernel that has them made by the Host", () => {
  const expected = { entry: BASE + ENTRY_AT, vmcall: false, hostMakesPageTables: true };
  assertEquals(lguest({ entry: [...INIT, ...INT, ...STACK] }), expected);
});

Deno.test("inspectKernel() finds the entry of a kernel with VMCALL", () => {
  const expected = { entry: BASE + ENTRY_AT, vmcall: true, hostMakesPageTables: true };
  assertEquals(lguest({ entry: [...INIT, ...VMCALL, ...STACK] }), expected);
});

Deno.test("inspectKernel() finds the entry of a kernel before 2.6.30", () => {
  const expected = { entry: BASE + ENTRY_AT, vmcall: false, hostMakesPageTables: true };
  assertEquals(lguest({ startup: OLD_DISPATCH, entry: [0xb8, [1], 0xba, [BASE], ...INT] }), expected);
});

Deno.test("inspectKernel() finds the entry of a kernel with another memory split", () => {
  const virtual = 0x80000000 + BASE;
  const startup: Code = [...DISPATCH.slice(0, 5), ...jumpThroughTable(0x80000000)];
  const found = lguest({
    startup,
    table: [virtual, virtual + ENTRY_AT, virtual],
    entry: [...INIT, ...INT, ...NEW_PGTABLE],
  });
  assertEquals(found?.entry, BASE + ENTRY_AT);
});

Deno.test("inspectKernel() believes the table, whatever else looks like an entry", () => {
  const virtual = PAGE_OFFSET + BASE;
  const entry: Code = [...INIT, ...INT, ...NEW_PGTABLE];
  assertEquals(lguest({ entry, table: [virtual, virtual + 0x90, virtual + 0x90] }), undefined);
  assertEquals(lguest({ entry: [0x0f, 0x0b] }), undefined);
  assertEquals(lguest({ entry, table: [virtual, 0, 0] }), undefined);
  assertEquals(lguest({ entry, table: [virtual, virtual + 0x4fff, virtual] }), undefined);
});

Deno.test("inspectKernel() takes the only entry if there is no table, and none of several", () => {
  const entry: Code = [...INIT, ...INT, ...NEW_PGTABLE];
  assertEquals(lguest({ startup: [], entry })?.entry, BASE + ENTRY_AT);
  assertEquals(lguest({ startup: entry, entry }), undefined);
  assertEquals(lguest({ startup: [], entry: [] }), undefined);
});

Deno.test("inspectKernel() tells two levels of page tables from three", () => {
  const pae = (parts: Parts) => inspect(kernel(parts)).pae;
  assertEquals(pae({ startup: [...TWO_LEVELS, ...DISPATCH] }), false);
  assertEquals(pae({ startup: [...THREE_LEVELS, ...DISPATCH] }), true);
  // Other stores at the end of a page are none of a page table's entry.
  assertEquals(pae({ startup: [0xb8, [0x1e96060], 0xa3, [0x1e94ff8], ...TWO_LEVELS] }), false);
  assertEquals(pae({ startup: [0xb8, [0x1e96063], 0xa3, [0x1e94ff4], ...THREE_LEVELS] }), true);
});

Deno.test("inspectKernel() lets messages tell if the code does not", () => {
  assertEquals(inspect(kernel({ text: "\u00016*pdpt = %016Lx \n" })).pae, true);
  assertEquals(inspect(kernel({ text: "*pde = %0*Lx " })).pae, false);
});

Deno.test("inspectKernel() takes the version from a vmlinux's banner", () => {
  const version = (text: string) => inspect(kernel({ text })).version;
  assertEquals(version("Linux version 4.13.9 (root@vm) (gcc version 11.3.0)\n\0"), "4.13.9");
  assertEquals(version("Linux version %s\0Linux version 2.6.32.69-rt\0"), "2.6.32.69-rt");
  assertEquals(version("Linux"), undefined);
});

Deno.test("inspectKernel() takes the version from a bzImage's setup code", () => {
  const elf = kernel({ entry: [...INIT, ...INT, ...NEW_PGTABLE], text: "Linux version 9.9.9 " });
  const payload = withSize(new Uint8Array(zstdCompressSync(elf)), elf.length);
  const words = [..."3.11.10.5 (me)\0"].map((letter, index) => [0x600 + index, 1, letter.charCodeAt(0)] as const);
  const image = (pointer: number) =>
    inspect(makeBzImage({ payload, fields: [[0x20e, 2, pointer], ...words, [0x258, 8, BASE], [0x230, 4, BASE]] }));
  assertEquals(image(0x400).version, "3.11.10.5");
  assertEquals(image(0x400).lguest?.entry, BASE + ENTRY_AT);
  // None, outside of the setup code, or not a version: the kernel's own counts.
  for (const pointer of [0, 0xffff, 0x500]) assertEquals(image(pointer).version, "9.9.9");
});

Deno.test("inspectKernel() says nothing but the version of a kernel that cannot be unpacked here", () => {
  const words = [..."4.1 "].map((letter, index) => [0x600 + index, 1, letter.charCodeAt(0)] as const);
  const file = makeBzImage({ fields: [[0x20e, 2, 0x400], ...words] });
  assertEquals(inspect(file), { version: "4.1", lguest: undefined, pae: false });
});

Deno.test("inspectKernel() unpacks a kernel that the Guest is to unpack", () => {
  const elf = kernel({ entry: [...INIT, ...VMCALL] });
  const payload = withSize(new Uint8Array(zstdCompressSync(elf)), elf.length);
  const file = { name: "k", bytes: makeBzImage({ payload }) };
  const read = readKernel(file, { unpack: false, memorySize: 64 << 20 });
  assertEquals(read.entry, 0x100000);
  assertEquals(inspectKernel(read).lguest?.vmcall, true);
});

for (const [flavour, pae] of [["686", false], ["686-pae", true]] as const) {
  Deno.test({
    name: `inspectKernel() knows Debian's ${flavour} kernel`,
    ignore: CANNOT_BOOT,
    async fn() {
      const facts = inspect(await Deno.readFile(await fetchKernel(flavour)));
      assertEquals({ ...facts, version: undefined }, { version: undefined, lguest: undefined, pae });
      assertEquals(/^\d+\.\d+\.\d+-\d+-686(-pae)?$/.test(facts.version ?? ""), true, facts.version);
    },
  });
}
