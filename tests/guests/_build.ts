/**
 * Compiles test kernels: a topic and a generation of lguest enter, an ELF executable leaves. Needs `gcc -m32`. Read
 * next: `lguest.h` for what is compiled, `_run.ts` for how it is run.
 *
 * @module
 */
import { join } from "@std/path";
import type { Generation } from "../../lib/platform/lguest/generation.ts";

const FLAGS = [
  ..."-m32 -march=i686 -O1 -ffreestanding -fno-builtin -mgeneral-regs-only -nostdlib -static".split(" "),
  ..."-fno-pic -no-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables".split(" "),
  ..."-Wall -Wextra -Werror -Wl,--build-id=none,--no-warn-rwx-segments".split(" "),
];

/** Why no test kernel can be built here, or `undefined`: needs x86 Linux, `gcc -m32` and the permission to run it. */
export function guestsMissing(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return "needs Linux on x86-64";
  for (const name of ["run", "read", "write", "env"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  try {
    const { success } = new Deno.Command("gcc", {
      args: ["-m32", "-fsyntax-only", join(import.meta.dirname!, "kernel.c"), "-DLG_VERSION=41000"],
      stderr: "null",
    }).outputSync();
    return success ? undefined : "needs gcc -m32";
  } catch {
    return "needs gcc";
  }
}

const built = new Map<string, Uint8Array>();
let folder: string | undefined;

/**
 * A test kernel; compiled once for this process.
 *
 * @param topic the C file with its tests, without suffix
 * @param generation for which Host
 * @returns the ELF file
 */
export function buildGuest(topic: string, generation: Generation): Uint8Array {
  const key = `${topic}-${generation.name}`;
  const known = built.get(key);
  if (known) return known;
  if (folder === undefined) {
    const made = folder = Deno.makeTempDirSync({ prefix: "lguest_guests_" });
    addEventListener("unload", () => Deno.removeSync(made, { recursive: true }));
  }
  const source = (name: string) => join(import.meta.dirname!, name);
  const program = join(folder, key);
  const defines = Object.entries(definesOf(generation)).map(([name, value]) => `-D${name}=${value}`);
  const sources = ["start.S", "kernel.c", `${topic}.c`].map(source);
  const { success, stderr } = new Deno.Command("gcc", {
    args: [...FLAGS, `-Wl,-T,${source("guest.ld")}`, ...defines, "-o", program, ...sources],
    stderr: "piped",
  }).outputSync();
  if (!success) throw new Error(`${topic}.c does not compile: ${new TextDecoder().decode(stderr).trim()}`);
  const file = Deno.readFileSync(program);
  built.set(key, file);
  return file;
}

/** The names of a topic's tests, as its source has them for that generation. */
export function testsOf(topic: string, generation: Generation): string[] {
  const source = join(import.meta.dirname!, `${topic}.c`);
  const defines = Object.entries(definesOf(generation)).map(([name, value]) => `-D${name}=${value}`);
  const { stdout } = new Deno.Command("gcc", { args: ["-m32", "-E", "-P", ...defines, source] }).outputSync();
  return [...new TextDecoder().decode(stdout).matchAll(/struct test test_(\w+)/g)].map((match) => match[1]!);
}

/** What lguest.h wants to know: 2.6.31 is 20631. */
function definesOf({ name }: Generation): Record<string, number> {
  const [major = 0, minor = 0, patch = 0] = name.split(".").map(Number);
  return { LG_VERSION: 10_000 * major + 100 * minor + patch };
}
