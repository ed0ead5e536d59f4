/**
 * The zero page (struct boot_params): the one page by which a loader tells the kernel everything. Offsets are those of
 * Linux Documentation/arch/x86/zero-page.rst. All that is not set here stays zero; so the kernel sees no VGA
 * (`orig_video_lines` 0), no APM, no EDD, no EFI.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { HEADER, HEADER_MAGIC, LOADED_HIGH } from "./bzimage.ts";
import { HIGH_MEMORY_START, type MemoryRange } from "./e820.ts";
import { BootError } from "./error.ts";

/**
 * Where the zero page goes. Kernels before protocol 2.02 look for it, and for the command line relative to it, at just
 * this address; all others at the one in ESI.
 */
export const ZERO_PAGE = 0x90000;

/** Where the command line goes: it may fill the rest of low memory. */
export const COMMAND_LINE = 0x91000;

const PAGE = 4096;
const EXT_MEM_K = 0x02;
const OLD_CL_MAGIC = 0x20;
const OLD_CL_OFFSET = 0x22;
const ACPI_RSDP_ADDR = 0x70;
const ALT_MEM_K = 0x1e0;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
const E820_MAX = 128;
const VIDEO_MODE_NORMAL = 0xffff;
const LOADER_UNDEFINED = 0xff;

/** What the zero page says. */
export interface ZeroPage {
  /** The setup header as the file has it, from 0x1f1; `undefined` for a plain vmlinux. */
  readonly header: Uint8Array | undefined;
  /** Where the kernel is entered. */
  readonly code32Start: number;
  /** Where the initrd lies, if there is one. */
  readonly initrd: { readonly address: number; readonly size: number } | undefined;
  /** The memory map. */
  readonly map: readonly MemoryRange[];
  /** Address of the ACPI RSDP; 0 lets the kernel search for it. */
  readonly rsdp: number;
}

/**
 * Write the zero page at {@link ZERO_PAGE}; the command line is expected at {@link COMMAND_LINE}.
 *
 * @param memory the Guest's memory
 * @param page what it says
 * @throws {BootError} if the memory map has too many entries
 */
export function writeZeroPage(memory: GuestMemory, page: ZeroPage): void {
  const { header, code32Start, initrd, map, rsdp } = page;
  const at = ZERO_PAGE;
  memory.fill(at, PAGE, 0);
  if (header !== undefined) {
    memory.write(at + HEADER.SETUP_SECTS, header);
  } else {
    writeDefaultHeader(memory);
  }
  memory.setUint16(at + HEADER.VID_MODE, VIDEO_MODE_NORMAL);
  memory.setUint8(at + HEADER.TYPE_OF_LOADER, LOADER_UNDEFINED);
  memory.setUint32(at + HEADER.CODE32_START, code32Start);
  memory.setUint32(at + HEADER.RAMDISK_IMAGE, initrd?.address ?? 0);
  memory.setUint32(at + HEADER.RAMDISK_SIZE, initrd?.size ?? 0);
  if (memory.getUint16(at + HEADER.VERSION) >= 0x202) {
    memory.setUint32(at + HEADER.CMD_LINE_PTR, COMMAND_LINE);
  } else {
    // "The Kernel Command Line": the old way.
    memory.setUint16(at + OLD_CL_MAGIC, 0xa33f);
    memory.setUint16(at + OLD_CL_OFFSET, COMMAND_LINE - ZERO_PAGE);
  }

  const highKiB = Math.max(memory.size - HIGH_MEMORY_START, 0) / 1024;
  memory.setUint16(at + EXT_MEM_K, Math.min(highKiB, 0xffff));
  memory.setUint32(at + ALT_MEM_K, highKiB);
  memory.setBigUint64(at + ACPI_RSDP_ADDR, BigInt(rsdp));
  if (map.length > E820_MAX) {
    throw new BootError(`The memory map has ${map.length} ranges, but the kernel takes at most ${E820_MAX}`);
  }
  memory.setUint8(at + E820_ENTRIES, map.length);
  map.forEach(({ address, size, type }, index) => {
    const entry = at + E820_TABLE + index * 20;
    memory.setBigUint64(entry, BigInt(address));
    memory.setBigUint64(entry + 8, BigInt(size));
    memory.setUint32(entry + 16, type);
  });
}

/** What a vmlinux, which has no setup header, finds in its place: protocol 2.15, loaded high. */
function writeDefaultHeader(memory: GuestMemory): void {
  memory.setUint16(ZERO_PAGE + HEADER.BOOT_FLAG, 0xaa55);
  memory.setUint32(ZERO_PAGE + HEADER.HEADER, HEADER_MAGIC);
  memory.setUint16(ZERO_PAGE + HEADER.VERSION, 0x20f);
  memory.setUint8(ZERO_PAGE + HEADER.LOADFLAGS, LOADED_HIGH);
}
