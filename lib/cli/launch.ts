/**
 * From a command line to an exit status: parse, build a Guest, connect it to the terminal, run it, say why it ended.
 * `main.ts` and the demo call this. Read next: `options.ts`, `../guest.ts`, `terminal.ts`, `outcome.ts`.
 *
 * @module
 */
import metadata from "../../deno.json" with { type: "json" };
import { Guest } from "../guest.ts";
import type { StopReason } from "../engine/engine.ts";
import { completionScript } from "./completions.ts";
import { diagnose } from "./doctor.ts";
import { usage } from "./help.ts";
import { LogFile } from "./log_file.ts";
import { manualPage } from "./manual.ts";
import { describeError, Messages, sayLine } from "./messages.ts";
import type { LaunchOptions } from "./option_table.ts";
import { type Command, parseCommandLine, wantsJson } from "./options.ts";
import { type Measures, type Outcome, outcomeJson, outcomeOf } from "./outcome.ts";
import { Terminal } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** How long a user who has pressed ^C three times waits for a stdout that takes no bytes. */
const FLUSH_MS = 1000;

/**
 * Do what a command line says.
 *
 * @param words the words after the program's name
 * @param vcpuModule the module of the virtual CPU's Worker, if not our own
 * @returns the exit status
 */
export async function launch(words: readonly string[], vcpuModule?: URL): Promise<number> {
  let messages = new Messages({ verbose: false });
  let outcome: Outcome;
  let log: LogFile | undefined;
  let guest: Guest | undefined;
  try {
    const command = parseCommandLine(words);
    if (command.kind !== "run") return await print(command);
    const { options } = command;
    messages = new Messages({ verbose: options.verbose });
    if (options.log !== undefined) {
      log = new LogFile(options.log, (line) => new Messages({ verbose: false }).warn(line));
      messages = new Messages({ verbose: options.verbose, log });
    }
    guest = await createGuest(options, messages, vcpuModule);
    outcome = await runGuest(guest);
    complain(messages, outcome);
  } catch (error) {
    messages.failWith(error);
    const reason = error instanceof UsageError ? "usage" : "error";
    outcome = { reason, message: describeError(error), status: 1 };
  }
  messages.news?.(`Ends with status ${outcome.status}: ${outcome.reason}`);
  log?.[Symbol.dispose]();
  if (wantsJson(words)) sayLine(outcomeJson(outcome, guest && measure(guest)));
  return outcome.status;
}

/** Commands that only print something. Whoever does not read it all is not told that there was more. */
async function print(command: Exclude<Command, { kind: "run" }>): Promise<number> {
  const terminal = new Terminal();
  const { text, status } = command.kind === "doctor"
    ? diagnose(command.options)
    : { text: printed(command), status: 0 };
  await terminal.write(new TextEncoder().encode(text));
  if (terminal.outcome) complain(new Messages({ verbose: false }), terminal.outcome);
  return terminal.outcome?.status ?? status;
}

function printed(command: Exclude<Command, { kind: "run" | "doctor" }>): string {
  switch (command.kind) {
    case "help":
      return `${usage()}\n`;
    case "version":
      return `lguest ${metadata.version}\n`;
    case "completions":
      return completionScript(command.shell);
    case "man":
      return manualPage(metadata.version);
  }
}

function createGuest(options: LaunchOptions, messages: Messages, vcpuModule: URL | undefined): Promise<Guest> {
  return Guest.create({
    memory: options.memory,
    kernel: options.kernel,
    commandLine: options.kernelArguments.join(" "),
    platform: options.platform,
    engine: options.engine,
    abi: options.abi,
    unpack: options.unpack,
    devices: options.devices,
    warn: (line) => messages.warn(line),
    ...(options.device !== undefined && { device: options.device }),
    ...(options.initrd !== undefined && { initrd: options.initrd }),
    ...(options.username !== undefined && { username: options.username }),
    ...(options.chroot !== undefined && { chroot: options.chroot }),
    ...(options.library !== undefined && { library: options.library }),
    ...(messages.news && { log: messages.news }),
    ...(vcpuModule && { vcpuModule }),
  });
}

/** Connect a Guest to the terminal and run it, until it ends or something ends it. */
async function runGuest(guest: Guest): Promise<Outcome> {
  const terminal = new Terminal();
  try {
    terminal.open();
    const run = guest.run(terminal);
    const end: StopReason | Outcome = await Promise.race([run, terminal.ended]);
    if ("kind" in end) return outcomeOf(end);
    guest.terminate();
    await Promise.race([run, new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
    return end;
  } finally {
    terminal.close();
  }
}

/** Say why the program ends, where the user did not ask for it. */
function complain(messages: Messages, { reason, message, status }: Outcome): void {
  if (reason === "died") messages.fail(`The Guest died: ${message}`);
  else if (reason === "crashed") messages.fail(message!);
  else if (reason === "terminated" && status === 1) messages.fail("The Guest was stopped: terminated");
  else if (reason === "error" && message !== undefined) messages.fail(message);
}

function measure(guest: Guest): Measures {
  return { startedAt: guest.startedAt, endedAt: performance.now(), statistics: guest.statistics };
}
