/**
 * What a program says of the Guest that it wants, and what `../guest.ts` wants to hear: {@link StartOptions} enter,
 * with memory in MiB and disks as paths; `GuestOptions` leave. Read next: `guest.ts`.
 *
 * @module
 */
import type { DeviceOption } from "../devices.ts";
import type { EngineName, GuestOptions, PlatformName, UnpackPlace } from "../guest_options.ts";
import { MAX_RAM } from "../memory.ts";
import { parseTunnet } from "../net/tunnet.ts";
import type { WindowSize } from "../platform/console.ts";

/** A disk of a Guest. */
export interface BlockOption {
  /** Path of a raw image or a block device. */
  readonly path: string;
  /** Whether the Guest must not write to it; it may unless given, if the host allows it. */
  readonly readOnly?: boolean;
}

/**
 * A Guest that {@linkcode Guest.start} is to start. What changes the whole process (the command line's `--username` and
 * `--chroot`) is no option here: a program that wants it does it itself, after the start.
 */
export interface StartOptions {
  /** RAM in MiB; Linux wants 32 or more, and 3584 is the most. */
  readonly memory: number;
  /** The kernel, a bzImage or an ELF vmlinux: its path, or its bytes. */
  readonly kernel: string | Uint8Array;
  /** The initial RAM disk, a cpio archive, compressed or not: its path, or its bytes. */
  readonly initrd?: string | Uint8Array;
  /** Words for the kernel. On a PC, where none of them is `console=`, the kernel is told `console=ttyS0` before them. */
  readonly commandLine?: string;
  /** Disks, the first of which is the Guest's vda: paths, or paths and what else there is to say. */
  readonly block?: readonly (string | BlockOption)[];
  /**
   * Networks by tap devices, the first of which is the Guest's eth0: each `IP[:MAC]` of the host's end, or
   * `bridge:NAME[:MAC]`. Needs Linux, root or CAP_NET_ADMIN, and the C library.
   */
  readonly tunnet?: readonly string[];
  /** Whether it has a source of random numbers. */
  readonly rng?: boolean;
  /** What executes it; `auto` unless given. */
  readonly engine?: EngineName;
  /** The machine that the kernel finds itself on; `auto` unless given. */
  readonly platform?: PlatformName;
  /** The lguest ABI that the kernel speaks, as the Linux version that it came with ("3.11"); `auto` unless given. */
  readonly abi?: string;
  /** Path of the real lguest device; `/dev/lguest` unless given. */
  readonly device?: string;
  /** Path of the C library, which {@link tunnet} needs, if it does not stand beside the program. */
  readonly library?: string;
  /** Who unpacks a compressed kernel; `host` unless given. */
  readonly unpack?: UnpackPlace;
  /** The size of its console's window; unknown unless given, and 0 means so too. */
  readonly window?: WindowSize;
  /** Whether `log` events tell what is done, down to each request of a driver; they cost time. */
  readonly verbose?: boolean;
}

const MIB = 2 ** 20;

/**
 * What `../guest.ts` makes a Guest of.
 *
 * @throws {RangeError} if no Guest can have so much memory, or so little,
 * or a network's address is none
 */
export function guestOptions(options: StartOptions): GuestOptions {
  const { memory, commandLine, kernel, initrd, engine, platform, abi, device, library, unpack } = options;
  if (!Number.isSafeInteger(memory) || memory < 1 || memory * MIB > MAX_RAM) {
    throw new RangeError(`A Guest's memory is 1 to ${MAX_RAM / MIB} MiB, a whole number: got "${memory}"`);
  }
  return {
    memory: memory * MIB,
    kernel,
    commandLine: commandLine ?? "",
    devices: [...devices(options)],
    ...(initrd !== undefined && { initrd }),
    ...(engine !== undefined && { engine }),
    ...(platform !== undefined && { platform }),
    ...(abi !== undefined && { abi }),
    ...(device !== undefined && { device }),
    ...(library !== undefined && { library }),
    ...(unpack !== undefined && { unpack }),
  };
}

function* devices({ block = [], tunnet = [], rng = false }: StartOptions): Generator<DeviceOption> {
  for (const disk of block) {
    const { path, readOnly = false } = typeof disk === "string" ? { path: disk } : disk;
    yield { kind: "block", path, readOnly };
  }
  for (const address of tunnet) yield { kind: "net", tunnet: parseTunnet(address) };
  if (rng) yield { kind: "rng" };
}
