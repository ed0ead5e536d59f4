/**
 * What a Guest is made of, as `guest.ts` wants to hear it: the command line (`cli/launch.ts`) and the library
 * (`library/options.ts`) both end here.
 *
 * @module
 */
import type { DeviceOption } from "./devices.ts";

/**
 * What executes a Guest: the built-in CPU (`soft`), `/dev/kvm` or `/dev/lguest`. `auto` takes the fastest that there is
 * for the platform; `kvm` is refused, since this version has no such engine.
 */
export type EngineName = "auto" | "soft" | "kvm" | "lguest";

/**
 * The machine that a kernel finds itself on: a PC, or the paravirtual one of lguest. `auto` looks into the kernel's
 * file.
 */
export type PlatformName = "auto" | "pc" | "lguest";

/** Who unpacks a compressed kernel: this program, or the kernel's own code in the Guest. */
export type UnpackPlace = "host" | "guest";

/** What a Guest is made of. */
export interface GuestOptions {
  /** RAM in bytes, a multiple of 4096. */
  readonly memory: number;
  /** The kernel image, bzImage or ELF: its path, or its bytes. */
  readonly kernel: string | Uint8Array;
  /** The initial RAM disk: its path, or its bytes. */
  readonly initrd?: string | Uint8Array;
  /** The kernel's command line. On a PC, where none of its words is `console=`, `console=ttyS0` comes before it. */
  readonly commandLine?: string;
  /** Its devices besides the console, in the order of their slots. */
  readonly devices?: readonly DeviceOption[];
  /** The user that this process becomes, for good, once everything is open. */
  readonly username?: string;
  /** The directory that this process gets as its root, for good, once everything is open. */
  readonly chroot?: string;
  /** Path of the C library, which taps, {@link username} and {@link chroot} need. */
  readonly library?: string;
  /** The machine that the kernel finds itself on; `auto` unless given. */
  readonly platform?: PlatformName;
  /** What executes it; `auto` unless given. */
  readonly engine?: EngineName;
  /** The lguest ABI that the kernel speaks, as the Linux version that it came with ("3.11"); `auto` unless given. */
  readonly abi?: string;
  /** Path of the real lguest device; `/dev/lguest` unless given. */
  readonly device?: string;
  /** Who unpacks the kernel; `host` unless given. */
  readonly unpack?: UnpackPlace;
  /** Takes lines that tell what is done. */
  readonly log?: (line: string) => void;
  /** Takes lines about what does not work as it should, though the Guest goes on. */
  readonly warn?: (line: string) => void;
  /** Called when the Guest has asked for a reset and is about to be loaded again. */
  readonly rebooted?: () => void;
  /** The module of the virtual CPU's Worker, if not our own. */
  readonly vcpuModule?: URL;
}
