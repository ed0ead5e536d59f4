/**
 * A Guest: memory, a kernel, a platform and an engine, put together and run. This is the only file that knows every
 * room below it.
 *
 * A description ({@link GuestOptions}) enters; why the Guest stopped leaves. The engine runs in a Worker of its own
 * (`vcpu.ts`), which is started first, as are those of the devices (`devices.ts`); they load their modules and open
 * their files while this thread reads and unpacks the kernel: RAM is shared, so the loader's work needs no copy. Once
 * all of them are ready privileges are dropped, if that was asked for. The consoles' bytes travel in two rings of shared
 * memory between that Worker and a {@link HostConsole}. A Guest that reboots is loaded again from the bytes that are
 * held here, and the same Workers serve it. Read next: `guest_boot.ts`, `vcpu.ts`.
 *
 * @module
 */
import { Backlog } from "./backlog.ts";
import { GuestBoot, memoryNeeded } from "./guest_boot.ts";
import { GuestError } from "./guest_error.ts";
import type { GuestOptions } from "./guest_options.ts";
import { HostDevices } from "./devices.ts";
import type { EntryState, StopReason } from "./engine/engine.ts";
import type { HostConsole } from "./host_console.ts";
import { GuestMemory } from "./memory.ts";
import { ATTENTION_TERMINATE, signal } from "./platform/attention.ts";
import { ConsoleRing } from "./platform/console_ring.ts";
import { type Kicker, startKicker } from "./platform/lguest/kicker.ts";
import { PauseControl } from "./platform/pause.ts";
import { preparePrivileges } from "./privileges.ts";
import { describeExits, type Statistics } from "./statistics.ts";
import type { VcpuReport, VcpuRequest } from "./vcpu_messages.ts";

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
  readonly #pause: PauseControl;
  #boot: GuestBoot | undefined;
  #kicker: Kicker | undefined;
  // No promise lives as long as the Guest: each reboot would add to what waits for it.
  #expected: Expectation | undefined;
  #failure: Error | undefined;
  #isTerminated = false;
  #isClosed = false;
  /** The virtual CPU was asked to run and has not stopped since. */
  #isRunning = false;
  #startedAt: number | undefined;
  #lifeBegan = 0;
  #counted: Statistics = { exits: {}, bytes: {} };
  /** What has gone through the consoles, which are counted here, where all their bytes pass. */
  readonly #consoleBytes = { in: 0, out: 0 };
  readonly #devices: Promise<HostDevices>;
  #entry: EntryState | undefined;

  /** Starts the Workers, which load their modules while this thread goes on. */
  private constructor(options: GuestOptions) {
    this.#options = options;
    this.#memory = allocate(options);
    this.#pause = new PauseControl(this.#memory);
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
    const privileges = preparePrivileges(options);
    try {
      const guest = new Guest(options);
      try {
        await guest.#prepare();
        for (const line of privileges.drop()) guest.#log(line);
      } catch (error) {
        await guest.#close();
        throw error;
      }
      return guest;
    } finally {
      privileges[Symbol.dispose](); // Node 20 knows no `using`
    }
  }

  async #prepare(): Promise<void> {
    const options = this.#options;
    const boot = this.#boot = new GuestBoot(options, (line) => this.#log(line));
    this.#entry = boot.place(this.#memory);
    if (boot.choice.engine === "lguest") this.#kicker = this.#startKicker();
    const devices = await this.#devices;
    await this.#kicker?.ready;
    const { memory, base } = this.#memory;
    const ready = this.#nextReport("ready");
    this.#post({
      kind: "setup",
      setup: {
        memory,
        base,
        size: boot.memorySize,
        output: this.#output.buffer,
        input: this.#input.buffer,
        platform: boot.setup(this.#kicker),
        keyboard: boot.keyboard,
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
        const reason = await this.#runOnce(this.#entry ?? this.#boot!.place(this.#memory));
        if (reason.kind !== "reset") return reason;
        this.#log("The Guest reboots");
        this.#options.rebooted?.();
        this.#entry = undefined;
      }
    } finally {
      const closed = this.#close();
      await written;
      await closed;
    }
  }

  /** When its first instruction ran, in milliseconds of `performance.now()`; `undefined` before. */
  get startedAt(): number | undefined {
    return this.#startedAt;
  }

  /**
   * How often the engine left the Guest, and bytes in and out, over all reboots. The console's bytes are those of now;
   * all else is known when the Guest has stopped, and stays unknown if its virtual CPU had to be ended by force.
   */
  get statistics(): Statistics {
    const { exits, bytes } = this.#counted;
    return { exits, bytes: { console: { ...this.#consoleBytes }, ...bytes } };
  }

  /** End the virtual CPU, then the devices: in this order nobody uses what is closed. */
  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#input.close();
    this.#output.close();
    if (this.#isRunning) {
      // `Worker.terminate()` does not wait for its thread, which may be writing to a tap just now.
      signal(this.#memory.attention, ATTENTION_TERMINATE);
      this.#pause.release(); // only now: it shall see the other first
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLong = new Promise<void>((resolve) => timer = setTimeout(resolve, TERMINATE_MS));
      await Promise.race([this.#nextReport("stopped").catch(() => {}), tooLong]);
      clearTimeout(timer);
    }
    this.#pause.release();
    this.#worker.terminate();
    await this.#kicker?.close();
    const devices = await this.#devices.catch(() => undefined);
    await devices?.close();
  }

  /**
   * Have the virtual CPU and its clock stand still until {@link resume}; disks finish what they were asked for.
   *
   * @returns resolves when it does, or when it was resumed before that
   * @throws {GuestError} if it has stopped
   */
  async pause(): Promise<void> {
    if (!this.#isClosed) {
      this.#pause.request();
      await this.#pause.settled();
    }
    if (this.#isClosed) throw new GuestError("The Guest cannot be paused: it has stopped");
  }

  /** Whether it stands still, or is about to. */
  get isPaused(): boolean {
    return this.#pause.isWanted;
  }

  /** Let it go on where it stood. */
  resume(): void {
    this.#pause.release();
  }

  /** Stop the Guest where it stands, as if its power were cut; {@link run} then ends with "terminated". */
  terminate(): void {
    this.#isTerminated = true;
    if (this.#expected?.kind === "stopped") {
      this.#expected.resolve({ kind: "stopped", reason: { kind: "terminated" } });
    }
  }

  #startKicker(): Kicker {
    const { library, warn } = this.#options;
    return startKicker({
      attention: this.#memory.attention,
      onFailure: (message) => warn?.(message),
      ...(library !== undefined && { library }),
    });
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
      this.#lifeBegan = performance.now();
      this.#startedAt ??= this.#lifeBegan;
      this.#log(`First instruction ${Math.round(performance.now())} ms after start`);
    } else if (report.kind === "failed") this.#fail(vcpuError(report));
    else {
      if (report.kind === "stopped") {
        this.#isRunning = false;
        this.#count(report.statistics);
      }
      if (report.kind === this.#expected?.kind) this.#expected.resolve(report);
    }
  }

  /** A life of the Guest has ended: what it added to the counters is worth a line. */
  #count(statistics: Statistics | undefined): void {
    if (!statistics) return;
    const before = this.#counted.exits, seconds = (performance.now() - this.#lifeBegan) / 1000;
    const exits = Object.entries(statistics.exits).map(([kind, count]) => [kind, count - (before[kind] ?? 0)]);
    this.#log(`Exits: ${describeExits(Object.fromEntries(exits), seconds)}`);
    this.#counted = statistics;
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
      this.#consoleBytes.out += count;
      await console.write(chunk.subarray(0, count));
    }
  }

  async #pumpInput(console: HostConsole): Promise<void> {
    for (;;) {
      let bytes = await console.read();
      if (!bytes) return;
      while (bytes.length > 0) {
        const count = this.#input.write(bytes);
        this.#consoleBytes.in += count;
        bytes = bytes.subarray(count);
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

function allocate(options: GuestOptions): GuestMemory {
  try {
    return GuestMemory.allocate(memoryNeeded(options));
  } catch (error) {
    const mib = options.memory / 2 ** 20;
    throw new GuestError(`Cannot get ${mib} MiB of memory for the Guest: the system refuses`, { cause: error });
  }
}
