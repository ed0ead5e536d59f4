/**
 * How much memory a Guest gets, at the end of what there can be.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { GuestBoot, memoryNeeded } from "../lib/guest_boot.ts";
import { GuestError } from "../lib/guest_error.ts";
import type { GuestOptions } from "../lib/guest_options.ts";
import { MAX_RAM } from "../lib/memory.ts";
import { LGUEST_BUS_PAGES } from "../lib/platform/lguest/bus/layout.ts";
import { makeElf } from "./boot/_fixtures.ts";

const BUS_SIZE = LGUEST_BUS_PAGES * 4096;
/** MOV $1, %eax; MOV $0x1002000, %ebx; INT 0x1f; MOV $4, %eax; MOV, INT: what is looked for. */
const ENTRY = [0xb8, 1, 0, 0, 0, 0xbb, 0, 0x20, 0, 1, 0xcd, 0x1f, 0xb8, 4, 0, 0, 0, 0xbb, 0, 0x30, 0, 1, 0xcd, 0x1f, 0];

function options(abi: string, memory: number): GuestOptions {
  const kernel = makeElf({ address: 0x1000000, data: Uint8Array.from(ENTRY) });
  return { kernel, memory, platform: "lguest", engine: "soft", abi };
}

Deno.test("memoryNeeded() adds lguest's bus, as long as that is possible", () => {
  assertEquals(memoryNeeded({ ...options("3.11", 1 << 26), platform: "pc" }), 1 << 26);
  assertEquals(memoryNeeded(options("3.11", 1 << 26)), (1 << 26) + BUS_SIZE);
  assertEquals(memoryNeeded(options("4.13", MAX_RAM)), MAX_RAM);
});

Deno.test("GuestBoot refuses memory above which lguest's bus has no room, if the Guest has that bus", () => {
  const boot = (abi: string, memory: number) => new GuestBoot(options(abi, memory), () => {});
  assertEquals(boot("4.13", MAX_RAM).memorySize, MAX_RAM);
  assertEquals(boot("3.11", MAX_RAM - BUS_SIZE).memorySize, MAX_RAM);
  assertThrows(() => boot("3.11", MAX_RAM), GuestError, "give 3583 or less as <mem>");
});
