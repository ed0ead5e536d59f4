/**
 * A talk with a machine over a serial line, as `expect` does it. What the machine writes enters through
 * {@link Conversation.hear}; a test waits for words with {@link Conversation.expect} and types with
 * {@link Conversation.type}. Every wait has an end, and an error that shows what was written last. Each step prints a
 * line, so that a hang is found where it is. Read next: `_shell.ts`.
 */

/** How long a machine may take to say what is expected; the suite may share its processors with anything. */
const PATIENCE_SECONDS = 150;
/** How much of the end of what was heard an error shows. */
const SHOWN = 2000;

/** One machine's output, and the way to type to it. */
export class Conversation {
  /** What to call the machine. */
  readonly name: string;
  readonly #send: (bytes: Uint8Array) => Promise<void>;
  readonly #started = performance.now();
  readonly #decoder = new TextDecoder();
  /** What was expected, and what came before it. */
  #past = "";
  /** What came since, piece by piece: it may be much, and is joined only once. */
  #pieces: string[] = [];
  #over = false;
  #wake: (() => void) | undefined;

  /**
   * @param name what to call it
   * @param send how to type to it
   */
  constructor(name: string, send: (bytes: Uint8Array) => Promise<void>) {
    this.name = name;
    this.#send = send;
  }

  /** All that was written so far. */
  get heard(): string {
    return this.#past + this.#pieces.join("");
  }

  /** The machine wrote something. A serial line ends lines with CR and LF, and a terminal in between adds CRs. */
  hear(bytes: Uint8Array): void {
    this.#pieces.push(this.#decoder.decode(bytes, { stream: true }).replaceAll("\r", ""));
    this.#wake?.();
  }

  /** The machine will write no more. */
  end(): void {
    this.#over = true;
    this.#wake?.();
  }

  /** Say that something was reached. */
  note(what: string): void {
    const seconds = (performance.now() - this.#started) / 1000;
    console.log(`  [${this.name}] ${seconds.toFixed(1)} s: ${what}`);
  }

  /** Type. */
  async type(text: string): Promise<void> {
    await this.#send(new TextEncoder().encode(text));
  }

  /**
   * Wait until the machine wrote a text that was not expected before.
   *
   * @param text what it should write
   * @param seconds how long it may take
   * @returns what came before it
   */
  async expect(text: string, seconds = PATIENCE_SECONDS): Promise<string> {
    const end = performance.now() + seconds * 1000;
    // The end of the pieces that were looked through, in which the text may have begun.
    let tail = "";
    for (let looked = 0;;) {
      while (looked < this.#pieces.length) {
        const piece = this.#pieces[looked++]!;
        if ((tail + piece).includes(text)) return this.#take(text, looked);
        tail = (tail + piece).slice(1 - text.length);
      }
      const left = end - performance.now();
      if (this.#over) throw this.#failure(`${JSON.stringify(text)} was expected, but it ended`);
      if (left <= 0) throw this.#failure(`${JSON.stringify(text)} did not come within ${seconds} s`);
      await this.#moreHeard(left);
    }
  }

  /** The text stands in the first pieces; what follows it there has not been expected yet. */
  #take(text: string, count: number): string {
    const heard = this.#pieces.splice(0, count).join("");
    const at = heard.indexOf(text);
    this.#past += heard.slice(0, at + text.length);
    this.#pieces.unshift(heard.slice(at + text.length));
    return heard.slice(0, at);
  }

  async #moreHeard(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }

  #failure(what: string): Error {
    return new Error(`${this.name}: ${what}; the last it wrote:\n${this.heard.slice(-SHOWN)}`);
  }
}
