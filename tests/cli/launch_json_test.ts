/** `--json` and `--log`: what a program can read of how a Guest ended, and what stays of what was told. */
import { buildLibrary } from "../../ffi/build.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FAKE_LAUNCHER, LAUNCHER, launcherCommand, MAY_RUN, runLauncher, runShell, withKernel } from "./_run.ts";
import { hasTool } from "./_tools.ts";

const ignore = !MAY_RUN;

/** The object at the end of what a launcher wrote to stderr, and the lines before it. */
function lastObject(stderr: string): { object: Record<string, unknown>; before: string[] } {
  const lines = stderr.trimEnd().split("\n");
  return { object: JSON.parse(lines.pop()!), before: lines };
}

Deno.test({
  name: "launch() with --json ends with an object on stderr, and stdout has what the Guest wrote alone",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const words = ["--json", "8", kernel, "say:hello", "pci:500", "reset", "poweroff"];
      const { code, stdout, stderr } = await runLauncher(FAKE_LAUNCHER, words);
      assertEquals([code, stdout], [0, "hello\nhello\n"]);
      const { object, before } = lastObject(stderr);
      assertEquals(before, []);
      assertEquals([object["reason"], object["status"], object["message"]], ["poweroff", 0, undefined]);
      assertEquals((object["bytes"] as Record<string, unknown>)["console"], { in: 0, out: 12 });
      assert((object["exits"] as Record<string, number>)["port"]! >= 1000);
      assert((object["startSeconds"] as number) > 0);
      assert((object["runSeconds"] as number) >= 0);
    }),
});

for (
  const [words, reason, message, complaints] of [
    [["8", "KERNEL", "die:why"], "died", "why", ["lguest: The Guest died: why"]],
    [["8", "KERNEL", "throw:oops"], "error", "Internal error: oops (--verbose tells where)", undefined],
    [["8", "/nonexistent/kernel"], "error", 'Kernel "/nonexistent/kernel" does not exist', undefined],
    [["8", "KERNEL", "--frobnicate"], "usage", "--frobnicate", undefined],
    [[], "usage", "No memory size", undefined],
    [["completions", "tcsh"], "usage", "tcsh", undefined],
  ] as const
) {
  Deno.test({
    name: `launch() with --json says in the object too why "${words.join(" ")}" ends with 1`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const given = words.map((word) => word === "KERNEL" ? kernel : word);
        const { code, stderr } = await runLauncher(FAKE_LAUNCHER, [...given, "--json"]);
        const { object, before } = lastObject(stderr);
        assertEquals([code, object["reason"], object["status"]], [1, reason, 1]);
        assertStringIncludes(object["message"] as string, message);
        assertEquals(before, complaints ?? [`lguest: ${object["message"]}`]);
      }),
  });
}

for (
  const [signal, status, reason, message] of [
    ["SIGTERM", 143, "terminated", "SIGTERM"],
    ["SIGINT", 130, "terminated", "SIGINT"],
  ] as const
) {
  Deno.test({
    name: `launch() with --json names ${signal}, and has counted until then`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const words = ["--json", "8", kernel, "pci:100", "say:ready", "hang"];
        const [program, ...args] = launcherCommand(FAKE_LAUNCHER, ...words);
        const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
        const reader = child.stdout.getReader();
        await reader.read();
        child.kill(signal);
        const stderr = await new Response(child.stderr).text();
        assertEquals((await child.status).code, status);
        await reader.cancel();
        const { object } = lastObject(stderr);
        assertEquals([object["reason"], object["message"], object["status"]], [reason, message, status]);
        assert((object["exits"] as Record<string, number>)["port"]! >= 100);
      }),
  });
}

Deno.test({
  name: "launch() with --json names three ^C",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { code, stderr } = await runLauncher(FAKE_LAUNCHER, ["--json", "8", kernel, "hang"], "\x03\x03\x03");
      const { object } = lastObject(stderr);
      assertEquals([code, object["reason"], object["message"]], [130, "interrupted", "^C three times"]);
    }),
});

Deno.test({
  name: "launch() with --json tells that nobody reads stdout any more",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const command = launcherCommand(FAKE_LAUNCHER, "--json", "8", kernel, "flood:16000000", "hang").join(" ");
      const { stderr } = await runShell(`${command} | head -c 3 >/dev/null`);
      const { object } = lastObject(stderr);
      assertEquals([object["reason"], object["status"]], ["terminated", 141]);
    }),
});

Deno.test({
  name: "launch() writes to --log what --verbose would tell, and tells it only there",
  ignore,
  fn: () =>
    withKernel(async (kernel, directory) => {
      const log = `${directory}/log`;
      const words = [`--log=${log}`, "8", kernel, "say:hello", "pci:1", "die:why"];
      const { code, stdout, stderr } = await runLauncher(FAKE_LAUNCHER, words);
      assertEquals([code, stdout, stderr], [1, "hello\n", "lguest: The Guest died: why\n"]);
      const lines = (await Deno.readTextFile(log)).trimEnd().split("\n");
      for (const line of lines) assertMatch(line, /^\[ *\d+\.\d{6}\] /);
      assert(lines.some((line) => line.includes(`Kernel "${kernel}" loaded`)));
      assert(lines.some((line) => line.includes("First instruction")));
      assert(lines.some((line) => line.endsWith("] error: The Guest died: why")));
      assertStringIncludes(lines.at(-1)!, "Ends with status 1: died");
    }),
});

Deno.test({
  name: "launch() with --log and --verbose tells in both places, and the log knows where a defect is",
  ignore,
  fn: () =>
    withKernel(async (kernel, directory) => {
      const log = `${directory}/log`;
      const { stderr } = await runLauncher(FAKE_LAUNCHER, [`--log=${log}`, "-v", "8", kernel, "throw:oops"]);
      const text = await Deno.readTextFile(log);
      for (const told of [stderr, text]) {
        assertStringIncludes(told, "First instruction");
        assertMatch(told, /at .*_fake_engine\.ts:\d+/);
      }
    }),
});

Deno.test({
  name: "launch() refuses a --log that cannot be written before it starts anything",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { code, stdout, stderr } = await runLauncher(LAUNCHER, ["8", kernel, "--log=/nonexistent/log"]);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^lguest: Log file "\/nonexistent\/log" cannot be created: [^\n]*\n$/);
    }),
});

Deno.test({
  name: "launch() runs a Guest to its end though the --log is full, and says so once",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const words = ["--log=/dev/full", "8", kernel, "say:hello", "pci:10", "poweroff"];
      const { code, stdout, stderr } = await runLauncher(FAKE_LAUNCHER, words);
      assertEquals([code, stdout], [0, "hello\n"]);
      assertMatch(stderr, /^lguest: Log file "\/dev\/full" cannot be written any more: [^\n]*\n$/);
    }),
});

/** Who may change the root directory and the user, and build the library that does it. */
const isRoot = MAY_RUN && Deno.build.os === "linux" &&
  Deno.permissions.querySync({ name: "sys" }).state === "granted" &&
  Deno.uid() === 0 && hasTool("cc");

Deno.test({
  name: "launch() goes on writing --log behind --chroot and --username",
  ignore: !isRoot,
  fn: () =>
    withKernel(async (kernel, directory) => {
      buildLibrary();
      await Deno.mkdir(`${directory}/root`);
      const log = `${directory}/log`;
      const words = [`--log=${log}`, `--chroot=${directory}/root`, "--username=nobody", "8", kernel, "die:why"];
      const { code } = await runLauncher(FAKE_LAUNCHER, words);
      const text = await Deno.readTextFile(log);
      assertEquals(code, 1);
      assertMatch(text, /User is now "nobody"[^]*error: The Guest died: why/);
    }),
});

for (const command of [["--help"], ["man"], ["completions", "bash"], ["doctor"]]) {
  Deno.test({
    name: `launch() ends with 1 if "${command.join(" ")}" cannot be written, and says so`,
    ignore,
    fn: async () => {
      const { stdout, stderr } = await runShell(
        `${launcherCommand(LAUNCHER, ...command).join(" ")} >/dev/full; echo $? >&2`,
      );
      assertEquals(stdout, "");
      assertMatch(stderr, /^lguest: stdout cannot be written: [^\n]*\n1\n$/);
    },
  });
}
