/**
 * The command line: words come in, {@link LaunchOptions} (or a wish for help) leave, or a {@link UsageError}.
 *
 * `lguest [options] <mem> <kernel> [kernel arguments…]`, read as GNU getopt read the original's: options of the
 * launcher are recognised before, between and after the other words, until `--`, which is itself dropped. The first
 * two other words are memory and kernel; the rest is the kernel's and is not touched. An option is one entry in
 * {@link OPTIONS}: its parsing and its line in the usage text both come from there. Read next: `../guest.ts`.
 *
 * @module
 */
import { MAX_RAM } from "../memory.ts";
import { parseTunnet } from "../net/tunnet.ts";
import type { DeviceOption } from "../devices.ts";
import type { EngineName, UnpackPlace } from "../guest.ts";

/** A command line that cannot be used; the message says what to change. */
export class UsageError extends Error {
  override name = "UsageError";
}

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
  /** What executes the Guest. */
  engine: EngineName;
  /** Who unpacks a compressed kernel. */
  unpack: UnpackPlace;
  /** Tell what is done, and where an error came from. */
  verbose: boolean;
}

/** What a command line means. */
export type Command =
  | { readonly kind: "run"; readonly options: LaunchOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" };

/** One option of the launcher. */
interface OptionSpec {
  /** Its name, without dashes. */
  readonly name: string;
  /** A letter that means the same after one dash. */
  readonly letter?: string;
  /** What its value is called in the usage text; options without it take none. */
  readonly value?: string;
  /** Its line in the usage text. */
  readonly help: string;
  /** Do what it says. */
  readonly apply: (options: LaunchOptions, value: string) => void;
  /** Instead of {@link apply}: this option is all that was wanted. */
  readonly instead?: "help" | "version";
}

const OPTIONS: readonly OptionSpec[] = [
  {
    name: "initrd",
    value: "FILE",
    help: "initial RAM disk (cpio archive, compressed or not)",
    apply: (options, value) => options.initrd = value,
  },
  {
    name: "block",
    value: "FILE[,readonly]",
    help: "a disk: raw image or block device; the first is vda; may be given again",
    apply: (options, value) => options.devices.push(parseBlock(value)),
  },
  {
    name: "tunnet",
    value: "ADDRESS",
    help: "a network by a tap device: IP[:MAC] of the host's end, or bridge:NAME[:MAC]; may be given again",
    apply: (options, value) => options.devices.push(parseNetwork(value)),
  },
  {
    name: "rng",
    help: "random numbers for the Guest",
    apply: (options) => options.devices.push({ kind: "rng" }),
  },
  {
    name: "username",
    value: "NAME",
    help: "become this user once everything is open",
    apply: (options, value) => options.username = value,
  },
  {
    name: "chroot",
    value: "DIR",
    help: "make this directory the root once everything is open",
    apply: (options, value) => options.chroot = value,
  },
  {
    name: "library",
    value: "FILE",
    help: "the C library, if it does not stand beside the program",
    apply: (options, value) => options.library = value,
  },
  {
    name: "engine",
    value: "NAME",
    help: "what runs the Guest: auto or soft (the built-in CPU)",
    apply: (options, value) => options.engine = parseEngine(value),
  },
  {
    name: "unpack",
    value: "WHERE",
    help: "who unpacks a compressed kernel: host (faster) or guest",
    apply: (options, value) => options.unpack = parseUnpack(value),
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

/** What a PC has below the first address that a kernel is loaded at. */
const MIN_RAM = 1 << 20;

const READ_ONLY = ",readonly";

const SYNOPSIS = "lguest [options] <mem> <kernel> [kernel arguments…]";

/**
 * Read a command line.
 *
 * @param words the words after the program's name
 * @throws {UsageError} if it makes no sense
 */
export function parseCommandLine(words: readonly string[]): Command {
  const options: LaunchOptions = {
    memory: 0,
    kernel: "",
    kernelArguments: [],
    devices: [],
    engine: "auto",
    unpack: "host",
    verbose: false,
  };
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === "--") {
      rest.push(...words.slice(i + 1));
      break;
    }
    if (!isOption(word, rest.length)) {
      rest.push(word);
      continue;
    }
    for (const { spec, value } of splitOption(word)) {
      if (spec.instead) return { kind: spec.instead };
      if (spec.value === undefined) spec.apply(options, "");
      else spec.apply(options, value ?? nextWord(spec, words[++i]));
    }
  }
  const [memory, kernel, ...kernelArguments] = rest;
  if (memory === undefined) throw new UsageError(`No memory size and no kernel given; usage: ${SYNOPSIS}`);
  options.memory = parseMemory(memory);
  if (!kernel) throw new UsageError(`No kernel given; usage: ${SYNOPSIS}`);
  return { kind: "run", options: { ...options, kernel, kernelArguments } };
}

/**
 * Read a memory size: MiB, or with a unit K, M, G or T in either case (`64`, `64m`, `64MiB`, `1g`).
 *
 * @returns bytes, a multiple of 4096
 * @throws {UsageError} if it is no size, or none a Guest can have
 */
export function parseMemory(text: string): number {
  const most = `at most ${MAX_RAM / 2 ** 20} MiB`;
  if (/^-\d/.test(text)) throw new UsageError(`Memory size "${text}" is negative`);
  const parts = /^(\d+)([kmgt])?(?:i?b)?$/i.exec(text);
  if (!parts) throw new UsageError(`Memory size "${text}" is not a number of MiB, nor one with a unit as in 64m or 1g`);
  const unit = 1024 ** ("kmgt".indexOf((parts[2] ?? "m").toLowerCase()) + 1);
  const bytes = Number(parts[1]) * unit;
  if (bytes > MAX_RAM) throw new UsageError(`Memory size "${text}" is too large: a Guest can have ${most}`);
  if (bytes < MIN_RAM) throw new UsageError(`Memory size "${text}" is too small: Linux wants 32 MiB or more`);
  return bytes - bytes % 4096;
}

/** The text that `--help` prints, made from the table of options. */
export function usage(): string {
  const rows = OPTIONS.map((spec) => {
    const long = `--${spec.name}${spec.value ? `=${spec.value}` : ""}`;
    return [spec.letter ? `-${spec.letter}, ${long}` : `    ${long}`, spec.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    `Usage: ${SYNOPSIS}`,
    "",
    "Boots a Linux kernel (bzImage or ELF vmlinux, i386) and connects its consoles to this terminal: the serial port",
    "ttyS0, and hvc0 of virtio, which also gets what is typed if the kernel's words have console=hvc0. Without a",
    "console= among them the kernel is told console=ttyS0. <mem> is in MiB, or has a unit: 64m, 1g. Words for the",
    "kernel that begin with a dash go behind --. ^C goes to the Guest; ^C three times within a second ends this program.",
    "",
    "Options:",
    ...rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`),
    "",
    "Exit status: 0 the Guest powered itself off, 1 an error or the Guest died, 130 ended by ^C.",
  ].join("\n");
}

/** A lone dash is a word; so is a number with a sign where the memory size is due, to be refused as such there. */
function isOption(word: string, wordsBefore: number): boolean {
  return word.startsWith("-") && word !== "-" && !(wordsBefore === 0 && /^-\d/.test(word));
}

/** The options that one word holds: one long one, or letters after one dash. */
function splitOption(word: string): { spec: OptionSpec; value?: string }[] {
  if (!word.startsWith("--")) {
    return [...word.slice(1)].map((letter) => {
      const spec = OPTIONS.find((candidate) => candidate.letter === letter);
      if (!spec) throw unknownOption(word);
      return { spec };
    });
  }
  const equals = word.indexOf("=");
  const name = word.slice(2, equals < 0 ? undefined : equals);
  const spec = OPTIONS.find((candidate) => candidate.name === name);
  if (!spec) throw unknownOption(word);
  if (equals < 0) return [{ spec }];
  if (spec.value === undefined) throw new UsageError(`Option "--${name}" takes no value`);
  return [{ spec, value: checkValue(spec, word.slice(equals + 1)) }];
}

function nextWord(spec: OptionSpec, word: string | undefined): string {
  return checkValue(spec, word ?? "");
}

function checkValue(spec: OptionSpec, value: string): string {
  if (value === "") throw new UsageError(`Option "--${spec.name}" needs a value: --${spec.name}=${spec.value}`);
  return value;
}

function unknownOption(word: string): UsageError {
  return new UsageError(
    `Unknown option "${word}"; --help lists the options, and words for the kernel that begin with a dash go behind --`,
  );
}

/** A disk: a file's name, and perhaps {@link READ_ONLY} behind it. */
function parseBlock(value: string): DeviceOption {
  const readOnly = value.endsWith(READ_ONLY);
  const path = readOnly ? value.slice(0, -READ_ONLY.length) : value;
  if (path === "") throw new UsageError(`Option "--block=${value}" names no file`);
  return { kind: "block", path, readOnly };
}

function parseNetwork(value: string): DeviceOption {
  try {
    return { kind: "net", tunnet: parseTunnet(value) };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function parseEngine(value: string): EngineName {
  if (value === "auto" || value === "soft") return value;
  if (value === "kvm" || value === "lguest") {
    throw new UsageError(`Engine "${value}" is not available yet; --engine=soft runs everywhere`);
  }
  throw new UsageError(`Unknown engine "${value}"; there are auto and soft`);
}

function parseUnpack(value: string): UnpackPlace {
  if (value === "host" || value === "guest") return value;
  throw new UsageError(`Cannot unpack the kernel on "${value}"; there are host and guest`);
}
