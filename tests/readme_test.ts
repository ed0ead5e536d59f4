/**
 * The README cannot rot: its commands are executed, its code runs, and what it says of options, statuses and files is
 * what is there.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { OPTIONS } from "../lib/cli/option_table.ts";
import { longForm, usage } from "../lib/cli/help.ts";
import { fetchBusybox, fetchKernel } from "../scripts/debian.ts";
import { buildInitramfs, INIT_PREAMBLE, INIT_SHELL } from "../scripts/initramfs.ts";
import { anchors, blocksOf, commandsOf, fileNames, inlineCommands, linkTargets, tableOf } from "./_readme.ts";
import { type Need, type Trial, TRIALS } from "./_readme_commands.ts";
import { pcKernel } from "./_readme_kernels.ts";
import { Room } from "./_readme_room.ts";
import { CANNOT_BOOT, hasProgram } from "./boots/_needs.ts";
import { LAUNCHER, launcherCommand, MAY_RUN, runInTerminal } from "./cli/_run.ts";
import { CANNOT_BUILD, succeeds } from "./executable/_executable.ts";
import { echoKernel } from "./library/_echo_kernel.ts";

const ROOT = new URL("..", import.meta.url);
const README = MAY_RUN ? Deno.readTextFileSync(new URL("README.md", ROOT)) : "";
const BLOCKS = blocksOf(README);
const SHELL_BLOCKS = BLOCKS.filter(({ language }) => language === "sh");

const LACKS: Readonly<Record<Need, boolean>> = {
  cc: CANNOT_BUILD,
  boot: CANNOT_BOOT,
  man: !await hasProgram("man"),
  fish: !await hasProgram("fish"),
  npm: !await hasProgram("npm"),
  tap: CANNOT_BUILD || !await succeeds("unshare -rn ip tuntap add tap0 mode tap"),
};

let furnished: Promise<Room> | undefined;
const room = () => furnished ??= Room.create();
/** Commands stand in several places, and are tried once. */
const tried = new Set<string>();

/** Try a command. */
async function tryOut(command: string): Promise<void> {
  if (tried.has(command)) return;
  tried.add(command);
  const trial = TRIALS.get(command);
  assert(trial, `tests/_readme_commands.ts does not say how to try this command: ${command}`);
  const executed = trial.instead ?? command;
  const { code, text } = await (await room()).run(executed);
  assertEquals(code, trial.status ?? 0, `${executed}\nended with status ${code}:\n${text}`);
  if (typeof trial.says === "string") assertStringIncludes(text, trial.says, executed);
  else if (trial.says) assertMatch(text, trial.says, executed);
}

function cannotTry({ needs = [] }: Trial = {}): boolean {
  return needs.some((need) => LACKS[need]);
}

for (const [number, { heading, text }] of SHELL_BLOCKS.entries()) {
  Deno.test(`README, "${heading}" (${number + 1}): the commands work`, async (t) => {
    for (const command of commandsOf(text)) {
      await t.step({ name: command, ignore: cannotTry(TRIALS.get(command)), fn: () => tryOut(command) });
    }
  });
}

Deno.test({
  name: "README: the commands in the middle of sentences work",
  ignore: !MAY_RUN,
  fn: async (t) => {
    for (const command of new Set(inlineCommands(README))) {
      await t.step({ name: command, ignore: cannotTry(TRIALS.get(command)), fn: () => tryOut(command) });
    }
  },
});

Deno.test({
  name: "README: no command of the table is one that it has not, and each substitution has a reason",
  ignore: !MAY_RUN,
  fn: () => {
    const there = new Set([...SHELL_BLOCKS.flatMap(({ text }) => commandsOf(text)), ...inlineCommands(README)]);
    assertEquals([...TRIALS.keys()].filter((command) => !there.has(command)), []);
    for (const [command, { instead, because }] of TRIALS) {
      assertEquals(instead !== undefined, because !== undefined, command);
    }
  },
});

Deno.test({
  name: "README: the library's lines are sound, and a program beside this directory finds the library by its deno.json",
  ignore: !MAY_RUN,
  fn: async () => {
    const { run } = await withProgram();
    const { code, text } = await run("deno check *.ts");
    assertEquals(code, 0, text);
  },
});

Deno.test({
  name: "README: the library's lines do what they say",
  ignore: CANNOT_BOOT,
  fn: async () => {
    const { directory, run } = await withProgram();
    await Deno.copyFile(await fetchKernel(), join(directory, "bzImage"));
    const busybox = await Deno.readFile(await fetchBusybox());
    await Deno.writeFile(join(directory, "initrd.gz"), buildInitramfs({ busybox, init: INIT_PREAMBLE + INIT_SHELL }));
    const { code, text } = await run("deno run --no-check -A program0.ts");
    assertEquals(code, 0, text);
    assertMatch(text, /^0 \d+\.\d+\.\S+-686\n\n?\{ kind: "poweroff" \}\n$/m);
  },
});

/** A directory beside the source tree with the README's programs in it. */
async function withProgram() {
  const { directory: parent, tree, run } = await room().then((room) => ({
    directory: room.directory,
    tree: room.tree,
    run: (command: string) => room.run(command, "../program"),
  }));
  assert(tree.startsWith(parent));
  const directory = join(parent, "program");
  await Deno.mkdir(directory, { recursive: true });
  const [configuration] = BLOCKS.filter(({ language }) => language === "json");
  await Deno.writeTextFile(join(directory, "deno.json"), configuration!.text);
  for (const [i, { text }] of BLOCKS.filter(({ language }) => language === "ts").entries()) {
    await Deno.writeTextFile(join(directory, `program${i}.ts`), text);
  }
  return { directory, run };
}

Deno.test({
  name: "README: its usage is that of --help",
  ignore: !MAY_RUN,
  fn: () => {
    const [block] = BLOCKS.filter(({ language, heading }) => language === "text" && heading === "Usage");
    for (const line of block!.text.split("\n")) assertStringIncludes(usage(), line);
  },
});

Deno.test({
  name: "README: its table of options has all that there are, in their order, and no others",
  ignore: !MAY_RUN,
  fn: () => {
    const listed = tableOf(README, "option").map(([option]) => option!).filter((option) => option !== "");
    const wanted = OPTIONS.map((option) =>
      [...(option.letter ? [`-${option.letter}`] : []), longForm(option)].map((form) => `\`${form}\``).join(", ")
    );
    assertEquals(listed, wanted);
  },
});

Deno.test({
  name: "README: the files and links that it names are there",
  ignore: !MAY_RUN,
  fn: async () => {
    const { stdout } = await new Deno.Command("find", {
      args: ["lib", "tests", "scripts", "ffi", "examples", "main.ts", "-printf", "%p %y\n"],
      cwd: ROOT,
    }).output();
    const there = new TextDecoder().decode(stdout).split("\n")
      .map((line) => line.endsWith(" d") ? `${line.slice(0, -2)}/` : line.slice(0, -2));
    const isThere = (name: string) => there.some((path) => path === name || path.endsWith(`/${name}`));
    assertEquals(fileNames(README).filter((name) => name !== "deno.json" && !isThere(name)), []);
    for (const target of linkTargets(README)) await Deno.stat(new URL(target, ROOT));
    const { wanted, there: headings } = anchors(README);
    assertEquals(wanted.filter((name) => !headings.includes(name)), []);
  },
});

/** Start the program, wait until its kernel says something, do something, and see how it ends. */
async function statusAfter(kernel: Uint8Array, act: (child: Deno.ChildProcess) => unknown): Promise<number> {
  return await withFile(kernel, async (path) => {
    const [program, ...args] = launcherCommand(LAUNCHER, "32", path);
    const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    await act(child);
    if (!child.stdout.locked) await child.stdout.cancel();
    const { code } = await child.status;
    await child.stdin.close().catch(() => {});
    return code;
  });
}

async function withFile<T>(bytes: Uint8Array, action: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ prefix: "lguest-readme-" });
  try {
    await Deno.writeFile(path, bytes);
    return await action(path);
  } finally {
    await Deno.remove(path);
  }
}

async function type(child: Deno.ChildProcess, keys: string): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(keys));
  writer.releaseLock();
}

async function drain(child: Deno.ChildProcess): Promise<void> {
  for await (const _ of child.stdout);
}

/** Each row of the table, and what gets one the statuses in it. */
const STATUSES: Readonly<Record<string, () => Promise<number[]>>> = {
  "0": async () => [await statusAfter(pcKernel(), drain)],
  // The echo kernel jumps to where there is no memory.
  "1": async () => [await statusAfter(echoKernel(), async (child) => (await type(child, "d"), await drain(child)))],
  "130": () =>
    withFile(echoKernel(), async (path) => {
      const command = launcherCommand(LAUNCHER, "32", path).join(" ");
      return [(await runInTerminal(command, [["ready", "\x03\x03\x03"]])).code];
    }),
  "129, 130, 143": async () => {
    const codes: number[] = [];
    for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
      codes.push(await statusAfter(echoKernel(), (child) => (child.kill(signal), drain(child))));
    }
    return codes;
  },
  // It writes more than a pipe holds.
  "141": async () => [
    await statusAfter(echoKernel(), async (child) => (await child.stdout.cancel(), await type(child, "f"))),
  ],
};

const HAS_TERMINAL = await hasProgram("script");

Deno.test({
  name: "README: its exit statuses are the program's",
  ignore: !MAY_RUN,
  fn: async (t) => {
    const listed = tableOf(README, "exit status").map(([status]) => status!);
    assertEquals(listed.toSorted(), Object.keys(STATUSES).sort());
    for (const status of listed) {
      await t.step({
        name: status,
        ignore: status === "130" && !HAS_TERMINAL,
        fn: async () => assertEquals(await STATUSES[status]!(), status.split(", ").map(Number)),
      });
    }
  },
});
