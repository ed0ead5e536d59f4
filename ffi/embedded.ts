/**
 * The C library in an executable that holds it: no file that the dynamic linker could open. Its bytes become one that
 * has no name: in memory, or where that cannot be had a temporary file that is removed once it is open.
 *
 * Where the bytes are depends on how the executable was built (`scripts/compile/`): `deno compile` includes files that
 * only Deno's own functions see; the other way hands them to each module in its `import.meta`. Read next: `library.ts`,
 * which asks here first.
 *
 * @module
 */
import { GuestError } from "../lib/guest_error.ts";

/** `memfd_create()`: closed in a program that this one starts. */
const MFD_CLOEXEC = 1;

/** What modules have in an executable that `deno compile` did not build. */
interface EmbeddingMeta {
  /** A file of the executable, by its path in the repository. */
  readonly embedded?: (path: string) => Uint8Array<ArrayBuffer> | undefined;
}

/**
 * The C library that this executable holds.
 *
 * @param name its file's name beside this module
 * @returns its bytes, or `undefined` if the program runs from source
 */
export function embeddedLibrary(name: string): Uint8Array<ArrayBuffer> | undefined {
  const { embedded } = import.meta as EmbeddingMeta;
  if (embedded) return embedded(`ffi/${name}`);
  if (!Deno.build.standalone) return undefined;
  try {
    return Deno.readFileSync(new URL(name, import.meta.url));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Give bytes a path for as long as somebody needs it.
 *
 * @param bytes what is in the file
 * @param use is called with the path
 * @returns what that returned
 * @throws {GuestError} if `use` did not succeed, neither with a file in memory nor with one on a disk
 */
export function withFile<T>(bytes: Uint8Array<ArrayBuffer>, use: (path: string) => T): T {
  const failures: string[] = [];
  for (const [kind, make] of [["in memory", fileInMemory], ["as a temporary file", fileOnDisk]] as const) {
    let file: TemporaryFile | undefined;
    try {
      file = make(bytes);
      return use(file.path);
    } catch (error) {
      failures.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      file?.[Symbol.dispose](); // Node 20, for which the npm package is too, knows no `using`
    }
  }
  throw new GuestError(
    `The C library in this executable cannot be loaded (${failures.join("; ")}): ` +
      `set TMPDIR to a directory for temporary files, or name the library's file by --library=`,
  );
}

/** A file that is there until it is disposed of. */
interface TemporaryFile extends Disposable {
  readonly path: string;
}

/** `memfd_create(2)`: a file without a name, which `/proc` shows all the same. */
function fileInMemory(bytes: Uint8Array<ArrayBuffer>): TemporaryFile {
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
    write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const fd = libc.memfd_create(new TextEncoder().encode("lguest\0"), MFD_CLOEXEC);
  if (fd < 0) throw new Error("the system refuses");
  const path = `/proc/self/fd/${fd}`;
  const file = { path, [Symbol.dispose]: () => void libc.close(fd) };
  if (libc.write(fd, bytes, BigInt(bytes.length)) === BigInt(bytes.length)) return file;
  file[Symbol.dispose]();
  throw new Error("the system gives too little");
}

/** A temporary file, in `$TMPDIR` or `/tmp`. */
function fileOnDisk(bytes: Uint8Array<ArrayBuffer>): TemporaryFile {
  const path = Deno.makeTempFileSync({ prefix: "lguest-", suffix: ".so" });
  const file = { path, [Symbol.dispose]: () => Deno.removeSync(path) };
  try {
    Deno.writeFileSync(path, bytes);
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}
