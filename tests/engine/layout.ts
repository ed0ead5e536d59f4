/**
 * The address space in which a test instruction runs, on the processor underneath and on ours: which pages exist, what
 * is in them, which segments there are. The C side of the same agreement is `native/protocol.h`. Read next: `case.ts`.
 *
 * @module
 */

/** Bytes in a page. */
export const PAGE = 4096;
/** Regions: an unmapped page, two writable ones, a read-only one (not in the code's region), an unmapped page. */
export const REGION_LOW = 0x7000, REGION_MID = 0x1000_0000, REGION_HIGH = 0xe000_0000, REGION_CODE = 0x2000_0000;
/** All of them. Only the last one's pages are executable. */
export const REGIONS: readonly number[] = [REGION_LOW, REGION_MID, REGION_HIGH, REGION_CODE];
/** Bytes in the writable pages of a region, which begin one page into it. */
export const WRITABLE = 2 * PAGE;

/** What every data page holds: runs of equal bytes, so that REPE and REPNE have something to do. As in `oracle.c`. */
export function pristine(start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const address = start + i;
    const mixed = Math.imul(address >>> 3, 0x9e37_79b1) >>> 0;
    bytes[i] = mixed >>> 31 ? mixed >>> 20 : mixed >>> (16 + (address & 7));
  }
  return bytes;
}

/** Fills the code's pages: whoever runs on behind the instruction raises #GP. */
export const HLT = 0xf4;

/** What the writable pages of a region hold before a case; where code runs HLT, which user mode must not. */
export function initial(region: number): Uint8Array {
  return region === REGION_CODE ? new Uint8Array(WRITABLE).fill(HLT) : pristine(region + PAGE, WRITABLE);
}

/** Linux's flat user segments of a 32-bit program on a 64-bit kernel. */
export const USER_CS = 0x23, USER_DS = 0x2b;

/** A segment of the LDT; `contents` and the flags are those of Linux `struct user_desc`. */
export interface LdtEntry {
  readonly name: string;
  readonly base: number;
  /** In bytes, or in pages if {@link pages}. */
  readonly limit: number;
  readonly big: boolean;
  readonly contents: "data" | "down" | "code";
  /** Data that cannot be written, code that cannot be read. */
  readonly restricted: boolean;
  readonly pages: boolean;
  readonly present: boolean;
}

function entry(name: string, base: number, limit: number, more: Partial<LdtEntry>): LdtEntry {
  const usual = { big: true, contents: "data" as const, restricted: false, pages: false, present: true };
  return { name, base, limit, ...usual, ...more };
}

/** Segments that are not flat, for cases that check bases, limits and rights. */
export const LDT: readonly LdtEntry[] = [
  entry("small", REGION_MID + PAGE, 0x1fff, {}),
  entry("read-only", 0, 0xfffff, { pages: true, restricted: true }),
  entry("down", REGION_MID, 0x1fff, { contents: "down" }),
  entry("readable code", 0, 0xfffff, { pages: true, contents: "code" }),
  entry("execute-only code", 0, 0xfffff, { pages: true, contents: "code", restricted: true }),
  entry("16-bit code", REGION_CODE, 0xffff, { big: false, contents: "code" }),
  entry("16-bit data", REGION_MID, 0xffff, { big: false }),
  entry("absent", REGION_MID, 0xffff, { present: false }),
  entry("small code", REGION_CODE, 0x17ff, { contents: "code" }),
  entry("16-bit down", REGION_MID, 0x1fff, { big: false, contents: "down" }),
  entry("odd", REGION_MID + PAGE + 0x10, 0x17f3, {}),
  entry("shifted", 0x10, 0xfffff, { pages: true }),
];

/** Selector of an LDT entry, with RPL 3. */
export function ldtSelector(name: string): number {
  const index = LDT.findIndex((one) => one.name === name);
  if (index < 0) throw new Error(`No LDT entry "${name}"`);
  return index << 3 | 7;
}

/** The descriptor of an LDT entry as the processor sees it: low and high word (Intel SDM volume 3, §3.4.5). */
export function descriptor(one: LdtEntry): [low: number, high: number] {
  const type = one.contents === "code"
    ? (one.restricted ? 9 : 11)
    : (one.contents === "down" ? 5 : 1) + (one.restricted ? 0 : 2);
  const low = (one.base & 0xffff) << 16 | one.limit & 0xffff;
  const high = one.base & 0xff00_0000 | (one.pages ? 0x80_0000 : 0) | (one.big ? 0x40_0000 : 0) | one.limit & 0xf_0000 |
    (one.present ? 0x8000 : 0) | 0x7000 | type << 8 | one.base >>> 16 & 0xff;
  return [low, high];
}
