/**
 * The machines that are compared: each as a command that boots an {@link Image} with its console on stdin and stdout,
 * or the reason why it cannot be run here. Read next: `machine.ts`; `v86_machine.ts`, the process around v86.
 *
 * @module
 */
import { exists } from "@std/fs";
import { join } from "@std/path";
import { GuestError } from "../../lib/guest_error.ts";
import { fetchPackages } from "../debian.ts";
import type { Image } from "./image.ts";
import type { MachineCommand } from "./machine.ts";
import type { MachineName } from "./options.ts";

/** A machine that can be started as often as one likes. */
export interface Contestant {
  /** What it is called; `pc` is lguest's other platform. */
  readonly name: MachineName | "pc";
  /** Its name and version for the table. */
  readonly title: string;
  /** How it is started. */
  readonly command: MachineCommand;
}

/** Where Debian's package seabios keeps its firmware. */
const SEABIOS = "usr/share/seabios";

const QEMU = "qemu-system-i386";

const ROOT = join(import.meta.dirname!, "../..");

/**
 * Find out how to start a machine.
 *
 * @throws {GuestError} if it cannot be run here
 */
export function findContestant(name: MachineName, image: Image): Promise<Contestant> {
  switch (name) {
    case "lguest":
      return Promise.resolve(lguest(image));
    case "qemu":
      return qemu(image);
    case "v86":
      return v86(image);
  }
}

function lguest({ memory, kernel, initrd, commandLine }: Image): Contestant {
  return {
    name: "lguest",
    title: "lguest",
    command: {
      program: Deno.execPath(),
      arguments: [
        ...["run", "-P", join(ROOT, "main.ts"), "--verbose", `--initrd=${initrd}`],
        ...[`${memory}`, kernel, ...commandLine.split(" ")],
      ],
    },
  };
}

/**
 * This program, as a user runs a kernel on one of its platforms. It ends with a line of what it counted.
 *
 * @param platform the machine that the kernel finds
 * @param image what it boots
 */
export function platformContestant(platform: "lguest" | "pc", { memory, kernel, initrd }: Image): Contestant {
  return {
    name: platform,
    title: `platform ${platform}`,
    command: {
      program: Deno.execPath(),
      arguments: [
        ...["run", "-P", join(ROOT, "main.ts"), "--json", `--platform=${platform}`, `--initrd=${initrd}`],
        ...[`${memory}`, kernel, "panic=-1", ...(platform === "pc" ? ["console=ttyS0"] : [])],
      ],
    },
  };
}

async function qemu({ memory, kernel, initrd, commandLine }: Image): Promise<Contestant> {
  return {
    name: "qemu",
    title: await qemuTitle(),
    command: {
      program: QEMU,
      arguments: [
        ...["-accel", "tcg", "-m", `${memory}`, "-nographic", "-no-reboot"],
        ...["-kernel", kernel, "-initrd", initrd, "-append", commandLine],
      ],
    },
  };
}

/**
 * What QEMU is called in tables.
 *
 * @throws {GuestError} if there is none
 */
export async function qemuTitle(): Promise<string> {
  const version = await firstLine(QEMU, ["--version"]);
  if (version === undefined) throw new GuestError(`there is no "${QEMU}" (Debian: qemu-system-x86)`);
  return `QEMU ${/version (\S+)/.exec(version)?.[1]?.replace(/\(.*/, "") ?? ""} (TCG)`;
}

async function v86({ memory, kernel, initrd, commandLine }: Image): Promise<Contestant> {
  const firmware = await findFirmware();
  const command = [
    ...["run", "-P", "--no-lock"],
    join(import.meta.dirname!, "v86_machine.ts"),
  ];
  const version = await firstLine(Deno.execPath(), [...command, "--version"]);
  if (version === undefined) throw new GuestError("the npm package v86 cannot be loaded");
  return {
    name: "v86",
    title: `v86 ${version}`,
    command: {
      program: Deno.execPath(),
      arguments: [...command, `${memory}`, kernel, initrd, join(firmware, "bios.bin"), commandLine],
    },
  };
}

async function findFirmware(): Promise<string> {
  const installed = join("/", SEABIOS);
  if (await exists(join(installed, "bios.bin"))) return installed;
  return join(await fetchPackages(["seabios"]), SEABIOS);
}

async function firstLine(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args: [...args], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0] : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
