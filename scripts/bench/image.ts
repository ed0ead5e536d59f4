/**
 * Makes what every machine boots: Debian's 686 kernel or another, and an initramfs of busybox and the phases' program,
 * compiled here. A directory for the files and the phases' names enter; paths and the command line leave. Read
 * next: `guest/phases.c`, `machines.ts`.
 *
 * @module
 */
import { join } from "@std/path";
import { fetchBusybox, fetchKernel } from "../debian.ts";
import { compileProgram } from "../guest_compiler.ts";
import { buildInitramfs, INIT_PREAMBLE, INIT_SHELL } from "../initramfs.ts";

/** The same for every machine. */
export interface Image {
  /** Path of the bzImage. */
  readonly kernel: string;
  /** Path of the initramfs. */
  readonly initrd: string;
  /** The kernel's command line. */
  readonly commandLine: string;
  /** RAM in MiB. */
  readonly memory: number;
}

/** What `/init` says first. */
export const INIT_MARKER = "@init";
/** What it says after the last phase. */
export const DONE_MARKER = "@done";
/** The shell's prompt. */
export const PROMPT = "bench# ";

/** Bytes that gzip packs: busybox itself, a program of about that size. */
const GZIP_INPUT = 2 << 20;

/** The kernel is told to be silent before the first phase, so that no message of its tears a marker apart. */
function initScript(phases: readonly string[]): string {
  return `#!/bin/sh
echo ${INIT_MARKER}
${INIT_PREAMBLE}
dmesg -n 1
phases ${phases.join(" ")}
echo ${DONE_MARKER}
export PS1='${PROMPT}'
${INIT_SHELL}`;
}

/** What an {@link Image} is made of. */
export interface ImageParts {
  /** RAM in MiB. */
  readonly memory: number;
  /** Names of the phases. */
  readonly phases: readonly string[];
  /** Path of a kernel that is to be booted instead of Debian's. */
  readonly kernel?: string | undefined;
}

/**
 * Fetch the kernel, compile, and write the initramfs.
 *
 * @param directory takes the files
 * @throws {GuestError} if something is missing
 */
export async function makeImage(directory: string, { memory, phases, ...parts }: ImageParts): Promise<Image> {
  const kernel = parts.kernel ?? await fetchKernel("686");
  const busybox = await Deno.readFile(await fetchBusybox());
  const initrd = join(directory, "bench.cpio");
  const program = await Deno.readFile(await compileProgram("bench/guest/phases.c", directory));
  await Deno.writeFile(
    initrd,
    buildInitramfs({
      busybox,
      init: initScript(phases),
      files: { "/bin/phases": program, "/data": gzipInput(busybox) },
    }),
  );
  return { kernel, initrd, memory, commandLine: "console=ttyS0 panic=-1" };
}

function gzipInput(busybox: Uint8Array): Uint8Array {
  const data = new Uint8Array(GZIP_INPUT);
  for (let at = 0; at < data.length; at += busybox.length) {
    data.set(busybox.subarray(0, Math.min(busybox.length, data.length - at)), at);
  }
  return data;
}
