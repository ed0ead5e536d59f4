/**
 * A kernel file that was read and understood, still to be put into memory: a bzImage or an ELF vmlinux enters, a
 * {@link Kernel} leaves.
 *
 * Read next: `bzimage.ts` and `elf.ts` (what is in the file), `payload/` (unpacking), `inspect.ts` (what kernel it is),
 * `boot.ts` (where it goes).
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { type BzImage, isBzImage, parseBzImage } from "./bzimage.ts";
import { HIGH_MEMORY_START } from "./e820.ts";
import { type ElfImage, isElf, loadElf, parseElf } from "./elf.ts";
import { BootError } from "./error.ts";
import { identifyPayload, unpackPayload } from "./payload/mod.ts";
import { ZERO_PAGE } from "./zero_page.ts";

/** A file that was read, and what to call it in messages. */
export interface NamedFile {
  /** Its name as the user gave it. */
  readonly name: string;
  /** All of its bytes. */
  readonly bytes: Uint8Array;
}

/** An ELF file, and what is to be done with it. */
export interface Vmlinux {
  /** All of its bytes. */
  readonly file: Uint8Array;
  /** Its headers. */
  readonly image: ElfImage;
}

/** A kernel that was understood. */
export interface Kernel {
  /** Its file's name. */
  readonly name: string;
  /** The bzImage, if it is one. */
  readonly bzImage: BzImage | undefined;
  /** The longest command line it takes, without the NUL. */
  readonly commandLineSize: number;
  /** The highest address of its initrd's last byte. */
  readonly initrdAddressMax: number;
  /** The first address above all that it needs in order to start. */
  readonly end: number;
  /** Physical address of its first instruction. */
  readonly entry: number;
  /** Put it into memory. */
  readonly place: (memory: GuestMemory) => void;
  /** The ELF file that it is, or that is packed in it; `undefined` if there is none that we can unpack. */
  readonly vmlinux: () => Vmlinux | undefined;
}

/** How a kernel is to be read. */
export interface ReadOptions {
  /** Whether a bzImage is to be unpacked here, and not in the Guest. */
  readonly unpack: boolean;
  /** Bytes of RAM that the Guest has. */
  readonly memorySize: number;
}

/** No kernel unpacks to more; a vmlinux with all of its debug information may come near. */
const UNPACK_LIMIT = 1 << 30;

/** The command line a vmlinux takes (COMMAND_LINE_SIZE less the NUL), and the highest address of its initrd's end. */
const VMLINUX_COMMAND_LINE_SIZE = 2047;
const VMLINUX_INITRD_ADDRESS_MAX = 0x37ffffff;

const PAGE = 4096;
const MIB = 1 << 20;

/**
 * Read a kernel.
 *
 * @param file the file
 * @param how how to read it
 * @returns what is to be done with it
 * @throws {BootError} if it is no kernel, damaged or for another machine, or if it needs more memory than there is
 */
export function readKernel({ name, bytes }: NamedFile, how: ReadOptions): Kernel {
  if (bytes.length === 0) {
    throw new BootError(`Kernel "${name}" is empty`);
  }
  if (isElf(bytes)) {
    return readElf(name, { file: bytes, image: parseElf(bytes, name) });
  }
  if (isBzImage(bytes)) {
    return readBzImage(parseBzImage(bytes, name), name, how);
  }
  const format = identifyPayload(bytes);
  if (format !== undefined) {
    const inner = unpackPayload(format, bytes, { limit: UNPACK_LIMIT, owner: `Kernel "${name}"` });
    if (isElf(inner)) {
      return readElf(name, { file: inner, image: parseElf(inner, name) });
    }
    throw new BootError(`"${name}" is not a Linux kernel: it is ${format.name} data with no ELF file in it`);
  }
  throw new BootError(`"${name}" is not a Linux kernel: it is neither a bzImage nor an ELF file`);
}

function readElf(name: string, vmlinux: Vmlinux): Kernel {
  return {
    name,
    bzImage: undefined,
    commandLineSize: VMLINUX_COMMAND_LINE_SIZE,
    initrdAddressMax: VMLINUX_INITRD_ADDRESS_MAX,
    end: vmlinux.image.end,
    entry: vmlinux.image.entry,
    place: (memory) => loadElf(memory, vmlinux.file, vmlinux.image),
    vmlinux: () => vmlinux,
  };
}

function readBzImage(image: BzImage, name: string, how: ReadOptions): Kernel {
  // Half a second of unpacking is too long to wait only to be told that the memory is too small.
  const runEnd = checkPlacement(image, name);
  requireMemory(how.memorySize, runEnd, `Kernel "${name}" needs`);
  const unpack = () => unpackVmlinux(image, name, how.memorySize);
  const common = {
    name,
    bzImage: image,
    commandLineSize: image.commandLineSize,
    initrdAddressMax: image.initrdAddressMax,
  };
  // Before 2.12 only the vmlinux itself tells for certain whether it is for x86-64.
  if (how.unpack || image.version < 0x20c) {
    const vmlinux = unpack();
    if (how.unpack && vmlinux !== undefined) {
      return {
        ...common,
        end: Math.max(vmlinux.image.end, runEnd),
        entry: vmlinux.image.entry,
        place: (memory) => loadElf(memory, vmlinux.file, vmlinux.image),
        vmlinux: () => vmlinux,
      };
    }
  }
  return {
    ...common,
    end: runEnd,
    entry: image.code32Start,
    place: (memory) => memory.write(image.code32Start, image.protectedMode),
    vmlinux: unpack,
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
function unpackVmlinux(image: BzImage, name: string, memorySize: number): Vmlinux | undefined {
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
  return isElf(file) ? { file, image: parseElf(file, name) } : undefined;
}

/**
 * See that the Guest has memory enough.
 *
 * @param have bytes of RAM
 * @param need bytes that are needed
 * @param what who needs them, as the beginning of a sentence
 * @throws {BootError} if it has not
 */
export function requireMemory(have: number, need: number, what: string): void {
  if (have < need) {
    const [needKiB, haveKiB] = [Math.ceil(need / 1024), have / 1024];
    throw new BootError(
      `${what} ${needKiB} KiB of memory, but the Guest has ${haveKiB} KiB: give ${
        Math.ceil(need / MIB)
      } or more as <mem>`,
    );
  }
}
