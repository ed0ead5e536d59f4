/**
 * A terminal without a window: what a program writes enters, and what would be on the paper of a terminal that never
 * runs out of it leaves, character by character with its style. It knows what shells and busybox write, and refuses a
 * sequence that it does not know, since the picture would be wrong. Read next: `svg.ts`.
 *
 * @module
 */

/** How a character looks. Colours are the terminal's 0 to 15; absent means the usual one. */
export interface Style {
  readonly foreground?: number;
  readonly background?: number;
  readonly bold?: boolean;
}

/** A character and how it looks. */
export interface Cell {
  readonly text: string;
  readonly style: Style;
}

/** A line of the paper. */
export type Line = readonly Cell[];

/** A sequence that the screen does not know. */
export class ScreenError extends Error {
  override name = "ScreenError";
}

const PLAIN: Style = {};
const BLANK: Cell = { text: " ", style: PLAIN };
const TAB = 8;
/** A whole escape sequence: of CSI (ECMA-48 §5.4), of a string such as OSC (§8.3.89), or of two or three bytes. */
// deno-lint-ignore no-control-regex
const SEQUENCE = /^\x1b(?:\[([0-?]*)([ -/]*)([@-~])|\]([^\x07\x1b]*)(?:\x07|\x1b\\)|([ -/]*)([0-Z\\^-~]))/;

/** The terminal. */
export class Screen {
  /** Its width in characters. */
  readonly columns: number;
  readonly #lines: Cell[][] = [[]];
  #row = 0;
  #column = 0;
  #style: Style = PLAIN;
  #inverse = false;
  /** The begin of a sequence whose end has not come yet. */
  #begun = "";

  /** @param columns its width in characters */
  constructor(columns: number) {
    this.columns = columns;
  }

  /** All lines that were ever written to, without blanks at their ends; the last is not empty. */
  get lines(): readonly Line[] {
    const lines = this.#lines.map((line) => line.slice(0, line.findLastIndex((cell) => !isBlank(cell)) + 1));
    return lines.slice(0, lines.findLastIndex((line) => line.length > 0) + 1);
  }

  /** The same without styles. */
  get text(): string {
    return this.lines.map((line) => line.map(({ text }) => text).join("")).join("\n");
  }

  /**
   * Write to it.
   *
   * @param text what a program wrote
   * @returns what the terminal answers, if it was asked something
   * @throws {ScreenError} if it does not know a sequence
   */
  write(text: string): string {
    let rest = this.#begun + text, answer = "";
    this.#begun = "";
    while (rest !== "") {
      if (rest[0] !== "\x1b") {
        const character = String.fromCodePoint(rest.codePointAt(0)!);
        this.#put(character);
        rest = rest.slice(character.length);
        continue;
      }
      const found = SEQUENCE.exec(rest);
      if (!found) {
        this.#begun = rest;
        break;
      }
      answer += this.#obey(found);
      rest = rest.slice(found[0].length);
    }
    return answer;
  }

  #put(character: string): void {
    switch (character) {
      case "\r":
        this.#column = 0;
        return;
      case "\n":
        return this.#goto(this.#row + 1);
      case "\b":
        this.#column = Math.max(Math.min(this.#column, this.columns - 1) - 1, 0);
        return;
      case "\t":
        this.#column = Math.min((Math.floor(this.#column / TAB) + 1) * TAB, this.columns - 1);
        return;
      case "\x07":
        return;
    }
    if (character < " ") throw new ScreenError(`The screen knows no control character ${character.charCodeAt(0)}`);
    if (this.#column === this.columns) {
      this.#column = 0;
      this.#goto(this.#row + 1);
    }
    const line = this.#lines[this.#row]!;
    while (line.length < this.#column) line.push(BLANK);
    line[this.#column++] = { text: character, style: this.#inverse ? invert(this.#style) : this.#style };
  }

  #goto(row: number): void {
    this.#row = row;
    while (this.#lines.length <= row) this.#lines.push([]);
  }

  /** Obey a sequence; returns what it asked for. */
  #obey([sequence, parameters = "", between, final, string]: RegExpExecArray): string {
    // A window's title, a set of characters, a keypad's mode: nothing of it is seen here.
    if (string !== undefined || final === undefined || parameters.startsWith("?")) return "";
    const [first = 0, second = 0] = parameters.split(";").map(Number);
    if (between !== "") throw new ScreenError(`The screen does not know the sequence ${JSON.stringify(sequence)}`);
    switch (final) {
      case "m":
        this.#select(parameters.split(";").map(Number));
        return "";
      case "A":
        this.#row = Math.max(this.#row - (first || 1), 0);
        return "";
      case "B":
        this.#goto(this.#row + (first || 1));
        return "";
      case "C":
        this.#column = Math.min(this.#column + (first || 1), this.columns - 1);
        return "";
      case "D":
        this.#column = Math.max(Math.min(this.#column, this.columns - 1) - (first || 1), 0);
        return "";
      case "G":
        this.#column = Math.min(Math.max(first, 1), this.columns) - 1;
        return "";
      case "J":
        if (first !== 0) break; // the paper keeps what is on it
        this.#lines.length = this.#row + 1;
        this.#lines[this.#row]!.length = Math.min(this.#lines[this.#row]!.length, this.#column);
        return "";
      case "K":
        this.#eraseInLine(first);
        return "";
      case "n":
        if (first === 6) return `\x1b[${this.#row + 1};${Math.min(this.#column, this.columns - 1) + 1}R`;
        break;
    }
    throw new ScreenError(
      `The screen does not know the sequence ${JSON.stringify(sequence)} (${first}, ${second}, "${final}")`,
    );
  }

  #eraseInLine(which: number): void {
    const line = this.#lines[this.#row]!;
    if (which !== 1) line.length = Math.min(line.length, which === 0 ? this.#column : 0);
    else line.fill(BLANK, 0, this.#column + 1);
  }

  /** Select graphic rendition (ECMA-48 §8.3.117). */
  #select(parameters: readonly number[]): void {
    for (const parameter of parameters) {
      const style = this.#style, color = parameter % 10, bright = parameter >= 90 ? 8 : 0;
      switch (Math.floor(parameter / 10)) {
        case 3:
        case 9:
          this.#style = color === 9 ? without(style, "foreground") : { ...style, foreground: color + bright };
          break;
        case 4:
        case 10:
          this.#style = color === 9 ? without(style, "background") : { ...style, background: color + bright };
          break;
        default:
          this.#selectMode(parameter);
      }
    }
  }

  #selectMode(parameter: number): void {
    if (parameter === 0) [this.#style, this.#inverse] = [PLAIN, false];
    else if (parameter === 1) this.#style = { ...this.#style, bold: true };
    else if (parameter === 22) this.#style = without(this.#style, "bold");
    else if (parameter === 7 || parameter === 27) this.#inverse = parameter === 7;
    else throw new ScreenError(`The screen knows no style ${parameter}`);
  }
}

function without(style: Style, name: keyof Style): Style {
  const { [name]: _, ...rest } = style;
  return rest;
}

function invert({ foreground = 7, background = 0, ...rest }: Style): Style {
  return { ...rest, foreground: background, background: foreground };
}

function isBlank({ text, style }: Cell): boolean {
  return text === " " && style.background === undefined;
}
