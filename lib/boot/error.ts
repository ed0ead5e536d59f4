/**
 * The loader's one error. A {@link BootError} enters `main.ts` and leaves the program as one line on stderr.
 *
 * @module
 */

/**
 * A kernel, initrd or command line cannot be booted. The message is the one line the user sees after `lguest: `: it
 * names the thing, says what is wrong with it and, where there is something, what to do.
 */
export class BootError extends Error {
  override name = "BootError";
}
