/**
 * A shell of the host in a terminal of its own, at the end of a Guest's console: so `run` meets shells and line editors
 * that no Guest of the tests has. The shell's command line enters, a console leaves.
 */
import { GuestError } from "../../lib/guest_error.ts";
import { LibraryConsole } from "../../lib/library/console.ts";
import { ConsoleShell } from "../../lib/library/shell.ts";

/** A shell that runs; disposing of it ends it. */
export interface HostShell extends AsyncDisposable {
  readonly console: LibraryConsole;
  readonly shell: ConsoleShell;
}

/** What the shell prompts with. */
export const PROMPT = "host-shell> ";

/** Start a shell by `script`, which makes a terminal. */
export function startHostShell(command: string): HostShell {
  const child = new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    env: { PS1: PROMPT, SHELL: "/bin/sh", TERM: "xterm", HISTFILE: "" },
  }).spawn();
  const console = new LibraryConsole();
  const output = (async () => {
    for await (const bytes of child.stdout) await console.far.write(bytes);
    console.end(new GuestError("The shell ended"), false);
  })();
  const input = (async () => {
    const writer = child.stdin.getWriter();
    for (let bytes; (bytes = await console.far.read());) {
      await writer.write(bytes as Uint8Array<ArrayBuffer>).catch(() => {});
    }
    await writer.close().catch(() => {});
  })();
  return {
    console,
    shell: new ConsoleShell(console),
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      await output;
      await input;
    },
  };
}
