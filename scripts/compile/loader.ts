/**
 * The main module of the single file, in the main thread and in each Worker: it starts the program's own modules, which
 * lie in the memory of the process, in the archive that `archive.ts` made.
 *
 * The archive's address enters, in 16 hexadecimal digits behind this module's URL (`entry.S` puts them there), and in a
 * Worker the module to start after a comma. The modules become what they are to Deno, ES modules of V8, by `node:vm`;
 * their URLs are `lguest:/` and their path in the repository. A Worker is asked for by such a URL, as from source:
 * `new Worker(new URL("./vcpu_worker.ts", import.meta.url))` makes one here that begins with this loader. No file is
 * opened. This module imports nothing of ours, since it is all that Deno itself loads. Read next: `entry.S`.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { type Module, SourceTextModule, SyntheticModule } from "node:vm";
import type { ArchiveIndex } from "./archive.ts";

const SCHEME = "lguest:/";
const MAIN = "main.ts";

const [loader = "", place = ""] = import.meta.url.split("#");
const [address = "", entry = MAIN] = place.split(",");

const memory = new Deno.UnsafePointerView(Deno.UnsafePointer.create(BigInt(`0x${address}`))!);
const [indexLength, length] = [memory.getUint32(0), memory.getUint32(4)];
const archive = memory.getArrayBuffer(length, 8);
const index: ArchiveIndex = JSON.parse(decode(0, indexLength));

const modules = new Map<string, Module | Promise<Module>>();

/** The text in a part of the archive. */
function decode(start: number, end: number): string {
  return new TextDecoder().decode(new Uint8Array(archive, start, end - start));
}

/** A file of the archive. */
function find(path: string): Uint8Array<ArrayBuffer> | undefined {
  const file = index[path];
  return file && new Uint8Array(archive, file.start, file.end - file.start).slice();
}

/** The module of a path, not linked yet; the same at each call. */
function getModule(path: string): Module | Promise<Module> {
  let module = modules.get(path);
  if (!module) modules.set(path, module = path.startsWith("node:") ? importBuiltin(path) : makeModule(path));
  return module;
}

function makeModule(path: string): Module {
  const file = index[path];
  if (!file) throw new Error(`This file holds no module "${path}"`);
  const text = decode(file.start, file.end);
  const identifier = SCHEME + path;
  if (path.endsWith(".json")) return constants({ default: JSON.parse(text) }, identifier);
  return new SourceTextModule(text, {
    identifier,
    initializeImportMeta(meta) {
      Object.assign(meta, { url: identifier, main: path === entry, embedded: find });
    },
    importModuleDynamically: async (specifier) => {
      const module = await resolve(specifier, path);
      await start(module);
      return module;
    },
  });
}

/** A module of Deno's own. */
async function importBuiltin(name: string): Promise<Module> {
  return constants(await import(name), name);
}

function constants(values: Readonly<Record<string, unknown>>, identifier: string): Module {
  const names = Object.keys(values);
  return new SyntheticModule(names, function () {
    for (const name of names) this.setExport(name, values[name]);
  }, { identifier });
}

/** What an import in a module means was found out when the archive was made. */
function resolve(specifier: string, path: string): Module | Promise<Module> {
  const found = index[path]?.imports[specifier];
  if (found === undefined) throw new Error(`This file does not know the module "${specifier}" that ${path} imports`);
  return getModule(found);
}

async function start(module: Module): Promise<void> {
  if (module.status === "unlinked") {
    await module.link((specifier, { identifier }) => resolve(specifier, identifier.slice(SCHEME.length)));
  }
  await module.evaluate();
}

globalThis.Worker = class extends Worker {
  constructor(specifier: string | URL, options?: WorkerOptions) {
    const url = String(specifier);
    super(url.startsWith(SCHEME) ? `${loader}#${address},${url.slice(SCHEME.length)}` : url, options);
  }
};

await start(await getModule(entry));
