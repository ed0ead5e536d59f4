import { assertEquals, assertRejects } from "@std/assert";
import { GuestError } from "../../lib/guest_error.ts";
import { hasProgram } from "../boots/_needs.ts";
import { checkCommands } from "./_commands.ts";
import { PROMPT, startHostShell } from "./_host_shell.ts";

/** `script` makes terminals. */
const noTerminals = !await hasProgram("script");
/** Where its own input is a pipe it makes them without echo. */
const DASH = "stty echo; exec dash -i", BASH = "stty echo; exec bash --noprofile --norc -i";

for (
  const { name, program, command } of [
    { name: "dash", program: "dash", command: DASH },
    { name: "bash with its line editor", program: "bash", command: BASH },
    { name: "busybox's ash with its line editor", program: "busybox", command: "stty echo; exec busybox ash -i" },
  ]
) {
  Deno.test({
    name: `Guest.run() gets any command's output and status from ${name}`,
    ignore: noTerminals || !await hasProgram(program),
    fn: async () => {
      await using host = startHostShell(command);
      await host.console.expect(PROMPT, { timeout: 120_000 });
      await checkCommands((command, options) => host.shell.run(command, options));
    },
  });
}

Deno.test({
  name: "Guest.run() is not confused by a shell that shows what it reads and does",
  ignore: noTerminals || !await hasProgram("bash"),
  fn: async () => {
    await using host = startHostShell(`${BASH} -vx`);
    await host.console.expect(PROMPT, { timeout: 120_000 });
    const { stdout, status } = await host.shell.run("echo one\nfalse");
    assertEquals([stdout.includes("\none\n"), status], [true, 1]);
  },
});

Deno.test({
  name: "Guest.run() leaves the prompt behind a command to be expected, and nothing of the command",
  ignore: noTerminals || !await hasProgram("bash"),
  fn: async () => {
    await using host = startHostShell(BASH);
    await host.console.expect(PROMPT, { timeout: 120_000 });
    await host.shell.run("echo before");
    const { before } = await host.console.expect(PROMPT, { timeout: 120_000 });
    assertEquals(before.includes("before"), false);
    await host.console.write("echo $((20 + 3))\r");
    await host.console.expect(/[\r\n]23\r\n/, { timeout: 120_000 });
  },
});

Deno.test({
  name: "Guest.run() can be answered while it runs",
  ignore: noTerminals || !await hasProgram("dash"),
  fn: async () => {
    await using host = startHostShell(DASH);
    await host.console.expect(PROMPT, { timeout: 120_000 });
    const asked = host.shell.run(`printf 'your name: '; read -r name; echo "<$name>"`);
    await host.console.expect("your name: ", { timeout: 120_000 });
    await host.console.write("Rusty\r");
    assertEquals((await asked).stdout, "your name: Rusty\n<Rusty>\n");
  },
});

Deno.test({
  name: "Guest.run() rejects when the Guest stops before the command has ended",
  ignore: noTerminals || !await hasProgram("dash"),
  fn: async () => {
    await using host = startHostShell(DASH);
    await host.console.expect(PROMPT, { timeout: 120_000 });
    await assertRejects(() => host.shell.run("exit"), GuestError, `The shell ended during "exit"`);
    await assertRejects(() => host.shell.run("true"), GuestError, `The shell ended during "true"`);
  },
});
