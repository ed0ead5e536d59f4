/**
 * What the executable must hold: the modules that `main.ts` and the Workers' modules import. A Worker's module is named
 * in no import but in `new URL("./name.ts", import.meta.url)`, which is looked for here, so that a new Worker needs no
 * entry in any list. Read next: `main.ts`.
 *
 * @module
 */
import { dirname, fromFileUrl, join, relative } from "@std/path";
import { runDeno } from "./run.ts";

/** The repository's directory. */
export const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** The program's first module. */
export const MAIN = "main.ts";

/** A module of the program. */
export interface SourceModule {
  /** Its path in the repository. */
  readonly path: string;
  /** What each of its imports means: another module's path, or the name of one of Deno's own. */
  readonly imports: Readonly<Record<string, string>>;
}

/** The program's modules. */
export interface Sources {
  /** All of them. */
  readonly modules: readonly SourceModule[];
  /** The paths of those that Workers begin with. */
  readonly workers: readonly string[];
}

/** What `deno info --json` tells of a module, as far as it matters here. */
interface ModuleInfo {
  readonly specifier: string;
  readonly kind: string;
  readonly error?: string;
  readonly dependencies?: readonly { readonly specifier: string; readonly code?: { readonly specifier?: string } }[];
}

/**
 * Find the program's modules.
 *
 * @param root the repository's directory, if not this one
 * @throws {Error} if one is missing, or is one that a single file cannot hold
 */
export async function findSources(root: string = ROOT): Promise<Sources> {
  const modules = new Map<string, SourceModule>();
  const workers: string[] = [];
  const queue = [MAIN];
  for (let entry; (entry = queue.shift()) !== undefined;) {
    for (const module of await importedBy(entry, root)) {
      if (modules.has(module.path)) continue;
      modules.set(module.path, module);
      const found = await findWorkers(module.path, root);
      workers.push(...found);
      queue.push(...found);
    }
  }
  return { modules: [...modules.values()], workers: [...new Set(workers)] };
}

async function importedBy(entry: string, root: string): Promise<SourceModule[]> {
  const info: { modules: ModuleInfo[] } = JSON.parse(await runDeno(["info", "--json", entry], root));
  const found: SourceModule[] = [];
  for (const { specifier, kind, error, dependencies = [] } of info.modules) {
    if (error !== undefined) throw new Error(error);
    if (kind === "node") continue;
    const imports: Record<string, string> = {};
    for (const { specifier, code } of dependencies) {
      if (code?.specifier !== undefined) imports[specifier] = pathOf(code.specifier, root);
    }
    found.push({ path: pathOf(specifier, root), imports });
  }
  return found;
}

/** A module's path in the repository; Deno's own have none. */
function pathOf(url: string, root: string): string {
  if (url.startsWith("node:")) return url;
  const path = url.startsWith("file:") ? relative(root, fromFileUrl(url)) : url;
  if (/^\.\.|^\/|^\w+:/.test(path) || !/\.(ts|json)$/.test(path)) {
    throw new Error(`"${url}" cannot be put into the executable: only the repository's own .ts and .json files can`);
  }
  return path;
}

/**
 * The modules that Workers begin with which a module starts. Other files that it looks for beside itself would not be
 * there in an executable.
 */
async function findWorkers(path: string, root: string): Promise<string[]> {
  if (!path.endsWith(".ts")) return [];
  const text = await Deno.readTextFile(join(root, path));
  const names = [...text.matchAll(/\bnew URL\(\s*"(\.[^"]+)",\s*import\.meta\.url,?\s*\)/g)].map(([, name]) => name!);
  const other = names.find((name) => !name.endsWith(".ts"));
  if (other !== undefined) {
    throw new Error(`"${path}" looks for "${other}" beside itself: in the executable there are modules only`);
  }
  if (names.length === 0 && /\bnew Worker\(/.test(text)) {
    throw new Error(`"${path}" starts a Worker without new URL("./name.ts", import.meta.url): it would not be found`);
  }
  return names.map((name) => join(dirname(path), name));
}
