/**
 * Reads the files that a user names: a path comes in, all of its bytes leave, or a {@link GuestError} that names it.
 *
 * @module
 */
import type { NamedFile } from "./boot/boot.ts";
import { GuestError, requireDeno } from "./guest_error.ts";

/** More than any kernel or RAM disk has: what is larger (`/dev/zero`) is a mistake. */
const MAX_FILE = 2 ** 30;
const CHUNK = 1 << 20;

/**
 * A file's bytes, or those that a program has already.
 *
 * @param source a path, or bytes, of which a copy is made
 * @param what what it is to the Guest: "Kernel"
 * @throws {GuestError} if it is a path that cannot be read
 */
export function hostBytes(source: string | Uint8Array, what: string): NamedFile {
  if (typeof source === "string") return { name: source, bytes: readHostFile(source, what) };
  return { name: `${source.length} bytes`, bytes: source.slice() };
}

/**
 * Read a file, or whatever else gives bytes up to an end (a pipe).
 *
 * @param path as the user wrote it
 * @param what what it is to the Guest: "kernel"
 * @throws {GuestError} if it cannot be read
 */
export function readHostFile(path: string, what: string): Uint8Array<ArrayBuffer> {
  requireDeno(`${what} "${path}"`, "read the file yourself and pass its bytes, or run this program in Deno");
  // No `using` here and in what else the npm package's modules reach: Node 20 does not know it.
  let file: Deno.FsFile | undefined;
  try {
    file = Deno.openSync(path);
    const info = file.statSync();
    if (info.isDirectory) throw new GuestError(`${what} "${path}" is a directory`);
    return readToEnd(file, info.isFile ? info.size + 1 : CHUNK);
  } catch (error) {
    if (error instanceof GuestError) throw error;
    throw new GuestError(`${what} "${path}" ${explain(error)}`, { cause: error });
  } finally {
    file?.close();
  }
}

/** Why a file operation failed, to follow the file's name. */
export function explain(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "cannot be read: permission denied";
  if (error instanceof Deno.errors.NotCapable) return "cannot be read: Deno was started without --allow-read";
  return `cannot be read: ${error instanceof Error ? error.message : error}`;
}

/** The first read asks for one byte more than a file should have, so that its end shows without another buffer. */
function readToEnd(file: Deno.FsFile, expected: number): Uint8Array<ArrayBuffer> {
  let buffer = new Uint8Array(Math.min(expected, MAX_FILE));
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      if (length >= MAX_FILE) throw new RangeError(`it has more than ${MAX_FILE / CHUNK} MiB`);
      const larger = new Uint8Array(Math.min(length * 2, MAX_FILE));
      larger.set(buffer);
      buffer = larger;
    }
    const count = file.readSync(buffer.subarray(length));
    if (count === null) return buffer.subarray(0, length);
    length += count;
  }
}
