/**
 * The executable without `deno compile`: the installed Deno itself, with the program in it.
 *
 * `deno compile` needs a second program of Deno's, `denort`, which it fetches from the network. This makes a file that
 * does the same of the `deno` that is running, in three steps: all modules go into an archive (`archive.ts`); archive
 * and a few instructions are linked to one segment (`entry.S`); Deno gets that segment and begins with it (`elf.ts`).
 * When it is started, the instructions put `run`, some options and the URL of a small loader (`loader.ts`) before the
 * user's words, and the loader starts the modules out of the process's own memory.
 *
 * The program's modules and the C library enter, the executable's bytes leave. For x86-64 with the GNU C library. Read
 * next: `archive.ts`, `entry.S`, `loader.ts`, `elf.ts`.
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";
import { runCompiler } from "../../ffi/build.ts";
import { archive, transpile } from "./archive.ts";
import { appendSegment, ElfError, type ElfPlan, planSegment } from "./elf.ts";
import type { SourceModule } from "./sources.ts";

/** What the executable is made of. */
export interface SingleFileParts {
  /** The directory that the modules' paths begin at. */
  readonly root: string;
  /** The program's modules. */
  readonly modules: readonly SourceModule[];
  /** Other files, by the path in that directory that they are asked for by. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The Deno to build on; the one that is running unless given. */
  readonly deno?: string;
}

/**
 * Build it.
 *
 * @param parts what goes into it
 * @returns the executable's bytes
 * @throws {Error} if this machine's Deno cannot be built on, or there is no C compiler
 */
export async function buildSingleFile(parts: SingleFileParts): Promise<Uint8Array<ArrayBuffer>> {
  const deno = parts.deno ?? Deno.execPath();
  const program = await Deno.readFile(deno);
  const plan = nameErrors(deno, () => planSegment(program));
  const scratch = await Deno.makeTempDir({ prefix: "lguest-compile-" });
  try {
    const here = fromFileUrl(new URL(".", import.meta.url));
    const [loader] = await transpile([{ path: "loader.ts", imports: {} }], here, join(scratch, "loader"));
    const files = await transpile(parts.modules, parts.root, join(scratch, "program"));
    for (const [path, bytes] of parts.files) files.push({ path, bytes, imports: {} });
    await Deno.writeFile(join(scratch, "archive"), archive(files));
    await Deno.writeTextFile(join(scratch, "loader.url"), `data:text/javascript;base64,${loader!.bytes.toBase64()}#`);
    return appendSegment(program, await link(plan, scratch), plan);
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Assemble and link the segment; its files are in a directory. */
async function link({ segment, entry, environ }: ElfPlan, directory: string): Promise<Uint8Array> {
  const [code, script] = ["entry.S", "entry.ld"].map((name) => fromFileUrl(new URL(name, import.meta.url)));
  const target = join(directory, "segment");
  const places = Object.entries({ SEGMENT: segment, ENTRY: entry, ENVIRON: environ })
    .map(([name, address]) => `--defsym=${name}=${address}`);
  runCompiler([
    ...["-nostdlib", "-static", "-no-pie", `-Wa,-I${directory}`, "-o", target, code!],
    ...[`-Wl,-T${script}`, "-Wl,--oformat=binary", "-Wl,--build-id=none"],
    ...places.map((place) => `-Wl,${place}`),
  ]);
  return await Deno.readFile(target);
}

function nameErrors<T>(deno: string, deed: () => T): T {
  try {
    return deed();
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    throw new Error(`"${deno}" ${error.message}: here only deno compile can build the executable`, { cause: error });
  }
}
