/**
 * `deno task compile`: by `deno compile` where that can be, else out of the installed Deno; one line in any case.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import metadata from "../../deno.json" with { type: "json" };
import { CANNOT_BUILD, compile, inDirectory, ROOT, run, succeeds } from "./_executable.ts";

const ignore = CANNOT_BUILD;

/** A program that stands for `denort`, Deno's base for compiled programs: it takes no notice of the program in it. */
async function makeBase(directory: string, says: string): Promise<string> {
  const source = join(directory, "base.c"), path = join(directory, "base");
  await Deno.writeTextFile(source, `#include <stdio.h>\nint main(void) { puts("${says}"); return 0; }`);
  assertEquals((await run(["cc", "-o", path, source])).code, 0);
  return path;
}

Deno.test({
  name: "compile has deno compile build the executable on DENORT_BIN, with all Workers and the C library in it",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const base = await makeBase(directory, `lguest ${metadata.version}`);
      const target = join(directory, "lguest");
      const { code, stdout, stderr } = await compile([`--output=${target}`], {
        env: { DENORT_BIN: base },
        cwd: directory,
      });
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^lguest: \d+\.\d MB, built by deno compile\n$/);
      const bytes = new TextDecoder("latin1").decode(await Deno.readFile(target));
      // A line of each module that Workers begin with, a function of the C library, a line of the main module.
      for (const path of ["lib/vcpu_worker.ts", "lib/storage/storage_worker.ts", "lib/net/tap_worker.ts", "main.ts"]) {
        const text = await Deno.readTextFile(join(ROOT, path));
        assertStringIncludes(bytes, text.match(/^ \* The (?:module|launcher).*$/m)![0].slice(0, 50), path);
      }
      const library = new TextDecoder("latin1").decode(await Deno.readFile(join(ROOT, "ffi/liblguest.so")));
      assert(bytes.includes(library), "the C library is not in it");
      assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["base", "base.c", "lguest"]);
    }),
});

Deno.test({
  name: "compile builds out of the installed Deno what deno compile cannot, and says so in one line",
  ignore,
  fn: () =>
    inDirectory(async (directory) => {
      const target = join(directory, "lguest");
      for (
        const [base, complaint] of [
          [join(directory, "nowhere"), "Could not find denort at"],
          // Any program does for deno compile: then the result is that program.
          [await makeBase(directory, "something else"), 'to --version it says "something else'],
          [Deno.execPath(), 'to --version it says "deno '],
        ] as const
      ) {
        const { code, stdout, stderr } = await compile([`--output=${target}`], { env: { DENORT_BIN: base } });
        assertEquals([code, stderr], [0, ""]);
        assertMatch(
          stdout,
          /^[^\n]*lguest: \d+\.\d MB, built out of the installed Deno \d[^\n]*, since deno compile[^\n]*\n$/,
        );
        assertStringIncludes(stdout, complaint);
        assertEquals((await run([target, "--version"])).stdout, `lguest ${metadata.version}\n`);
        await Deno.remove(target);
      }
    }),
});

Deno.test({
  name: "compile needs no network and no cache to build out of the installed Deno",
  ignore: ignore || !await succeeds("unshare -rn true"),
  fn: () =>
    inDirectory(async (directory) => {
      const target = join(directory, "lguest");
      const words = [Deno.execPath(), "run", "-A", join(ROOT, "scripts/compile/main.ts"), `--output=${target}`];
      const { code, stdout, stderr } = await run(["unshare", "-rn", ...words], {
        env: { DENO_DIR: join(directory, "cache"), DENO_NO_UPDATE_CHECK: "1" },
      });
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^[^\n]*, since deno compile cannot be used here: [^\n]*\n$/);
      assertEquals((await run([target, "--version"])).stdout, `lguest ${metadata.version}\n`);
    }),
});

for (
  const [what, words, env, complaint] of [
    ["there is no base for deno compile", ["--base=denort"], { DENORT_BIN: "/nowhere" }, "Could not find denort"],
    ["the base is another program", ["--base=denort"], { DENORT_BIN: "/bin/true" }, 'DENORT_BIN="/bin/true"'],
    ["there is no C compiler", ["--base=deno"], { PATH: "/nowhere" }, 'There is no C compiler "cc"'],
    ["an option is unknown", ["--fast"], {}, "--fast"],
    ["a base is unknown", ["--base=qemu"], {}, 'There is no base "qemu"'],
  ] as const
) {
  Deno.test({
    name: `compile leaves the old file alone and fails with one line if ${what}`,
    ignore,
    fn: () =>
      inDirectory(async (directory) => {
        const target = join(directory, "lguest");
        await Deno.writeTextFile(target, "old");
        const { code, stdout, stderr } = await compile([...words, `--output=${target}`], { env });
        assertEquals([code, stdout], [1, ""]);
        assertMatch(stderr, /^compile: [^\n]*\n$/);
        assertStringIncludes(stderr, complaint);
        assertEquals(await Deno.readTextFile(target), "old");
        assertEquals([...Deno.readDirSync(directory)].length, 1);
      }),
  });
}
