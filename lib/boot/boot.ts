/**
 * Preparation: a kernel file, a command line and an initrd enter; a Guest's memory leaves, ready to run, with the
 * registers to start it with.
 *
 * A kernel comes as a bzImage or as an ELF vmlinux, the latter perhaps compressed. A bzImage can unpack itself, but a
 * Guest's CPU is slower at it than this program is, so that by default the vmlinux is unpacked here and entered
 * directly: `startup_32` of the vmlinux (arch/x86/kernel/head_32.S) expects the same registers as that of the bzImage.
 * It needs no relocation, since it is put where it was linked to run.
 *
 * Read next: `bzimage.ts` and `elf.ts` (what is in the file), `payload/` (unpacking), `zero_page.ts` (what the kernel
 * is told).
 *
 * @module
 */
import type { EntryState } from "../engine/engine.ts";
import type { GuestMemory } from "../memory.ts";
import { type BzImage, isBzImage, parseBzImage } from "./bzimage.ts";
import { E820_TYPE, HIGH_MEMORY_START, LOW_MEMORY_END, memoryMap, type MemoryRange } from "./e820.ts";
import { type ElfImage, isElf, loadElf, parseElf } from "./elf.ts";
import { BootError } from "./error.ts";
import { identifyPayload, unpackPayload } from "./payload/mod.ts";
import { COMMAND_LINE, writeZeroPage, ZERO_PAGE } from "./zero_page.ts";

export type { MemoryRange } from "./e820.ts";

/** A file that was read, and what to call it in messages. */
export interface NamedFile {
  /** Its name as the user gave it. */
  readonly name: string;
  /** All of its bytes. */
  readonly bytes: Uint8Array;
}

/** What to boot, and how. */
export interface LoadOptions {
  /** A bzImage, or an ELF vmlinux, which may be compressed. */
  readonly kernel: NamedFile;
  /** The kernel's command line. */
  readonly commandLine: string;
  /** The initial ramdisk, passed through as it is. */
  readonly initrd?: NamedFile | undefined;
  /** Whether to unpack a bzImage here (the default) and not in the Guest. */
  readonly unpack?: boolean | undefined;
  /** Ranges of the memory map that are not RAM to use: the firmware's tables. */
  readonly reserved?: readonly MemoryRange[] | undefined;
  /** Address of the ACPI RSDP, if there is one. */
  readonly rsdp?: number | undefined;
}

/** No kernel unpacks to more; a vmlinux with all of its debug information may come near. */
const UNPACK_LIMIT = 1 << 30;

/** The command line a vmlinux takes (COMMAND_LINE_SIZE less the NUL), and the highest address of its initrd's end. */
const VMLINUX_COMMAND_LINE_SIZE = 2047;
const VMLINUX_INITRD_ADDRESS_MAX = 0x37ffffff;

const PAGE = 4096;
const MIB = 1 << 20;

/** A kernel that was understood, still to be put into memory. */
interface Kernel {
  readonly header: Uint8Array | undefined;
  readonly commandLineSize: number;
  readonly initrdAddressMax: number;
  /** The first address above all that the kernel needs in order to start. */
  readonly end: number;
  readonly entry: number;
  readonly place: (memory: GuestMemory) => void;
}

/**
 * Put a kernel, its command line, its initrd and its zero page into memory.
 *
 * @param memory the Guest's memory; what it held before does not matter
 * @param options what to boot
 * @returns the registers to enter the kernel with
 * @throws {BootError} if the kernel is no kernel, damaged or for another machine, or if something does not fit
 */
export function loadKernel(memory: GuestMemory, options: LoadOptions): EntryState {
  const { kernel: file, initrd, unpack = true, reserved = [], rsdp = 0 } = options;
  const kernel = readKernel(file, { unpack, memorySize: memory.size });
  const commandLine = encodeCommandLine(options.commandLine, kernel.commandLineSize, file.name);
  const initrdAddress = initrd === undefined ? undefined : placeInitrd(memory.size, kernel, {
    initrd,
    kernelName: file.name,
    reserved,
  });
  requireMemory(memory.size, kernel.end, `Kernel "${file.name}" needs`);

  kernel.place(memory);
  memory.write(COMMAND_LINE, commandLine);
  if (initrd !== undefined && initrdAddress !== undefined) {
    memory.write(initrdAddress, initrd.bytes);
  }
  writeZeroPage(memory, {
    header: kernel.header,
    code32Start: kernel.entry,
    initrd: initrdAddress === undefined ? undefined : { address: initrdAddress, size: initrd!.bytes.length },
    map: memoryMap(memory.size, reserved),
    rsdp,
  });
  return { eip: kernel.entry, esi: ZERO_PAGE };
}

function readKernel({ name, bytes }: NamedFile, how: { unpack: boolean; memorySize: number }): Kernel {
  if (bytes.length === 0) {
    throw new BootError(`Kernel "${name}" is empty`);
  }
  if (isElf(bytes)) {
    return readElf(bytes, parseElf(bytes, name));
  }
  if (isBzImage(bytes)) {
    return readBzImage(parseBzImage(bytes, name), name, how);
  }
  const format = identifyPayload(bytes);
  if (format !== undefined) {
    const inner = unpackPayload(format, bytes, { limit: UNPACK_LIMIT, owner: `Kernel "${name}"` });
    if (isElf(inner)) {
      return readElf(inner, parseElf(inner, name));
    }
    throw new BootError(`"${name}" is not a Linux kernel: it is ${format.name} data with no ELF file in it`);
  }
  throw new BootError(`"${name}" is not a Linux kernel: it is neither a bzImage nor an ELF file`);
}

function readElf(file: Uint8Array, image: ElfImage): Kernel {
  return {
    header: undefined,
    commandLineSize: VMLINUX_COMMAND_LINE_SIZE,
    initrdAddressMax: VMLINUX_INITRD_ADDRESS_MAX,
    end: image.end,
    entry: image.entry,
    place: (memory) => loadElf(memory, file, image),
  };
}

function readBzImage(image: BzImage, name: string, how: { unpack: boolean; memorySize: number }): Kernel {
  const common = {
    header: image.header,
    commandLineSize: image.commandLineSize,
    initrdAddressMax: image.initrdAddressMax,
  };
  // Half a second of unpacking is too long to wait only to be told that the memory is too small.
  const runEnd = checkPlacement(image, name);
  requireMemory(how.memorySize, runEnd, `Kernel "${name}" needs`);
  // Before 2.12 only the vmlinux itself tells for certain whether it is for x86-64.
  if (how.unpack || image.version < 0x20c) {
    const file = unpackVmlinux(image, name, how.memorySize);
    const elf = file === undefined ? undefined : parseElf(file, name);
    if (how.unpack && file !== undefined && elf !== undefined) {
      return {
        ...common,
        end: Math.max(elf.end, runEnd),
        entry: elf.entry,
        place: (memory) => loadElf(memory, file, elf),
      };
    }
  }
  return {
    ...common,
    end: runEnd,
    entry: image.code32Start,
    place: (memory) => memory.write(image.code32Start, image.protectedMode),
  };
}

/** Check where the protected-mode kernel goes, and find the end of what it needs there and where it unpacks itself. */
function checkPlacement(image: BzImage, name: string): number {
  const { code32Start, loadedHigh, protectedMode } = image;
  const end = code32Start + protectedMode.length;
  const fits = loadedHigh ? code32Start >= HIGH_MEMORY_START : code32Start >= PAGE && end <= ZERO_PAGE;
  if (!fits || end > 2 ** 32) {
    throw new BootError(
      `Kernel "${name}" is corrupt: ${protectedMode.length} bytes cannot be loaded at 0x${code32Start.toString(16)}`,
    );
  }
  if (image.preferredAddress === undefined || image.initSize === undefined) {
    // Before 2.10 a kernel does not tell. What it unpacks to is seldom more than three times the file.
    return Math.max(end, HIGH_MEMORY_START + 3 * protectedMode.length);
  }
  // "init_size": a relocatable kernel runs at the next aligned address, but never below the preferred one.
  const aligned = Math.ceil(code32Start / image.alignment) * image.alignment;
  const start = image.relocatable ? Math.max(aligned, image.preferredAddress) : image.preferredAddress;
  return Math.max(end, start + image.initSize);
}

/** The ELF file in a bzImage's payload; `undefined` if it has none that we can unpack: then the Guest does it. */
function unpackVmlinux(image: BzImage, name: string, memorySize: number): Uint8Array | undefined {
  const payload = image.payload;
  const format = payload === undefined ? undefined : identifyPayload(payload);
  if (payload === undefined || format === undefined || payload.length < 8) {
    return undefined;
  }
  // The build appends the unpacked size, except to gzip, which ends with it anyway ("payload_length").
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const size = view.getUint32(payload.length - 4, true);
  const data = format.name === "gzip" ? payload : payload.subarray(0, -4);
  const owner = `Kernel "${name}"`;
  // Section headers and relocations are not loaded, so the file may be somewhat larger than memory.
  const limit = Math.min(UNPACK_LIMIT, memorySize * 2);
  if (size > limit) {
    throw new BootError(`${owner} is corrupt: it claims to unpack to ${size} bytes`);
  }
  const file = unpackPayload(format, data, { limit: size, owner });
  if (file.length !== size) {
    throw new BootError(`${owner} is corrupt: it unpacks to ${file.length} bytes, not to ${size}`);
  }
  return isElf(file) ? file : undefined;
}

function encodeCommandLine(commandLine: string, size: number, name: string): Uint8Array {
  const encoded = new TextEncoder().encode(commandLine);
  const most = Math.min(size, LOW_MEMORY_END - COMMAND_LINE - 1);
  if (encoded.length > most) {
    throw new BootError(
      `The kernel command line has ${encoded.length} bytes, but kernel "${name}" takes at most ${most}: shorten it`,
    );
  }
  const terminated = new Uint8Array(encoded.length + 1);
  terminated.set(encoded);
  return terminated;
}

/** As high as RAM and the protocol allow ("initrd_addr_max"), so that it is out of the kernel's way. */
function placeInitrd(
  memorySize: number,
  kernel: Kernel,
  { initrd, kernelName, reserved }: { initrd: NamedFile; kernelName: string; reserved: readonly MemoryRange[] },
): number {
  const size = initrd.bytes.length;
  if (size === 0) {
    throw new BootError(`Initrd "${initrd.name}" is empty`);
  }
  const pages = Math.ceil(size / PAGE) * PAGE;
  const lowest = Math.ceil(kernel.end / PAGE) * PAGE;
  const highest = kernel.initrdAddressMax + 1;
  if (lowest + pages > highest) {
    const most = Math.max(highest - lowest, 0);
    throw new BootError(
      `Initrd "${initrd.name}" has ${size} bytes, but kernel "${kernelName}" takes at most ${most}: make it smaller`,
    );
  }
  const both = `Kernel "${kernelName}" with initrd "${initrd.name}" needs`;
  requireMemory(memorySize, lowest + pages, both);
  let end = Math.min(memorySize, highest);
  for (const range of reserved.toSorted((left, right) => right.address - left.address)) {
    const start = Math.floor((end - size) / PAGE) * PAGE;
    if (range.type !== E820_TYPE.USABLE && range.address < end && range.address + range.size > start) {
      end = range.address;
    }
  }
  const address = Math.floor((end - size) / PAGE) * PAGE;
  requireMemory(memorySize, address < lowest ? memorySize + (lowest - address) : 0, both);
  return address;
}

function requireMemory(have: number, need: number, what: string): void {
  if (have < need) {
    const [needKiB, haveKiB] = [Math.ceil(need / 1024), have / 1024];
    throw new BootError(
      `${what} ${needKiB} KiB of memory, but the Guest has ${haveKiB} KiB: give ${
        Math.ceil(need / MIB)
      } or more as <mem>`,
    );
  }
}
