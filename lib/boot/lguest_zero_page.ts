/**
 * The zero page of an lguest Guest: what the original Launcher wrote into it, and no more, since there is no BIOS that
 * could have said the rest. Offsets are those of Linux Documentation/arch/x86/zero-page.rst.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { type BzImage, HEADER } from "./bzimage.ts";
import { E820_TYPE } from "./e820.ts";

/** Where the zero page goes: the Host enters the kernel with all general registers 0, and ESI is its address. */
export const LGUEST_ZERO_PAGE = 0;

/** Where the command line goes. */
export const LGUEST_COMMAND_LINE = 4096;

const PAGE = 4096;
const HARDWARE_SUBARCH = 0x23c;
const E820_ENTRIES = 0x1e8;
const E820_TABLE = 0x2d0;
/** Boot protocol 2.07: the first in which a kernel looks at {@link HARDWARE_SUBARCH}. */
const VERSION = 0x207;
const SUBARCH_LGUEST = 1;
/** loadflags bit 6: the segment registers are set already; a Guest's kernel may not load those of a PC. */
const KEEP_SEGMENTS = 1 << 6;
const LOADER_UNDEFINED = 0xff;
/** Where a kernel that may run anywhere unpacks itself to a multiple of; with 0 it would do so at address 0. */
const KERNEL_ALIGNMENT = 0x1000000;

/** What the zero page says. */
export interface LguestZeroPage {
  /** Bytes of RAM. */
  readonly ramSize: number;
  /** Where the initrd lies, if there is one. */
  readonly initrd: { readonly address: number; readonly size: number } | undefined;
  /** The bzImage that the kernel came from, if it was one. */
  readonly bzImage: BzImage | undefined;
}

/**
 * Write the zero page at {@link LGUEST_ZERO_PAGE}; the command line is expected at {@link LGUEST_COMMAND_LINE}.
 *
 * The image's setup header is not copied: the kernel would take the defaults in it, such as a root file system that is
 * mounted read-only, for what somebody wanted. But a bzImage that unpacks itself has to know where to and how much room
 * that takes, which the original left to luck. The initrd's size is the true one; the original rounded it up to pages.
 *
 * @param memory the Guest's memory
 * @param page what it says
 */
export function writeLguestZeroPage(memory: GuestMemory, { ramSize, initrd, bzImage }: LguestZeroPage): void {
  const at = LGUEST_ZERO_PAGE;
  // So are the APM BIOS's version and tboot's address 0: there are none.
  memory.fill(at, PAGE, 0);
  memory.setUint16(at + HEADER.VERSION, VERSION);
  memory.setUint8(at + HEADER.TYPE_OF_LOADER, LOADER_UNDEFINED);
  memory.setUint8(at + HEADER.LOADFLAGS, KEEP_SEGMENTS);
  memory.setUint32(at + HEADER.RAMDISK_IMAGE, initrd?.address ?? 0);
  memory.setUint32(at + HEADER.RAMDISK_SIZE, initrd?.size ?? 0);
  memory.setUint32(at + HEADER.CMD_LINE_PTR, LGUEST_COMMAND_LINE);
  memory.setUint32(at + HEADER.KERNEL_ALIGNMENT, bzImage?.alignment ?? KERNEL_ALIGNMENT);
  memory.setUint32(at + HEADER.INIT_SIZE, bzImage?.initSize ?? 0);
  memory.setUint32(at + HARDWARE_SUBARCH, SUBARCH_LGUEST);
  memory.setUint8(at + E820_ENTRIES, 1);
  memory.setBigUint64(at + E820_TABLE, 0n);
  memory.setBigUint64(at + E820_TABLE + 8, BigInt(ramSize));
  memory.setUint32(at + E820_TABLE + 16, E820_TYPE.USABLE);
}
