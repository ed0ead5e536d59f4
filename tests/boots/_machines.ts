/**
 * Three ways to start a Guest that a test talks to: the command line as a program with pipes, the same in a terminal
 * of its own, and the class `Guest` in this process. What the command line gets enters; a shell leaves, and how it
 * ended. Read next: `_shell.ts`.
 */
import { fromFileUrl } from "@std/path";
import type { StopReason } from "../../lib/engine/engine.ts";
import { Guest } from "../../lib/guest.ts";
import type { GuestOptions } from "../../lib/guest_options.ts";
import { Conversation } from "./_conversation.ts";
import { Shell } from "./_shell.ts";

const LAUNCHER = fromFileUrl(new URL("../../main.ts", import.meta.url));

/** A program that was started; disposing of it kills it if it still runs. */
export interface RunningProgram extends AsyncDisposable {
  /** What it writes, and what is typed to it. */
  readonly line: Conversation;
  /** What it wrote to stderr, and its exit status. */
  readonly ended: Promise<{ readonly code: number; readonly complaints: string }>;
  /** Close its stdin. */
  closeInput(): Promise<void>;
  /** End it as `kill -9` does, whatever it is doing. */
  kill(): void;
}

/** A program that runs a Guest. */
export interface LaunchedGuest extends RunningProgram {
  /** The Guest's console. */
  readonly shell: Shell;
}

/** The words that start the launcher. */
export function launcherCommand(...words: string[]): string[] {
  return [Deno.execPath(), "run", "--no-lock", "-A", LAUNCHER, ...words];
}

/** Run the launcher with pipes. */
export function launch(name: string, words: readonly string[]): LaunchedGuest {
  return launchBy(name, launcherCommand(...words));
}

/** Run a program that becomes the launcher: `ip netns exec`, with {@link launcherCommand}. */
export function launchBy(name: string, words: readonly string[]): LaunchedGuest {
  const program = startProgram(name, words);
  return { ...program, shell: new Shell(program.line) };
}

/** Run a shell command in a terminal of its own (`script` makes one; see {@link hasProgram}). */
export function inTerminal(name: string, command: string): LaunchedGuest {
  return launchBy(name, ["script", "-qefc", command, "/dev/null"]);
}

/** Run any program with pipes. */
export function startProgram(name: string, [program, ...args]: readonly string[]): RunningProgram {
  const child = new Deno.Command(program!, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    // Deno looks for a newer version of itself; in a chroot it would complain of what it does not find.
    env: { SHELL: "/bin/sh", DENO_NO_UPDATE_CHECK: "1" },
  }).spawn();
  const keys = child.stdin.getWriter();
  const line = new Conversation(name, (bytes) => keys.write(bytes));
  const complaints = new Response(child.stderr).text();
  const output = hearAll(child.stdout, line);
  const ended = Promise.all([child.status, complaints, output])
    .then(([{ code }, complaints]) => ({ code, complaints }));
  const closeInput = () => keys.close().catch(() => {});
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  return {
    line,
    ended,
    closeInput,
    kill,
    async [Symbol.asyncDispose]() {
      kill();
      await closeInput();
      await ended;
    },
  };
}

async function hearAll(output: ReadableStream<Uint8Array>, line: Conversation): Promise<void> {
  for await (const bytes of output) line.hear(bytes);
  line.end();
}

/** A Guest in this process. */
export interface HeldGuest extends AsyncDisposable {
  /** Its console. */
  readonly shell: Shell;
  /** What it logged. */
  readonly log: readonly string[];
  /** Why it stopped. */
  readonly stopped: Promise<StopReason>;
}

/** Run a Guest in this process; disposing of it stops it. */
export function hold(name: string, options: GuestOptions): HeldGuest {
  const typed = new TransformStream<Uint8Array, Uint8Array>();
  const reader = typed.readable.getReader();
  const writer = typed.writable.getWriter();
  const line = new Conversation(name, (bytes) => writer.write(bytes));
  const log: string[] = [];
  const guest = Guest.create({ ...options, log: (text) => log.push(text) });
  const stopped = guest.then((made) =>
    made.run({
      write: (bytes) => Promise.resolve(line.hear(bytes.slice())),
      read: async () => (await reader.read()).value,
    })
  ).finally(() => line.end());
  return {
    shell: new Shell(line),
    log,
    stopped,
    async [Symbol.asyncDispose]() {
      (await guest).terminate();
      await stopped;
      await reader.cancel();
    },
  };
}
