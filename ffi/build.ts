/**
 * Makes the C library: `lguest.c` comes in, `liblguest.so` beside it leaves, unless it is newer than its source
 * already. Needs the system's `cc`. Read next: `library.ts`, which opens it.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { LIBRARY_NAME } from "./library.ts";

/** What {@link buildLibrary} has done. */
export interface LibraryBuild {
  /** The library's file. */
  readonly path: string;
  /** Whether it was made now, rather than found up to date. */
  readonly made: boolean;
}

const FLAGS = "-O2 -Wall -Wextra -Werror -shared -fPIC".split(" ");

/**
 * Make the library if it is missing or older than its source. Several processes may do so at the same time.
 *
 * @param path where to; beside the source unless given
 * @throws {Error} if there is no compiler, or it fails
 */
export function buildLibrary(path: string = fileHere(LIBRARY_NAME)): LibraryBuild {
  const source = fileHere("lguest.c");
  if (modified(path) > modified(source)) return { path, made: false };
  const unfinished = `${path}.${Deno.pid}`;
  try {
    runCompiler([...FLAGS, "-o", unfinished, source]);
    Deno.renameSync(unfinished, path);
  } catch (error) {
    removeIfThere(unfinished);
    throw error;
  }
  return { path, made: true };
}

/**
 * Run the system's C compiler.
 *
 * @param args its words
 * @throws {Error} if there is none, or it fails
 */
export function runCompiler(args: readonly string[]): void {
  let output: Deno.CommandOutput;
  try {
    output = new Deno.Command("cc", { args: [...args], stderr: "piped" }).outputSync();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`There is no C compiler "cc": install one (Debian: apt install gcc libc6-dev)`, { cause: error });
  }
  if (output.success) return;
  throw new Error(`The C compiler failed: ${new TextDecoder().decode(output.stderr).trim()}`);
}

/** When a file was written last, in milliseconds; long ago if it is not there. */
function modified(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? -Infinity;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return -Infinity;
    throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function fileHere(name: string): string {
  return fromFileUrl(new URL(name, import.meta.url));
}
