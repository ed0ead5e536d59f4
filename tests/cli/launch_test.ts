import { buildLibrary } from "../../ffi/build.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FAKE_LAUNCHER, LAUNCHER, launcherCommand, MAY_RUN, runLauncher, runShell, withKernel } from "./_run.ts";

const ignore = !MAY_RUN;

// Some of what follows needs the C library.
if (MAY_RUN) buildLibrary();

/** The launcher with the fake engine, as words of a shell command. */
const FAKE = MAY_RUN ? launcherCommand(FAKE_LAUNCHER).join(" ") : "";

for (
  const [words, complaint] of [
    [[], "No memory size and no kernel"],
    [["64"], "No kernel given"],
    [["0", "KERNEL"], '"0" is too small'],
    [["-1", "KERNEL"], '"-1" is negative'],
    [["many", "KERNEL"], '"many" is not a number'],
    [["100000", "KERNEL"], '"100000" is too large'],
    [["64", "/nonexistent/kernel"], '"/nonexistent/kernel" does not exist'],
    [["64", "/"], '"/" is a directory'],
    [["64", "/dev/null"], '"/dev/null" is empty'],
    [["64", "/etc/passwd"], "is not a Linux kernel"],
    [["64", "KERNEL", "--initrd=/nonexistent/initrd"], '"/nonexistent/initrd" does not exist'],
    [["64", "KERNEL", "--initrd=/dev/null"], '"/dev/null" is empty'],
    [["64", "KERNEL", "--frobnicate"], 'Unknown option "--frobnicate"'],
    [["64", "KERNEL", "x".repeat(5000)], "command line"],
    [["64", "KERNEL", "--block=/nonexistent/disk"], '"/nonexistent/disk" does not exist'],
    [["64", "KERNEL", "--block=/"], '"/" is a directory'],
    [["64", "KERNEL", "--block=/dev/null,readonly"], '"/dev/null" is neither a file nor a block device'],
    [["64", "KERNEL", ...new Array<string>(31).fill("--rng")], "30 devices besides its console: got 31"],
    [["64", "KERNEL", "--tunnet=1.2.3.4:zz"], '"zz"'],
    [["64", "KERNEL", "--rng", "--library=/nonexistent/library", "--chroot=/"], '"/nonexistent/library"'],
    [["64", "KERNEL", "--username=nobody-of-this-name"], 'User "nobody-of-this-name" does not exist'],
    [["64", "KERNEL", "--chroot=/nonexistent/root"], 'Root directory "/nonexistent/root" does not exist'],
    [["64", "KERNEL", "--chroot=/etc/passwd"], 'Root directory "/etc/passwd" is not a directory'],
  ] as const
) {
  const title = words.map((word) => word.slice(0, 30)).join(" ").slice(0, 80);
  Deno.test({
    name: `launch() answers "${title}" with one line and status 1`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const { code, stdout, stderr } = await runLauncher(
          LAUNCHER,
          words.map((word) => word === "KERNEL" ? kernel : word),
        );
        assertEquals(code, 1);
        assertEquals(stdout, "");
        assertMatch(stderr, /^lguest: [^\n\r]*\n$/);
        assertStringIncludes(stderr, complaint);
      }),
  });
}

Deno.test({
  name: "launch() prints help and version on stdout with status 0",
  ignore,
  fn: async () => {
    const help = await runLauncher(LAUNCHER, ["--help"]);
    assertEquals([help.code, help.stderr], [0, ""]);
    assertStringIncludes(help.stdout, "--initrd=FILE");
    const version = await runLauncher(LAUNCHER, ["--version"]);
    assertEquals([version.code, version.stderr], [0, ""]);
    assertMatch(version.stdout, /^lguest \d+\.\d+\.\d+\n$/);
  },
});

Deno.test({
  name: "launch() ends with 0 when the Guest powers off, and has shown what it wrote",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { code, stdout, stderr } = await runLauncher(FAKE_LAUNCHER, ["8", kernel, "say:hello", "poweroff"]);
      assertEquals([code, stdout, stderr], [0, "hello\n", ""]);
    }),
});

Deno.test({
  name: "launch() ends with 1 and the reason when the Guest dies",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { code, stdout, stderr } = await runLauncher(FAKE_LAUNCHER, ["8", kernel, "say:hello", "die:reason"]);
      assertEquals([code, stdout, stderr], [1, "hello\n", "lguest: The Guest died: reason\n"]);
    }),
});

Deno.test({
  name: "launch() shows a defect of its own as one line, and with --verbose its stack",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const quiet = await runLauncher(FAKE_LAUNCHER, ["8", kernel, "throw:oops"]);
      assertEquals([quiet.code, quiet.stderr], [1, "lguest: Internal error: oops (--verbose tells where)\n"]);
      const verbose = await runLauncher(FAKE_LAUNCHER, ["8", kernel, "throw:oops", "-v"]);
      assertMatch(verbose.stderr, /at .*_fake_engine\.ts:\d+/);
    }),
});

Deno.test({
  name: "launch() gives the Guest what is piped in, and keeps it running at the end of that",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const typed = "abc\n".repeat(10_000);
      const { code, stdout } = await runLauncher(FAKE_LAUNCHER, ["8", kernel, "echo", "poweroff"], typed + "q");
      assertEquals(code, 0);
      assertEquals(stdout, typed);
    }),
});

Deno.test({
  name: "launch() writes every byte to a slow pipe before it ends",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { stdout } = await runShell(`${FAKE} 8 ${kernel} flood:1600000 poweroff | (sleep 1; wc -c)`);
      assertEquals(stdout.trim(), "1600000");
    }),
});

Deno.test({
  name: "launch() ends without a word when nobody reads stdout any more",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const started = performance.now();
      const { stdout, stderr } = await runShell(
        `${FAKE} 8 ${kernel} flood:16000000 hang | head -c 3; echo " \${PIPESTATUS[0]}"`,
      );
      assertEquals([stdout, stderr], ["012 141\n", ""]);
      assert(performance.now() - started < 10_000);
    }),
});

Deno.test({
  name: "launch() says once why stdout cannot be written, and ends with 1",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const { stdout, stderr } = await runShell(
        `${FAKE} 8 ${kernel} flood:16000000 hang > /dev/full; echo $?`,
      );
      assertEquals(stdout, "1\n");
      assertMatch(stderr, /^lguest: stdout cannot be written: [^\n]*\n$/);
    }),
});

Deno.test({
  name: "launch() ends with 130 after three ^C, though nobody reads stdout",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const [program, ...args] = launcherCommand(FAKE_LAUNCHER, "8", kernel, "flood:1600000", "hang");
      const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
      const keys = child.stdin.getWriter();
      await keys.write(Uint8Array.of(3, 3, 3));
      assertEquals((await child.status).code, 130);
      await keys.close().catch(() => {});
      await child.stdout.cancel();
    }),
});

for (const [signal, status] of [["TERM", 143], ["HUP", 129], ["INT", 130]] as const) {
  Deno.test({
    name: `launch() ends with ${status} at SIG${signal}`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const [program, ...args] = launcherCommand(FAKE_LAUNCHER, "8", kernel, "say:ready", "hang");
        const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
        const reader = child.stdout.getReader();
        await reader.read();
        child.kill(`SIG${signal}`);
        assertEquals((await child.status).code, status);
        await reader.cancel();
      }),
  });
}

Deno.test({
  name: "launch() boots a Guest that resets again in the same process",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const words = ["8", kernel, "say:one", "reset", "say:two", "poweroff"];
      const { code, stdout } = await runLauncher(FAKE_LAUNCHER, words);
      assertEquals([code, stdout], [0, "one\none\ntwo\n"]);
    }),
});
