/**
 * The one table of what can stand on the command line. Parsing (`options.ts`), `--help` (`help.ts`), the manual
 * (`manual.ts`) and the shells' completions (`completions.ts`) are all made from it: a new option is one entry here.
 *
 * @module
 */
import type { DeviceOption } from "../devices.ts";
import type { EngineName, PlatformName, UnpackPlace } from "../guest_options.ts";
import { parseAbi, parseBlock, parseChoice, parseNetwork } from "./option_values.ts";

/** What the command line asks for when it asks for a Guest. */
export interface LaunchOptions {
  /** RAM in bytes. */
  memory: number;
  /** Path of the kernel image. */
  kernel: string;
  /** The kernel's words, as given. */
  kernelArguments: string[];
  /** Path of the initial RAM disk. */
  initrd?: string;
  /** Devices, in the order given: the first disk is the Guest's vda, the first network its eth0. */
  devices: DeviceOption[];
  /** Whose rights the program keeps once everything is open. */
  username?: string;
  /** The directory that becomes the program's root once everything is open. */
  chroot?: string;
  /** Path of the C library. */
  library?: string;
  /** The machine that the kernel finds itself on. */
  platform: PlatformName;
  /** What executes the Guest. */
  engine: EngineName;
  /** The lguest ABI that the kernel speaks: `auto` or a Linux version. */
  abi: string;
  /** Path of the real lguest device, if not the usual one. */
  device?: string;
  /** Who unpacks a compressed kernel. */
  unpack: UnpackPlace;
  /** Path of the file that gets the program's own lines. */
  log?: string;
  /** End with a line for programs to read. */
  json: boolean;
  /** Tell what is done, and where an error came from. */
  verbose: boolean;
}

/** What an option's value is. */
export interface OptionValue {
  /** What it is called in the usage text. */
  readonly name: string;
  /** What a shell offers for it: the names of files, directories or users; nothing for anything else. */
  readonly kind?: "file" | "directory" | "user";
  /** The words, or beginnings of words, that a shell offers. */
  readonly offers?: readonly string[];
}

/** One option of the launcher. */
export interface OptionSpec {
  /** Its name, without dashes. */
  readonly name: string;
  /** A letter that means the same after one dash. */
  readonly letter?: string;
  /** Its value; options without it take none. */
  readonly value?: OptionValue;
  /** Its line in the usage text. */
  readonly help: string;
  /** What the manual says besides. */
  readonly manual?: string;
  /** Whether it may be given again, for one more. */
  readonly repeats?: boolean;
  /** Do what it says. */
  readonly apply: (options: LaunchOptions, value: string) => void;
  /** Instead of {@link apply}: this option is all that was wanted. */
  readonly instead?: "help" | "version";
}

/** Something else that the program does, asked for by a word where the memory size would stand. */
export interface CommandSpec {
  /** The word. */
  readonly name: string;
  /** The words of which one must follow it; none if none may. */
  readonly words: readonly string[];
  /** Its line in the usage text. */
  readonly help: string;
  /** What the manual says besides. */
  readonly manual: string;
}

/** Those that there are. `kvm` is a name too, to be refused with what could be used instead. */
const ENGINES: readonly EngineName[] = ["auto", "soft", "lguest"];
const PLATFORMS: readonly PlatformName[] = ["auto", "pc", "lguest"];
const PLACES: readonly UnpackPlace[] = ["host", "guest"];

/** The shells that `completions` knows. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** The options, in the order in which they are listed. */
export const OPTIONS: readonly OptionSpec[] = [
  {
    name: "initrd",
    value: { name: "FILE", kind: "file" },
    help: "initial RAM disk (cpio archive, compressed or not)",
    apply: (options, value) => options.initrd = value,
  },
  {
    name: "block",
    value: { name: "FILE[,readonly]", kind: "file" },
    help: "a disk: raw image or block device; the first is vda; may be given again",
    manual: "The file is locked: a second Guest that wants to write to it is refused.",
    repeats: true,
    apply: (options, value) => options.devices.push(parseBlock(value)),
  },
  {
    name: "tunnet",
    value: { name: "ADDRESS", offers: ["bridge:"] },
    help: "a network by a tap: IP[:MAC] of the host's end, or bridge:NAME[:MAC]; may be given again",
    manual: "Needs root or CAP_NET_ADMIN, and the C library. A MAC address is made up unless one is given.",
    repeats: true,
    apply: (options, value) => options.devices.push(parseNetwork(value)),
  },
  {
    name: "rng",
    help: "random numbers for the Guest",
    manual: "They are in /dev/hwrng there.",
    apply: (options) => options.devices.push({ kind: "rng" }),
  },
  {
    name: "username",
    value: { name: "NAME", kind: "user" },
    help: "become this user once everything is open",
    manual: "Needs root, and the C library.",
    apply: (options, value) => options.username = value,
  },
  {
    name: "chroot",
    value: { name: "DIR", kind: "directory" },
    help: "make this directory the root once everything is open",
    manual: "Needs root, and the C library. An empty directory will do.",
    apply: (options, value) => options.chroot = value,
  },
  {
    name: "library",
    value: { name: "FILE", kind: "file" },
    help: "the C library, if it does not stand beside the program",
    apply: (options, value) => options.library = value,
  },
  {
    name: "platform",
    value: { name: "NAME", offers: PLATFORMS },
    help: "the machine for the kernel: auto, pc, or lguest (for kernels with CONFIG_LGUEST_GUEST)",
    apply: (options, value) => options.platform = parseChoice("platform", PLATFORMS, value),
  },
  {
    name: "engine",
    value: { name: "NAME", offers: ENGINES },
    help: "what runs the Guest: auto, soft (the built-in CPU) or lguest (the real device)",
    apply: (options, value) => options.engine = value === "kvm" ? value : parseChoice("engine", ENGINES, value),
  },
  {
    name: "abi",
    value: { name: "VERSION", offers: ["auto", "4.13", "3.11", "2.6.32"] },
    help: "the lguest ABI that the kernel speaks: auto, or a Linux version, as 4.13, 3.11, 2.6.32",
    apply: (options, value) => options.abi = parseAbi(value),
  },
  {
    name: "device",
    value: { name: "FILE", kind: "file" },
    help: "the real lguest device, if it is not /dev/lguest",
    apply: (options, value) => options.device = value,
  },
  {
    name: "unpack",
    value: { name: "WHERE", offers: PLACES },
    help: "who unpacks a compressed kernel: host (faster) or guest",
    apply: (options, value) => options.unpack = parseChoice("place to unpack the kernel", PLACES, value),
  },
  {
    name: "log",
    value: { name: "FILE", kind: "file" },
    help: "what --verbose tells, warnings and errors go into this file, with the time",
    manual:
      "The time is in seconds since the start. What the Guest writes to its consoles goes to stdout all the same.",
    apply: (options, value) => options.log = value,
  },
  {
    name: "json",
    help: "end with a JSON object on stderr: why, status, run time, exits by kind, bytes in and out",
    manual: "It is the last line, also where the Guest could not be started or the command line was wrong.",
    apply: (options) => options.json = true,
  },
  {
    name: "verbose",
    letter: "v",
    help: "tell what is done; an error shows where it came from",
    apply: (options) => options.verbose = true,
  },
  { name: "help", letter: "h", help: "this text", apply: () => {}, instead: "help" },
  { name: "version", help: "the version of this program", apply: () => {}, instead: "version" },
];

/** The commands, in the order in which they are listed. */
export const COMMANDS: readonly CommandSpec[] = [
  {
    name: "doctor",
    words: [],
    help: "what this machine offers, and what to do about what is missing",
    manual: "With --json it prints one JSON object instead. " +
      "Its status is 0 unless nothing can be run on this machine at all.",
  },
  {
    name: "completions",
    words: SHELLS,
    help: "a script that teaches a shell to complete these words",
    manual: "For bash: source <(lguest completions bash). For zsh the same, behind compinit. " +
      "For fish: lguest completions fish | source.",
  },
  { name: "man", words: [], help: "the manual page, in roff", manual: "To read it: lguest man | man -l -." },
];
