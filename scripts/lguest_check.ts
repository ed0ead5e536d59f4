/**
 * Boots real kernels that were built with `CONFIG_LGUEST_GUEST` and tries all that they can do on lguest, with the
 * program as a user starts it.
 *
 * ```sh
 * deno run -A scripts/lguest_check.ts [--transcript=FILE] [options] KERNEL...
 * ```
 *
 * Paths of kernels enter, with a recorded boot of the same version on the original lguest if there is one. A line for
 * each step leaves, and status 1 if one failed. The steps are those of one life of a Guest, in this order, then of a
 * second one that panics. Needs busybox (fetched with apt), e2fsprogs and, for the network, root and iproute2. Read
 * next: `lguest_check/session.ts`, `lguest_check/transcript.ts`.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { join } from "@std/path";
import { buildLibrary } from "../ffi/build.ts";
import { inspectKernel, type KernelFacts } from "../lib/boot/inspect.ts";
import { readKernel } from "../lib/boot/kernel.ts";
import { sayError } from "../lib/cli/messages.ts";
import { GuestError } from "../lib/guest_error.ts";
import { chooseAbi } from "../lib/platform/lguest/abi.ts";
import { SHELL_INIT } from "../tests/boots/_shell.ts";
import { standInMissing } from "../tests/platform/lguest/_standin/mod.ts";
import { fetchBusybox } from "./debian.ts";
import { buildInitramfs } from "./initramfs.ts";
import { EXPECTED } from "./lguest_check/differences.ts";
import { Disk, GREETING, GREETING_FILE } from "./lguest_check/disk.ts";
import { GuestSession } from "./lguest_check/session.ts";
import { expect, Steps } from "./lguest_check/steps.ts";
import { compareBoots } from "./lguest_check/transcript.ts";
import { NetworkNamespace } from "./network_namespace.ts";

/** The program with a stand-in for the real device. */
const STAND_IN = new URL("../tests/platform/lguest/_standin/main.ts", import.meta.url);

const USAGE = `Usage: deno run -A scripts/lguest_check.ts [options] KERNEL...
  --transcript=FILE  a boot of the same version on the original lguest, to compare; with several kernels FILE,FILE
  --platform=NAME    as the program's own option (lguest)
  --engine=NAME      as the program's own option (auto)
  --memory=MIB       RAM of the Guests (64)
  --stand-in         with --engine=lguest, on a stand-in for /dev/lguest: every request of the Launcher is a system call
  --show             print every expected difference to the transcript, too`;

/** What the command line asks for. */
interface CheckOptions {
  readonly kernels: readonly string[];
  readonly transcripts: readonly string[];
  readonly platform: string;
  readonly engine: string;
  readonly memory: string;
  readonly standIn: boolean;
  readonly show: boolean;
}

/** The host's address on the tap, and the Guest's. */
const HOST = "192.168.19.1", GUEST = "192.168.19.2";
/** How long a kernel may take to its shell, and a Guest to its end; the machine may be busy. */
const BOOT_SECONDS = 180, END_SECONDS = 60;
const FORKS = 200;
/** Kilobytes that the Guest writes to its disk. */
const WRITTEN = 512;

async function main(): Promise<number> {
  try {
    const options = parseOptions(Deno.args);
    if (options === undefined) {
      console.log(USAGE);
      return 0;
    }
    let failed = 0;
    for (const [index, kernel] of options.kernels.entries()) {
      const steps = new Steps();
      await using check = await Check.create(kernel, options, steps);
      await check.run(options.transcripts[index]);
      const { ok, failed: bad, skipped } = steps.counts;
      console.log(`${kernel}: ${ok} ok, ${bad} failed${skipped ? `, ${skipped} not done` : ""}\n`);
      failed += bad;
    }
    return failed === 0 ? 0 : 1;
  } catch (error) {
    sayError(error, false);
    return 1;
  }
}

function parseOptions(words: readonly string[]): CheckOptions | undefined {
  const names = ["transcript", "platform", "engine", "memory"];
  const args = parseArgs([...words], {
    string: names,
    boolean: ["stand-in", "show", "help"],
    default: { platform: "lguest", engine: "auto", memory: "64" },
  });
  if (args.help) return undefined;
  const unknown = Object.keys(args).find((name) => ![...names, "stand-in", "show", "help", "_"].includes(name));
  if (unknown !== undefined) throw new GuestError(`Nothing is called "--${unknown}" here; --help tells what is`);
  const kernels = args._.map(String);
  const standIn = args["stand-in"];
  const missing = standIn ? standInMissing() : undefined;
  if (missing !== undefined) throw new GuestError(`--stand-in ${missing}`);
  if (kernels.length === 0) throw new GuestError("Which kernel? Give the path of one; --help tells more");
  return {
    kernels,
    transcripts: args.transcript?.split(",") ?? [],
    platform: args.platform,
    engine: standIn ? "lguest" : args.engine,
    memory: args.memory,
    standIn,
    show: args.show,
  };
}

/** The check of one kernel. */
class Check implements AsyncDisposable {
  readonly #kernel: string;
  readonly #facts: KernelFacts;
  readonly #options: CheckOptions;
  readonly #steps: Steps;
  readonly #directory: string;
  readonly #initrd: string;
  readonly #disk: Disk;
  readonly #network: NetworkNamespace | undefined;

  private constructor(
    kernel: string,
    parts: { facts: KernelFacts; options: CheckOptions; steps: Steps; directory: string; disk: Disk; initrd: string },
    network: NetworkNamespace | undefined,
  ) {
    this.#kernel = kernel;
    this.#facts = parts.facts;
    this.#options = parts.options;
    this.#steps = parts.steps;
    this.#directory = parts.directory;
    this.#disk = parts.disk;
    this.#initrd = parts.initrd;
    this.#network = network;
  }

  /** Make what the Guests need. */
  static async create(kernel: string, options: CheckOptions, steps: Steps): Promise<Check> {
    const bytes = await Deno.readFile(kernel);
    const facts = inspectKernel(readKernel({ name: kernel, bytes }, { unpack: true, memorySize: 2 ** 30 }));
    const { version, lguest, pae } = facts;
    const entry = lguest
      ? `lguest entry at 0x${lguest.entry.toString(16)}, hypercalls by ${
        lguest.vmcall ? "VMCALL" : "INT"
      }, first page ` +
        `tables by ${lguest.hostMakesPageTables ? "the Host" : "itself"}`
      : "no lguest entry";
    console.log(`${kernel}: Linux ${version}, ${pae ? "PAE, " : ""}${entry}`);
    const directory = await Deno.makeTempDir({ prefix: "lguest-check-" });
    const initrd = join(directory, "initrd");
    const busybox = await Deno.readFile(await fetchBusybox());
    await Deno.writeFile(initrd, buildInitramfs({ busybox, init: SHELL_INIT }));
    const disk = await Disk.create(directory);
    const network = await makeNetwork();
    return new Check(kernel, { facts, options, steps, directory, disk, initrd }, network);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network?.[Symbol.asyncDispose]();
    await Deno.remove(this.#directory, { recursive: true });
  }

  /** All steps. What is thrown ends one life of the Guest, not the check. */
  async run(transcript: string | undefined): Promise<void> {
    const lives = [() => this.#life(transcript), () => this.#panic()];
    for (const life of lives) {
      try {
        await life();
      } catch (error) {
        console.log(`       What follows needs that: ${error instanceof Error ? error.name : error}`);
      }
    }
  }

  #start(kernelWords: readonly string[] = []): GuestSession {
    const { platform, engine, memory } = this.#options;
    const words = [
      `--platform=${platform}`,
      `--engine=${engine}`,
      "--rng",
      `--block=${this.#disk.path}`,
      ...(this.#network ? [`--tunnet=${HOST}`] : []),
      `--initrd=${this.#initrd}`,
      memory,
      this.#kernel,
      ...kernelWords,
    ];
    const around = (command: string[]) => this.#network?.command(command) ?? command;
    return new GuestSession(words, { around, ...(this.#options.standIn && { program: STAND_IN }) });
  }

  /** Boot, try everything, reboot, power off. */
  async #life(transcript: string | undefined): Promise<void> {
    const steps = this.#steps;
    await using session = this.#start();
    const { shell } = session;
    await steps.step(`a shell with ${this.#options.memory} MiB`, async () => {
      await shell.line.expect("lguest-test# ", BOOT_SECONDS);
      const total = /MemTotal: +(\d+) kB/.exec(await ask(session, "cat /proc/meminfo"))?.[1];
      const most = Number(this.#options.memory) * 1024;
      expect(Number(total) > most * 0.7 && Number(total) <= most, `the Guest counts ${total} kB`);
      return `${total} kB`;
    });
    const boot = session.heard.slice(0, session.heard.indexOf("lguest-test# "));
    await this.#compare(transcript, boot);
    await this.#platform(session, boot);
    const written = await this.#useDisk(session);
    await steps.step("random numbers in /dev/hwrng", async () => {
      const read = "dd if=/dev/hwrng bs=16 count=1 2>/dev/null | od -t x1 -A n";
      const numbers = [await ask(session, read), await ask(session, read)];
      expect(numbers.every((text) => /^( [0-9a-f]{2}){16}$/.test(text)), `they are ${numbers.join(" and")}`);
      expect(numbers[0] !== numbers[1], `they are the same twice: ${numbers[0]}`);
      return numbers[0]!.trim();
    });
    await this.#useNetwork(session);
    await steps.step(`fork and exec ${FORKS} times`, async () => {
      await ask(
        session,
        `i=0; while [ $i -lt ${FORKS} ]; do /bin/busybox true || break; i=$((i+1)); done; [ $i = ${FORKS} ]`,
      );
    });
    await steps.step("sleep 2 takes 2 s", async () => {
      const started = performance.now();
      const [before, after] = (await ask(session, "cat /proc/uptime; sleep 2; cat /proc/uptime")).split("\n");
      const host = (performance.now() - started) / 1000;
      const guest = parseFloat(after ?? "") - parseFloat(before ?? "");
      expect(guest >= 1.95 && guest < 2.5 && host >= 1.95 && host < 6, `${guest} s there, ${host} s here`);
      return `${guest.toFixed(2)} s by the Guest's clock, ${host.toFixed(2)} s by the host's`;
    });
    await steps.step("date is the host's", async () => {
      const apart = Number(await ask(session, "date +%s")) - Date.now() / 1000;
      expect(Math.abs(apart) < 60, `${apart.toFixed(0)} s apart`);
      return `${apart.toFixed(0)} s apart`;
    });
    await this.#interrupts(session);
    await steps.step("reboot", async () => {
      // By init: with Linux 2.6.32 busybox does not find processes by their names (its fstat needs a newer one).
      await shell.leave("sleep 1; kill -TERM 1; sleep 1000");
      await shell.line.expect("sleep 1000\n");
      await shell.line.expect("lguest-test# ", BOOT_SECONDS);
      await ask(session, "true");
    });
    await steps.step("power-off: status 0, and not a word", async () => {
      await shell.leave("kill -USR2 1; sleep 1000");
      const { code, complaints } = await session.end(END_SECONDS);
      expect(code === 0, `status ${code}: ${complaints.trim()}`);
      expect(complaints === "", `it said: ${complaints.trim()}`);
    });
    await this.#lookAtDisk(written);
  }

  async #compare(transcript: string | undefined, boot: string): Promise<void> {
    const name = "boot messages as on the original";
    if (transcript === undefined) return this.#steps.skip(name, "no --transcript");
    await this.#steps.step(name, async () => {
      const { total, same, differences } = compareBoots(await Deno.readTextFile(transcript), boot, EXPECTED);
      const bad = differences.filter(({ reason }) => reason === undefined);
      const byReason = Map.groupBy(this.#options.show ? differences : bad, ({ reason }) => reason);
      for (const [reason, lines] of byReason) {
        console.log(`       Boot messages that differ for ${reason ? `this reason: ${reason}` : "no known reason"}`);
        for (const { kind, line, was } of lines) {
          console.log(`         ${kind.padEnd(8)} ${line}${was === undefined ? "" : `\n           was    ${was}`}`);
        }
      }
      const explained = differences.length - bad.length;
      const summary = `${same} of ${total} lines the same, ${explained} different for a reason`;
      expect(bad.length === 0, `${summary}, ${bad.length} for none`);
      return summary;
    });
  }

  async #platform(session: GuestSession, boot: string): Promise<void> {
    const name = "the kernel knows that it is on lguest";
    if (this.#options.platform !== "lguest") return this.#steps.skip(name, `platform ${this.#options.platform}`);
    await this.#steps.step(name, async () => {
      expect(/Booting paravirtualized kernel on lguest/.test(boot), "it did not say so");
      const sources = await ask(session, "cat /sys/devices/system/clocksource/clocksource0/available_clocksource");
      expect(sources.split(" ").includes("lguest"), `it has the clocks ${sources}`);
      return `clocks ${sources}`;
    });
  }

  /** Returns the MD5 of what was written, if it was. */
  async #useDisk(session: GuestSession): Promise<string | undefined> {
    let written: string | undefined;
    await this.#steps.step("mount the ext4 disk, read and write it", async () => {
      await ask(session, "mkdir -p /mnt && mount -t ext4 /dev/vda /mnt");
      const greeting = await ask(session, `cat /mnt/${GREETING_FILE}`);
      expect(greeting === GREETING, `the file there says: ${greeting}`);
      await ask(session, `dd if=/dev/urandom of=/mnt/written bs=1024 count=${WRITTEN} 2>/dev/null`);
      const sum = await ask(session, "md5sum </mnt/written");
      await ask(session, "sync && umount /mnt && mount -t ext4 -o ro /dev/vda /mnt");
      const again = await ask(session, "md5sum </mnt/written");
      await ask(session, "umount /mnt");
      expect(sum === again, "what was written is not what is read");
      written = sum.slice(0, 32);
    });
    return written;
  }

  async #lookAtDisk(written: string | undefined): Promise<void> {
    await this.#steps.step("the disk is clean and has what was written", async () => {
      await this.#disk.requireClean();
      expect(written !== undefined && await this.#disk.md5("written") === written, "it has something else");
    });
  }

  async #useNetwork(session: GuestSession): Promise<void> {
    const name = "ping the host";
    if (!this.#network) return this.#steps.skip(name, "needs root, /dev/net/tun and iproute2");
    await this.#steps.step(name, async () => {
      await ask(session, `ifconfig eth0 ${GUEST} netmask 255.255.255.0 up`);
      const pings = await ask(session, `ping -c 3 -W 10 ${HOST}`, 60);
      expect(/ 0% packet loss/.test(pings), pings.replaceAll("\n", "; "));
      return /round-trip.*$/m.exec(pings)?.[0];
    });
  }

  /** From 4.0 on each device has one interrupt; before, each of its queues. */
  async #interrupts(session: GuestSession): Promise<void> {
    const name = "interrupts";
    if (this.#options.platform !== "lguest") return this.#steps.skip(name, `platform ${this.#options.platform}`);
    await this.#steps.step(name, async () => {
      const text = await ask(session, "cat /proc/interrupts");
      const lines = [...text.matchAll(/^ *(\d+): +(\d+) +lguest.* (\S+)$/gm)].map(([, irq, count, device]) => ({
        irq: Number(irq),
        count: Number(count),
        device: device!,
      }));
      const shown = lines.map(({ irq, count, device }) => `${irq} ${device} ${count}`).join(", ");
      // Console 2 queues, random numbers 1, disk 1, network 2.
      const [devices, queues] = this.#network ? [4, 6] : [3, 4];
      const { version, lguest } = this.#facts;
      const generation = lguest && chooseAbi(this.#kernel, { version, lguest });
      const wanted = generation?.transport === "pci" ? devices : queues;
      expect(lines.map(({ irq }) => irq).join() === Array.from({ length: wanted }, (_, i) => i + 1).join(), shown);
      expect(new Set(lines.map(({ device }) => device)).size === devices, shown);
      expect(lines.filter(({ count }) => count > 0).length >= devices - 1, shown);
      return shown;
    });
  }

  /** A kernel whose init ends has no way but to panic. */
  async #panic(): Promise<void> {
    const name = "panic: status 1, and the Guest's last words";
    if (this.#options.platform !== "lguest") return this.#steps.skip(name, `platform ${this.#options.platform}`);
    await using session = this.#start(["rdinit=/bin/true"]);
    await this.#steps.step(name, async () => {
      const { code, complaints } = await session.end(BOOT_SECONDS);
      expect(code === 1, `status ${code}`);
      expect(/^lguest: CRASH: Attempted to kill init!.*\n+$/.test(complaints), `it said: ${complaints.trim()}`);
      return complaints.trim();
    });
  }
}

/** A command that has to succeed. */
async function ask(session: GuestSession, command: string, seconds?: number): Promise<string> {
  const { output, status } = await session.shell.run(command, seconds);
  expect(status === 0, `"${command}" ended with ${status}: ${output.trim().replaceAll("\n", "; ")}`);
  return output.replace(/\n$/, "");
}

/** A network of its own, with the C library that a tap needs; nothing where that cannot be had. */
async function makeNetwork(): Promise<NetworkNamespace | undefined> {
  if (Deno.uid() !== 0) return undefined;
  try {
    await Deno.stat("/dev/net/tun");
    buildLibrary();
    return await NetworkNamespace.create(`lguest-check-${Deno.pid}`);
  } catch {
    return undefined;
  }
}

// Last, since the class above has to be there by then.
if (import.meta.main) Deno.exit(await main());
