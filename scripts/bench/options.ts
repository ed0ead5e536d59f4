/**
 * The benchmark's command line: words enter, {@link BenchOptions} leave. Read next: `main.ts`.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { GuestError } from "../../lib/guest_error.ts";

/** The machines that are compared; the first is ours. */
export const MACHINE_NAMES = ["lguest", "qemu", "v86"] as const;

/** One of the machines. */
export type MachineName = typeof MACHINE_NAMES[number];

/** What is to be measured. */
export interface BenchOptions {
  /** How often each machine runs. */
  readonly runs: number;
  /** RAM of each Guest in MiB. */
  readonly memory: number;
  /** Which machines run, ours among them or not. */
  readonly machines: readonly MachineName[];
  /** Names of the phases in the Guest; all of them if empty. */
  readonly phases: readonly string[];
  /** Whether the last run of each machine also measures idling, echo and memory; with devices, whether fio runs long. */
  readonly extras: boolean;
  /** Measure disk, console and network instead of the CPU. */
  readonly devices: boolean;
  /** Path of a kernel that is to be compared on both platforms instead. */
  readonly kernel: string | undefined;
  /** Where the Markdown table goes besides the screen. */
  readonly output: string | undefined;
  /** Only tell how to call this. */
  readonly help: boolean;
}

/** How to call it. */
export const USAGE = `Usage: deno task bench [options]
  --runs=N          runs of each machine, alternating (3)
  --memory=MIB      RAM of each Guest (256)
  --machines=A,B    of ${MACHINE_NAMES.join(",")} (all)
  --phases=A,B      phases in the Guest (all)
  --devices         disk, console and network instead of the CPU; needs root
  --kernel=FILE     a kernel with CONFIG_LGUEST_GUEST on platform lguest, as a ratio to the same on platform pc
  --quick           leave out memory, idle CPU use and echo; with --devices run fio for a shorter time
  --output=FILE     write the Markdown table there, too`;

/**
 * Read the command line.
 *
 * @throws {GuestError} if it makes no sense
 */
export function parseBenchOptions(words: readonly string[]): BenchOptions {
  const args = parseArgs([...words], {
    string: ["runs", "memory", "machines", "phases", "kernel", "output"],
    boolean: ["quick", "devices", "help"],
    default: { runs: "3", memory: "256" },
  });
  const known = new Set(["runs", "memory", "machines", "phases", "kernel", "output", "quick", "devices", "help"]);
  const unknown = args._[0] ?? Object.keys(args).find((name) => name !== "_" && !known.has(name));
  if (unknown !== undefined) throw new GuestError(`Nothing is called "${unknown}" here; --help tells what is`);
  return {
    runs: positiveInteger(args.runs, "runs"),
    memory: positiveInteger(args.memory, "memory"),
    machines: args.machines === undefined ? MACHINE_NAMES : list(args.machines).map(machineName),
    phases: list(args.phases ?? ""),
    extras: !args.quick,
    devices: args.devices,
    kernel: args.kernel,
    output: args.output,
    help: args.help,
  };
}

function positiveInteger(text: string, option: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) {
    throw new GuestError(`Cannot use "--${option}=${text}": want a whole number above 0`);
  }
  return number;
}

function list(text: string): string[] {
  return text.split(",").map((word) => word.trim()).filter((word) => word !== "");
}

function machineName(word: string): MachineName {
  const name = MACHINE_NAMES.find((candidate) => candidate === word);
  if (!name) throw new GuestError(`No machine is called "${word}"; there are ${MACHINE_NAMES.join(", ")}`);
  return name;
}
