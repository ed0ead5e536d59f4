/**
 * What kernel is it? A kernel that was read enters; its version and whether it can be an lguest Guest leave.
 *
 * Nothing in a bzImage or vmlinux says "lguest": Linux asks at its very beginning (arch/x86/kernel/head_32.S) what
 * machine it is on, `boot_params.hdr.hardware_subarch`, and jumps to where a table says. So that code is looked for,
 * then the table, then what stands at the address in it. What is looked for was written in assembly, of which there is
 * but one encoding, so that no compiler changes it. Read next: `../platform/lguest/abi.ts`, which takes it from here.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type BzImage, HEADER } from "./bzimage.ts";
import type { ElfImage } from "./elf.ts";
import type { Kernel, Vmlinux } from "./kernel.ts";

/** How a kernel begins as an lguest Guest. */
export interface LguestEntry {
  /** Physical address of the code that the kernel continues at on lguest. */
  readonly entry: number;
  /** Hypercalls are the instruction VMCALL (2.6.30 to 2.6.33), not an interrupt. */
  readonly vmcall: boolean;
  /** The Host makes the first page tables (before 3.1); later kernels bring their own. */
  readonly hostMakesPageTables: boolean;
}

/** What a kernel is. */
export interface KernelFacts {
  /** Its version, such as `4.13.9` or `6.1.0-50-686`; `undefined` if it does not say. */
  readonly version: string | undefined;
  /** How it begins on lguest; `undefined` if it was built without `CONFIG_LGUEST_GUEST`. */
  readonly lguest: LguestEntry | undefined;
  /** Whether its page tables have three levels (`CONFIG_X86_PAE`). */
  readonly pae: boolean;
}

/** A kernel's beginning, in which it finds out where it is: head_32.S up to there is some 200 bytes long. */
const STARTUP_SIZE = 4096;

/** Index of lguest in the table of machines, and in `hardware_subarch`. */
const SUBARCH_LGUEST = 1;

/** What the pointer to the version is relative to (boot.rst, "kernel_version"). */
const SETUP_BASE = 0x200;
/** What stands before the version in a kernel itself. */
const BANNER = Buffer.from("Linux version ");
const VERSION = /^\d+\.\d+[^\s\0]*/;

/**
 * The jump through the table. The value is read from a copy of the boot parameters, or (before 2.6.30) through ESI;
 * then CMP, JAE, MOV table(,%eax,4), SUB page offset, JMP.
 */
const DISPATCH = bytePattern(
  "(?:a1 .. .. .. ..|8b 86 3c 02 00 00) (?:83 f8 ..|3d .. .. .. ..) (?:73 ..|0f 83 .. .. .. ..) " +
    "8b 04 85 (.. .. .. ..) 2d (.. .. .. ..) ff e0",
);

/**
 * lguest's entry: the hypercall LGUEST_INIT with the address of `lguest_data` in EBX (EDX before 2.6.30), by INT 0x1f or
 * VMCALL; then perhaps NEW_PGTABLE.
 */
const LGUEST_ENTRY = bytePattern(
  "^b8 01 00 00 00 (?:bb|ba) .. .. .. .. (?:cd 1f|(0f 01 c1)) (b8 04 00 00 00 bb .. .. .. .. cd 1f)?",
);
const LGUEST_ENTRY_SIZE = 25;
/** What every such entry begins with. */
const LGUEST_ENTRY_START = Buffer.from([0xb8, 1, 0, 0, 0]);

/**
 * Where the first page tables are finished (head_32.S): the entry of the page directory for the fixed mappings is
 * stored, MOV $table+attributes, %eax and MOV %eax, last entry. With two levels that is the last 4 bytes of a page, with
 * three the last 8.
 */
const FIXMAP_ENTRY = bytePattern("b8 (.. .. .. ..) a3 (.. .. .. ..)");
/** Attributes of a page table's entry (Intel SDM volume 3, table 4-6): bits 0 and 1, and all that the processor has. */
const PRESENT_WRITABLE = 3, ALL_ATTRIBUTES = 0x1ff;
const IN_PAGE = 0xfff, LAST_OF_TWO_LEVELS = 0xffc, LAST_OF_THREE = 0xff8;
/** What only a kernel with three levels prints (arch/x86/mm/fault.c). */
const PAE_MESSAGE = Buffer.from("*pdpt = %0");

/**
 * Find out what a kernel is.
 *
 * A bzImage that was not unpacked yet is unpacked for it; one that cannot be tells nothing but its version.
 *
 * @param kernel from `readKernel`
 * @returns what it is
 * @throws {BootError} if it is damaged
 */
export function inspectKernel(kernel: Kernel): KernelFacts {
  const vmlinux = kernel.vmlinux();
  return {
    version: setupVersion(kernel.bzImage) ?? (vmlinux && bannerVersion(vmlinux)),
    lguest: vmlinux && findLguestEntry(vmlinux),
    pae: vmlinux !== undefined && hasPae(vmlinux),
  };
}

/** What the setup code says: version, who built it, when. */
function setupVersion(bzImage: BzImage | undefined): string | undefined {
  if (bzImage === undefined) return undefined;
  const { setup } = bzImage;
  const pointer = new DataView(setup.buffer, setup.byteOffset).getUint16(HEADER.KERNEL_VERSION, true);
  const text = pointer === 0 ? "" : latin1(setup.subarray(SETUP_BASE + pointer, SETUP_BASE + pointer + 100));
  return VERSION.exec(text)?.[0];
}

/** What the kernel prints first. */
function bannerVersion({ file }: Vmlinux): string | undefined {
  for (const at of positions(file, BANNER)) {
    const from = at + BANNER.length;
    const version = VERSION.exec(latin1(file.subarray(from, from + 100)))?.[0];
    if (version !== undefined) return version;
  }
  return undefined;
}

/**
 * The table decides if it is found: a kernel without lguest has the address of an undefined instruction in it. If not,
 * because the code around it is not what was ever seen, the entry is looked for everywhere, and taken if there is one.
 */
function findLguestEntry(vmlinux: Vmlinux): LguestEntry | undefined {
  const [dispatch] = startup(vmlinux).matchAll(DISPATCH);
  if (dispatch) {
    const table = littleEndian(dispatch[1]!);
    const target = at(vmlinux, table + 4 * SUBARCH_LGUEST, 4);
    if (target === undefined) return undefined;
    return lguestEntryAt(vmlinux, (littleEndian(target) - littleEndian(dispatch[2]!)) >>> 0);
  }
  const found = vmlinux.image.segments.flatMap(({ offset, fileSize, address }) =>
    [...positions(vmlinux.file.subarray(offset, offset + fileSize), LGUEST_ENTRY_START)]
      .map((start) => lguestEntryAt(vmlinux, address + start))
  ).filter((entry) => entry !== undefined);
  return found.length === 1 ? found[0] : undefined;
}

function lguestEntryAt(vmlinux: Vmlinux, entry: number): LguestEntry | undefined {
  const match = LGUEST_ENTRY.exec(at(vmlinux, entry, LGUEST_ENTRY_SIZE) ?? "");
  if (!match) return undefined;
  return { entry, vmcall: match[1] !== undefined, hostMakesPageTables: match[2] === undefined };
}

/** The code tells; a kernel whose code does not look like any that was seen may tell by its messages. */
function hasPae(vmlinux: Vmlinux): boolean {
  for (const [, stored, address] of startup(vmlinux).matchAll(FIXMAP_ENTRY)) {
    const attributes = littleEndian(stored!) & IN_PAGE;
    const place = littleEndian(address!) & IN_PAGE;
    const isTable = (attributes & PRESENT_WRITABLE) === PRESENT_WRITABLE && attributes <= ALL_ATTRIBUTES;
    if (isTable && (place === LAST_OF_TWO_LEVELS || place === LAST_OF_THREE)) return place === LAST_OF_THREE;
  }
  return !positions(vmlinux.file, PAE_MESSAGE).next().done;
}

/** The kernel's first instructions, one character for each byte. */
function startup(vmlinux: Vmlinux): string {
  return at(vmlinux, vmlinux.image.entry, 1, STARTUP_SIZE) ?? "";
}

/** Bytes at a physical address, as characters: at least `least` of them, or nothing. */
function at({ file, image }: Vmlinux, address: number, least: number, most: number = least): string | undefined {
  const segment = segmentOf(image, address);
  if (!segment) return undefined;
  const from = segment.offset + address - segment.address;
  const bytes = file.subarray(from, Math.min(from + most, segment.offset + segment.fileSize));
  return bytes.length < least ? undefined : latin1(bytes);
}

function segmentOf(image: ElfImage, address: number): ElfImage["segments"][number] | undefined {
  return image.segments.find((each) => address >= each.address && address < each.address + each.fileSize);
}

function littleEndian(text: string): number {
  return [...text].reduceRight((value, character) => value * 256 + character.charCodeAt(0), 0);
}

function* positions(bytes: Uint8Array, what: Uint8Array): Generator<number, void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(what); at >= 0; at = buffer.indexOf(what, at + 1)) yield at;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** An expression over characters that are bytes: hexadecimal numbers, `..` for any; spaces are nothing. */
function bytePattern(text: string): RegExp {
  const source = text.replaceAll(" ", "").replace(/\.\.|[0-9a-f]{2}/g, (byte) => byte === ".." ? "." : `\\x${byte}`);
  return new RegExp(source, source.startsWith("^") ? "s" : "gs");
}
