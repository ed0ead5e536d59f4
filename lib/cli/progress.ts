/**
 * Tells a waiting user what takes so long: anything over a second gets a line on stderr, anything shorter nothing.
 *
 * On a terminal the line is written over itself and wiped at the end; elsewhere it is written once.
 *
 * @module
 */
import { writeError } from "./messages.ts";

const PATIENCE_MS = 1000;
const REPEAT_MS = 200;
const ERASE_LINE = "\r\x1b[K";

/** One thing that may take long. */
export class Progress {
  readonly #what: string;
  readonly #started = performance.now();
  readonly #live: boolean;
  readonly #print: (text: string) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #detail = "";
  #printedAt = -Infinity;

  /**
   * Begin; the line appears after a second, if {@link done} was not called before.
   *
   * @param what what is done, as "Unpacking the kernel"
   * @param print where the text goes
   * @param live whether what was printed can be written over
   */
  constructor(what: string, print: (text: string) => void = writeError, live: boolean = Deno.stderr.isTerminal()) {
    this.#what = what;
    this.#print = print;
    this.#live = live;
    this.#timer = setInterval(() => this.#show(), REPEAT_MS);
  }

  /** How far it is, as "45%"; to be called now and then by work that leaves timers no time. */
  update(detail: string): void {
    this.#detail = detail;
    this.#show();
  }

  /** It is over: take the line away. */
  done(): void {
    clearInterval(this.#timer);
    if (this.#live && this.#printedAt !== -Infinity) this.#print(ERASE_LINE);
  }

  #show(): void {
    const now = performance.now();
    const first = this.#printedAt === -Infinity;
    if (now - this.#started < PATIENCE_MS || now - this.#printedAt < REPEAT_MS || (!first && !this.#live)) return;
    this.#printedAt = now;
    const seconds = Math.floor((now - this.#started) / 1000);
    if (!this.#live) this.#print(`lguest: ${this.#what} …\n`);
    else this.#print(`${ERASE_LINE}lguest: ${this.#what} … ${this.#detail ? `${this.#detail}, ` : ""}${seconds} s`);
  }
}
