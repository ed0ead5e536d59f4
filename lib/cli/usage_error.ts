/**
 * The error of a command line, in a file of its own since everything that reads one throws it.
 *
 * @module
 */

/** A command line that cannot be used; the message says what to change. */
export class UsageError extends Error {
  override name = "UsageError";
}
