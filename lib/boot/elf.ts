/**
 * An ELF vmlinux: what a kernel build makes before it is packed into a bzImage. Its program headers say which part of
 * the file goes to which physical address (System V ABI, chapter "Program Loading").
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { unsupported64 } from "./bzimage.ts";
import { BootError } from "./error.ts";

const CLASS_32 = 1;
const DATA_LITTLE_ENDIAN = 1;
const TYPE_EXECUTABLE = 2;
const TYPE_SHARED = 3;
const MACHINE_386 = 3;
const MACHINE_X86_64 = 62;
const HEADER_SIZE = 52;
const PROGRAM_HEADER_SIZE = 32;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_TLS = 7;

/** Below this a segment would meet the zero page and the firmware's tables. */
const LOWEST_ADDRESS = 0x100000;

/** A part of the file that goes into memory. */
export interface ElfSegment {
  /** Where it begins in the file. */
  readonly offset: number;
  /** Bytes of it that the file has. */
  readonly fileSize: number;
  /** Bytes of it in memory; those that the file has not are zero. */
  readonly memorySize: number;
  /** Its physical address. */
  readonly address: number;
  /** Its address once the kernel has turned paging on. */
  readonly virtualAddress: number;
}

/** What is to be done with an ELF file. */
export interface ElfImage {
  /** What goes into memory. */
  readonly segments: readonly ElfSegment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
  /** Physical address after the last segment. */
  readonly end: number;
}

/**
 * Whether a file is an ELF file of any kind.
 *
 * @param file its first bytes suffice
 */
export function isElf(file: Uint8Array): boolean {
  return file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/**
 * Read the headers of an i386 vmlinux.
 *
 * @param file all of the file, for which {@link isElf} holds
 * @param name what to call it in messages
 * @returns what to load where, every part of it within the file
 * @throws {BootError} if it is truncated, corrupt, or no kernel for i386
 */
export function parseElf(file: Uint8Array, name: string): ElfImage {
  if (file.length < HEADER_SIZE) {
    throw new BootError(`Kernel "${name}" is truncated: ${file.length} bytes are too few for an ELF file`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  checkHeader(view, name);
  const segments = parseProgramHeaders(view, name);
  if (segments.length === 0) {
    throw new BootError(`Kernel "${name}" is an ELF file with nothing to load: it is not a kernel`);
  }
  const end = Math.max(...segments.map(({ address, memorySize }) => address + memorySize));
  return { segments, entry: physicalEntry(view.getUint32(24, true), segments, name), end };
}

/**
 * Put the segments where they belong. Their bounds against memory are the caller's business, who can say what would do.
 *
 * @param memory the Guest's memory, of at least `image.end` bytes
 * @param file the file that `image` was read from
 * @param image from {@link parseElf}
 */
export function loadElf(memory: GuestMemory, file: Uint8Array, image: ElfImage): void {
  for (const { offset, fileSize, memorySize, address } of image.segments) {
    memory.write(address, file.subarray(offset, offset + fileSize));
    memory.fill(address + fileSize, memorySize - fileSize, 0);
  }
}

function checkHeader(view: DataView, name: string): void {
  const machine = view.getUint16(18, true);
  const type = view.getUint16(16, true);
  if (view.getUint8(5) !== DATA_LITTLE_ENDIAN) {
    throw new BootError(`Kernel "${name}" is a big-endian ELF file: it is not a kernel for x86`);
  }
  if (machine === MACHINE_X86_64) {
    throw unsupported64(name);
  }
  if (machine !== MACHINE_386 || view.getUint8(4) !== CLASS_32) {
    throw new BootError(`Kernel "${name}" is an ELF file for another processor (machine ${machine}, i386 is 3)`);
  }
  if (type !== TYPE_EXECUTABLE && type !== TYPE_SHARED) {
    throw new BootError(`Kernel "${name}" is an ELF file, but no executable one (type ${type}): it is not a kernel`);
  }
}

function parseProgramHeaders(view: DataView, name: string): ElfSegment[] {
  const start = view.getUint32(28, true);
  const entrySize = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (count > 0 && entrySize < PROGRAM_HEADER_SIZE) {
    throw new BootError(`Kernel "${name}" is corrupt: its ELF program headers have ${entrySize} bytes, not 32`);
  }
  if (start + count * entrySize > view.byteLength) {
    throw new BootError(`Kernel "${name}" is truncated: its ELF program headers lie beyond its end`);
  }
  const segments: ElfSegment[] = [];
  for (let at = start; at < start + count * entrySize; at += entrySize) {
    const type = view.getUint32(at, true);
    if (type === PT_INTERP || type === PT_DYNAMIC || type === PT_TLS) {
      throw new BootError(`Kernel "${name}" is a user program, not a kernel`);
    }
    const segment = {
      offset: view.getUint32(at + 4, true),
      virtualAddress: view.getUint32(at + 8, true),
      address: view.getUint32(at + 12, true),
      fileSize: view.getUint32(at + 16, true),
      memorySize: view.getUint32(at + 20, true),
    };
    if (type === PT_LOAD && segment.memorySize > 0) {
      checkSegment(segment, view.byteLength, name);
      segments.push(segment);
    }
  }
  return segments;
}

function checkSegment(segment: ElfSegment, length: number, name: string): void {
  const { offset, fileSize, memorySize, address } = segment;
  if (offset + fileSize > length) {
    throw new BootError(
      `Kernel "${name}" is truncated: it has ${length} bytes, a segment ends at ${offset + fileSize}`,
    );
  }
  if (fileSize > memorySize) {
    throw new BootError(`Kernel "${name}" is corrupt: a segment is larger in the file than in memory`);
  }
  if (address < LOWEST_ADDRESS || address + memorySize > 2 ** 32) {
    throw new BootError(
      `Kernel "${name}" has a segment at 0x${address.toString(16)}, where no kernel can be: is it one?`,
    );
  }
}

/** Linux has had the entry as a physical and as a virtual address; both ranges never hold the same number. */
function physicalEntry(entry: number, segments: readonly ElfSegment[], name: string): number {
  for (const { address, memorySize } of segments) {
    if (entry >= address && entry < address + memorySize) {
      return entry;
    }
  }
  for (const { address, memorySize, virtualAddress } of segments) {
    if (entry >= virtualAddress && entry < virtualAddress + memorySize) {
      return entry - virtualAddress + address;
    }
  }
  throw new BootError(`Kernel "${name}" is corrupt: its entry point 0x${entry.toString(16)} is in no segment`);
}
