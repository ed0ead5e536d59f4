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
