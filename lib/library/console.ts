/**
 * A Guest's console for a program: what the Guest writes leaves as a stream, as matches of `expect`, and for the
 * commands of `shell.ts`; what the program types goes the other way. The program sees a {@link LibraryConsole} as
 * {@link GuestConsole}, `../guest.ts` sees its {@link LibraryConsole.far | far end}. Read next: `console_streams.ts`,
 * `transcript.ts`, `shell.ts`.
 *
 * @module
 */
import type { HostConsole } from "../host_console.ts";
import type { WindowSize } from "../platform/console.ts";
import { InputStream, OutputStream } from "./console_streams.ts";
import { type ConsoleMatch, Transcript, type WaitOptions } from "./transcript.ts";

/** The console of a Guest: its serial port and its virtio console, which write to one terminal. */
export interface GuestConsole {
  /**
   * All that the Guest writes, from its first byte on. While nobody holds a reader the Guest does not wait, and the last
   * MiB is kept; while somebody does, it waits for a slow one, as it would for a terminal. Ends when the Guest has
   * stopped. `expect` and `run` see everything as well.
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What is typed for the Guest; a chunk is done when it was taken. What a stopped Guest is sent is dropped. */
  readonly writable: WritableStream<Uint8Array>;
  /** The size of the window, which a Guest learns on `hvc0`; a serial port does not tell it. 0 means unknown. */
  window: WindowSize;

  /**
   * Type something for the Guest.
   *
   * @param data text, as UTF-8, or bytes; the Enter key is `"\r"`
   * @returns resolves when it was taken
   */
  write(data: string | Uint8Array): Promise<void>;

  /**
   * Wait until the Guest writes something. What is looked at is all that it has written since the last match, or since
   * its start, but of old text only the last MiB; it is UTF-8 with the line ends of a terminal, `"\r\n"`. Who waits for
   * several things at once gets them in the order of the calls.
   *
   * @param pattern text, or a regular expression, which matches as soon as it can
   * @param options how long to wait
   * @returns the match, and what came before it
   * @throws {GuestTimeoutError} if it does not come in time
   * @throws {GuestError} if the Guest stops before it comes
   */
  expect(pattern: string | RegExp, options?: WaitOptions): Promise<ConsoleMatch>;
}

/** Hears all output as it comes; what it returns is what `expect` gets to see of it. */
export type Listener = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

/** What a Guest's console is made of. */
export class LibraryConsole implements GuestConsole {
  /** The output as text. */
  readonly transcript: Transcript = new Transcript();
  /** What the Guest is connected to. */
  readonly far: HostConsole & { onresize?: () => void };
  readonly #output = new OutputStream();
  readonly #input = new InputStream();
  #listener: Listener | undefined;
  #whenStopped: ((error: Error) => void) | undefined;
  #stopped: Error | undefined;
  #window: WindowSize;

  /** @param window its size at first; unknown unless given */
  constructor(window: WindowSize = { columns: 0, rows: 0 }) {
    this.#window = window;
    const size = () => this.#window;
    this.far = {
      write: (bytes) => this.#hear(bytes.slice()),
      read: () => this.#input.read(),
      get window() {
        return size();
      },
    };
  }

  /** See {@link GuestConsole.readable}. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#output.readable;
  }

  /** See {@link GuestConsole.writable}. */
  get writable(): WritableStream<Uint8Array> {
    return this.#input.writable;
  }

  /** See {@link GuestConsole.window}. */
  get window(): WindowSize {
    return this.#window;
  }

  set window(size: WindowSize) {
    this.#window = size;
    this.far.onresize?.();
  }

  /** See {@link GuestConsole.write}. */
  async write(data: string | Uint8Array): Promise<void> {
    await this.#input.type(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
  }

  /** See {@link GuestConsole.expect}. */
  async expect(pattern: string | RegExp, options?: WaitOptions): Promise<ConsoleMatch> {
    return await this.transcript.expect(pattern, options);
  }

  /**
   * Have a function hear all output from now on, in place of the one before.
   *
   * @param listener it, or nobody
   * @param stopped called once the Guest has stopped
   */
  listen(listener?: Listener, stopped?: (error: Error) => void): void {
    this.#listener = listener;
    this.#whenStopped = stopped;
    if (this.#stopped) stopped?.(this.#stopped);
  }

  /** Let the Guest write on while an action is under way, whoever is slow to read. */
  async hurry<T>(action: () => Promise<T>): Promise<T> {
    return await this.#output.hurry(action);
  }

  /**
   * The Guest has stopped.
   *
   * @param error what whoever waits for it gets
   * @param isFailure whether its output ends with that error, too
   */
  end(error: Error, isFailure: boolean): void {
    this.#stopped = error;
    this.#whenStopped?.(error);
    this.transcript.end(error);
    this.#input.end();
    this.#output.end(isFailure ? error : undefined);
  }

  async #hear(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.transcript.hear(this.#listener ? this.#listener(bytes) : bytes);
    await this.#output.write(bytes);
  }
}
