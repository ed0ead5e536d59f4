/**
 * Runs commands in the shell at the other end of a Guest's console: a command enters, what it wrote and its exit status
 * leave. It is typed as a user would, so any shell of the Bourne family will do, by either console.
 *
 * What the terminal echoes, what a line editor draws, prompts, and control characters in a command are all in the way.
 * So what is typed is one line of harmless characters: the command as octal numbers, for `printf` and `eval`, between
 * two `printf`s that write the marks which {@link Answer} looks for. The marks begin with a control character that is
 * typed as `\036`, and hold a random number that is typed with quotes in between: no echo of the line, however it is
 * broken or drawn anew, looks like what it writes. Each mark is written twice, since a message of the kernel can fall
 * into the middle of one. Read next: `answer.ts`.
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";
import { Answer, type RunResult } from "./answer.ts";
import type { LibraryConsole } from "./console.ts";
import { GuestTimeoutError, type WaitOptions, withinTime } from "./transcript.ts";

/** The longest part of a command in a line, with which that has less than 1023 bytes: some line editors keep no more. */
const LONGEST_PIECE = 600;
/** How long the second copy of a mark may be behind the first, in milliseconds, before it counts as damaged. */
const COPY_MS = 1000;
/** How long a shell may take to answer at first after a command was given up, in milliseconds; then twice as long. */
const RECOVER_MS = 1000;
/** Characters that mean themselves within quotes, to every shell, line editor and `printf`. */
const PLAIN = /[A-Za-z0-9 _./:=,+-]/;
const INTERRUPT = "\x03";

/** The shell at the other end of a console. */
export class ConsoleShell {
  readonly #console: LibraryConsole;
  /** Settles when the last command that was given has ended. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The last command may still be running. */
  #isGivenUp = false;

  /** @param console a Guest's console */
  constructor(console: LibraryConsole) {
    this.#console = console;
  }

  /** Run a command when those before it have ended; see `Guest.run`. */
  async run(command: string, options: WaitOptions = {}): Promise<RunResult> {
    if (command.includes("\0")) throw new TypeError(`A command cannot contain a NUL character: got ${quote(command)}`);
    const turn = this.#turn.then(() => this.#run(command, options));
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  async #run(command: string, options: WaitOptions): Promise<RunResult> {
    options.signal?.throwIfAborted();
    const nonce = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
    const answer = new Answer(nonce);
    const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
    this.#console.listen((bytes) => answer.hear(bytes), stop);
    const message = (what: string) => `The end of ${quote(command)} ${what}; it wrote: ${answer.last}`;
    try {
      const done = this.#converse(command, nonce, answer);
      return await withinTime(Promise.race([done, stopped]), options, message);
    } catch (error) {
      if (error instanceof GuestTimeoutError || options.signal?.aborted) {
        this.#isGivenUp = true;
        await this.#console.write(INTERRUPT);
      } else if (error instanceof GuestError) {
        throw new GuestError(`${error.message} during ${quote(command)}`, { cause: error });
      }
      throw error;
    } finally {
      this.#console.listen();
      answer.isOver = true;
      this.#console.transcript.hear(answer.hidden);
      this.#console.transcript.skipPast(answer.lastMark);
    }
  }

  async #converse(command: string, nonce: string, answer: Answer): Promise<RunResult> {
    const mark = (kind: string) => `${kind}''${nonce}`;
    const acknowledge = (index: number) => {
      const taken = mark(`a${index}`);
      return `printf '\\036%s\\036\\036%s\\036' ${taken} ${taken}`;
    };
    if (this.#isGivenUp) await this.#recover(` ${acknowledge(0)}`, answer);
    const pieces = split(encode(command));
    const last = pieces.length - 1;
    for (const [index, piece] of pieces.entries()) {
      const take = ` __lguest=${index === 0 ? "" : '"$__lguest"'}'${piece}'`;
      if (index < last) {
        // Each line is answered before the next one is typed: a terminal keeps no more than a line or two.
        await this.#type(`${take}; ${acknowledge(index + 1)}`);
        await answer.acknowledged(index + 1);
      } else {
        const begin = `printf '\\036%s\\n\\036%s\\n' ${mark("b")} ${mark("b")}`;
        const end = `printf '\\036%s:%s\\036\\036%s:%s\\036' ${mark("e")} $? ${mark("e")} $?`;
        // With "command" in front of it, a mistake in what eval reads does not end the whole line (POSIX, "command").
        await this.#type(`${take}; ${begin}; command eval "$(printf %b "$__lguest")"; ${end}`);
      }
    }
    await answer.ended;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([answer.endedTwice, new Promise<void>((resolve) => timer = setTimeout(resolve, COPY_MS))]);
    clearTimeout(timer);
    return answer.result;
  }

  /**
   * A command was given up; have the shell answer again. One ^C may not do: while a line editor still reads, it is no
   * more than a character.
   */
  async #recover(probe: string, answer: Answer): Promise<void> {
    const acknowledged = answer.acknowledged(0).then(() => this.#isGivenUp = false);
    for (let patience = RECOVER_MS; this.#isGivenUp && !answer.isOver; patience *= 2) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const wait = (ms: number) => new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
      await this.#console.write(INTERRUPT);
      // A shell that hears of the signal when it has read the next line forgets that, too.
      await wait(patience / 5);
      await this.#type(probe);
      await Promise.race([acknowledged, wait(patience)]);
      clearTimeout(timer);
    }
  }

  async #type(line: string): Promise<void> {
    await this.#console.write(`${line}\r`);
  }
}

/** For `printf %b`: everything but {@link PLAIN} characters as `\0` and three octal digits. */
function encode(command: string): string {
  let text = "";
  for (const byte of new TextEncoder().encode(command)) {
    const character = String.fromCharCode(byte);
    text += PLAIN.test(character) ? character : `\\0${byte.toString(8).padStart(3, "0")}`;
  }
  return text;
}

/** Pieces that are short enough for a line, none of which ends in the middle of an escape; at least one. */
function split(encoded: string): string[] {
  const pieces = [""];
  for (const [character] of encoded.matchAll(/\\\d{4}|[^\\]/g)) {
    if (pieces.at(-1)!.length + character.length > LONGEST_PIECE) pieces.push("");
    pieces[pieces.length - 1] += character;
  }
  return pieces;
}

function quote(command: string): string {
  return JSON.stringify(command.length > 60 ? `${command.slice(0, 59)}…` : command);
}
