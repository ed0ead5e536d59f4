/**
 * The user's end of the Guest's console: stdin and stdout, a terminal or not.
 *
 * From stdin enter keys, which go to the Guest (^C too: the terminal is raw while the Guest runs); what the Guest
 * wrote leaves on stdout, every byte in order. Three ^C within a second, a signal, or a stdout that nobody reads any
 * more end the program: {@link Terminal.ended} tells how. The terminal is put back by
 * {@link Terminal.close}, by an exit from anywhere, and before a signal ends the program.
 * Read next: `../host_console.ts`, the interface that this implements.
 *
 * @module
 */
import type { HostConsole } from "../host_console.ts";
import type { WindowSize } from "../platform/console.ts";
import type { Outcome } from "./outcome.ts";

/** Exit status after ^C three times, or SIGINT: what a shell shows for a program that SIGINT ended. */
export const INTERRUPTED = 130;

/** The signals that end the program, with its status: 128 and the signal's number, as a shell shows it. */
const SIGNALS = { SIGHUP: 129, SIGINT: INTERRUPTED, SIGTERM: 143 } as const;

/** Three ^C. */
const CTRL_C_PRESSED: Outcome = { reason: "interrupted", message: "^C three times", status: INTERRUPTED };

/** Nobody reads stdout any more; the status is what a shell shows for SIGPIPE. */
const NO_READER: Outcome = { reason: "terminated", message: "Nobody reads stdout any more", status: 141 };

const CTRL_C = 3;
const ESCAPE = 0x1b;
const BRACKET = 0x5b;
const INTERRUPTS_TO_END = 3;
const INTERRUPT_WINDOW_MS = 1000;

/** Keys typed while the Guest does not read; more are lost, as in a terminal's own buffer. */
const TYPE_AHEAD = 65536;

/**
 * Counts ^C: three of them within a second, and no other key in between. Control sequences (ECMA-48 §5.4: ESC [ … and a
 * final byte) are passed over: a terminal sends them by itself when a shell asks after the cursor at each prompt.
 */
export class InterruptCounter {
  #times: number[] = [];
  #within: "nothing" | "escape" | "sequence" = "nothing";

  /**
   * Look at one read's bytes.
   *
   * @param bytes what one read returned; several ^C may arrive in one
   * @param now milliseconds of a monotonic clock
   * @returns whether the user wants to leave
   */
  see(bytes: Uint8Array, now: number): boolean {
    for (const byte of bytes) {
      if (this.#passOver(byte)) continue;
      if (byte !== CTRL_C) this.#times = [];
      else this.#times.push(now);
    }
    this.#times = this.#times.slice(-INTERRUPTS_TO_END);
    return this.#times.length === INTERRUPTS_TO_END && now - this.#times[0]! <= INTERRUPT_WINDOW_MS;
  }

  /** Whether a byte is part of a control sequence; a control character, such as ^C, never is. */
  #passOver(byte: number): boolean {
    const before = this.#within;
    if (byte === ESCAPE) {
      if (before === "escape") this.#times = [];
      this.#within = "escape";
      return true;
    }
    this.#within = "nothing";
    if (before === "escape") {
      if (byte === BRACKET) this.#within = "sequence";
      else this.#times = []; // it was the key Escape, or one with Alt
      return byte === BRACKET;
    }
    if (before === "nothing" || byte < 0x20) return false;
    if (byte < 0x40) this.#within = "sequence";
    return true;
  }
}

/** stdin and stdout as the Guest's console. */
export class Terminal implements HostConsole {
  /** Resolves when the user, a signal or a closed stdout ends the program; to the first of them. */
  readonly ended: Promise<Outcome>;
  readonly #resolve: (outcome: Outcome) => void;
  #outcome: Outcome | undefined;
  readonly #interrupts = new InterruptCounter();
  readonly #listeners: [Deno.Signal, () => void][] = [];
  readonly #isTerminal = Deno.stdin.isTerminal();
  /** Called when {@link window} changes. */
  onresize?: () => void;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #wake: (() => void) | undefined;
  #reading = false;
  #inputOver = false;
  #raw = false;
  #isMute = false;

  /** Nothing happens to the terminal before {@link open}. */
  constructor() {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  /** What {@link ended} resolves to, if that is known already. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** The size of the window that the Guest's output appears in. */
  get window(): WindowSize | undefined {
    if (!Deno.stdout.isTerminal()) return undefined;
    try {
      return Deno.consoleSize();
    } catch {
      return undefined; // the terminal has gone away
    }
  }

  /** Make the terminal raw and begin to read keys. */
  open(): void {
    for (const [name, status] of Object.entries(SIGNALS)) {
      const outcome: Outcome = { reason: "terminated", message: name, status };
      this.#listen(name as Deno.Signal, () => this.#end(outcome));
    }
    // A shell that stopped and continues us may have changed the terminal meanwhile.
    this.#listen("SIGCONT", () => this.#setRaw());
    this.#listen("SIGWINCH", () => this.onresize?.());
    addEventListener("unload", this.#restore);
    this.#setRaw();
    void this.#readInput();
  }

  /** Put the terminal back as it was. */
  close(): void {
    this.#restore();
    removeEventListener("unload", this.#restore);
    for (const [name, listener] of this.#listeners.splice(0)) Deno.removeSignalListener(name, listener);
  }

  /** Write all of `bytes` to stdout; done when the last is written. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      try {
        done += await Deno.stdout.write(bytes.subarray(done));
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) {
          // Somebody made our stdout non-blocking, and its reader is slow.
          await new Promise((resolve) => setTimeout(resolve, 5));
          continue;
        }
        this.#stdoutFailed(error);
        return;
      }
    }
  }

  /** Nothing can be shown any more. That nobody listens is no error; anything else is told once. */
  #stdoutFailed(error: unknown): void {
    if (this.#isMute) return;
    this.#isMute = true;
    const isPipe = error instanceof Deno.errors.BrokenPipe;
    const message = `stdout cannot be written: ${error instanceof Error ? error.message : error}`;
    this.#end(isPipe ? NO_READER : { reason: "error", message, status: 1 });
  }

  #end(outcome: Outcome): void {
    this.#outcome ??= outcome;
    this.#resolve(outcome);
  }

  /** The next keys, or `undefined` when there will be none. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0 && !this.#inputOver) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const bytes = this.#queue.shift();
    this.#queued -= bytes?.length ?? 0;
    if (bytes && !this.#reading) void this.#readInput();
    return bytes;
  }

  /** A terminal is read even while the Guest does not listen, to see ^C; a pipe waits instead, to lose nothing. */
  async #readInput(): Promise<void> {
    if (this.#reading || this.#inputOver) return;
    this.#reading = true;
    const buffer = new Uint8Array(4096);
    while (this.#isTerminal || this.#queue.length === 0) {
      const count = await Deno.stdin.read(buffer).catch(() => null);
      if (count === null) {
        this.#inputOver = true;
        this.#wake?.();
        break;
      }
      const bytes = buffer.slice(0, count);
      if (this.#interrupts.see(bytes, performance.now())) this.#end(CTRL_C_PRESSED);
      if (this.#queued + count > TYPE_AHEAD) continue;
      this.#queue.push(bytes);
      this.#queued += count;
      this.#wake?.();
    }
    this.#reading = false;
  }

  #listen(name: Deno.Signal, listener: () => void): void {
    Deno.addSignalListener(name, listener);
    this.#listeners.push([name, listener]);
  }

  #setRaw(): void {
    if (!this.#isTerminal) return;
    Deno.stdin.setRaw(true);
    this.#raw = true;
  }

  readonly #restore = (): void => {
    if (!this.#raw) return;
    this.#raw = false;
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone away.
    }
  };
}
