/**
 * Preparation: a kernel file, a command line and an initrd enter; a Guest's memory leaves, ready to run, with the
 * registers to start it with.
 *
 * A kernel comes as a bzImage or as an ELF vmlinux, the latter perhaps compressed. A bzImage can unpack itself, but a
 * Guest's CPU is slower at it than this program is, so that by default the vmlinux is unpacked here and entered
 * directly: `startup_32` of the vmlinux (arch/x86/kernel/head_32.S) expects the same registers as that of the bzImage.
 * It needs no relocation, since it is put where it was linked to run. That holds for a PC and for lguest alike; what
 * differs is where the zero page lies and what it says.
 *
 * Read next: `kernel.ts` (reading the file), `zero_page.ts` (what the kernel is told on a PC), `lguest_zero_page.ts`
 * (and on lguest).
 *
 * @module
 */
import type { EntryState } from "../engine/engine.ts";
import type { GuestMemory } from "../memory.ts";
import { E820_TYPE, LOW_MEMORY_END, memoryMap, type MemoryRange } from "./e820.ts";
import { BootError } from "./error.ts";
import { type Kernel, type NamedFile, readKernel, requireMemory } from "./kernel.ts";
import { LGUEST_COMMAND_LINE, LGUEST_ZERO_PAGE, writeLguestZeroPage } from "./lguest_zero_page.ts";
import { COMMAND_LINE, writeZeroPage, ZERO_PAGE } from "./zero_page.ts";

export type { MemoryRange } from "./e820.ts";
export type { NamedFile } from "./kernel.ts";

/** The machine that a kernel is to find. */
export type BootPlatform = "pc" | "lguest";

/** How to boot a kernel that was read already. */
export interface PlaceOptions {
  /** The kernel's command line. */
  readonly commandLine: string;
  /** The initial ramdisk, passed through as it is. */
  readonly initrd?: NamedFile | undefined;
  /** The machine; `pc` unless given. */
  readonly platform?: BootPlatform | undefined;
  /** Bytes of RAM, if that is not all of the memory: devices may have pages above it. Only on lguest. */
  readonly ramSize?: number | undefined;
  /** Ranges of the memory map that are not RAM to use: the firmware's tables. Only on a PC. */
  readonly reserved?: readonly MemoryRange[] | undefined;
  /** Address of the ACPI RSDP, if there is one. Only on a PC. */
  readonly rsdp?: number | undefined;
}

/** What to boot, and how. */
export interface LoadOptions extends PlaceOptions {
  /** A bzImage, or an ELF vmlinux, which may be compressed. */
  readonly kernel: NamedFile;
  /** Whether to unpack a bzImage here (the default) and not in the Guest. */
  readonly unpack?: boolean | undefined;
}

const PAGE = 4096;

/**
 * Read a kernel and put it, its command line, its initrd and its zero page into memory.
 *
 * @param memory the Guest's memory; what it held before does not matter
 * @param options what to boot
 * @returns the registers to enter the kernel with
 * @throws {BootError} if the kernel is no kernel, damaged or for another machine, or if something does not fit
 */
export function loadKernel(memory: GuestMemory, options: LoadOptions): EntryState {
  const { kernel, unpack = true, ramSize = memory.size } = options;
  return placeKernel(memory, readKernel(kernel, { unpack, memorySize: ramSize }), options);
}

/**
 * Put a kernel that was read, its command line, its initrd and its zero page into memory.
 *
 * @param memory the Guest's memory; what it held before does not matter
 * @param kernel the kernel
 * @param options how to boot it
 * @returns the registers to enter the kernel with
 * @throws {BootError} if something does not fit
 */
export function placeKernel(memory: GuestMemory, kernel: Kernel, options: PlaceOptions): EntryState {
  const { initrd, platform = "pc", ramSize = memory.size, reserved = [], rsdp = 0 } = options;
  const lguest = platform === "lguest";
  const commandLineAt = lguest ? LGUEST_COMMAND_LINE : COMMAND_LINE;
  const commandLine = encodeCommandLine(options.commandLine, {
    size: Math.min(kernel.commandLineSize, LOW_MEMORY_END - commandLineAt - 1),
    name: kernel.name,
  });
  const initrdAddress = initrd === undefined ? undefined : placeInitrd(ramSize, kernel, { initrd, reserved });
  requireMemory(ramSize, kernel.end, `Kernel "${kernel.name}" needs`);

  kernel.place(memory);
  memory.write(commandLineAt, commandLine);
  if (initrd !== undefined && initrdAddress !== undefined) {
    memory.write(initrdAddress, initrd.bytes);
  }
  const placed = initrdAddress === undefined ? undefined : { address: initrdAddress, size: initrd!.bytes.length };
  if (lguest) {
    writeLguestZeroPage(memory, { ramSize, initrd: placed, bzImage: kernel.bzImage });
    return { eip: kernel.entry, esi: LGUEST_ZERO_PAGE };
  }
  writeZeroPage(memory, {
    header: kernel.bzImage?.header,
    code32Start: kernel.entry,
    initrd: placed,
    map: memoryMap(ramSize, reserved),
    rsdp,
  });
  return { eip: kernel.entry, esi: ZERO_PAGE };
}

function encodeCommandLine(commandLine: string, { size, name }: { size: number; name: string }): Uint8Array {
  const encoded = new TextEncoder().encode(commandLine);
  if (encoded.length > size) {
    throw new BootError(
      `The kernel command line has ${encoded.length} bytes, but kernel "${name}" takes at most ${size}: shorten it`,
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
  { initrd, reserved }: { initrd: NamedFile; reserved: readonly MemoryRange[] },
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
      `Initrd "${initrd.name}" has ${size} bytes, but kernel "${kernel.name}" takes at most ${most}: make it smaller`,
    );
  }
  const both = `Kernel "${kernel.name}" with initrd "${initrd.name}" needs`;
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
