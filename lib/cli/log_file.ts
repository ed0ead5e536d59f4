/**
 * `--log=FILE`: the program's own lines come in, each leaves with the time and, if it is one, the word that it is a
 * warning or an error. The file is opened before anything else, so that it is there behind `--chroot` and `--username`.
 *
 * Lines are written at once and in whole, so that the last one is there whatever ends the program. A file that takes no
 * more is told of once; the Guest goes on. Read next: `messages.ts`.
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";

/** A log that is being written. */
export class LogFile implements Disposable {
  readonly #path: string;
  readonly #now: () => number;
  readonly #failed: (line: string) => void;
  readonly #encoder = new TextEncoder();
  #file: Deno.FsFile | undefined;

  /**
   * Create the file, or empty it.
   *
   * @param path as the user wrote it
   * @param failed takes a line, once, when the file can not be written any more
   * @param now the time in milliseconds since the start
   * @throws {GuestError} if that cannot be done
   */
  constructor(path: string, failed: (line: string) => void, now: () => number = () => performance.now()) {
    this.#path = path;
    this.#failed = failed;
    this.#now = now;
    try {
      this.#file = Deno.openSync(path, { write: true, create: true, truncate: true });
    } catch (error) {
      throw new GuestError(`Log file "${path}" ${explainOpen(error)}`, { cause: error });
    }
  }

  /**
   * Add a line.
   *
   * @param text the line; further lines of it follow as they are
   * @param kind what is told in front of it: "warning"
   */
  write(text: string, kind?: string): void {
    if (!this.#file) return;
    const time = (this.#now() / 1000).toFixed(6).padStart(12);
    const bytes = this.#encoder.encode(`[${time}] ${kind ? `${kind}: ` : ""}${text}\n`);
    try {
      for (let done = 0; done < bytes.length;) done += this.#file.writeSync(bytes.subarray(done));
    } catch (error) {
      this[Symbol.dispose]();
      const why = error instanceof Error ? error.message : error;
      this.#failed(`Log file "${this.#path}" cannot be written any more: ${why}; the Guest goes on without it`);
    }
  }

  /** Close the file. */
  [Symbol.dispose](): void {
    try {
      this.#file?.close();
    } catch {
      // What it could not write it has told before.
    }
    this.#file = undefined;
  }
}

function explainOpen(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "cannot be created: its directory does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "cannot be written: permission denied";
  if (error instanceof Deno.errors.NotCapable) return "cannot be written: Deno was started without --allow-write";
  if (error instanceof Deno.errors.IsADirectory) return "is a directory";
  return `cannot be written: ${error instanceof Error ? error.message : error}`;
}
