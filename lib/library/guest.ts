/**
 * A Guest as another program sees it: {@link StartOptions} enter, an object that can be talked to leaves. It wraps the
 * machine of `../guest.ts` and connects its console. Nothing here is shared between two Guests. Read next:
 * `console.ts`, `shell.ts`, `../guest.ts`.
 *
 * @module
 */
import type { StopReason } from "../engine/engine.ts";
import { Guest as Machine } from "../guest.ts";
import { GuestError } from "../guest_error.ts";
import type { RunResult } from "./answer.ts";
import { type GuestConsole, LibraryConsole } from "./console.ts";
import type { ExitReason, GuestEventMap, GuestState } from "./events.ts";
import { guestOptions, type StartOptions } from "./options.ts";
import { ConsoleShell } from "./shell.ts";
import type { WaitOptions } from "./transcript.ts";

/**
 * One virtual machine that boots Linux. A program may have several; each has its own Workers, files and memory, and all
 * of that is freed when it stops. Its events are those of {@linkcode GuestEventMap}.
 *
 * @example A command in a Guest
 * ```ts ignore
 * import { Guest } from "@lguest/lguest";
 *
 * await using guest = await Guest.start({ memory: 64, kernel: "bzImage", initrd: "initrd.gz", block: ["disk.img"] });
 * await guest.console.expect("~ # ");
 * const { stdout, status } = await guest.run("uname -r");
 * ```
 *
 * @example A kernel of sixteen `hlt` instructions, which is stopped
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Guest } from "@lguest/lguest";
 *
 * const kernel = new Uint8Array(100);
 * kernel.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 52]);
 * kernel.set([52, 0, 32, 0, 1, 0], 40);
 * kernel.set([1, 0, 0, 0, 84, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 16, 0, 0, 0, 16, 0, 0, 0, 5, 0, 0, 0, 0, 0x10], 52);
 * kernel.fill(0xf4, 84);
 *
 * await using guest = await Guest.start({ memory: 8, kernel });
 * assertEquals(guest.state, "running");
 * assertEquals(await guest.stop(), { kind: "terminated" });
 * ```
 */
export class Guest extends EventTarget implements AsyncDisposable {
  /** Its console. */
  readonly console: GuestConsole;
  /**
   * Why it stopped; everything that it wrote was heard then, and everything is closed.
   *
   * @throws {Error} if this program failed and not the Guest, such as for want of memory
   */
  readonly exited: Promise<ExitReason>;
  readonly #machine: Machine;
  readonly #console: LibraryConsole;
  readonly #shell: ConsoleShell;
  #state: GuestState = "running";

  private constructor(machine: Machine, console: LibraryConsole) {
    super();
    this.#machine = machine;
    this.#console = this.console = console;
    this.#shell = new ConsoleShell(console);
    this.exited = this.#live();
    this.exited.catch(() => {}); // not everybody asks
  }

  /**
   * Make a Guest and switch it on. If that fails, whatever was opened for it is closed again.
   *
   * @param options what it is made of
   * @returns the Guest, whose first instruction may not have been executed yet; events come only after this
   * @throws {GuestError} if a file, a device or the memory cannot be had, or the kernel is none
   * @throws {RangeError} if the memory's size or a network's address makes no sense
   */
  static async start(options: StartOptions): Promise<Guest> {
    const console = new LibraryConsole(options.window);
    // What is told before there is somebody who listens.
    const early: Event[] = [];
    let tell = (event: Event) => void early.push(event);
    const machine = await Machine.create({
      ...guestOptions(options),
      rebooted: () => tell(new Event("reboot")),
      warn: (detail) => tell(new CustomEvent("warning", { detail })),
      ...(options.verbose && { log: (detail: string) => tell(new CustomEvent("log", { detail })) }),
    });
    const guest = new Guest(machine, console);
    setTimeout(() => {
      tell = (event) => void guest.dispatchEvent(event);
      early.forEach(tell);
    });
    return guest;
  }

  /** What it does now. */
  get state(): GuestState {
    return this.#state;
  }

  /**
   * Run a command in the shell that waits at the Guest's console: wait for its prompt first, with
   * {@linkcode GuestConsole.expect}. Any shell of the Bourne family will do (sh, ash, dash, bash, ksh), with `printf`.
   * The command may be anything that `eval` takes, in several lines as well; it is executed by that shell itself, so
   * `cd` and variables last, and `exit` ends the shell. Several commands at once are run one after another. The prompt
   * that follows is left to be expected.
   *
   * @param command the command
   * @param options how long to wait; a command that is given up is interrupted by ^C
   * @returns its output and exit status
   * @throws {GuestTimeoutError} if it does not end in time
   * @throws {GuestError} if the Guest stops before it has ended
   * @throws {TypeError} if the command contains a NUL character
   */
  async run(command: string, options?: WaitOptions): Promise<RunResult> {
    return await this.#shell.run(command, options);
  }

  /**
   * Have the Guest's CPU stand still, and its clocks with it: when it goes on it sees no gap, but its date is late by
   * the length of the pause. Disks finish what they were asked for, and memory stays as it is.
   *
   * @returns resolves when it stands still
   * @throws {GuestError} if it has stopped
   */
  async pause(): Promise<void> {
    await this.#console.hurry(() => this.#machine.pause());
    if (this.#machine.isPaused) this.#become("paused", "pause");
  }

  /**
   * Have it go on. A Guest that is not paused does so anyway.
   *
   * @throws {GuestError} if it has stopped
   */
  resume(): void {
    if (this.#state === "stopped") throw new GuestError("The Guest cannot go on: it has stopped");
    this.#machine.resume();
    this.#become("running", "resume");
  }

  /**
   * Stop it where it stands, as if its power were cut; nothing happens if it has stopped. To have it shut down, tell its
   * shell to, and wait for {@linkcode exited}.
   *
   * @returns why it stopped, when everything is closed
   * @throws {Error} what {@linkcode exited} rejects with
   */
  async stop(): Promise<ExitReason> {
    this.#machine.terminate();
    return await this.exited;
  }

  /** {@linkcode stop} it; `await using` does so at the end of a block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {}); // whoever wants to know asks `exited`
  }

  /** Have a function called at each event of a kind. */
  override addEventListener<K extends keyof GuestEventMap>(
    type: K,
    listener: ((event: GuestEventMap[K]) => void) | { handleEvent(event: GuestEventMap[K]): void } | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** The same for events of any name, as `EventTarget` has it. */
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  async #live(): Promise<ExitReason> {
    try {
      const reason = exitReason(await this.#machine.run(this.#console.far));
      this.#state = "stopped";
      const why = "message" in reason ? `it ${reason.kind}: ${reason.message}` : reason.kind;
      this.#console.end(new GuestError(`The Guest stopped (${why})`), false);
      this.dispatchEvent(new CustomEvent("stop", { detail: reason }));
      return reason;
    } catch (error) {
      this.#state = "stopped";
      this.#console.end(error instanceof Error ? error : new Error(String(error)), true);
      throw error;
    }
  }

  #become(state: GuestState, event: "pause" | "resume"): void {
    if (this.#state === state) return;
    this.#state = state;
    this.dispatchEvent(new Event(event));
  }
}

/** A reset only begins a Guest anew, so no run ends with it. */
function exitReason(reason: StopReason): ExitReason {
  if (reason.kind === "reset") throw new Error("The Guest's run ended with a reset");
  return reason;
}
