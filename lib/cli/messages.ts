/**
 * What the program says to its user, all on stderr: an error, a warning or a line of news comes in, one line leaves;
 * with `--log` it leaves for that file too.
 *
 * A failure that a user can cause is one line that names the thing and what is wrong with it. `--verbose` adds the
 * stack. The terminal may be raw, and the Guest's cursor may stand anywhere: there each line brings its own carriage
 * return, and its beginning is coloured, if colours are wanted (`color.ts`).
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";
import { COLOR, paint, streamWantsColor } from "./color.ts";
import type { LogFile } from "./log_file.ts";
import { UsageError } from "./usage_error.ts";

/** How much a line matters. */
export type MessageKind = "news" | "warning" | "error";

const encoder = new TextEncoder();

/** A raw terminal needs to be told to go to the left; a file must not see that. */
const NEWLINE = Deno.stderr.isTerminal() ? "\r\n" : "\n";

const COLORS = { news: undefined, warning: COLOR.yellow, error: COLOR.red } as const;

/** What a {@link Messages} is made of. */
export interface MessagesOptions {
  /** Whether news are shown, and where errors came from. */
  readonly verbose: boolean;
  /** Takes all lines, if there is one. */
  readonly log?: LogFile | undefined;
}

/** The lines of one run of the program. */
export class Messages {
  readonly #verbose: boolean;
  readonly #log: LogFile | undefined;

  /** @param options who shall see what */
  constructor({ verbose, log }: MessagesOptions) {
    this.#verbose = verbose;
    this.#log = log;
  }

  /** Takes a line about what is done; absent if nobody wants to know. */
  get news(): ((text: string) => void) | undefined {
    if (!this.#verbose && !this.#log) return undefined;
    return (text) => {
      if (this.#verbose) say(text);
      this.#log?.write(text);
    };
  }

  /** A line about what does not work as it should, though the program goes on. */
  warn(text: string): void {
    say(text, "warning");
    this.#log?.write(text, "warning");
  }

  /** A line about why the program ends. */
  fail(text: string): void {
    say(text, "error");
    this.#log?.write(text, "error");
  }

  /** Tell an error as one line; the log also gets to know where a defect is. */
  failWith(error: unknown): void {
    sayError(error, this.#verbose);
    if (!this.#log) return;
    const stack = !isUsersError(error) && error instanceof Error && error.stack ? `\n${error.stack}` : "";
    this.#log.write(describeError(error) + stack, "error");
  }
}

/** Print `lguest: text` on stderr. */
export function say(text: string, kind: MessageKind = "news"): void {
  const color = COLORS[kind];
  const name = color && streamWantsColor(Deno.stderr) ? paint("lguest:", color) : "lguest:";
  sayLine(`${name} ${text}`);
}

/** Print a line on stderr as it is. */
export function sayLine(line: string): void {
  writeError(line + NEWLINE);
}

/**
 * Print an error as one line.
 *
 * @param error what was thrown
 * @param verbose whether its stack shall follow
 */
export function sayError(error: unknown, verbose: boolean): void {
  say(describeError(error), "error");
  if (verbose && error instanceof Error && error.stack) sayLine(error.stack.replaceAll("\n", NEWLINE));
}

/** One line for an error. What no user caused is called an internal error. */
export function describeError(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s*[\r\n]+\s*/g, " ").trim();
  if (isUsersError(error)) return text;
  return `Internal error: ${text || String(error)} (--verbose tells where)`;
}

/** Write to stderr whatever happens: there is nobody left to tell that nobody listens. */
export function writeError(text: string): void {
  try {
    const bytes = encoder.encode(text);
    for (let done = 0; done < bytes.length;) done += Deno.stderr.writeSync(bytes.subarray(done));
  } catch {
    // stderr is closed.
  }
}

function isUsersError(error: unknown): boolean {
  return error instanceof UsageError || error instanceof GuestError;
}
