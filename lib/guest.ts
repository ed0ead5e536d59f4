/**
 * A Guest: memory, a kernel, a platform and an engine, put together and run. This is the only file that knows every
 * room below it.
 *
 * A description ({@link GuestOptions}) enters; why the Guest stopped leaves. The engine runs in a Worker of its own
 * (`vcpu.ts`), which is started first and loads its modules while this thread reads and unpacks the kernel: RAM is
 * shared, so the loader's work needs no copy. The console's bytes travel in two rings of shared memory between that
 * Worker and a {@link HostConsole}. A Guest that reboots is loaded again from the bytes that are held here, and the
 * same Worker runs it. Read next: `boot/`, `vcpu.ts`.
 *
 * @module
 */
import { loadKernel } from "./boot/boot.ts";
import { BootError } from "./boot/error.ts";
import { GuestError } from "./guest_error.ts";
import { readHostFile } from "./host_file.ts";
import { GuestMemory } from "./memory.ts";
import { ConsoleRing } from "./platform/console_ring.ts";
import type { EntryState, StopReason } from "./engine/engine.ts";
import type { HostConsole } from "./host_console.ts";
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
  /** What executes it; `auto` unless given. */
  readonly engine?: EngineName;
  /** Who unpacks the kernel; `host` unless given. */
  readonly unpack?: UnpackPlace;
  /** Takes lines that tell what is done. */
  readonly log?: (line: string) => void;
  /** The module of the virtual CPU's Worker, if not our own. */
  readonly vcpuModule?: URL;
}

/** Bytes taken from the console's ring at a time. */
const OUTPUT_CHUNK = 65536;

/** One virtual machine, from its files to its end. */
export class Guest {
  readonly #options: GuestOptions;
  readonly #memory: GuestMemory;
  readonly #worker: Worker;
  readonly #output = ConsoleRing.allocate();
  readonly #input = ConsoleRing.allocate();
  readonly #kernel: Uint8Array<ArrayBuffer>;
  readonly #initrd: Uint8Array<ArrayBuffer> | undefined;
  readonly #terminated: PromiseWithResolvers<StopReason> = Promise.withResolvers();
  #entry: EntryState;

  /**
   * Make a Guest that is ready to run: its files read, its kernel in memory.
   *
   * @throws {GuestError} if a file cannot be used or the memory cannot be had
   */
  constructor(options: GuestOptions) {
    this.#options = options;
    this.#memory = allocate(options.memory);
    this.#worker = new Worker(options.vcpuModule ?? new URL("./vcpu_worker.ts", import.meta.url), {
      type: "module",
      name: "vcpu0",
    });
    try {
      const { memory, base, size } = this.#memory;
      this.#post({
        kind: "setup",
        setup: { memory, base, size, output: this.#output.buffer, input: this.#input.buffer },
      });
      this.#kernel = readHostFile(options.kernel, "Kernel");
      this.#initrd = options.initrd === undefined ? undefined : readHostFile(options.initrd, "Initrd");
      this.#entry = this.#load();
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
  }

  /**
   * Run until the Guest powers itself off, dies, or {@link terminate} is called. All that it wrote has reached
   * `console` then.
   *
   * @param console the far end of its first serial port
   * @returns why it stopped; never a reset, since that only begins it anew
   */
  async run(console: HostConsole): Promise<StopReason> {
    const written = this.#pumpOutput(console);
    void this.#pumpInput(console);
    try {
      for (;;) {
        const reason = await this.#runOnce();
        if (reason.kind !== "reset") return reason;
        this.#log("The Guest reboots");
        this.#entry = this.#load();
      }
    } finally {
      this.#worker.terminate();
      this.#input.close();
      this.#output.close();
      await written;
    }
  }

  /** Stop the Guest where it stands, as if its power were cut; {@link run} then ends with "terminated". */
  terminate(): void {
    this.#terminated.resolve({ kind: "terminated" });
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
  #runOnce(): Promise<StopReason> {
    const stopped = new Promise<StopReason>((resolve, reject) => {
      this.#worker.onmessage = ({ data }: MessageEvent<VcpuReport>) => {
        if (data.kind === "running") this.#log(`First instruction ${Math.round(performance.now())} ms after start`);
        else if (data.kind === "stopped") resolve(data.reason);
        else reject(Object.assign(new Error(data.message), { stack: data.stack }));
      };
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`The virtual CPU's Worker failed: ${event.message}`));
      };
    });
    this.#post({ kind: "run", entry: this.#entry });
    return Promise.race([stopped, this.#terminated.promise]);
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

function allocate(size: number): GuestMemory {
  try {
    return GuestMemory.allocate(size);
  } catch (error) {
    const mib = size / 2 ** 20;
    throw new GuestError(`Cannot get ${mib} MiB of memory for the Guest: the system refuses`, { cause: error });
  }
}
