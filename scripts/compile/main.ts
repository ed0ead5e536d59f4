/**
 * `deno task compile [--output=FILE] [--base=denort|deno]`: builds the executable, one file with the program, its
 * Workers, the WebAssembly and the C library in it, which needs nothing installed.
 *
 * It is built by `deno compile`, or where that cannot be done (it needs a file from the network) out of the installed
 * Deno. Both are tried out before the old file is replaced: what is not this program is no success. `--base=` takes only
 * the one or the other. Enters: this repository. Leaves: `dist/lguest` and one line. Read next: `sources.ts`,
 * `denort.ts`, then `single_file.ts`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { dirname, relative, resolve } from "@std/path";
import { ensureDir } from "@std/fs";
import metadata from "../../deno.json" with { type: "json" };
import { buildLibrary } from "../../ffi/build.ts";
import { LIBRARY_NAME } from "../../ffi/library.ts";
import { compileByDeno } from "./denort.ts";
import { buildSingleFile } from "./single_file.ts";
import { findSources, ROOT } from "./sources.ts";

/** How long a program may take to print its version: on any machine more than it needs. */
const PATIENCE_MS = 60_000;

const BASES = ["denort", "deno"] as const;
type Base = typeof BASES[number];

if (import.meta.main) {
  try {
    console.log(await compile(Deno.args));
  } catch (error) {
    console.error(`compile: ${oneLine(error)}`);
    Deno.exitCode = 1;
  }
}

/** Build the executable; returns what is to be said of it. */
async function compile(words: readonly string[]): Promise<string> {
  const { output, bases } = readOptions(words);
  const { path: library } = buildLibrary();
  const { modules, workers } = await findSources();
  await ensureDir(dirname(output));
  const unfinished = `${output}.${Deno.pid}`;
  const failures: string[] = [];
  try {
    for (const base of bases) {
      try {
        if (base === "denort") {
          await compileByDeno(unfinished, workers);
        } else {
          const files = new Map([[`ffi/${LIBRARY_NAME}`, await Deno.readFile(library)]]);
          await Deno.writeFile(unfinished, await buildSingleFile({ root: ROOT, modules, files }), { mode: 0o755 });
          await Deno.chmod(unfinished, 0o755);
        }
        await tryOut(unfinished, base);
        await Deno.rename(unfinished, output);
        return await describe(output, base, failures);
      } catch (error) {
        failures.push(oneLine(error));
      }
    }
  } finally {
    await Deno.remove(unfinished).catch(() => {}); // it has its name already, or was never made
  }
  throw new Error(failures.join("; then: "));
}

function readOptions(words: readonly string[]): { output: string; bases: readonly Base[] } {
  const { values: { output, base } } = parseArgs({
    args: [...words],
    options: { output: { type: "string", default: resolve(ROOT, "dist/lguest") }, base: { type: "string" } },
  });
  const bases = base === undefined ? BASES : BASES.filter((name) => name === base);
  if (bases.length === 0) throw new Error(`There is no base "${base}"; there are ${BASES.join(" and ")}`);
  return { output: resolve(output), bases };
}

/** Any program will do for `deno compile` as a base, and then the result is that program. */
async function tryOut(program: string, builtOn: Base): Promise<void> {
  const child = new Deno.Command(program, {
    args: ["--version"],
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const { stdout } = await child.output();
  const said = new TextDecoder().decode(stdout);
  if (said === `lguest ${metadata.version}\n`) return;
  const denort = builtOn === "denort" ? Deno.env.get("DENORT_BIN") : undefined;
  const why = denort === undefined ? "" : ` (is DENORT_BIN="${denort}" denort?)`;
  throw new Error(`what was built does not run: to --version it says ${JSON.stringify(said.slice(0, 40))}${why}`);
}

/** The line that tells what was made of what. */
async function describe(output: string, base: Base, failures: readonly string[]): Promise<string> {
  const mb = ((await Deno.stat(output)).size / 1e6).toFixed(1);
  const name = relative(Deno.cwd(), output);
  if (base === "denort") return `${name}: ${mb} MB, built by deno compile`;
  const why = failures.length > 0 ? `, since deno compile cannot be used here: ${failures.join("; ")}` : "";
  return `${name}: ${mb} MB, built out of the installed Deno ${Deno.version.deno}${why}`;
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, " ").trim();
}
