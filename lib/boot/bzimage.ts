/**
 * A bzImage (or zImage): real-mode setup code, in which the setup header lies, then the protected-mode kernel, in which
 * the compressed vmlinux lies. This file takes it apart and checks it; `boot.ts` decides what goes into memory.
 * All sections cited are those of "The Linux/x86 Boot Protocol" (Linux Documentation/arch/x86/boot.rst).
 *
 * @module
 */
import { BootError } from "./error.ts";

/** Offsets of setup header fields in the file, which are their offsets in the zero page too ("Details of Header Fields"). */
export const HEADER = {
  SETUP_SECTS: 0x1f1,
  SYSSIZE: 0x1f4,
  VID_MODE: 0x1fa,
  BOOT_FLAG: 0x1fe,
  JUMP: 0x200,
  HEADER: 0x202,
  VERSION: 0x206,
  KERNEL_VERSION: 0x20e,
  TYPE_OF_LOADER: 0x210,
  LOADFLAGS: 0x211,
  CODE32_START: 0x214,
  RAMDISK_IMAGE: 0x218,
  RAMDISK_SIZE: 0x21c,
  CMD_LINE_PTR: 0x228,
  INITRD_ADDR_MAX: 0x22c,
  KERNEL_ALIGNMENT: 0x230,
  RELOCATABLE_KERNEL: 0x234,
  MIN_ALIGNMENT: 0x235,
  XLOADFLAGS: 0x236,
  CMDLINE_SIZE: 0x238,
  PAYLOAD_OFFSET: 0x248,
  PAYLOAD_LENGTH: 0x24c,
  PREF_ADDRESS: 0x258,
  INIT_SIZE: 0x260,
} as const;

/** "HdrS", little-endian, at {@link HEADER.HEADER}. */
export const HEADER_MAGIC = 0x53726448;

/** loadflags bit 0: the protected-mode code goes to 0x100000, not to 0x10000. */
export const LOADED_HIGH = 1;

/** Where the zero page has room for the setup header to end (struct boot_params: edd_mbr_sig_buffer follows). */
export const HEADER_LIMIT = 0x290;

const BOOT_FLAG = 0xaa55;
const XLF_KERNEL_64 = 1;
const SECTOR = 512;
const MACHINE_X86_64 = 0x8664;

/** What the setup header says, with the defaults of the protocol for what it is too old to say. */
export interface BzImage {
  /** Boot protocol version, such as 0x020f for 2.15. */
  readonly version: number;
  /** The real-mode setup code, with the setup header in it. */
  readonly setup: Uint8Array;
  /** The setup header itself, from 0x1f1, to be carried into the zero page. */
  readonly header: Uint8Array;
  /** The protected-mode kernel: all that follows the setup code. */
  readonly protectedMode: Uint8Array;
  /** The compressed vmlinux, with what is appended to it; `undefined` before 2.08. */
  readonly payload: Uint8Array | undefined;
  /** Whether the protected-mode kernel is loaded at or above 1 MiB. */
  readonly loadedHigh: boolean;
  /** Where the protected-mode kernel is entered, and so loaded. */
  readonly code32Start: number;
  /** The highest address an initrd's last byte may have. */
  readonly initrdAddressMax: number;
  /** The longest command line, without the NUL at its end. */
  readonly commandLineSize: number;
  /** Whether the kernel runs wherever it is loaded. */
  readonly relocatable: boolean;
  /** What a relocatable kernel's address is a multiple of. */
  readonly alignment: number;
  /** Where the kernel wants to run (2.10 on). */
  readonly preferredAddress: number | undefined;
  /** Bytes from where it runs that it needs before it has looked at the memory map (2.10 on). */
  readonly initSize: number | undefined;
}

/**
 * Whether a file has a setup header.
 *
 * @param file all of the file
 */
export function isBzImage(file: Uint8Array): boolean {
  if (file.length < HEADER.TYPE_OF_LOADER) {
    return false;
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  return view.getUint16(HEADER.BOOT_FLAG, true) === BOOT_FLAG && view.getUint32(HEADER.HEADER, true) === HEADER_MAGIC;
}

/**
 * Take a bzImage apart.
 *
 * @param file all of the file, for which {@link isBzImage} holds
 * @param name what to call it in messages
 * @returns its parts: views of `file`, no copies
 * @throws {BootError} if it is truncated, contradicts itself or is for x86-64
 */
export function parseBzImage(file: Uint8Array, name: string): BzImage {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const version = view.getUint16(HEADER.VERSION, true);
  if (version < 0x200 || version >= 0x300) {
    throw corrupt(name, `its boot protocol version is 0x${version.toString(16)}`);
  }
  // 4 is what a 0 stands for, "for backwards compatibility".
  const setupSize = ((file[HEADER.SETUP_SECTS] || 4) + 1) * SECTOR;
  const headerEnd = findHeaderEnd(file, version);
  if (file.length < setupSize || headerEnd > setupSize) {
    throw file.length < setupSize ? truncated(name, setupSize, file.length) : corrupt(name, "its header has no room");
  }
  const loadedHigh = (file[HEADER.LOADFLAGS]! & LOADED_HIGH) !== 0;
  checkSize(file, { name, setupSize, version, loadedHigh });

  // A field that the header is too short for has its default, whatever the version says.
  const has = (since: number, end: number) => version >= since && headerEnd >= end;
  const protectedMode = file.subarray(setupSize);
  const image: BzImage = {
    version,
    setup: file.subarray(0, setupSize),
    header: file.subarray(HEADER.SETUP_SECTS, headerEnd),
    protectedMode,
    payload: has(0x208, HEADER.PAYLOAD_LENGTH + 4) ? findPayload(view, protectedMode, name) : undefined,
    loadedHigh,
    code32Start: view.getUint32(HEADER.CODE32_START, true),
    initrdAddressMax: has(0x203, HEADER.INITRD_ADDR_MAX + 4)
      ? view.getUint32(HEADER.INITRD_ADDR_MAX, true)
      : 0x37ffffff,
    commandLineSize: has(0x206, HEADER.CMDLINE_SIZE + 4) ? view.getUint32(HEADER.CMDLINE_SIZE, true) : 255,
    relocatable: has(0x205, HEADER.RELOCATABLE_KERNEL + 1) && file[HEADER.RELOCATABLE_KERNEL] !== 0,
    alignment: findAlignment(view, has),
    preferredAddress: has(0x20a, HEADER.PREF_ADDRESS + 8)
      ? Number(view.getBigUint64(HEADER.PREF_ADDRESS, true))
      : undefined,
    initSize: has(0x20a, HEADER.INIT_SIZE + 4) ? view.getUint32(HEADER.INIT_SIZE, true) : undefined,
  };
  const is64 = has(0x20c, HEADER.XLOADFLAGS + 2) && (view.getUint16(HEADER.XLOADFLAGS, true) & XLF_KERNEL_64) !== 0;
  if (is64 || efiMachine(view) === MACHINE_X86_64) {
    throw unsupported64(name);
  }
  return image;
}

/**
 * The error for a kernel that needs a 64-bit processor.
 *
 * @param name what to call it
 */
export function unsupported64(name: string): BootError {
  return new BootError(`Kernel "${name}" is for x86-64, which is not supported yet: use an i386 kernel`);
}

/** The header ends where the jump at its beginning leads ("Details of Header Fields", jump). */
function findHeaderEnd(file: Uint8Array, version: number): number {
  const shortJump = file[HEADER.JUMP] === 0xeb;
  // Without one, take what the oldest kernels of each kind had.
  const end = shortJump ? HEADER.HEADER + file[HEADER.JUMP + 1]! : version >= 0x202 ? 0x22c : 0x224;
  return Math.min(end, HEADER_LIMIT);
}

function checkSize(
  file: Uint8Array,
  { name, setupSize, version, loadedHigh }: { name: string; setupSize: number; version: number; loadedHigh: boolean },
): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let paragraphs = view.getUint32(HEADER.SYSSIZE, true);
  if (version < 0x204) {
    // Two bytes then, and meaningless if the kernel is larger than they can say.
    paragraphs = loadedHigh ? 1 : paragraphs & 0xffff;
  }
  // Old build tools rounded the figure up without padding the file.
  const least = setupSize + Math.max(paragraphs * 16 - 15, 1);
  if (file.length < least) {
    throw truncated(name, least, file.length);
  }
}

function findPayload(view: DataView, protectedMode: Uint8Array, name: string): Uint8Array | undefined {
  const offset = view.getUint32(HEADER.PAYLOAD_OFFSET, true);
  const length = view.getUint32(HEADER.PAYLOAD_LENGTH, true);
  if (length === 0) {
    return undefined;
  }
  if (offset + length > protectedMode.length) {
    throw corrupt(name, "its payload lies beyond its end");
  }
  return protectedMode.subarray(offset, offset + length);
}

function findAlignment(view: DataView, has: (since: number, end: number) => boolean): number {
  // "min_alignment" (2.10) is what a loader may fall back to; it never runs the kernel below the preferred address
  // for that, so that the usual alignment is the only one that matters here.
  const alignment = has(0x205, HEADER.KERNEL_ALIGNMENT + 4) ? view.getUint32(HEADER.KERNEL_ALIGNMENT, true) : 0;
  return alignment > 0 && (alignment & (alignment - 1)) === 0 ? alignment : 0x100000;
}

/** The machine that the PE header of a kernel with an EFI stub names: says "x86-64" where the protocol is too old to. */
function efiMachine(view: DataView): number | undefined {
  if (view.getUint16(0, true) !== 0x5a4d) {
    return undefined;
  }
  const pe = view.getUint32(0x3c, true);
  if (pe + 6 > view.byteLength || view.getUint32(pe, true) !== 0x4550) {
    return undefined;
  }
  return view.getUint16(pe + 4, true);
}

function truncated(name: string, want: number, have: number): BootError {
  return new BootError(`Kernel "${name}" is truncated: it should have at least ${want} bytes, but has ${have}`);
}

function corrupt(name: string, what: string): BootError {
  return new BootError(`Kernel "${name}" is corrupt: ${what}`);
}
