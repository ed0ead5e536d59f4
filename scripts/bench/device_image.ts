/**
 * Makes what the machines of the device benchmark boot and use: kernel, initramfs with drivers, a disk that is written
 * and read, and one that holds `fio`. A directory enters; paths leave. Read next: `device_machines.ts`.
 *
 * @module
 */
import { exists } from "@std/fs";
import { join } from "@std/path";
import { GuestError } from "../../lib/guest_error.ts";
import { fetchBusybox, fetchKernel, fetchModules, fetchPackages } from "../debian.ts";
import { compileProgram } from "../guest_compiler.ts";
import { buildInitramfs, INIT_DRIVERS, INIT_PREAMBLE, INIT_SHELL, QUICK_BOOT } from "../initramfs.ts";
import { type Image, PROMPT } from "./image.ts";

/** What {@link Image} has, and disks. */
export interface DeviceImage extends Image {
  /** The disk that is measured. */
  readonly disk: string;
  /** The disk with programs; nobody writes to it. */
  readonly tools: string;
  /** `guest/traffic.c` for the host; its path. */
  readonly traffic: string;
}

/** Where the Guest finds the disk that is measured. */
export const DISK_DEVICE = "/dev/vda";
/** How the Guest calls fio: its libraries are where no program looks for them. */
export const FIO = "/mnt/lib/ld-linux.so.2 --library-path " +
  "/mnt/lib/i386-linux-gnu:/mnt/usr/lib/i386-linux-gnu:/mnt/usr/lib/i386-linux-gnu/ceph /mnt/usr/bin/fio";
/** Lines for the console. */
export const LINES = { path: "/lines", count: 100_000 } as const;

/** Size of the disk that is measured: it lies in the host's memory as a whole. */
const DISK_MIB = 256;
const PIECE = 1 << 20;
/** Directories of packages that no run of fio reads. */
const SUPERFLUOUS = ["share", "lib/python3.11", "lib/i386-linux-gnu/perl", "lib/i386-linux-gnu/gconv"];

/**
 * Fetch, compile and write.
 *
 * @param directory takes the files
 * @param memory RAM in MiB
 * @param script the Guest's program \`measure\`
 * @throws {GuestError} if something is missing
 */
export async function makeDeviceImage(directory: string, memory: number, script: string): Promise<DeviceImage> {
  const lines = Array.from({ length: LINES.count }, (_, i) => `${i + 1}\n`).join("");
  const initrd = join(directory, "devices.cpio");
  await Deno.writeFile(
    initrd,
    buildInitramfs({
      busybox: await Deno.readFile(await fetchBusybox()),
      init: `${INIT_PREAMBLE}${INIT_DRIVERS}
dmesg -n 1
mount -o ro /dev/vdb /mnt
export PS1='${PROMPT}'
${INIT_SHELL}`,
      trees: [await fetchModules("686")],
      files: {
        "/bin/traffic": await Deno.readFile(await compileProgram("guest/traffic.c", directory)),
        "/bin/measure": script,
        [LINES.path]: lines,
      },
    }),
  );
  return {
    kernel: await fetchKernel("686"),
    initrd,
    memory,
    commandLine: ["console=hvc0", ...QUICK_BOOT].join(" "),
    disk: await writeDisk(join(directory, "disk.img")),
    tools: await writeTools(directory),
    traffic: await compileProgram("guest/traffic.c", directory, "host"),
  };
}

/** Written in full, so that the host neither has to find room for it nor to read it from its own disk. */
async function writeDisk(path: string): Promise<string> {
  using file = await Deno.open(path, { create: true, write: true });
  const piece = new Uint8Array(PIECE).map((_, i) => i * 7 + (i >> 8));
  for (let at = 0; at < DISK_MIB; at++) await file.write(piece);
  await file.sync();
  return path;
}

async function writeTools(directory: string): Promise<string> {
  const tree = join(directory, "tools");
  await run("cp", ["-a", await fetchPackages(["fio"]), tree]);
  for (const name of SUPERFLUOUS) {
    const path = join(tree, "usr", name);
    if (await exists(path)) await Deno.remove(path, { recursive: true });
  }
  const image = join(directory, "tools.img");
  await run("mke2fs", ["-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image, "256M"]);
  await Deno.remove(tree, { recursive: true });
  return image;
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const output = await new Deno.Command(program, { args: [...args], stdin: "null" }).output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new GuestError(`The benchmark of devices needs "${program}" (Debian: e2fsprogs)`, { cause: error });
  });
  if (output.success) return;
  throw new GuestError(`${program} failed: ${new TextDecoder().decode(output.stderr).trim()}`);
}
