/**
 * Makes the npm package: `deno task pack` writes `dist/*.tgz`. `deno pack` does nearly all of it; but the modules of
 * Workers are found by their URLs and not by imports, Node gets a door of its own that brings Web Workers along, and
 * there is a command to run. So a copy of the sources is packed, in which these are exports too, and what comes out is
 * mended: the URLs of Workers name JavaScript, and `package.json` says which door is whose. Read next:
 * `../lib/node/mod.ts`, `npm/lguest.js`.
 *
 * @module
 */
import { relative } from "node:path";
import { dirname, fromFileUrl, join } from "@std/path";
import { GuestError } from "../lib/guest_error.ts";
import { sayError } from "../lib/cli/messages.ts";
import metadata from "../deno.json" with { type: "json" };

const ROOT = fromFileUrl(new URL("..", import.meta.url));
/** What is packed besides the modules that can be reached. */
const MORE = ["README.md", "LICENSE", "CHANGELOG.md", "ffi/lguest.c"];
/** Modules that nothing imports: those of Workers, and Node's. */
const UNIMPORTED = ["lib/node/mod.ts", "lib/node/parts.ts", "lib/node/worker_main.ts"];

/** What `package.json` has of each export. */
interface Door {
  readonly types: string;
  readonly node?: { readonly types: string; readonly default: string };
  readonly default: string;
}

if (import.meta.main) {
  try {
    console.log(await pack(join(ROOT, "dist")));
  } catch (error) {
    sayError(error, false);
    Deno.exit(1);
  }
}

/**
 * Make the package.
 *
 * @param directory takes the archive
 * @returns the archive's path
 * @throws {GuestError} if a program fails
 */
export async function pack(directory: string): Promise<string> {
  const scratch = await Deno.makeTempDir({ prefix: "lguest-pack-" });
  try {
    const sources = join(scratch, "sources"), archive = join(scratch, "packed.tgz");
    const workers = await copySources(sources);
    await writeConfiguration(sources, [...UNIMPORTED, ...workers]);
    await run(Deno.execPath(), ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "-o", archive], sources);
    await run("tar", ["-xzf", archive], scratch);
    const packed = join(scratch, "package");
    await mend(packed, workers);
    await Deno.mkdir(directory, { recursive: true });
    const name = metadata.name.replace("@", "").replace("/", "-");
    const result = join(directory, `${name}-${metadata.version}.tgz`);
    // As npm does it, the same files make the same archive.
    const always = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"];
    await run("tar", ["-cf", join(scratch, "package.tar"), ...always, "package"], scratch);
    await Deno.writeFile(result, await gzip(await Deno.readFile(join(scratch, "package.tar"))));
    return result;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Copy what is packed; returns the modules of Workers. */
async function copySources(target: string): Promise<string[]> {
  const workers: string[] = [];
  const copy = async (path: string) => {
    await Deno.mkdir(dirname(join(target, path)), { recursive: true });
    await Deno.copyFile(join(ROOT, path), join(target, path));
    if (path.endsWith("_worker.ts")) workers.push(path);
  };
  for (const path of ["deno.json", "main.ts", ...MORE]) await copy(path);
  for (const path of [...files("lib"), ...files("ffi")]) if (/\.(ts|json)$/.test(path)) await copy(path);
  return workers;
}

function* files(under: string): Generator<string> {
  for (const entry of Deno.readDirSync(join(ROOT, under))) {
    const path = `${under}/${entry.name}`;
    if (entry.isDirectory) yield* files(path);
    else if (entry.isFile) yield path;
  }
}

/** A configuration by which `deno pack` reaches all modules, and takes nothing that is none. */
async function writeConfiguration(sources: string, unimported: readonly string[]): Promise<void> {
  const exports = Object.fromEntries(unimported.map((path) => [`./${path}`, `./${path}`]));
  const configuration = {
    ...metadata,
    exports: { ...metadata.exports, ...exports },
    publish: { include: MORE },
  };
  await Deno.writeTextFile(join(sources, "deno.json"), JSON.stringify(configuration));
}

/** Make of what `deno pack` made what Node and Deno can use. */
async function mend(packed: string, workers: readonly string[]): Promise<void> {
  for (const path of filesIn(packed)) {
    if (!path.endsWith(".js")) continue;
    const text = await Deno.readTextFile(path);
    // The stand-ins of lib/std are in the package, and nothing else goes by these names.
    let mended = text.replaceAll(/^(?! \* )(.* from )"@std\/(\w+)";$/gm, (_, begin, name) => {
      return `${begin}"./${relative(dirname(path), join(packed, `lib/std/${name}/mod.js`))}";`;
    });
    for (const worker of workers) {
      const name = worker.slice(worker.lastIndexOf("/") + 1);
      mended = mended.replaceAll(`/${name}"`, `/${javascript(name)}"`);
    }
    if (mended !== text) await Deno.writeTextFile(path, mended);
  }
  // The launcher has its version from there.
  const { name, version } = metadata;
  await Deno.writeTextFile(join(packed, "deno.json"), JSON.stringify({ name, version }));
  await Deno.mkdir(join(packed, "bin"));
  await Deno.copyFile(join(ROOT, "scripts/npm/lguest.js"), join(packed, "bin/lguest.js"));
  await Deno.chmod(join(packed, "bin/lguest.js"), 0o755);
  const path = join(packed, "package.json");
  const made = JSON.parse(await Deno.readTextFile(path)) as Record<string, unknown>;
  const exports: Record<string, Door | string> = { "./package.json": "./package.json" };
  for (const [entrance, source] of Object.entries(metadata.exports)) {
    const door = { types: javascript(source, ".d.ts"), default: javascript(source) };
    const nodes = source.replace(/^\.\/lib\//, "./lib/node/");
    const node = UNIMPORTED.includes(nodes.slice(2)) && { types: door.types, default: javascript(nodes) };
    exports[entrance] = { types: door.types, ...(node && { deno: door.default, node }), default: door.default };
  }
  const description = "Boots Linux on a CPU written in TypeScript";
  await Deno.writeTextFile(
    path,
    JSON.stringify(
      {
        ...made,
        description,
        exports,
        bin: { lguest: "./bin/lguest.js" },
        engines: { node: ">=20" },
        peerDependencies: { deno: ">=2.9" },
        peerDependenciesMeta: { deno: { optional: true } },
      },
      null,
      2,
    ) + "\n",
  );
}

function* filesIn(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* filesIn(path);
    else yield path;
  }
}

function javascript(path: string, ending = ".js"): string {
  return path.replace(/\.ts$/, ending);
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

async function run(program: string, args: readonly string[], cwd: string): Promise<void> {
  const output = await new Deno.Command(program, { args: [...args], cwd, stdin: "null" }).output();
  if (output.success) return;
  throw new GuestError(`${program} ${args[0]} failed: ${new TextDecoder().decode(output.stderr).trim()}`);
}
