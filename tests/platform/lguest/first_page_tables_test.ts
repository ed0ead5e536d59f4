/**
 * The page tables that a Guest up to 3.0 begins with, and the initial RAM disk that must not be under them.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { GuestMemory } from "../../../lib/memory.ts";
import { generationOf } from "../../../lib/platform/lguest/generation.ts";
import { SoftHost } from "../../../lib/platform/lguest/soft_host.ts";

const PAGE = 4096, RAM = 4 << 20, INITRD_BYTES = 5 * PAGE - 100;
/** Of 4 MiB: one table and the directory. */
const TABLES = 2 * PAGE;
const E820_SIZE = 0x2d8, RAMDISK_IMAGE = 0x218, RAMDISK_SIZE = 0x21c;

/** Where the directory is for an initial RAM disk at an address, which must be whole behind it. */
function directoryWith(initrd: number): number {
  const memory = GuestMemory.allocate(RAM + PAGE);
  memory.setBigUint64(E820_SIZE, BigInt(RAM));
  memory.setUint32(RAMDISK_IMAGE, initrd);
  memory.setUint32(RAMDISK_SIZE, initrd === 0 ? 0 : INITRD_BYTES);
  if (initrd !== 0) memory.fill(initrd, INITRD_BYTES, 0x5a);
  const host = new SoftHost(memory, generationOf("2.6.31"), { interpretOnly: true });
  host.initialize({ pfnLimit: RAM / PAGE + 1, start: 0x100000, deviceLimit: RAM / PAGE + 1 });
  if (initrd !== 0) assert(memory.copy(initrd, INITRD_BYTES).every((byte) => byte === 0x5a), "initrd was overwritten");
  for (let at = RAM - PAGE; at > 0; at -= PAGE) {
    if (memory.getUint32(at) !== (at - PAGE | 7) || memory.getUint32(at + 0xc00) !== (at - PAGE | 7)) continue;
    assertEquals(memory.getUint32(at - PAGE + 4 * 3), 3 * PAGE | 7);
    return at;
  }
  throw new Error("There is no page directory");
}

Deno.test("SoftHost puts an old Guest's first page tables at the top of RAM", () => {
  assertEquals(directoryWith(0), RAM - PAGE);
});

Deno.test("SoftHost puts an old Guest's first page tables below an initial RAM disk at the top", () => {
  const initrd = RAM - 5 * PAGE;
  assertEquals(directoryWith(initrd), initrd - PAGE);
});

Deno.test("SoftHost keeps an old Guest's first page tables off an initial RAM disk anywhere", () => {
  // Linux takes none above 896 MiB, so that with more RAM it is not at the top.
  for (let gap = 0; gap <= 12 * PAGE; gap += PAGE) {
    const initrd = RAM - 5 * PAGE - gap;
    assertEquals(directoryWith(initrd), (gap < TABLES ? initrd : RAM) - PAGE, `${gap / PAGE} pages above it`);
  }
});
