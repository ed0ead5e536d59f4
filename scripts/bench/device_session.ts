/**
 * One run of one machine of the device benchmark: it boots, reads and writes its disk, prints, sends and receives, and
 * is switched off. A machine enters; a figure for each of {@link MEASURES} leaves. Read next: `devices.ts`.
 *
 * @module
 */
import type { NetworkNamespace } from "../network_namespace.ts";
import { type DeviceImage, DISK_DEVICE, FIO, LINES } from "./device_image.ts";
import type { DeviceContestant } from "./device_machines.ts";
import { PROMPT } from "./image.ts";
import { MachineError, RunningMachine, type Sighting } from "./machine.ts";

/** A row of the table. */
export interface Measure {
  /** What it is called here. */
  readonly name: string;
  /** What the table calls it. */
  readonly title: string;
  /** Whether more is better. */
  readonly rate: boolean;
  /** Digits after the point. */
  readonly digits: number;
}

/** A job of fio. */
interface DiskJob extends Measure {
  readonly pattern: "read" | "write" | "randread" | "randwrite";
  readonly blockSize: string;
  readonly depth: number;
}

const SEQUENTIAL = { rate: true, digits: 0, blockSize: "1M", depth: 4 } as const;
const RANDOM = { rate: true, digits: 0, blockSize: "4k" } as const;

const DISK_JOBS: readonly DiskJob[] = [
  { name: "read", title: "sequential read, 1 MiB, MB/s", pattern: "read", ...SEQUENTIAL },
  { name: "write", title: "sequential write, 1 MiB, MB/s", pattern: "write", ...SEQUENTIAL },
  { name: "randread", title: "random read, 4 KiB, one at a time, 1/s", pattern: "randread", depth: 1, ...RANDOM },
  { name: "randwrite", title: "random write, 4 KiB, one at a time, 1/s", pattern: "randwrite", depth: 1, ...RANDOM },
  { name: "randread32", title: "random read, 4 KiB, 32 at a time, 1/s", pattern: "randread", depth: 32, ...RANDOM },
  { name: "randwrite32", title: "random write, 4 KiB, 32 at a time, 1/s", pattern: "randwrite", depth: 32, ...RANDOM },
];

/** Everything that is measured, in this order. */
export const MEASURES: readonly Measure[] = [
  ...DISK_JOBS,
  { name: "console", title: "console output in large pieces, MB/s", rate: true, digits: 1 },
  { name: "lines", title: "console output line by line, lines/s", rate: true, digits: 0 },
  { name: "send", title: "TCP, Guest to host, MB/s", rate: true, digits: 0 },
  { name: "receive", title: "TCP, host to Guest, MB/s", rate: true, digits: 0 },
  { name: "ping", title: "ping, mean of the round trip, ms", rate: false, digits: 3 },
];

/** One run. */
export interface DeviceSession {
  /** What was measured, by the names of {@link MEASURES}. */
  readonly figures: ReadonlyMap<string, number>;
  /** Bytes that the Guest printed and nobody got. */
  readonly lost: number;
  /** Why it ended early. */
  readonly failure: string | undefined;
}

/** What a run needs. */
export interface DeviceSessionOptions {
  readonly image: DeviceImage;
  readonly namespace: NetworkNamespace;
  readonly abort: AbortSignal;
}

const TIMEOUT = 180_000;
/** The console's lines are printed so often for the first of its figures, and so many of them for the second. */
const LINES_TIMES = 36;
const LINES_SHOWN = 5000;
const TRAFFIC_BYTES = 500_000_000;
const PORT = "5001";
const PINGS = 300;
/** fio's terse output, version 3: position of the bandwidth in KiB/s and of the operations per second. */
const FIO_FIELDS = { read: { bandwidth: 6, operations: 7 }, write: { bandwidth: 47, operations: 48 } } as const;
/** Longer than any text that is waited for behind the console's flood. */
const MARKER_LENGTH = 100;

/** Run a machine. */
export async function runDeviceSession(
  contestant: DeviceContestant,
  options: DeviceSessionOptions,
): Promise<DeviceSession> {
  const machine = new RunningMachine(contestant.command, options.abort);
  const figures = new Map<string, number>();
  let lost = 0, failure: string | undefined;
  try {
    await machine.waitFor(new RegExp(PROMPT), TIMEOUT);
    for (const [name, figure] of await measureDisk(machine)) figures.set(name, figure);
    const flood = await measureConsole(machine);
    lost = flood.lost;
    figures.set("console", flood.megabytes).set("lines", flood.lines);
    await measure(machine, `network ${contestant.guest}`);
    for (const verb of ["send", "receive"] as const) {
      figures.set(verb, await measureTraffic(machine, verb, contestant, options));
    }
    figures.set("ping", await measurePing(contestant, options));
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    await machine.dispose();
  }
  return { figures, lost, failure };
}

/**
 * The Guest's program \`measure\`, which takes the name of what it is to do: a typed line may be no longer than what QEMU
 * keeps for a terminal that is not ready, 32 bytes.
 *
 * @param seconds how long each job of fio runs
 */
export function measureScript(seconds: number): string {
  const steps: Readonly<Record<string, string>> = {
    disk: `cat >/jobs <<END && ${FIO} --output-format=terse --terse-version=3 /jobs\n${fioJobs(seconds)}END\n`,
    console: `stty -opost; flood; stty opost`,
    lines: `echo @begin; head -n ${LINES_SHOWN} ${LINES.path}; echo @end`,
    network: "ifconfig eth0 $2 up",
    send: `traffic connect $2 ${PORT} send ${TRAFFIC_BYTES}`,
    receive: `traffic connect $2 ${PORT} receive ${TRAFFIC_BYTES}`,
  };
  const cases = Object.entries(steps).map(([name, step]) => `  ${name}) ${step} ;;`);
  return `#!/bin/sh
flood() {
  echo @begin
  i=0
  while [ $i -lt ${LINES_TIMES} ]; do cat ${LINES.path}; i=$((i + 1)); done
  echo @end
}
case $1 in
${cases.join("\n")}
esac
echo @ended $?
`;
}

/** One job after the other, in one run of fio: it takes long to start. */
function fioJobs(seconds: number): string {
  const common = {
    ...{ filename: DISK_DEVICE, direct: 1, ioengine: "libaio", thread: 1, randseed: 1, norandommap: 1, stonewall: 1 },
    ...{ time_based: 1, runtime: seconds, ramp_time: 1 },
  };
  const section = (name: string, settings: Readonly<Record<string, string | number>>) =>
    `[${name}]\n${Object.entries(settings).map(([key, value]) => `${key}=${value}\n`).join("")}`;
  const jobs = DISK_JOBS.map(({ name, pattern, blockSize, depth }) =>
    section(name, { rw: pattern, bs: blockSize, iodepth: depth })
  );
  return section("global", common) + jobs.join("");
}

/** Have the Guest do one thing; what it wrote, as far as the pattern takes it, is in the match. */
async function measure(machine: RunningMachine, step: string, pattern = ""): Promise<Sighting> {
  await machine.type(`measure ${step}\n`);
  const sighting = await machine.waitFor(new RegExp(`${pattern}@ended (\\d+)\\r?\\n`), TIMEOUT);
  await machine.waitFor(new RegExp(PROMPT), TIMEOUT);
  if (sighting.match.at(-1) !== "0") throw new MachineError(`"measure ${step}" failed: ${sighting.match[0]}`);
  return sighting;
}

async function measureDisk(machine: RunningMachine): Promise<Map<string, number>> {
  const { match } = await measure(machine, "disk", `((?:3;fio-[^\\n]*\\n){${DISK_JOBS.length}})`);
  const lines = match[1]!.trim().split("\n");
  return new Map(DISK_JOBS.map(({ name, pattern, blockSize }, i) => {
    const fields = lines[i]!.split(";");
    const { bandwidth, operations } = FIO_FIELDS[pattern.endsWith("read") ? "read" : "write"];
    return [name, blockSize === "4k" ? Number(fields[operations]) : Number(fields[bandwidth]) * 1024 / 1e6];
  }));
}

/** The host's clock counts, from the first marker's arrival to the last's. */
async function measureConsole(machine: RunningMachine): Promise<{ megabytes: number; lines: number; lost: number }> {
  const flood = async (step: string) => {
    await machine.type(`measure ${step}\n`);
    const begin = await machine.waitFor(/@begin\r?\n/, TIMEOUT);
    const end = await machine.waitFor(/@end\r?\n/, TIMEOUT, MARKER_LENGTH);
    await machine.waitFor(new RegExp(PROMPT), TIMEOUT);
    return { seconds: (end.at - begin.at) / 1000, characters: end.before };
  };
  const length = Array.from({ length: LINES.count }, (_, i) => `${i + 1}\n`).join("").length * LINES_TIMES;
  const many = await flood("console"), few = await flood("lines");
  return { megabytes: length / 1e6 / many.seconds, lines: LINES_SHOWN / few.seconds, lost: length - many.characters };
}

async function measureTraffic(
  machine: RunningMachine,
  verb: "send" | "receive",
  { host }: DeviceContestant,
  { image, namespace }: DeviceSessionOptions,
): Promise<number> {
  const [ip, ...args] = namespace.command([
    ...[image.traffic, "listen", PORT, verb === "send" ? "receive" : "send", `${TRAFFIC_BYTES}`],
  ]);
  await using listener = new Deno.Command(ip!, { args, stdin: "null", stdout: "piped" }).spawn();
  const output = listener.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await output.read();
  await measure(machine, `${verb} ${host}`);
  const { value } = await output.read();
  const [, nanoseconds] = /^\w+ \d+ (\d+)\n/.exec(value ?? "") ?? [];
  if (nanoseconds === undefined) throw new MachineError("the host's end of a TCP connection failed");
  return TRAFFIC_BYTES / 1e6 / (Number(nanoseconds) / 1e9);
}

async function measurePing({ guest }: DeviceContestant, { namespace }: DeviceSessionOptions): Promise<number> {
  const [ip, ...args] = namespace.command(["ping", "-q", "-c", `${PINGS}`, "-i", "0.01", guest]);
  const { stdout } = await new Deno.Command(ip!, { args, stdin: "null" }).output();
  const [, mean] = / = [\d.]+\/([\d.]+)\//.exec(new TextDecoder().decode(stdout)) ?? [];
  if (mean === undefined) throw new MachineError("the Guest does not answer a ping");
  return Number(mean);
}
