/**
 * A Guest: memory, a kernel, a platform and an engine, put together and run. This is the only file that knows every
 * room below it.
 *
 * A description ({@link GuestOptions}) enters; why the Guest stopped leaves. The engine runs in a Worker of its own
 * (`vcpu.ts`), which is started first, as are those of the devices (`devices.ts`); they load their modules and open
 * their files while this thread reads and unpacks the kernel: RAM is shared, so the loader's work needs no copy. Once
 * all of them are ready privileges are dropped, if that was asked for. The consoles' bytes travel in two rings of shared
 * memory between that Worker and a {@link HostConsole}. A Guest that reboots is loaded again from the bytes that are
 * held here, and the same Workers serve it. Read next: `boot/`, `vcpu.ts`.
 *
 * @module
 */
import { Backlog } from "./backlog.ts";
import { loadKernel } from "./boot/boot.ts";
import { BootError } from "./boot/error.ts";
import { GuestError } from "./guest_error.ts";
import { readHostFile } from "./host_file.ts";
import { type DeviceOption, HostDevices } from "./devices.ts";
import type { EntryState, StopReason } from "./engine/engine.ts";
import type { HostConsole } from "./host_console.ts";
import { GuestMemory } from "./memory.ts";
import { ATTENTION_TERMINATE, signal } from "./platform/attention.ts";
import { ConsoleRing } from "./platform/console_ring.ts";
import { preparePrivileges } from "./privileges.ts";
import type { VcpuReport, VcpuRequest } from "./vcpu.ts";

/** What executes a Guest: `auto` takes the fastest that there is. */
export type EngineName = "auto" | "soft";

/** Who unpacks a compressed kernel: this program, or the kernel's own code in the Guest. */
export type UnpackPlace = "host" | "guest";

/** What a Guest is made of. */
export interface GuestOptions {
  /** RAM in bytes, a multiple of 4096. */
  readonly memory: number;
  /** Path of the kernel image: bzImage or ELF. */
  readonly kernel: string;
  /** Path of the initial RAM disk. */
  readonly initrd?: string;
  /** The kernel's command line. */
  readonly commandLine?: string;
  /** Its devices besides the console, in the order of their slots. */
  readonly devices?: readonly DeviceOption[];
  /** The user that this process becomes, for good, once everything is open. */
  readonly username?: string;
  /** The directory that this process gets as its root, for good, once everything is open. */
  readonly chroot?: string;
  /** Path of the C library, which taps, {@link username} and {@link chroot} need. */
  readonly library?: string;
  /** What executes it; `auto` unless given. */
  readonly engine?: EngineName;
  /** Who unpacks the kernel; `host` unless given. */
  readonly unpack?: UnpackPlace;
  /** Takes lines that tell what is done. */
  readonly log?: (line: string) => void;
  /** Takes lines about what does not work as it should, though the Guest goes on. */
  readonly warn?: (line: string) => void;
  /** The module of the virtual CPU's Worker, if not our own. */
  readonly vcpuModule?: URL;
}

/** What is waited for of the virtual CPU's thread. */
interface Expectation {
  readonly kind: VcpuReport["kind"];
  resolve(report: VcpuReport): void;
  reject(error: Error): void;
}

/** Bytes taken from the console's ring at a time. */
const OUTPUT_CHUNK = 65536;

/** How long the virtual CPU may take to stop when it is told to, in milliseconds. */
const TERMINATE_MS = 500;

/** One virtual machine, from its files to its end. */
export class Guest {
  readonly #options: GuestOptions;
  readonly #memory: GuestMemory;
  readonly #worker: Worker;
  readonly #backlog = new Backlog();
  readonly #output = ConsoleRing.allocate();
  readonly #input: ConsoleRing;
  #kernel: Uint8Array<ArrayBuffer> = new Uint8Array();
  #initrd: Uint8Array<ArrayBuffer> | undefined;
  // No promise lives as long as the Guest: each reboot would add to what waits for it.
  #expected: Expectation | undefined;
  #failure: Error | undefined;
  #isTerminated = false;
  /** The virtual CPU was asked to run and has not stopped since. */
  #isRunning = false;
  readonly #devices: Promise<HostDevices>;
  #entry: EntryState | undefined;

  /** Starts the Workers, which load their modules while this thread goes on. */
  private constructor(options: GuestOptions) {
    this.#options = options;
    this.#memory = allocate(options.memory);
    this.#input = new ConsoleRing(ConsoleRing.allocate().buffer, this.#memory.attention);
    this.#worker = new Worker(options.vcpuModule ?? new URL("./vcpu_worker.ts", import.meta.url), {
      type: "module",
      name: "vcpu0",
    });
    this.#worker.onmessage = ({ data }: MessageEvent<VcpuReport>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new Error(`The virtual CPU's Worker failed: ${event.message}`));
    };
    this.#devices = HostDevices.open(options.devices ?? [], {
      memory: this.#memory,
      attention: this.#memory.attention,
      library: options.library,
    });
    this.#devices.catch(() => {}); // it is awaited later
    this.#output.signalRoomTo(this.#memory.attention);
  }

  /**
   * Make a Guest that is ready to run: its files read or opened, its kernel in memory, all Workers started, and then
   * privileges dropped.
   *
   * @throws {GuestError} if a file or a device cannot be used, or the memory cannot be had
   */
  static async create(options: GuestOptions): Promise<Guest> {
    using privileges = preparePrivileges(options);
    const guest = new Guest(options);
    try {
      await guest.#prepare();
      for (const line of privileges.drop()) guest.#log(line);
    } catch (error) {
      await guest.#close();
      throw error;
    }
    return guest;
  }

  async #prepare(): Promise<void> {
    const options = this.#options;
    this.#kernel = readHostFile(options.kernel, "Kernel");
    if (options.initrd !== undefined) this.#initrd = readHostFile(options.initrd, "Initrd");
    this.#entry = this.#load();
    const devices = await this.#devices;
    const { memory, base, size } = this.#memory;
    const ready = this.#nextReport("ready");
    this.#post({
      kind: "setup",
      setup: {
        memory,
        base,
        size,
        output: this.#output.buffer,
        input: this.#input.buffer,
        keyboard: /(^|\s)console=hvc/.test(options.commandLine ?? "") ? "virtio" : "serial",
        devices: devices.setups,
        verbose: options.log !== undefined,
        backlog: this.#backlog.word,
      },
    });
    await ready;
  }

  /**
   * Run until the Guest powers itself off, dies, or {@link terminate} is called. All that it wrote has reached
   * `console` then.
   *
   * @param console the far end of its consoles
   * @returns why it stopped; never a reset, since that only begins it anew
   */
  async run(console: HostConsole): Promise<StopReason> {
    const written = this.#pumpOutput(console);
    void this.#pumpInput(console);
    const resize = () => {
      if (console.window) this.#input.window = console.window;
    };
    resize();
    console.onresize = resize;
    try {
      for (;;) {
        const reason = await this.#runOnce(this.#entry ?? this.#load());
        if (reason.kind !== "reset") return reason;
        this.#log("The Guest reboots");
        this.#entry = undefined;
      }
    } finally {
      const closed = this.#close();
      await written;
      await closed;
    }
  }

  /** End the virtual CPU, then the devices: in this order nobody uses what is closed. */
  async #close(): Promise<void> {
    this.#input.close();
    this.#output.close();
    if (this.#isRunning) {
      // `Worker.terminate()` does not wait for its thread, which may be writing to a tap just now.
      signal(this.#memory.attention, ATTENTION_TERMINATE);
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLong = new Promise<void>((resolve) => timer = setTimeout(resolve, TERMINATE_MS));
      await Promise.race([this.#nextReport("stopped").catch(() => {}), tooLong]);
      clearTimeout(timer);
    }
    this.#worker.terminate();
    const devices = await this.#devices.catch(() => undefined);
    await devices?.close();
  }

  /** Stop the Guest where it stands, as if its power were cut; {@link run} then ends with "terminated". */
  terminate(): void {
    this.#isTerminated = true;
    if (this.#expected?.kind === "stopped") {
      this.#expected.resolve({ kind: "stopped", reason: { kind: "terminated" } });
    }
  }

  #load(): EntryState {
    const { kernel, initrd, commandLine, unpack } = this.#options;
    const started = performance.now();
    try {
      const entry = loadKernel(this.#memory, {
        kernel: { name: kernel, bytes: this.#kernel },
        commandLine: commandLine ?? "",
        unpack: unpack !== "guest",
        initrd: this.#initrd && { name: initrd ?? "", bytes: this.#initrd },
      });
      const ms = Math.round(performance.now() - started);
      this.#log(`Kernel "${kernel}" loaded in ${ms} ms, entered at 0x${entry.eip.toString(16)}`);
      if (this.#initrd) this.#log(`Initrd "${initrd}" has ${this.#initrd.length} bytes`);
      return entry;
    } catch (error) {
      if (error instanceof BootError) throw new GuestError(error.message, { cause: error });
      throw error;
    }
  }

  /** One life of the Guest, from its kernel's first instruction to a stop or a reset. */
  async #runOnce(entry: EntryState): Promise<StopReason> {
    if (this.#isTerminated) return { kind: "terminated" };
    const stopped = this.#nextReport("stopped");
    this.#isRunning = true;
    this.#post({ kind: "run", entry });
    return (await stopped).reason;
  }

  /** The next report of a kind; it rejects if the virtual CPU's thread has failed, or fails before. */
  #nextReport<Kind extends VcpuReport["kind"]>(kind: Kind): Promise<VcpuReport & { kind: Kind }> {
    const { promise, resolve, reject } = Promise.withResolvers<VcpuReport & { kind: Kind }>();
    this.#expected = { kind, resolve: (report) => resolve(report as VcpuReport & { kind: Kind }), reject };
    if (this.#failure) reject(this.#failure);
    return promise;
  }

  #hear(report: VcpuReport): void {
    if (report.kind === "log") {
      this.#backlog.remove();
      (report.warning ? this.#options.warn : this.#options.log)?.(report.line);
    } else if (report.kind === "running") {
      this.#log(`First instruction ${Math.round(performance.now())} ms after start`);
    } else if (report.kind === "failed") this.#fail(vcpuError(report));
    else {
      if (report.kind === "stopped") this.#isRunning = false;
      if (report.kind === this.#expected?.kind) this.#expected.resolve(report);
    }
  }

  #fail(error: Error): void {
    this.#isRunning = false;
    this.#failure ??= error;
    this.#expected?.reject(error);
  }

  async #pumpOutput(console: HostConsole): Promise<void> {
    const chunk = new Uint8Array(OUTPUT_CHUNK);
    while (await this.#output.dataReady()) {
      const count = this.#output.read(chunk);
      await console.write(chunk.subarray(0, count));
    }
  }

  async #pumpInput(console: HostConsole): Promise<void> {
    for (;;) {
      let bytes = await console.read();
      if (!bytes) return;
      while (bytes.length > 0) {
        bytes = bytes.subarray(this.#input.write(bytes));
        if (bytes.length > 0 && !await this.#input.roomReady()) return;
      }
    }
  }

  #post(request: VcpuRequest): void {
    this.#worker.postMessage(request);
  }

  #log(line: string): void {
    this.#options.log?.(line);
  }
}

function vcpuError({ message, stack, user }: VcpuReport & { kind: "failed" }): Error {
  return user ? new GuestError(message) : Object.assign(new Error(message), { stack });
}

function allocate(size: number): GuestMemory {
  try {
    return GuestMemory.allocate(size);
  } catch (error) {
    const mib = size / 2 ** 20;
    throw new GuestError(`Cannot get ${mib} MiB of memory for the Guest: the system refuses`, { cause: error });
  }
}
