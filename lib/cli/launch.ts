/**
 * From a command line to an exit status: parse, build a Guest, connect it to the terminal, run it, say why it ended.
 * `main.ts` and the demo call this. Read next: `options.ts`, `../guest.ts`, `terminal.ts`.
 *
 * @module
 */
import metadata from "../../deno.json" with { type: "json" };
import { Guest } from "../guest.ts";
import type { StopReason } from "../engine/engine.ts";
import { say, sayError } from "./messages.ts";
import { type LaunchOptions, parseCommandLine, usage } from "./options.ts";
import { Terminal } from "./terminal.ts";

/** How long a user who has pressed ^C three times waits for a stdout that takes no bytes. */
const FLUSH_MS = 1000;

/** A stop that the user, a signal or a closed stdout asked for. */
interface EndedFromOutside {
  readonly kind: "ended";
  readonly status: number;
}

/**
 * Do what a command line says.
 *
 * @param words the words after the program's name
 * @param vcpuModule the module of the virtual CPU's Worker, if not our own
 * @returns the exit status
 */
export async function launch(words: readonly string[], vcpuModule?: URL): Promise<number> {
  let verbose = false;
  try {
    const command = parseCommandLine(words);
    if (command.kind === "run") {
      verbose = command.options.verbose;
      return await runGuest(command.options, vcpuModule);
    }
    await new Terminal().write(new TextEncoder().encode(
      command.kind === "help" ? `${usage()}\n` : `lguest ${metadata.version}\n`,
    ));
    return 0;
  } catch (error) {
    sayError(error, verbose);
    return 1;
  }
}

async function runGuest(options: LaunchOptions, vcpuModule: URL | undefined): Promise<number> {
  const guest = await Guest.create({
    memory: options.memory,
    kernel: options.kernel,
    commandLine: kernelCommandLine(options.kernelArguments),
    engine: options.engine,
    unpack: options.unpack,
    devices: options.devices,
    warn: say,
    ...(options.initrd !== undefined && { initrd: options.initrd }),
    ...(options.username !== undefined && { username: options.username }),
    ...(options.chroot !== undefined && { chroot: options.chroot }),
    ...(options.library !== undefined && { library: options.library }),
    ...(options.verbose && { log: say }),
    ...(vcpuModule && { vcpuModule }),
  });
  const terminal = new Terminal();
  let end: StopReason | EndedFromOutside;
  try {
    terminal.open();
    const run = guest.run(terminal);
    const ended = terminal.ended.then((status): EndedFromOutside => ({ kind: "ended", status }));
    end = await Promise.race([run, ended]);
    if (end.kind === "ended") {
      guest.terminate();
      await Promise.race([run, new Promise((resolve) => setTimeout(resolve, FLUSH_MS))]);
    }
  } finally {
    terminal.close();
  }
  if (end.kind === "ended") return end.status;
  if (end.kind === "poweroff") return 0;
  say(end.kind === "died" ? `The Guest died: ${end.message}` : `The Guest was stopped: ${end.kind}`);
  return 1;
}

/** The original always had a console; so that a stock kernel is not silent, it is told where its is. */
function kernelCommandLine(words: readonly string[]): string {
  const hasConsole = words.some((word) => /(^|\s)console=/.test(word));
  return (hasConsole ? words : ["console=ttyS0", ...words]).join(" ");
}
