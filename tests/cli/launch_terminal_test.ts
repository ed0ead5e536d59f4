/** The launcher in a terminal: raw while the Guest runs, and as it was afterwards whatever ends it. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { FAKE_LAUNCHER, LAUNCHER, launcherCommand, MAY_RUN, runInTerminal, withKernel } from "./_run.ts";

const ignore = !MAY_RUN;

/** A shell command that shows the terminal's settings before and after the launcher, and the launcher's status. */
function between(script: string, ...words: string[]): string {
  const command = launcherCommand(script, ...words).join(" ");
  return `echo "before: $(stty -g)"; ${command}; echo "status: $?"; echo "after: $(stty -g)"`;
}

function assertRestored(screen: string): void {
  const [, before] = /before: (\S+)/.exec(screen) ?? [];
  const [, after] = /after: (\S+)/.exec(screen) ?? [];
  assertNotEquals(before, undefined);
  assertEquals(after, before);
}

Deno.test({
  name: "launch() makes the terminal raw, so that ^C goes to the Guest unechoed, and puts it back",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const command = between(FAKE_LAUNCHER, "8", kernel, "say:ready", "echo", "poweroff");
      const { stdout } = await runInTerminal(command, [["ready", "x\x03y\rq"]]);
      assertStringIncludes(stdout, "x<3>y<13>");
      assertStringIncludes(stdout, "status: 0");
      assertRestored(stdout);
    }),
});

Deno.test({
  name: "launch() ends with 130 after ^C three times and puts the terminal back",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const command = between(FAKE_LAUNCHER, "8", kernel, "say:ready", "echo", "poweroff");
      const { stdout } = await runInTerminal(command, [["ready", "\x03"], ["<3>", "\x03"], ["<3>", "\x03"]]);
      assertStringIncludes(stdout, "status: 130");
      assertRestored(stdout);
    }),
});

Deno.test({
  name: "launch() heeds ^C three times while the Guest reads nothing",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const command = between(FAKE_LAUNCHER, "8", kernel, "say:ready", "hang");
      const { stdout } = await runInTerminal(command, [["ready", "x".repeat(3000) + "\x03\x03\x03"]]);
      assertStringIncludes(stdout, "status: 130");
      assertRestored(stdout);
    }),
});

for (const [word, status] of [["die:why", 1], ["throw:oops", 1]] as const) {
  Deno.test({
    name: `launch() puts the terminal back after "${word}"`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const { stdout } = await runInTerminal(between(FAKE_LAUNCHER, "8", kernel, "say:ready", word), []);
        assertStringIncludes(stdout, `status: ${status}`);
        assertRestored(stdout);
      }),
  });
}

for (const [signal, status] of [["TERM", 143], ["HUP", 129]] as const) {
  Deno.test({
    name: `launch() puts the terminal back at SIG${signal}`,
    ignore,
    fn: () =>
      withKernel(async (kernel, directory) => {
        const launcher = launcherCommand(FAKE_LAUNCHER, "8", kernel, "say:ready", "hang").join(" ");
        const command = `echo "before: $(stty -g)"; mkfifo ${directory}/go; ` +
          `(cat ${directory}/go; kill -${signal} $(cat ${directory}/pid)) & ` +
          `(sh -c 'echo $$ >${directory}/pid; sleep 1 && echo >${directory}/go & exec ${launcher}'); ` +
          `echo "status: $?"; echo "after: $(stty -g)"`;
        const { stdout } = await runInTerminal(command, []);
        assertStringIncludes(stdout, `status: ${status}`);
        assertRestored(stdout);
      }),
  });
}

Deno.test({
  name: "launch() does not touch the terminal for a command line that is wrong",
  ignore,
  fn: async () => {
    const { stdout } = await runInTerminal(between(LAUNCHER, "64", "/nonexistent"), []);
    assertStringIncludes(stdout, "status: 1");
    assertRestored(stdout);
  },
});

for (
  const [environment, word, seen] of [
    ["TERM=xterm", "die:why", "\x1b[1;31mlguest:\x1b[0m The Guest died: why"],
    ["TERM=xterm NO_COLOR=1", "die:why", "\nlguest: The Guest died: why"],
    ["TERM=dumb", "die:why", "\nlguest: The Guest died: why"],
    ["TERM=xterm", "poweroff --log=/dev/full", "\x1b[1;33mlguest:\x1b[0m Log file"],
    ["TERM=xterm", "poweroff -v", "\nlguest: Ends with status 0"],
  ] as const
) {
  Deno.test({
    name: `launch() in a terminal with ${environment} shows ${JSON.stringify(seen)}`,
    ignore,
    fn: () =>
      withKernel(async (kernel) => {
        const command = launcherCommand(FAKE_LAUNCHER, "8", kernel, "say:ready", word).join(" ");
        const { stdout } = await runInTerminal(`env -u NO_COLOR ${environment} ${command}`, []);
        assertStringIncludes(stdout, seen);
      }),
  });
}

Deno.test({
  name: "launch() colours nothing on a stderr that is no terminal, though stdout is one",
  ignore,
  fn: () =>
    withKernel(async (kernel) => {
      const command = launcherCommand(FAKE_LAUNCHER, "8", kernel, "die:why").join(" ");
      const { stdout } = await runInTerminal(`env -u NO_COLOR TERM=xterm ${command} 2>&1 | cat`, []);
      assertStringIncludes(stdout, "lguest: The Guest died: why");
      assert(!stdout.includes("\x1b["));
    }),
});
