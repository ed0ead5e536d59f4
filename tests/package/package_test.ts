/** The npm package in an empty Node project, and what JSR says of the sources. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { fetchKernel } from "../../scripts/debian.ts";
import { pack } from "../../scripts/pack.ts";
import { CANNOT_BOOT, hasProgram } from "../boots/_needs.ts";
import { echoKernel } from "../library/_echo_kernel.ts";

const HERE = fromFileUrl(new URL(".", import.meta.url));
const permitted = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");
const cannotPack = !permitted || !await hasProgram("tar");

/** Whether Node is there, and young enough for the package. */
const hasNode = permitted && await hasProgram("npm") && await hasProgram("node") &&
  Number((await run("node", ["-p", "process.versions.node.split('.')[0]"], HERE)).stdout) >= 20;

async function run(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd,
    stdin: "null",
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function succeed(program: string, args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, cwd);
  assertEquals(code, 0, `${program} ${args.join(" ")} failed:\n${stdout}${stderr}`);
  return stdout;
}

Deno.test({
  name: "deno publish --dry-run finds nothing to complain of",
  ignore: cannotPack,
  fn: async () => {
    const root = join(HERE, "../..");
    const { code, stdout, stderr } = await run(Deno.execPath(), ["publish", "--dry-run", "--allow-dirty"], root);
    assertEquals(code, 0, stderr);
    assertEquals(/^warning\b/m.test(stdout + stderr), false, stderr);
  },
});

Deno.test({
  name: "deno task pack makes a package that works in Node and in Deno",
  ignore: cannotPack,
  fn: async (t) => {
    const scratch = await Deno.makeTempDir({ prefix: "lguest-package-" });
    try {
      const archive = await pack(join(scratch, "dist"));
      const project = join(scratch, "project"), installed = join(project, "node_modules/@lguest/lguest");
      await Deno.mkdir(project);
      await Deno.writeTextFile(join(project, "package.json"), `{"name":"empty","version":"1.0.0","type":"module"}\n`);
      const kernel = join(scratch, "echo");
      await Deno.writeFile(kernel, echoKernel());
      for (const name of ["parts", "guest", "boot"]) {
        await Deno.copyFile(join(HERE, `_node_${name}.mjs`), join(project, `${name}.mjs`));
      }

      await t.step("it holds JavaScript and types, and each URL in it is that of a file", async () => {
        await Deno.mkdir(installed, { recursive: true });
        await succeed("tar", ["-xzf", archive, "--strip-components=1", "-C", installed], scratch);
        const names = [...filesIn(installed)];
        assertEquals(names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts")), []);
        assert(names.some((name) => name.endsWith("lib/mod.d.ts")));
        for (const name of names.filter((name) => name.endsWith(".js"))) {
          const text = await Deno.readTextFile(name);
          for (const [, path] of text.matchAll(/new URL\("(\.[^"]*\.[jt]s)"/g)) {
            assert(names.includes(join(dirname(name), path!)), `${name} names ${path}`);
          }
        }
      });

      await t.step({
        name: "npm installs it in an empty project",
        ignore: !hasNode,
        fn: async () => {
          await Deno.remove(join(project, "node_modules"), { recursive: true });
          await succeed("npm", ["install", "--offline", "--no-audit", "--no-fund", archive], project);
        },
      });

      await t.step({
        name: "Node loads a kernel, decodes, reads PCI configuration and executes, without a Worker",
        ignore: !hasNode,
        fn: async () => {
          const result = JSON.parse(await succeed("node", ["parts.mjs", kernel], project));
          assertStringIncludes(result.refused, "not a Linux kernel");
          // Vendor 1AF4h, device 1044h (virtio 1.2 §4.1.2).
          assertEquals(result.identity, 0x10441af4);
          assertEquals(result.reason, { kind: "poweroff" });
          assertEquals(result.text, "ready\r\nhello ");
          assertEquals(result.length, 5);
        },
      });

      await t.step({
        name: "Node runs a Guest in Workers, and says what needs Deno",
        ignore: !hasNode,
        fn: async () => {
          const result = JSON.parse(await succeed("node", ["guest.mjs", kernel], project));
          assertEquals(result.refusals.length, 3);
          for (const refusal of result.refusals) assertMatch(refusal, /^(Kernel|Disk|The C library).* needs Deno: /);
          const { reboots, paused, before, exited } = result;
          assertEquals({ reboots, paused, before, exited }, {
            reboots: 1,
            paused: "paused",
            before: "",
            exited: { kind: "poweroff" },
          });
        },
      });

      await t.step({
        name: "Node boots Debian's kernel as far as it goes without a disk",
        ignore: !hasNode || CANNOT_BOOT,
        fn: async () => {
          assertEquals(await succeed("node", ["boot.mjs", await fetchKernel()], project), "Unable to mount root fs\n");
        },
      });

      await t.step("Deno runs a Guest of it", async () => {
        const script = `import { Guest } from "@lguest/lguest";
          const guest = await Guest.start({ memory: 8, kernel: Deno.args[0] });
          await guest.console.expect("ready");
          console.log((await guest.stop()).kind);`;
        await Deno.writeTextFile(join(project, "deno.mjs"), script);
        const args = ["run", "-A", "--no-lock", "--node-modules-dir=manual", "deno.mjs", kernel];
        assertEquals(await succeed(Deno.execPath(), args, project), "terminated\n");
      });

      await t.step({
        name: "its command has Deno run the launcher, and says so where there is none",
        ignore: !hasNode,
        fn: async () => {
          const command = join(installed, "bin/lguest.js");
          const bare = { PATH: dirname((await succeed("node", ["-p", "process.execPath"], project)).trim()) };
          const node = join(bare.PATH, "node");
          const without = await run(node, [command, "--version"], project, { PATH: "/nonexistent" });
          assertEquals([without.code, without.stdout], [1, ""]);
          assertMatch(without.stderr, /^lguest: Deno is not installed, and this command needs it: npm install deno\n$/);
          const path = `${dirname(Deno.execPath())}:${bare.PATH}`;
          const version = await run(node, [command, "--version"], project, { PATH: path });
          assertEquals(version.code, 0, version.stderr);
          assertMatch(version.stdout, /^lguest \d+\.\d+\.\d+\n$/);
          const refused = await run(node, [command, "64", join(project, "missing")], project, { PATH: path });
          assertEquals(refused.code, 1);
          assertStringIncludes(refused.stderr, "does not exist");
        },
      });
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  },
});

function* filesIn(directory: string): Generator<string> {
  for (const entry of Deno.readDirSync(directory)) {
    const path = join(directory, entry.name);
    if (entry.isDirectory) yield* filesIn(path);
    else yield path;
  }
}
