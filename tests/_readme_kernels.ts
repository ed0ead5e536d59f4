/**
 * Kernels of a few instructions that stand for those of a user: they say that they are up and turn themselves off, one
 * on a PC, one on lguest.
 *
 * @module
 */
import { type Generation, generationOf } from "../lib/platform/lguest/generation.ts";
import { LHCALL } from "../lib/platform/lguest/protocol.ts";
import { makeElf } from "./boot/_fixtures.ts";

/** What the one on a PC writes. */
export const UP = "A kernel is up";

const BASE = 0x100_0000, PAGE = 0x1000;
/** Where things are in the lguest kernel: last words, data for the Host, page tables. */
const TEXT = 0x200, DATA = 0x1000, DIRECTORY = 0x2000, TABLE = 0x3000;
const PRESENT_WRITABLE = 3, POWEROFF = 1, SYSCALL = 0x80, KERNEL = 0xc000_0000;

/** A kernel for a PC. */
export function pcKernel(): Uint8Array<ArrayBuffer> {
  // mov dx, COM1; mov al, letter; out dx, al for each; then ACPI's soft off, and hlt
  const letters = [...new TextEncoder().encode(`${UP}\r\n`)].flatMap((letter) => [0xb0, letter, 0xee]);
  const off = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef, 0xf4];
  return makeElf({ address: BASE, data: Uint8Array.of(0x66, 0xba, 0xf8, 0x03, ...letters, ...off) });
}

/**
 * A kernel with the lguest entry.
 *
 * @param version which Linux it calls itself
 * @param generation the lguest of that version
 */
export function lguestKernel(version: string, generation: string): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(5 * PAGE), view = new DataView(data.buffer);
  data.set(entry(), 0);
  data.set(new TextEncoder().encode("Power down"), TEXT);
  data.set(new TextEncoder().encode(`Linux version ${version} (nobody@nowhere)`), TEXT + 0x100);
  fillData(view, generationOf(generation));
  // One page table maps everything here to itself.
  view.setUint32(DIRECTORY + 4 * (BASE >>> 22), BASE + TABLE | PRESENT_WRITABLE, true);
  for (let page = 0; page < data.length; page += PAGE) {
    view.setUint32(TABLE + 4 * (page / PAGE), BASE + page | PRESENT_WRITABLE, true);
  }
  return makeElf({ address: BASE, data });
}

/** LGUEST_INIT and NEW_PGTABLE, which is how such kernels begin, and SHUTDOWN. */
function entry(): Uint8Array {
  const word = (value: number) => [0, 8, 16, 24].map((shift) => value >>> shift & 0xff);
  const hypercall = [0xcd, 0x1f];
  return Uint8Array.of(
    ...[0xb8, ...word(LHCALL.LGUEST_INIT), 0xbb, ...word(BASE + DATA), ...hypercall],
    ...[0xb8, ...word(LHCALL.NEW_PGTABLE), 0xbb, ...word(BASE + DIRECTORY), ...hypercall],
    ...[0xb8, ...word(LHCALL.SHUTDOWN), 0xbb, ...word(BASE + TEXT), 0xb9, ...word(POWEROFF), ...hypercall],
    ...[0xeb, 0xfe],
  );
}

function fillData(view: DataView, { data }: Generation): void {
  view.setUint32(DATA + data.kernelAddress, KERNEL, true);
  view.setUint32(DATA + data.syscallVec, SYSCALL, true);
}
