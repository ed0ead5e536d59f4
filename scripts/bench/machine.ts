/**
 * One running machine: a process whose stdin and stdout are the Guest's console. Bytes that it prints enter; text with
 * the host's time of its arrival leaves. Read next: `machines.ts`, which processes; `session.ts`, what is done to them.
 *
 * @module
 */

/** How a machine is started. */
export interface MachineCommand {
  readonly program: string;
  readonly arguments: readonly string[];
}

/** A machine said nothing that was waited for. */
export class MachineError extends Error {
  override name = "MachineError";
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (found: Sighting) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Characters that are kept of what does not match. */
  readonly keep: number;
}

/** Text that was waited for. */
export interface Sighting {
  /** When its last byte came, in milliseconds of `performance.now()`. */
  readonly at: number;
  /** The text and its groups. */
  readonly match: RegExpExecArray;
  /** Characters that came before it. */
  readonly before: number;
}

/** Text kept for an error message. */
const TAIL = 2000;

/** A machine; end it with `dispose()`. */
export class RunningMachine {
  /** When the process was started, in milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** Its number for `/proc`. */
  readonly pid: number;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #finished: Promise<unknown>;
  /** Lines on stderr, with the time of their arrival. */
  readonly complaints: { readonly at: number; readonly line: string }[] = [];
  #unseen = "";
  /** Characters of this wait that {@link Waiter.keep} did not keep. */
  #dropped = 0;
  #tail = "";
  #lastAt = 0;
  #waiter: Waiter | undefined;
  #ended = false;

  /** Start one; it ends when `abort` says so, or by {@link dispose}. */
  constructor(command: MachineCommand, abort: AbortSignal) {
    const prepared = new Deno.Command(command.program, {
      args: [...command.arguments],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: abort,
    });
    this.startedAt = performance.now();
    this.#process = prepared.spawn();
    this.pid = this.#process.pid;
    this.#input = this.#process.stdin.getWriter();
    this.#finished = Promise.all([this.#readConsole(), this.#readComplaints()]);
  }

  /**
   * Wait for text on the console; what came before it is gone then.
   *
   * @param keep how long the text can be, where so much comes before it that looking through all of it takes time
   * @throws {MachineError} if it does not come in time, or the machine ends
   */
  waitFor(pattern: RegExp, timeout: number, keep: number = Infinity): Promise<Sighting> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(`no ${pattern} within ${timeout / 1000} s`), timeout);
      this.#dropped = 0;
      this.#waiter = { pattern, resolve, reject, timer, keep };
      this.#look();
    });
  }

  /** Type something; returns the time at which it was handed over. */
  async type(text: string): Promise<number> {
    const at = performance.now();
    await this.#input.write(new TextEncoder().encode(text));
    return at;
  }

  /** Switch it off. */
  async dispose(): Promise<void> {
    if (this.#waiter) clearTimeout(this.#waiter.timer);
    this.#waiter = undefined;
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#process.status;
    await this.#input.close().catch(() => {});
    await this.#finished;
  }

  async #readConsole(): Promise<void> {
    const decoder = new TextDecoder("latin1");
    for await (const bytes of this.#process.stdout) {
      this.#lastAt = performance.now();
      const text = decoder.decode(bytes);
      this.#unseen += text;
      this.#tail = (this.#tail + text).slice(-TAIL);
      this.#look();
    }
    this.#ended = true;
    if (this.#waiter) this.#fail(`it ended while ${this.#waiter.pattern} was awaited`);
  }

  async #readComplaints(): Promise<void> {
    let rest = "";
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      const at = performance.now();
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.complaints.push({ at, line });
    }
  }

  #look(): void {
    const waiter = this.#waiter;
    if (!waiter) return;
    const match = waiter.pattern.exec(this.#unseen);
    if (!match) {
      if (this.#ended) this.#fail(`it ended before ${waiter.pattern}`);
      if (this.#unseen.length > waiter.keep) {
        this.#dropped += this.#unseen.length - waiter.keep;
        this.#unseen = this.#unseen.slice(-waiter.keep);
      }
      return;
    }
    this.#unseen = this.#unseen.slice(match.index + match[0].length);
    clearTimeout(waiter.timer);
    this.#waiter = undefined;
    waiter.resolve({ at: this.#lastAt, match, before: this.#dropped + match.index });
  }

  #fail(what: string): void {
    const waiter = this.#waiter;
    if (!waiter) return;
    clearTimeout(waiter.timer);
    this.#waiter = undefined;
    const said = [...this.complaints.map(({ line }) => line), ...this.#tail.split("\n")].slice(-12);
    waiter.reject(new MachineError(`${what}; it last said:\n    ${said.map((line) => line.trimEnd()).join("\n    ")}`));
  }
}
