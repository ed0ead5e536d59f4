/**
 * The executable that is built without `deno compile`, piece by piece: what its first instructions make of the stack, by
 * a program that stands for Deno and prints what it gets; and what the loader makes of modules, by a program that does
 * everything with modules that a program can.
 */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { archive, type ArchiveIndex } from "../../scripts/compile/archive.ts";
import { ElfError, planSegment } from "../../scripts/compile/elf.ts";
import { buildSingleFile } from "../../scripts/compile/single_file.ts";
import { findSources, ROOT } from "../../scripts/compile/sources.ts";
import { CANNOT_BUILD, inDirectory, run } from "./_executable.ts";

const ignore = CANNOT_BUILD;

/** Prints its arguments, its environment as `main` gets it, what getenv() says, whether the stack is aligned. */
const STAND_IN = `
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <sys/auxv.h>
extern char **environ;
int main(int argc, char **argv, char **envp) {
  char *own = getenv("OWN"), *check = getenv("DENO_NO_UPDATE_CHECK");
  double aligned[2] __attribute__((aligned(16))) = { 1, 2 };
  printf("%d %d %d %s %s %ld\\n", argc, envp == environ, (int)((uintptr_t)aligned % 16), own ? own : "-",
         check ? check : "-", getauxval(AT_PAGESZ));
  for (int i = 0; i < argc; i++) printf("[%s]\\n", argv[i]);
  for (char **e = environ; *e; e++) printf("{%s}\\n", *e);
  return argv[argc] ? 1 : 0;
}
`;

/** The options that Deno gets. */
const OPTIONS = ["run", "--allow-all", "--no-config", "--no-lock", "--no-npm", "--no-remote", "--no-code-cache"];

/** Compile {@link STAND_IN}, and build the executable out of it; returns its path. */
async function buildStandIn(directory: string, ...flags: string[]): Promise<string> {
  const source = join(directory, "stand_in.c"), deno = join(directory, "deno"), path = join(directory, "executable");
  await Deno.writeTextFile(source, STAND_IN);
  const { code, stderr } = await run(["cc", "-O1", ...flags, "-o", deno, source]);
  assertEquals([code, stderr], [0, ""]);
  await Deno.writeFile(path, await buildSingleFile({ root: ROOT, modules: [], files: new Map(), deno }), {
    mode: 0o755,
  });
  return path;
}

for (
  const [kind, flags] of [
    ["that can be loaded anywhere", ["-fPIC", "-pie"]],
    ["that has one place", ["-fPIC", "-no-pie"]],
    ["whose functions are bound late", ["-fPIC", "-pie", "-Wl,-z,lazy"]],
  ] as const
) {
  Deno.test({
    name: `a program ${kind} gets the options, the user's words and more variables`,
    ignore,
    fn: () =>
      inDirectory(async (directory) => {
        const program = await buildStandIn(directory, ...flags);
        for (
          const words of [[], ["--help"], ["a b", "", "ü\n"], Array.from({ length: 20_001 }, (_, i) => `${i}`)]
        ) {
          const { code, stdout } = await run([program, ...words], { clearEnv: true, env: { OWN: "variable" } });
          assertEquals(code, 0);
          assertEquals(
            stdout.slice(0, stdout.indexOf("\n")),
            `${OPTIONS.length + 2 + words.length} 1 0 variable 1 4096`,
          );
          const loader = /\[(data:text\/javascript;base64,[A-Za-z0-9+/=]+#[0-9a-f]{16})\]\n/.exec(stdout)?.[1];
          const wanted = [program, ...OPTIONS, loader, ...words].map((word) => `[${word}]\n`).join("");
          assertEquals(stdout.slice(stdout.indexOf("["), stdout.indexOf("{")), wanted);
          const variables = stdout.slice(stdout.indexOf("\n{")).trim().split("\n");
          assertEquals(variables.map((line) => line.slice(0, line.indexOf("="))), [
            "{DENO_NO_UPDATE_CHECK",
            "{DENO_NO_PACKAGE_JSON",
            "{DENO_DISABLE_NODE_SHIM",
            "{DENO_LOG",
            "{DENO_DIR",
            "{OWN",
          ]);
        }
        const empty = await run(["env", "-i", program]);
        assertEquals([empty.code, empty.stdout.split("\n")[0]], [0, `${OPTIONS.length + 2} 1 0 - 1 4096`]);
      }),
  });
}

Deno.test({
  name: "planSegment() takes only programs for x86-64 that are linked to the GNU C library",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const source = join(directory, "main.c"), program = join(directory, "main");
      await Deno.writeTextFile(source, "int main(void) { return 0; }");
      assertEquals((await run(["cc", "-static", "-o", program, source])).code, 0);
      const fixed = await Deno.readFile(program);
      assertThrows(() => planSegment(fixed), ElfError, "is not linked to the GNU C library");
      assertEquals((await run(["cc", "-o", program, source])).code, 0);
      const dynamic = await Deno.readFile(program);
      assertThrows(() => planSegment(dynamic), ElfError, "does not ask the C library for its environment");
      dynamic[18] = 183; // e_machine: EM_AARCH64
      assertThrows(() => planSegment(dynamic), ElfError, "is not an ELF program for x86-64");
      assertThrows(() => planSegment(new Uint8Array(9)), ElfError, "is not an ELF program for x86-64");
      await assertRejects(
        () => buildSingleFile({ root: ROOT, modules: [], files: new Map(), deno: source }),
        Error,
        `"${source}" is not an ELF program for x86-64: here only deno compile can build the executable`,
      );
    }),
});

Deno.test("archive() puts files where its index says", () => {
  const files = ["first", "", "ümläut"].map((text, i) => ({
    path: `dir/${i}.ts`,
    bytes: new TextEncoder().encode(text),
    imports: { "./x.ts": `dir/x${i}.ts` },
  }));
  const bytes = archive(files);
  const view = new DataView(bytes.buffer);
  assertEquals(bytes.length, 8 + view.getUint32(4, true));
  const index: ArchiveIndex = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + view.getUint32(0, true))));
  for (const { path, bytes: contents, imports } of files) {
    const { start, end, imports: found } = index[path]!;
    assertEquals(bytes.slice(8 + start, 8 + end), contents);
    assertEquals(found, imports);
  }
});

/** A program with modules in a circle, values that change, modules loaded later, Workers that start Workers. */
const PROGRAM: Readonly<Record<string, string>> = {
  "deno.json": `{ "imports": { "mapped": "./sub/mapped.ts" } }`,
  "data.json": `{ "text": "täxt" }`,
  "main.ts": `
    import type { Nothing } from "./sub/types.ts";
    import data from "./data.json" with { type: "json" };
    import { basename } from "node:path";
    import * as mapped from "mapped";
    import { count, increase, type Shape } from "./sub/live.ts";
    export { count } from "./sub/live.ts";
    import { even } from "./sub/circle_a.ts";
    const shape: Shape & Nothing = { x: 1 };
    increase();
    const later = await import("./sub/later.ts");
    const worker = new Worker(new URL("./sub/worker.ts", import.meta.url), { type: "module", name: "some name" });
    const said = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
    worker.terminate();
    let failure = "";
    try { await import("./sub/failing.ts"); } catch (error) { failure = String(error); }
    console.log(JSON.stringify([
      data, basename("/a/b"), mapped.default, [...Object.keys(mapped)], shape, count, even(10), later.late,
      later === await import("./sub/later.ts"), said, failure, import.meta.main, typeof import.meta.url, Deno.args,
      [] instanceof Array, Error.prototype === Object.getPrototypeOf(new Error("x")),
    ]));`,
  "sub/types.ts": "export interface Nothing {}",
  "sub/mapped.ts": "export default 'default'; export const named = import.meta.main; export class Some {}",
  "sub/live.ts": "export let count = 0; export function increase() { count++; } export interface Shape { x: number }",
  "sub/circle_a.ts":
    `import { odd } from "./circle_b.ts"; export const even = (n: number): boolean => n === 0 || odd(n - 1);`,
  "sub/circle_b.ts":
    `import { even } from "./circle_a.ts"; export const odd = (n: number): boolean => n > 0 && even(n - 1);`,
  "sub/later.ts": `import { count } from "./live.ts"; await Promise.resolve(); export const late = count;`,
  "sub/failing.ts": `throw new TypeError("on purpose");`,
  "sub/worker.ts": `
    import { count } from "./live.ts";
    const inner = new Worker(new URL("./inner.ts", import.meta.url), { type: "module" });
    inner.onmessage = ({ data }) => self.postMessage([data, self.name, count, import.meta.main]);`,
  "sub/inner.ts": `self.postMessage("from the inner Worker");`,
};

async function writeProgram(root: string, program: Readonly<Record<string, string>>): Promise<void> {
  await Deno.mkdir(join(root, "sub"), { recursive: true });
  for (const [path, text] of Object.entries(program)) await Deno.writeTextFile(join(root, path), text);
}

Deno.test({
  name: "the loader makes of modules, Workers and imports what Deno makes of them",
  ignore,
  fn: () =>
    inDirectory(async (root) => {
      await writeProgram(root, PROGRAM);
      const { modules, workers } = await findSources(root);
      assertEquals(workers, ["sub/worker.ts", "sub/inner.ts"]);
      const program = join(root, "executable");
      await Deno.writeFile(program, await buildSingleFile({ root, modules, files: new Map() }), { mode: 0o755 });
      const wanted = await run([Deno.execPath(), "run", "-A", "--no-lock", join(root, "main.ts"), "word"], {
        cwd: root,
      });
      assertEquals([wanted.code, wanted.stderr], [0, ""]);
      assertStringIncludes(wanted.stdout, '["from the inner Worker","some name",0,true]');
      assertEquals(await run([program, "word"]), wanted);
    }),
});

for (
  const [main, complaint] of [
    [`import "./missing.ts";`, "missing.ts"],
    [`import "data:text/javascript,1";`, `"data:text/javascript,1" cannot be put into the executable`],
    [
      `export const url = new URL("./sub/picture.png", import.meta.url);`,
      `looks for "./sub/picture.png" beside itself`,
    ],
    [`new Worker("file:///somewhere.ts");`, "starts a Worker without new URL"],
    [`const bytes = new URL("./sub/worker.ts", import.meta.url);`, "sub/worker.ts"],
  ] as const
) {
  Deno.test({
    name: `findSources() refuses ${main}`,
    ignore,
    fn: () =>
      inDirectory(async (root) => {
        await Deno.writeTextFile(join(root, "main.ts"), main);
        await assertRejects(() => findSources(root), Error, complaint);
      }),
  });
}
