/**
 * What an lguest Guest finds in its memory.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { zstdCompressSync } from "node:zlib";
import { loadKernel, type LoadOptions } from "../../lib/boot/boot.ts";
import { BootError } from "../../lib/boot/error.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { makeBzImage, makeElf, sample, withSize } from "./_fixtures.ts";

const MIB = 1 << 20;
const elf = makeElf();
const payload = withSize(new Uint8Array(zstdCompressSync(elf)), elf.length);

function load(kernel: Uint8Array, options: Partial<LoadOptions> = {}) {
  const memory = GuestMemory.allocate(17 * MIB);
  memory.fill(0, 0x100000, 0xff);
  const entry = loadKernel(memory, {
    kernel: { name: "k", bytes: kernel },
    commandLine: "quiet",
    platform: "lguest",
    ramSize: 16 * MIB,
    ...options,
  });
  return { entry, memory };
}

Deno.test("loadKernel() enters an lguest Guest's vmlinux with its boot parameters at 0", () => {
  for (const kernel of [elf, makeBzImage({ payload })]) {
    const { entry, memory } = load(kernel);
    assertEquals(entry, { eip: 0x200000, esi: 0 });
    assertEquals(memory.copy(0x200000, 3000), sample(3000));
    assertEquals(memory.getUint32(0x228), 4096);
    assertEquals(new TextDecoder().decode(memory.copy(4096, 6)), "quiet\0");
  }
});

Deno.test("loadKernel() tells an lguest Guest what the original Launcher did, and nothing else", () => {
  const { memory } = load(elf);
  const zeroPage = memory.copy(0, 4096);
  const said = [...zeroPage].flatMap((byte, offset) => byte === 0 ? [] : [[offset, byte]]);
  assertEquals(said, [
    [0x1e8, 1], // one range of memory
    [0x206, 7], // boot protocol 2.07
    [0x207, 2],
    [0x210, 0xff], // an unknown loader
    [0x211, 0x40], // keep the segments
    [0x229, 0x10], // command line at 4096
    [0x233, 1], // alignment 16 MiB
    [0x23c, 1], // lguest
    [0x2db, 1], // from 0, 16 MiB
    [0x2e0, 1], // of RAM
  ]);
});

Deno.test("loadKernel() puts an lguest Guest's initrd at the top of RAM, below its devices, with its true size", () => {
  const { memory } = load(elf, { initrd: { name: "i", bytes: sample(5000) } });
  assertEquals([memory.getUint32(0x218), memory.getUint32(0x21c)], [16 * MIB - 8192, 5000]);
  assertEquals(memory.copy(16 * MIB - 8192, 5000), sample(5000));
  assertEquals(memory.copy(16 * MIB, MIB), new Uint8Array(MIB));
});

Deno.test("loadKernel() tells an lguest Guest that unpacks its kernel itself where to and in how much room", () => {
  const { entry, memory } = load(makeBzImage({ payload }), { unpack: false });
  assertEquals(entry, { eip: 0x100000, esi: 0 });
  assertEquals([memory.getUint32(0x230), memory.getUint32(0x260)], [0x200000, 0x100000]);
  // The rest of the header is the loader's, not the file's.
  assertEquals([memory.getUint16(0x206), memory.getUint8(0x1f1), memory.getUint32(0x258)], [0x207, 0, 0]);
});

Deno.test("loadKernel() counts an lguest Guest's RAM without its devices' pages", () => {
  const message = 'Kernel "k" needs 3072 KiB of memory, but the Guest has 2048 KiB: give 3 or more as <mem>';
  const error = assertThrows(() => load(makeBzImage({ payload }), { ramSize: 2 * MIB }), BootError);
  assertEquals(error.message, message);
  const initrd = { name: "i", bytes: new Uint8Array(14 * MIB) };
  assertThrows(() => load(elf, { initrd }), BootError, "needs 16388 KiB of memory");
});
