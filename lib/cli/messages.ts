/**
 * What the program says to its user, all on stderr: an error or a line of news comes in, one line leaves.
 *
 * A failure that a user can cause is one line that names the thing and what is wrong with it. `--verbose` adds the
 * stack. The terminal may be raw, and the Guest's cursor may stand anywhere: there each line brings its own carriage return.
 *
 * @module
 */
import { UsageError } from "./options.ts";
import { GuestError } from "../guest_error.ts";

const encoder = new TextEncoder();

/** A raw terminal needs to be told to go to the left; a file must not see that. */
const NEWLINE = Deno.stderr.isTerminal() ? "\r\n" : "\n";

/** Print `lguest: text` on stderr. */
export function say(text: string): void {
  writeError(`lguest: ${text}${NEWLINE}`);
}

/**
 * Print an error as one line.
 *
 * @param error what was thrown
 * @param verbose whether its stack shall follow
 */
export function sayError(error: unknown, verbose: boolean): void {
  say(describeError(error));
  if (verbose && error instanceof Error && error.stack) writeError(error.stack.replaceAll("\n", NEWLINE) + NEWLINE);
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
