/**
 * The failures of a Guest that are no defect of this program: a file that cannot be used, memory that cannot be had.
 *
 * @module
 */

/** Something that a user can mend; the message is one line that names it. */
export class GuestError extends Error {
  /** What tells it from other errors. */
  override name = "GuestError";
}

/**
 * To be called before something is done that only Deno can do; the library is also an npm package, for Node.
 *
 * @param what what the user wanted: 'Disk "a.img"'
 * @param instead what to do, behind a colon
 * @throws {GuestError} if this is not Deno
 */
export function requireDeno(what: string, instead: string = "run this program in Deno"): void {
  if (!("Deno" in globalThis)) throw new GuestError(`${what} needs Deno: ${instead}`);
}
