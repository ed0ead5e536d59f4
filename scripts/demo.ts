/**
 * `deno task demo [options] [kernel arguments…]`: a stock Debian kernel and busybox, fetched, and booted to a shell.
 *
 * Everything is kept in the user's cache, so that the second time needs no network. The words after the task's name are
 * the launcher's (`../lib/cli/options.ts`), except `--flavour=686-pae`, `--memory=128` and `--fetch-only`. Read next:
 * `debian.ts`, `initramfs.ts`.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { exists } from "@std/fs";
import { launch } from "../lib/cli/launch.ts";
import { sayError } from "../lib/cli/messages.ts";
import { GuestError } from "../lib/guest_error.ts";
import { cacheDirectory, fetchBusybox, fetchKernel, fetchModules, type KernelFlavour } from "./debian.ts";
import { buildInitramfs, DEMO_INIT } from "./initramfs.ts";

const FLAVOURS: readonly KernelFlavour[] = ["686", "686-pae"];

/** What the demo's own options say; the other words are the launcher's. */
interface DemoOptions {
  flavour: KernelFlavour;
  memory: string;
  fetchOnly: boolean;
  readonly words: string[];
}

if (import.meta.main) Deno.exit(await demo(Deno.args));

/** Fetch, build and boot; returns the exit status. */
async function demo(words: readonly string[]): Promise<number> {
  try {
    const options = readOptions(words);
    const kernel = await fetchKernel(options.flavour);
    const initrd = await demoInitramfs(options.flavour);
    if (options.fetchOnly) {
      console.log(`${kernel}\n${initrd}`);
      return 0;
    }
    return await launch([options.memory, kernel, `--initrd=${initrd}`, ...guestEnvironment(), ...options.words]);
  } catch (error) {
    sayError(error, words.includes("--verbose") || words.includes("-v"));
    return 1;
  }
}

function readOptions(words: readonly string[]): DemoOptions {
  const options: DemoOptions = { flavour: "686", memory: "64", fetchOnly: false, words: [] };
  const end = words.indexOf("--");
  for (const [i, word] of words.entries()) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(end >= 0 && i > end ? "" : word) ?? [];
    if (name === "fetch-only") options.fetchOnly = true;
    else if (name === "memory" && value) options.memory = value;
    else if (name === "flavour") {
      const flavour = FLAVOURS.find((candidate) => candidate === value);
      if (!flavour) {
        throw new GuestError(`Debian has no kernel "${value}" for i386; there are ${FLAVOURS.join(" and ")}`);
      }
      options.flavour = flavour;
    } else options.words.push(word);
  }
  return options;
}

/** The initramfs is built again when its script, or the kernel that its modules belong to, has changed; its name tells. */
async function demoInitramfs(flavour: KernelFlavour): Promise<string> {
  const busybox = await fetchBusybox();
  const modules = await fetchModules(flavour);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${modules}\n${DEMO_INIT}`));
  const name = `demo-${flavour}`;
  const path = join(cacheDirectory(), `${name}-${new Uint8Array(digest).toHex().slice(0, 8)}.cpio`);
  if (!await exists(path)) {
    for await (const entry of Deno.readDir(cacheDirectory())) {
      if (entry.name.replace(/-[0-9a-f]{8}\.cpio$/, "") === name) await Deno.remove(join(cacheDirectory(), entry.name));
    }
    const temporary = await Deno.makeTempFile({ dir: cacheDirectory(), prefix: basename(path) });
    const image = buildInitramfs({ busybox: await Deno.readFile(busybox), init: DEMO_INIT, trees: [modules] });
    await Deno.writeFile(temporary, image);
    await Deno.rename(temporary, path);
  }
  return path;
}

/** A serial line does not tell what kind of terminal it ends at, nor how large. The kernel hands such words to init. */
function guestEnvironment(): string[] {
  if (!Deno.stdout.isTerminal()) return [];
  const { columns, rows } = Deno.consoleSize();
  return [`TERM=${Deno.env.get("TERM") ?? "vt100"}`, ...(columns > 0 ? [`COLUMNS=${columns}`, `LINES=${rows}`] : [])];
}
