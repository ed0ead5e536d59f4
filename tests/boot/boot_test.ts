import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { loadKernel, type LoadOptions } from "../../lib/boot/boot.ts";
import { BootError } from "../../lib/boot/error.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { type BzImageParts, makeBzImage, makeElf, PAYLOAD_OFFSET, sample, withSize } from "./_fixtures.ts";

const MIB = 1 << 20;
const ZERO_PAGE = 0x90000;
const elf = makeElf();
const payload = withSize(new Uint8Array(zstdCompressSync(elf)), elf.length);

function load(kernel: Uint8Array, options: Partial<LoadOptions> = {}, memory = GuestMemory.allocate(16 * MIB)) {
  const entry = loadKernel(memory, { kernel: { name: "k", bytes: kernel }, commandLine: "quiet", ...options });
  return { entry, memory };
}

function commandLine(memory: GuestMemory): string {
  const address = memory.getUint32(ZERO_PAGE + 0x228);
  const bytes = memory.copy(address, 4096);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

function refuse(kernel: Uint8Array, message: string, options: Partial<LoadOptions> = {}, mib = 16): void {
  const error = assertThrows(() => load(kernel, options, GuestMemory.allocate(mib * MIB)), BootError);
  assertEquals(error.message, message);
}

Deno.test("loadKernel() unpacks a bzImage and enters its vmlinux", () => {
  const { entry, memory } = load(makeBzImage({ payload }));
  assertEquals(entry, { eip: 0x200000, esi: ZERO_PAGE });
  assertEquals(memory.copy(0x200000, 3000), sample(3000));
  assertEquals(commandLine(memory), "quiet");
});

Deno.test("loadKernel() leaves the unpacking to the Guest if told to", () => {
  const file = makeBzImage({ payload });
  const { entry, memory } = load(file, { unpack: false });
  assertEquals(entry, { eip: 0x100000, esi: ZERO_PAGE });
  assertEquals(memory.copy(0x100000, file.length - 2560), file.slice(2560));
});

Deno.test("loadKernel() leaves the unpacking to the Guest if it does not know the format", () => {
  assertEquals(load(makeBzImage({ payload: sample(100) })).entry.eip, 0x100000);
  assertEquals(load(makeBzImage({ payload: new Uint8Array(gzipSync(sample(9))) })).entry.eip, 0x100000);
});

Deno.test("loadKernel() takes gzip's own size word, to which the build appends none", () => {
  assertEquals(load(makeBzImage({ payload: new Uint8Array(gzipSync(elf)) })).entry.eip, 0x200000);
});

Deno.test("loadKernel() loads an ELF file, plain or compressed", () => {
  for (const file of [elf, new Uint8Array(gzipSync(elf)), new Uint8Array(zstdCompressSync(elf))]) {
    const { entry, memory } = load(file);
    assertEquals(entry, { eip: 0x200000, esi: ZERO_PAGE });
    assertEquals(memory.copy(0x200000, 3000), sample(3000));
    assertEquals(commandLine(memory), "quiet");
    assertEquals(memory.getUint32(ZERO_PAGE + 0x202), 0x53726448);
  }
});

Deno.test("loadKernel() converts an entry point that is a virtual address", () => {
  assertEquals(load(makeElf({ entry: 0xc0200010 })).entry.eip, 0x200010);
});

Deno.test("loadKernel() clears what the file does not have of a segment", () => {
  const memory = GuestMemory.allocate(16 * MIB);
  memory.fill(0, memory.size, 0xff);
  load(elf, {}, memory);
  assertEquals(memory.copy(0x200000 + 3000, 1000), new Uint8Array(1000));
  assertEquals(memory.getUint8(0x200000 + 4000), 0xff);
});

Deno.test("loadKernel() carries the setup header into the zero page and fills in the loader's fields", () => {
  const { memory } = load(makeBzImage({ payload, fields: [[0x23c, 4, 0x12345678]] }), { rsdp: 0xe0000 });
  const field = (offset: number) => memory.getUint32(ZERO_PAGE + offset);
  assertEquals(field(0x202), 0x53726448);
  assertEquals(field(0x23c), 0x12345678);
  assertEquals(field(0x248), PAYLOAD_OFFSET);
  assertEquals(memory.getUint8(ZERO_PAGE + 0x210), 0xff);
  assertEquals(memory.getUint16(ZERO_PAGE + 0x1fa), 0xffff);
  assertEquals(field(0x70), 0xe0000);
  // No VGA; the memory above 1 MiB in KiB, the old ways; the sentinel stays clear.
  assertEquals(memory.getUint8(ZERO_PAGE + 0x0f), 0);
  assertEquals(memory.getUint16(ZERO_PAGE + 0x02), 15 * 1024);
  assertEquals(field(0x1e0), 15 * 1024);
  assertEquals(memory.getUint8(ZERO_PAGE + 0x1ef), 0);
});

Deno.test("loadKernel() carries no more of the file than the header", () => {
  const { memory } = load(makeBzImage({ payload, fields: [[0x26c, 4, 0xffffffff]] }));
  assertEquals(memory.getUint32(ZERO_PAGE + 0x26c), 0);
});

Deno.test("loadKernel() writes the memory map", () => {
  const reserved = [{ address: 0xe0000, size: 0x1000, type: 3 }, { address: 0xf00000, size: 0x100000, type: 2 }];
  const { memory } = load(elf, { reserved });
  const count = memory.getUint8(ZERO_PAGE + 0x1e8);
  const map = Array.from({ length: count }, (_, index) => {
    const at = ZERO_PAGE + 0x2d0 + index * 20;
    return [memory.getBigUint64(at), memory.getBigUint64(at + 8), memory.getUint32(at + 16)];
  });
  assertEquals(map, [
    [0n, 0x9fc00n, 1],
    [0x9fc00n, 0x400n, 2],
    [0xe0000n, 0x1000n, 3],
    [0xf0000n, 0x10000n, 2],
    [0x100000n, 0xe00000n, 1],
    [0xf00000n, 0x100000n, 2],
  ]);
});

Deno.test("loadKernel() puts the initrd at the top of RAM, with its true size", () => {
  const initrd = { name: "i", bytes: sample(5000) };
  const { memory } = load(makeBzImage({ payload }), { initrd });
  assertEquals(memory.getUint32(ZERO_PAGE + 0x218), 16 * MIB - 8192);
  assertEquals(memory.getUint32(ZERO_PAGE + 0x21c), 5000);
  assertEquals(memory.copy(16 * MIB - 8192, 5000), sample(5000));
});

Deno.test("loadKernel() keeps the initrd below initrd_addr_max and out of reserved memory", () => {
  const initrd = { name: "i", bytes: sample(5000) };
  const limited = load(makeBzImage({ payload, fields: [[0x22c, 4, 0x7fffff]] }), { initrd });
  assertEquals(limited.memory.getUint32(ZERO_PAGE + 0x218), 0x800000 - 8192);
  const reserved = [
    { address: 16 * MIB - 4096, size: 4096, type: 3 },
    { address: 16 * MIB - 3 * 4096, size: 100, type: 2 },
  ];
  const pushed = load(makeBzImage({ payload }), { initrd, reserved });
  assertEquals(pushed.memory.getUint32(ZERO_PAGE + 0x218), 16 * MIB - 5 * 4096);
});

Deno.test("loadKernel() gives a kernel before protocol 2.02 its command line the old way", () => {
  const { memory } = load(makeBzImage({ version: 0x201, fields: [[0x201, 1, 0x22]] }));
  assertEquals(memory.getUint16(ZERO_PAGE + 0x20), 0xa33f);
  const address = ZERO_PAGE + memory.getUint16(ZERO_PAGE + 0x22);
  assertEquals(new TextDecoder().decode(memory.copy(address, 6)), "quiet\0");
});

Deno.test("loadKernel() loads a zImage below 1 MiB", () => {
  const file = makeBzImage({ version: 0x200, fields: [[0x211, 1, 0], [0x214, 4, 0x1000], [0x201, 1, 0x22]] });
  assertEquals(load(file).entry.eip, 0x1000);
});

Deno.test("loadKernel() takes 0 setup sectors for 4", () => {
  assertEquals(load(makeBzImage({ setupSects: 0, payload })).entry.eip, 0x200000);
});

Deno.test("loadKernel() takes the command line's limit from the kernel", () => {
  const cases: [BzImageParts, number][] = [
    [{ payload }, 2047],
    [{ payload, fields: [[0x238, 4, 300]] }, 300],
    [{ version: 0x205 }, 255],
  ];
  for (const [parts, limit] of cases) {
    const kernel = makeBzImage(parts);
    assertEquals(commandLine(load(kernel, { commandLine: "x".repeat(limit) }).memory).length, limit);
    refuse(
      kernel,
      `The kernel command line has ${limit + 1} bytes, but kernel "k" takes at most ${limit}: shorten it`,
      { commandLine: "x".repeat(limit + 1) },
    );
  }
});

Deno.test("loadKernel() says what is wrong with a file that is no kernel", () => {
  const neither = '"k" is not a Linux kernel: it is neither a bzImage nor an ELF file';
  refuse(new Uint8Array(), 'Kernel "k" is empty');
  refuse(new Uint8Array(4096), neither);
  refuse(new TextEncoder().encode("#!/bin/sh\n"), neither);
  refuse(new Uint8Array(gzipSync(sample(10))), '"k" is not a Linux kernel: it is gzip data with no ELF file in it');
  refuse(makeElf({ secondType: 3 }), 'Kernel "k" is a user program, not a kernel');
  refuse(makeElf({ address: 0x1000 }), 'Kernel "k" has a segment at 0x1000, where no kernel can be: is it one?');
  refuse(makeElf({ machine: 40 }), 'Kernel "k" is an ELF file for another processor (machine 40, i386 is 3)');
  refuse(makeElf({ entry: 0x10 }), 'Kernel "k" is corrupt: its entry point 0x10 is in no segment');
});

Deno.test("loadKernel() refuses x86-64 kernels of every kind", () => {
  const message = 'Kernel "k" is for x86-64, which is not supported yet: use an i386 kernel';
  const vmlinux = makeElf({ machine: 62, elfClass: 2 });
  refuse(vmlinux, message);
  refuse(makeBzImage({ payload, fields: [[0x236, 2, 0x3f]] }), message);
  // Too old for the flag: the EFI stub's machine says it, or what is packed in it.
  refuse(
    makeBzImage({ version: 0x20b, fields: [[0, 2, 0x5a4d], [0x3c, 4, 0x80], [0x80, 4, 0x4550], [0x84, 2, 0x8664]] }),
    message,
  );
  const packed = withSize(new Uint8Array(zstdCompressSync(vmlinux)), vmlinux.length);
  refuse(makeBzImage({ version: 0x20a, payload: packed }), message);
  refuse(makeBzImage({ version: 0x20a, payload: packed }), message, { unpack: false });
});

Deno.test("loadKernel() says how a kernel is truncated or corrupt", () => {
  const file = makeBzImage({ payload });
  refuse(file.subarray(0, 2000), 'Kernel "k" is truncated: it should have at least 2560 bytes, but has 2000');
  refuse(
    file.subarray(0, file.length - 100),
    `Kernel "k" is truncated: it should have at least ${file.length - 15} bytes, but has ${file.length - 100}`,
  );
  refuse(makeBzImage({ fields: [[0x24c, 4, 0xffffff]] }), 'Kernel "k" is corrupt: its payload lies beyond its end');
  refuse(makeBzImage({ version: 0x7777 }), 'Kernel "k" is corrupt: its boot protocol version is 0x7777');
  refuse(
    makeBzImage({ payload: withSize(payload.subarray(0, -4), elf.length + 1) }),
    `Kernel "k" is corrupt: it unpacks to ${elf.length} bytes, not to ${elf.length + 1}`,
  );
  refuse(
    makeBzImage({ payload: withSize(payload.subarray(0, -4), elf.length - 1) }),
    'Kernel "k": its zstd data unpacks to more than it may; is the file damaged?',
  );
  refuse(
    makeBzImage({ payload: withSize(payload.subarray(0, -4), 0xffffffff) }),
    'Kernel "k" is corrupt: it claims to unpack to 4294967295 bytes',
  );
  refuse(elf.subarray(0, 40), 'Kernel "k" is truncated: 40 bytes are too few for an ELF file');
  refuse(elf.subarray(0, 1000), 'Kernel "k" is truncated: it has 1000 bytes, a segment ends at 3128');
});

Deno.test("loadKernel() says how much memory a kernel and its initrd need", () => {
  refuse(
    makeBzImage({ payload }),
    'Kernel "k" needs 3072 KiB of memory, but the Guest has 2048 KiB: give 3 or more as <mem>',
    {},
    2,
  );
  const initrd = { name: "i", bytes: new Uint8Array(2 * MIB + 1) };
  refuse(
    makeBzImage({ payload }),
    'Kernel "k" with initrd "i" needs 5124 KiB of memory, but the Guest has 5120 KiB: give 6 or more as <mem>',
    { initrd },
    5,
  );
  assertEquals(load(makeBzImage({ payload }), { initrd }, GuestMemory.allocate(6 * MIB)).entry.eip, 0x200000);
  refuse(
    makeBzImage({ payload, fields: [[0x22c, 4, 0x3fffff]] }),
    'Initrd "i" has 2097153 bytes, but kernel "k" takes at most 1048576: make it smaller',
    { initrd },
  );
  refuse(makeBzImage({ payload }), 'Initrd "i" is empty', { initrd: { name: "i", bytes: new Uint8Array() } });
});

Deno.test("loadKernel() throws nothing but BootError, whatever the damage", () => {
  const memory = GuestMemory.allocate(4 * MIB);
  for (const file of [makeBzImage({ payload }), elf]) {
    // Most damage to the headers, where it matters.
    const at = fc.oneof(fc.nat(file.length - 1), fc.integer({ min: 0x1f0, max: 0x268 }), fc.nat(0x80));
    const damage = fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 6 });
    const length = fc.oneof(fc.constant(file.length), fc.nat(file.length));
    fc.assert(
      fc.property(damage, length, fc.boolean(), (changes, size, unpack) => {
        const bad = file.slice();
        for (const [offset, byte] of changes) {
          bad[offset] = byte;
        }
        try {
          load(bad.subarray(0, size), { unpack }, memory);
        } catch (error) {
          if (!(error instanceof BootError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  }
});
