/**
 * Finds a command's output and exit status in what a console writes: bytes enter as they come, a {@link RunResult}
 * leaves once both marks of `shell.ts` were seen.
 *
 * @module
 */

/** What a command in a Guest came to. */
export interface RunResult {
  /**
   * What it wrote to the terminal, as UTF-8 and with `"\n"` at the ends of lines: stdout, and stderr where that was not
   * redirected.
   */
  readonly stdout: string;
  /** The same as bytes, for what is no text. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its exit status as the shell has it: 0 to 255. */
  readonly status: number;
}

/** Precedes and ends a mark; typed as `\036`. */
const MARK = "\x1e";
/** More than a mark is long, so that one is found that came in pieces. */
const LONGEST_MARK = 80;
/** How much of the end of the output an error shows. */
const SHOWN = 400;

/** A look-out for one command's marks. */
export class Answer {
  /** Nobody waits for it any more. */
  isOver = false;
  readonly #nonce: string;
  readonly #pieces: Uint8Array<ArrayBuffer>[] = [];
  /** The end of what was heard, one character for a byte. */
  #tail = "";
  readonly #ended = Promise.withResolvers<void>();
  readonly #endedTwice = Promise.withResolvers<void>();
  #acknowledged = -1;
  #hasBegun = false;
  #wake: (() => void) | undefined;
  readonly #end: RegExp;
  readonly #ends: RegExp;
  readonly #acknowledgement: RegExp;

  /** @param nonce the random number in this command's marks */
  constructor(nonce: string) {
    this.#nonce = nonce;
    this.#end = new RegExp(`${MARK}e${nonce}:(\\d+)${MARK}`);
    this.#ends = new RegExp(`${this.#end.source}${this.#end.source}`);
    this.#acknowledgement = new RegExp(`${MARK}a(\\d+)${nonce}${MARK}`, "g");
  }

  /**
   * The console wrote something.
   *
   * @returns what of it others may see: nothing before the command has begun, for an echo looks like its output
   */
  hear(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    this.#pieces.push(bytes);
    const text = this.#tail + latin1(bytes);
    this.#tail = text.slice(-2 * LONGEST_MARK);
    for (const [, index] of text.matchAll(this.#acknowledgement)) this.#acknowledged = Number(index);
    this.#wake?.();
    if (this.#end.test(text)) this.#ended.resolve();
    if (this.#ends.test(text)) this.#endedTwice.resolve();
    if (this.#hasBegun) return bytes;
    const all = this.#all;
    const { start } = this.#start(latin1(all));
    this.#hasBegun = start > 0;
    return this.#hasBegun ? all.slice(start) : new Uint8Array();
  }

  /** What nobody could see, if the command has not begun. */
  get hidden(): Uint8Array<ArrayBuffer> {
    return this.#hasBegun ? new Uint8Array() : this.#all;
  }

  /** Resolves when a line of the command was taken. */
  async acknowledged(index: number): Promise<void> {
    while (this.#acknowledged < index) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  /** Resolves when the command has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Resolves when both copies of the mark at the end are there. */
  get endedTwice(): Promise<void> {
    return this.#endedTwice.promise;
  }

  /** The mark that comes last, as far as it can be known. */
  get lastMark(): string {
    const marks = this.#tail.match(new RegExp(this.#end.source, "g"));
    return marks?.at(-1) ?? `${MARK}e${this.#nonce}:`;
  }

  /** The end of the output up to now, for a message. */
  get last(): string {
    return JSON.stringify(this.#text.slice(-SHOWN));
  }

  /** What the command came to, once it has {@link ended}. */
  get result(): RunResult {
    const all = this.#all;
    const text = latin1(all);
    const { start, newline } = this.#start(text);
    const end = this.#end.exec(text)!;
    const bytes = withoutReturns(all.subarray(start, end.index), newline);
    return { stdout: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), bytes, status: Number(end[1]) };
  }

  get #all(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** What the command has written, or all there is if it has not begun. */
  get #text(): string {
    const all = this.#all;
    return new TextDecoder().decode(all.subarray(this.#start(latin1(all)).start));
  }

  /** Where the output begins, and what the terminal ends lines with. */
  #start(text: string): { readonly start: number; readonly newline: string } {
    const begin = new RegExp(`(?:${MARK}b${this.#nonce}(\r*\n)){1,2}`).exec(text);
    return begin ? { start: begin.index + begin[0].length, newline: begin[1]! } : { start: 0, newline: "\n" };
  }
}

/** Undo what the terminal does to each `\n` that is written: it put that many `\r` before it, so as many come off. */
function withoutReturns(bytes: Uint8Array<ArrayBuffer>, newline: string): Uint8Array<ArrayBuffer> {
  const returns = newline.length - 1;
  if (returns === 0) return bytes.slice();
  const result = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    for (let n = 0; bytes[i] === 10 && n < returns && result[length - 1] === 13; n++) length--;
    result[length++] = bytes[i]!;
  }
  return result.slice(0, length);
}

/** One character for each byte. */
function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
