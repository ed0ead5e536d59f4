/**
 * What a Guest boots: its kernel is read once, found out about, and put into memory for each of its lives.
 *
 * Options enter; leaves which machine the kernel shall be on, what that machine is made of, and the state in which the
 * kernel is entered. Read next: `boot/kernel.ts` (reading), `platform_choice.ts` (choosing), `boot/boot.ts` (placing).
 *
 * @module
 */
import { type NamedFile, placeKernel } from "./boot/boot.ts";
import { BootError } from "./boot/error.ts";
import { inspectKernel } from "./boot/inspect.ts";
import { type Kernel, readKernel } from "./boot/kernel.ts";
import type { EntryState } from "./engine/engine.ts";
import { GuestError } from "./guest_error.ts";
import type { GuestOptions } from "./guest_options.ts";
import { hostBytes } from "./host_file.ts";
import { GuestMemory, MAX_RAM } from "./memory.ts";
import type { ConsoleChoice } from "./platform/console_switch.ts";
import { LGUEST_BUS_PAGES } from "./platform/lguest/bus/layout.ts";
import { LGUEST_PATH } from "./platform/lguest/device.ts";
import { generationOf } from "./platform/lguest/generation.ts";
import { choosePlatform, mayBeLguest, type PlatformChoice, type PlatformSetup } from "./platform_choice.ts";

const PAGE_SIZE = 4096;

/** What lguest's own bus takes above RAM. */
const BUS_SIZE = LGUEST_BUS_PAGES * PAGE_SIZE;

/**
 * Bytes of memory to get for a Guest, before anything is known of its kernel: lguest's own bus stands above RAM, if
 * there is room, which only Guests before Linux 4.0 need.
 */
export function memoryNeeded(options: GuestOptions): number {
  return mayBeLguest(options) ? Math.min(options.memory + BUS_SIZE, MAX_RAM) : options.memory;
}

/** A kernel and its machine. */
export class GuestBoot {
  /** On what, and by what, the kernel runs. */
  readonly choice: PlatformChoice;
  readonly #options: GuestOptions;
  readonly #log: (line: string) => void;
  readonly #kernel: Kernel;
  readonly #initrd: NamedFile | undefined;

  /**
   * Read the files and choose.
   *
   * @param options what the user wants
   * @param log takes lines that tell what is done
   * @throws {GuestError} if a file cannot be used, or not like this
   */
  constructor(options: GuestOptions, log: (line: string) => void) {
    this.#options = options;
    this.#log = log;
    const file = hostBytes(options.kernel, "Kernel");
    if (options.initrd !== undefined) this.#initrd = hostBytes(options.initrd, "Initrd");
    const { memory: memorySize, unpack } = options;
    const started = performance.now();
    const read = (here: boolean) => withGuestErrors(() => readKernel(file, { unpack: here, memorySize }));
    let unpacked: Kernel | undefined;
    this.choice = choosePlatform({
      ...options,
      kernel: file.name,
      inspect: () => inspectKernel(unpacked = read(true)),
    });
    // An lguest Guest cannot unpack itself before its Host has seen what it is.
    const unpackHere = unpack !== "guest" || this.choice.platform === "lguest";
    this.#kernel = unpackHere ? unpacked ?? read(true) : read(false);
    const { platform, engine, generation, reason } = this.choice;
    if (generation !== undefined && generationOf(generation).transport === "bus" && memorySize + BUS_SIZE > MAX_RAM) {
      throw new GuestError(
        `Kernel "${file.name}" has its devices above its memory, where no room is left: give ` +
          `${(MAX_RAM - BUS_SIZE) / 2 ** 20} or less as <mem>`,
      );
    }
    for (const option of platform === "pc" ? ["abi", "device"] as const : []) {
      if (options[option] === undefined || options[option] === "auto") continue;
      options.warn?.(`--${option} does nothing on a PC, which this Guest gets (${reason}): say --platform=lguest`);
    }
    log(`Platform ${platform}, engine ${engine}: ${reason}`);
    log(`Kernel "${file.name}" read in ${Math.round(performance.now() - started)} ms`);
  }

  /** Bytes of the Guest's memory: RAM, and on lguest what stands above it. */
  get memorySize(): number {
    return this.choice.platform === "lguest" ? memoryNeeded(this.#options) : this.#options.memory;
  }

  /** Which console gets what is typed. */
  get keyboard(): ConsoleChoice {
    const { commandLine = "" } = this.#options;
    return this.choice.platform === "lguest" || /(^|\s)console=hvc/.test(commandLine) ? "virtio" : "serial";
  }

  /**
   * Put kernel, command line and initrd into memory.
   *
   * @param memory what was got for the Guest
   * @throws {GuestError} if they do not fit
   */
  place({ memory, base }: GuestMemory): EntryState {
    const { platform } = this.choice, initrd = this.#initrd, commandLine = this.#commandLine;
    const guest = new GuestMemory(memory, base, this.memorySize);
    const placed = { commandLine, initrd, platform, ramSize: this.#options.memory };
    const entry = withGuestErrors(() => placeKernel(guest, this.#kernel, placed));
    this.#log(`Kernel "${this.#kernel.name}" loaded, entered at 0x${entry.eip.toString(16)}`);
    if (initrd) this.#log(`Initrd "${initrd.name}" has ${initrd.bytes.length} bytes`);
    return entry;
  }

  /** What the virtual CPU's thread makes its machine of; `kicker` interrupts the real Host, where that is used. */
  setup(kicker: { readonly kick: SharedArrayBuffer } | undefined): PlatformSetup {
    const { platform, generation } = this.choice;
    if (platform === "pc") return { kind: "pc" };
    const { device: path = LGUEST_PATH, library, memory: ramSize } = this.#options;
    const device = kicker && { path, kick: kicker.kick, ...(library !== undefined && { library }) };
    return {
      kind: "lguest",
      generation: generation!,
      ramSize,
      host: device ? { kind: "device", options: device } : { kind: "soft" },
    };
  }

  /** A stock kernel on a PC would be silent without a console; an lguest Guest knows its own. */
  get #commandLine(): string {
    const { commandLine = "" } = this.#options;
    if (this.choice.platform === "lguest" || /(^|\s)console=/.test(commandLine)) return commandLine;
    return `console=ttyS0 ${commandLine}`.trimEnd();
  }
}

/** What is wrong with a kernel's file, or with what it is to be told, a user can mend. */
function withGuestErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof BootError) throw new GuestError(error.message, { cause: error });
    throw error;
  }
}
