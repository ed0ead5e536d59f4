import { assertEquals } from "@std/assert";
import type { Mmu } from "../../lib/engine/soft/mmu.ts";
import { JUMP, JUMP_USER } from "../../lib/engine/soft/state.ts";
import { JumpCache } from "../../lib/engine/soft/translate/jump_cache.ts";
import { jumpIndex, OTHER_ENTRY } from "../../lib/engine/soft/translate/runtime.ts";

/** A cache and what generated code would find in it; page 0xC0000000 and all above are global. */
function workbench() {
  const i32 = new Int32Array(new SharedArrayBuffer(2 << 20));
  const mmu = { listener: undefined, isGlobal: (address: number) => address >>> 0 >= 0xc000_0000 };
  const cache = new JumpCache(i32, mmu as unknown as Mmu);
  const find = (address: number, user = false) => {
    const first = JUMP + jumpIndex(address) + (user ? JUMP_USER : 0);
    const at = [first, first ^ OTHER_ENTRY].find((entry) => i32[entry >> 2] === (address | 0));
    return at === undefined ? -1 : i32[(at >> 2) + 1]!;
  };
  return { cache, find };
}

/** Addresses of one set of the cache, in pages of their own. */
function rivals(count: number, from: number): number[] {
  const set = (address: number) => jumpIndex(address) & ~OTHER_ENTRY;
  const found = [from | 0];
  for (let address = from + 0x1000; found.length < count; address += 4) {
    if (set(address) === set(from) && found.every((one) => (one ^ address) >>> 12 !== 0)) found.push(address | 0);
  }
  return found;
}

Deno.test("the jump cache holds any two addresses of a set; a third takes the place of one of them", () => {
  for (let from = 0x8048_0010; from < 0x8048_0410; from += 0x10) {
    const { cache, find } = workbench();
    const [a, b, c] = rivals(3, from) as [number, number, number];
    cache.fill(a, 1, false);
    cache.fill(b, 2, false);
    assertEquals([find(a), find(b), find(c)], [1, 2, -1]);
    cache.fill(b, 4, false);
    assertEquals([find(a), find(b)], [1, 4]);
    cache.fill(c, 3, false);
    assertEquals([find(c), [find(a), find(b)].filter((target) => target >= 0).length], [3, 1]);
  }
});

Deno.test("the jump cache keeps user and supervisor apart", () => {
  const { cache, find } = workbench();
  cache.fill(0x1234, 1, true);
  assertEquals([find(0x1234, true), find(0x1234, false)], [1, -1]);
});

Deno.test("the jump cache forgets a page wherever its entries stand by then", () => {
  const { cache, find } = workbench();
  const [a, b] = rivals(2, 0x1000_0020) as [number, number];
  cache.fill(a, 1, false);
  cache.fill(b, 2, false); // moves the other one
  cache.invalidated(a & ~0xfff);
  assertEquals([find(a), find(b)], [-1, 2]);
  cache.invalidated(b & ~0xfff);
  assertEquals(find(b), -1);
});

Deno.test("the jump cache keeps global pages when others are flushed, and finds nothing at an empty place", () => {
  const { cache, find } = workbench();
  assertEquals([find(0), find(1), find(0xffff_ffff)], [-1, -1, -1]);
  cache.fill(0xc100_0000 | 0, 5, false);
  cache.fill(0x0804_8000, 6, true);
  cache.flushed(true);
  assertEquals([find(0xc100_0000), find(0x0804_8000, true)], [5, -1]);
  cache.flushed(false);
  assertEquals(find(0xc100_0000), -1);
});
