/**
 * Offline stand-in for `@std/fs`: the functions this project uses, with the real package's names and signatures.
 *
 * @module
 */

/** What {@link exists} shall find. */
export interface ExistsOptions {
  /** Also require that it is a directory. */
  isDirectory?: boolean;
  /** Also require that it is a file. */
  isFile?: boolean;
}

/** Make a directory, and those above it, unless it is there. */
export async function ensureDir(dir: string | URL): Promise<void> {
  await Deno.mkdir(dir, { recursive: true });
}

/** As {@link ensureDir}, synchronously. */
export function ensureDirSync(dir: string | URL): void {
  Deno.mkdirSync(dir, { recursive: true });
}

/** Whether something is at `path`. */
export async function exists(path: string | URL, options?: ExistsOptions): Promise<boolean> {
  try {
    return fits(await Deno.stat(path), options);
  } catch (error) {
    return absent(error);
  }
}

/** As {@link exists}, synchronously. */
export function existsSync(path: string | URL, options?: ExistsOptions): boolean {
  try {
    return fits(Deno.statSync(path), options);
  } catch (error) {
    return absent(error);
  }
}

function fits(info: Deno.FileInfo, options: ExistsOptions | undefined): boolean {
  return (!options?.isDirectory || info.isDirectory) && (!options?.isFile || info.isFile);
}

function absent(error: unknown): boolean {
  if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
  throw error;
}
