/**
 * Runs the launcher as a user does: as a program, with pipes or in a terminal.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { tinyKernel } from "../guest/_kernel.ts";

/** Whether this test run may start programs and read and write files. */
export const MAY_RUN = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

/** How a program ended and what it wrote. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

const ROOT = new URL("../../", import.meta.url);

/** The launcher itself. */
export const LAUNCHER = "main.ts";
/** The launcher with the fake engine. */
export const FAKE_LAUNCHER = "tests/cli/_fake_launcher.ts";

/** The words that start one of the two. */
export function launcherCommand(script: string, ...words: string[]): string[] {
  return [Deno.execPath(), "run", "-A", fromFileUrl(new URL(script, ROOT)), ...words];
}

/** Run the launcher with pipes, `input` being all that it reads. */
export async function runLauncher(script: string, words: readonly string[], input = ""): Promise<Outcome> {
  const [program, ...args] = launcherCommand(script, ...words);
  const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped", stderr: "piped", cwd: ROOT })
    .spawn();
  const writer = child.stdin.getWriter();
  // A launcher that has ended already reads nothing.
  await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
  return outcome(await child.output());
}

/** Run a shell command; what it sees as terminals are pipes. */
export async function runShell(command: string): Promise<Outcome> {
  return outcome(await new Deno.Command("bash", { args: ["-c", command], stdin: "null", cwd: ROOT }).output());
}

/**
 * Run a shell command in a terminal of its own (by `script`, which every Debian has).
 *
 * @param steps what to type when the screen shows which text, in this order
 */
export async function runInTerminal(command: string, steps: readonly [string, string][]): Promise<Outcome> {
  const child = new Deno.Command("script", {
    args: ["-qefc", command, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { SHELL: "/bin/bash" },
  }).spawn();
  const keys = child.stdin.getWriter();
  const decoder = new TextDecoder();
  let screen = "";
  let seen = 0;
  const waiting = [...steps];
  for await (const bytes of child.stdout) {
    screen += decoder.decode(bytes, { stream: true });
    for (let next; (next = waiting[0]) && screen.indexOf(next[0], seen) >= 0;) {
      seen = screen.indexOf(next[0], seen) + next[0].length;
      waiting.shift();
      await keys.write(new TextEncoder().encode(next[1]));
    }
  }
  const { code } = await child.status;
  await keys.close().catch(() => {});
  await child.stderr.cancel();
  return { code, stdout: screen, stderr: "" };
}

/** Call `action` with the path of a kernel that the loader takes, in a directory that is gone afterwards. */
export async function withKernel(action: (kernel: string, directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-test-" });
  try {
    const kernel = `${directory}/kernel`;
    await Deno.writeFile(kernel, tinyKernel());
    await action(kernel, directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function outcome(output: Deno.CommandOutput): Outcome {
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}
