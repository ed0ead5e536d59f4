/**
 * The archive in the single file: all of the program's modules, as JavaScript, and the C library.
 *
 * The modules' paths and what each imports enter (`sources.ts`); the archive's bytes leave. Deno's own `transpile` takes
 * the types out. Read next: `loader.ts`, which starts modules from the archive.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { ensureDir } from "@std/fs";
import { runDeno } from "./run.ts";
import type { SourceModule } from "./sources.ts";

/** What the archive begins with, as JSON: its files by their path in the repository. */
export type ArchiveIndex = Readonly<Record<string, ArchiveFile>>;

/** Where a file is in the archive. */
export interface ArchiveFile {
  /** Its first byte, counted from the index's first. */
  readonly start: number;
  /** The byte behind its last. */
  readonly end: number;
  /** What its imports mean: paths in the archive, or names of Deno's own modules. */
  readonly imports: Readonly<Record<string, string>>;
}

/** A file to be archived. */
export interface NamedFile {
  /** Its path in the repository. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly imports: ArchiveFile["imports"];
}

/**
 * Take the types out of modules.
 *
 * @param modules modules that lie in one directory or below it
 * @param root that directory
 * @param scratch a directory for files in between
 * @throws {Error} if Deno cannot
 */
export async function transpile(
  modules: readonly SourceModule[],
  root: string,
  scratch: string,
): Promise<NamedFile[]> {
  const typed = modules.filter(({ path }) => path.endsWith(".ts"));
  // From a copy, so that the directory that all of them have in common is known.
  const source = join(scratch, "typed"), target = join(scratch, "plain");
  await ensureDir(source);
  for (const { path } of typed) {
    await ensureDir(dirname(join(source, path)));
    await Deno.copyFile(join(root, path), join(source, path));
  }
  await Deno.writeTextFile(join(source, "root.ts"), "");
  const paths = [...typed.map(({ path }) => path), "root.ts"];
  await runDeno(["transpile", "--no-config", "--quiet", "--outdir", target, ...paths], source);
  return await Promise.all(modules.map(async ({ path, imports }) => ({
    path,
    imports,
    bytes: await Deno.readFile(path.endsWith(".ts") ? join(target, path.replace(/ts$/, "js")) : join(root, path)),
  })));
}

/**
 * Put files together: the lengths of the index and of all that follows them, the index, the files.
 *
 * @returns the archive
 */
export function archive(files: readonly NamedFile[]): Uint8Array<ArrayBuffer> {
  // The index holds places that depend on its own length: it is padded to one that is known beforehand.
  const room = encodeIndex(files, 2 ** 32).length;
  const index = encodeIndex(files, room);
  const length = files.reduce((sum, { bytes }) => sum + bytes.length, room);
  const result = new Uint8Array(8 + length);
  const view = new DataView(result.buffer);
  view.setUint32(0, room, true);
  view.setUint32(4, length, true);
  result.fill(0x20, 8, 8 + room);
  result.set(index, 8);
  let at = 8 + room;
  for (const { bytes } of files) {
    result.set(bytes, at);
    at += bytes.length;
  }
  return result;
}

function encodeIndex(files: readonly NamedFile[], from: number): Uint8Array {
  const index: Record<string, ArchiveFile> = {};
  let start = from;
  for (const { path, bytes, imports } of files) {
    index[path] = { start, end: start + bytes.length, imports };
    start += bytes.length;
  }
  return new TextEncoder().encode(JSON.stringify(index));
}
