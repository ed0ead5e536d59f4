/**
 * The executable that the tests here are about: it is built once for each test module that asks for it, in a directory
 * that is gone when the module's tests are over. What the tests need of the machine is said here, too.
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";
import { MAY_RUN, type Outcome } from "../cli/_run.ts";

/**
 * What the executable is built on: the installed Deno, or with LGUEST_BASE=denort what `deno compile` builds on. (It is
 * no choice that the tests make by themselves, since it needs the network.)
 */
export const BASE = MAY_RUN && Deno.env.get("LGUEST_BASE") === "denort" ? "denort" : "deno";

/** The repository. */
export const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Whether a shell's command succeeds. */
export async function succeeds(command: string): Promise<boolean> {
  if (!MAY_RUN) return false;
  const { success } = await new Deno.Command("sh", { args: ["-c", command], stdout: "null", stderr: "null" }).output();
  return success;
}

/** Whether the executable cannot be built out of the installed Deno: no permissions, no C compiler, another machine. */
export const CANNOT_BUILD = Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" ||
  !await succeeds("cc --version");

/** Whether no file system of one's own can be had; root can. */
export const CANNOT_MOUNT = CANNOT_BUILD || !await succeeds("unshare -m mount -t tmpfs none /mnt");

/** Whether system calls cannot be watched. */
export const CANNOT_TRACE = CANNOT_BUILD || !await succeeds("strace -f -o /dev/null true");

/** Call `action` with a directory that is gone afterwards. */
export async function inDirectory<T>(action: (directory: string) => Promise<T>): Promise<T> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-executable-" });
  try {
    return await action(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Run a program to its end. */
export async function run(words: readonly string[], options: Deno.CommandOptions = {}): Promise<Outcome> {
  const [program, ...args] = words;
  const { code, stdout, stderr } = await new Deno.Command(program!, { stdin: "null", ...options, args }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Run `deno task compile`, without the task. */
export function compile(words: readonly string[], options: Deno.CommandOptions = {}): Promise<Outcome> {
  return run([Deno.execPath(), "run", "-A", join(ROOT, "scripts/compile/main.ts"), ...words], options);
}

let building: Promise<string> | undefined;

/** The path of the executable. */
export function executable(): Promise<string> {
  return building ??= build();
}

async function build(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-executable-" });
  addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  const path = join(directory, "lguest");
  const { code, stderr } = await compile([`--base=${BASE}`, `--output=${path}`]);
  if (code !== 0) throw new Error(stderr);
  return path;
}
