/**
 * What a Guest has written and nobody has expected yet: bytes enter as they come, matches leave in the order in which
 * they were asked for. Of text that nobody wants only the last is kept. Read next: `console.ts`.
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";

/** What is kept of text that nobody expects, in characters. */
const KEPT = 1 << 20;
/** How much of the end of what was written an error shows. */
const SHOWN = 400;

/** Something did not happen in the time that it was given. */
export class GuestTimeoutError extends GuestError {
  /** What tells it from other errors. */
  override name = "GuestTimeoutError";
}

/** What a Guest wrote that was expected. */
export interface ConsoleMatch {
  /** What came before it and was not expected before. */
  readonly before: string;
  /** What matched. */
  readonly text: string;
  /** What the parentheses of a regular expression matched, the first at index 0. */
  readonly captures: readonly (string | undefined)[];
}

/** How long to wait for something. */
export interface WaitOptions {
  /** The most milliseconds; for as long as the Guest runs, unless given. */
  readonly timeout?: number;
  /** Gives up when it aborts. */
  readonly signal?: AbortSignal;
}

/** Somebody who waits. */
interface Waiter {
  /** What for, as a message shows it. */
  readonly shown: string;
  /** Where a match is, if there is one. */
  find(text: string): { readonly index: number; readonly match: readonly (string | undefined)[] } | undefined;
  resolve(match: ConsoleMatch): void;
  reject(error: Error): void;
}

/** A Guest's output as text. */
export class Transcript {
  readonly #decoder = new TextDecoder();
  readonly #waiters: Waiter[] = [];
  #text = "";
  /** The end of what was taken away by a match, for errors. */
  #past = "";
  #end: Error | undefined;

  /** The Guest wrote something. */
  hear(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    while (this.#waiters[0] && this.#try(this.#waiters[0])) this.#waiters.shift();
    if (this.#text.length > 2 * KEPT) this.#text = this.#text.slice(-KEPT);
  }

  /** The Guest writes no more: whoever waits for more gets an error. */
  end(error: Error): void {
    this.#end = error;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#ended(error, waiter.shown));
  }

  /** The end of what was written, for a message. */
  get last(): string {
    return JSON.stringify((this.#past + this.#text).slice(-SHOWN));
  }

  /** Wait for a match behind the last one; see `GuestConsole.expect`. */
  async expect(pattern: string | RegExp, options: WaitOptions = {}): Promise<ConsoleMatch> {
    options.signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ConsoleMatch>();
    const shown = typeof pattern === "string" ? JSON.stringify(pattern) : String(pattern);
    const waiter: Waiter = { shown, find: finder(pattern), resolve, reject };
    if (this.#waiters.length === 0 && this.#try(waiter)) return await promise;
    if (this.#end) throw this.#ended(this.#end, shown);
    this.#waiters.push(waiter);
    try {
      return await withinTime(
        promise,
        options,
        (what) => `${shown} ${what}; the last that the Guest wrote: ${this.last}`,
      );
    } finally {
      const place = this.#waiters.indexOf(waiter);
      if (place >= 0) this.#waiters.splice(place, 1);
    }
  }

  /** Forget all text up to the end of the last `text` in it, if there is one. */
  skipPast(text: string): void {
    const at = this.#text.lastIndexOf(text);
    if (at >= 0) this.#take(at + text.length);
  }

  #ended(error: Error, shown: string): GuestError {
    return new GuestError(`${error.message} before ${shown} came; the last it wrote: ${this.last}`, { cause: error });
  }

  #try(waiter: Waiter): boolean {
    const found = waiter.find(this.#text);
    if (!found) return false;
    const [text = "", ...captures] = found.match;
    const before = this.#text.slice(0, found.index);
    this.#take(found.index + text.length);
    waiter.resolve({ before, text, captures });
    return true;
  }

  #take(length: number): void {
    this.#past = (this.#past + this.#text.slice(0, length)).slice(-SHOWN);
    this.#text = this.#text.slice(length);
  }
}

/**
 * Wait for a promise no longer than somebody wants to.
 *
 * @param promise what is waited for
 * @param options how long
 * @param message what to say if it takes longer, behind which "did not come within … ms" is put in
 */
export async function withinTime<T>(
  promise: Promise<T>,
  { timeout, signal }: WaitOptions,
  message: (what: string) => string,
): Promise<T> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const late = () => reject(new GuestTimeoutError(message(`did not come within ${timeout} ms`)));
  const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** A search that may be called again and again with more text, whose start may have been cut off. */
function finder(pattern: string | RegExp): Waiter["find"] {
  if (typeof pattern === "string") {
    return (text) => {
      const index = text.indexOf(pattern);
      return index < 0 ? undefined : { index, match: [pattern] };
    };
  }
  const single = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  return (text) => {
    const match = single.exec(text);
    return match === null ? undefined : { index: match.index, match };
  };
}
