/**
 * The machines of the device benchmark: each as a command that boots a {@link DeviceImage} in a network namespace, with
 * virtio devices on PCI and hvc0 on stdin and stdout. Read next: `machine.ts`, `device_session.ts`.
 *
 * @module
 */
import { join } from "@std/path";
import { GuestError } from "../../lib/guest_error.ts";
import type { NetworkNamespace } from "../network_namespace.ts";
import type { DeviceImage } from "./device_image.ts";
import type { MachineCommand } from "./machine.ts";
import { type Contestant, qemuTitle } from "./machines.ts";
import type { MachineName } from "./options.ts";

/** A machine and the addresses of its network. */
export interface DeviceContestant extends Contestant {
  /** The host's. */
  readonly host: string;
  /** The Guest's. */
  readonly guest: string;
}

const ROOT = join(import.meta.dirname!, "../..");
const TAP = "qemu0";

/**
 * Find out how to start a machine.
 *
 * @throws {GuestError} if it cannot be run here
 */
export function findDeviceContestant(
  name: MachineName,
  image: DeviceImage,
  namespace: NetworkNamespace,
): Promise<DeviceContestant> {
  switch (name) {
    case "lguest":
      return Promise.resolve(lguest(image, namespace));
    case "qemu":
      return qemu(image, namespace);
    case "v86":
      throw new GuestError("it has none of these devices");
  }
}

function lguest(image: DeviceImage, namespace: NetworkNamespace): DeviceContestant {
  const { memory, kernel, initrd, commandLine, disk, tools } = image;
  const addresses = subnet(19);
  const command = commandIn(namespace, [
    ...[Deno.execPath(), "run", "-P", join(ROOT, "main.ts"), `--initrd=${initrd}`],
    ...[`--block=${disk}`, `--block=${tools},readonly`, `--tunnet=${addresses.host}`],
    ...[`${memory}`, kernel, ...commandLine.split(" ")],
  ]);
  return { name: "lguest", title: "lguest", command, ...addresses };
}

/** QEMU's tap is made beforehand, with the same offloads. */
async function qemu(image: DeviceImage, namespace: NetworkNamespace): Promise<DeviceContestant> {
  const title = await qemuTitle();
  const addresses = subnet(29);
  await namespace.ip("tuntap", "add", TAP, "mode", "tap", "vnet_hdr");
  await namespace.ip("addr", "add", `${addresses.host}/24`, "dev", TAP);
  await namespace.ip("link", "set", TAP, "up");
  return { name: "qemu", title, command: commandIn(namespace, qemuWords(image)), ...addresses };
}

function subnet(number: number): Pick<DeviceContestant, "host" | "guest"> {
  return { host: `192.168.${number}.1`, guest: `192.168.${number}.2` };
}

function qemuWords({ memory, kernel, initrd, commandLine, disk, tools }: DeviceImage): string[] {
  const device = (
    type: string,
    ...properties: string[]
  ) => ["-device", [type, "disable-legacy=on", ...properties].join()];
  return [
    ...["qemu-system-i386", "-accel", "tcg", "-m", `${memory}`, "-nodefaults", "-display", "none", "-no-reboot"],
    ...["-kernel", kernel, "-initrd", initrd, "-append", commandLine],
    // A terminal that is shared between devices queues what a pipe does not take; one of its own loses it.
    ...["-chardev", "stdio,id=terminal,signal=off,mux=on"],
    ...device("virtio-serial-pci", "max_ports=1"),
    ...["-device", "virtconsole,chardev=terminal"],
    ...["-drive", `if=none,id=disk,file=${disk},format=raw,cache=writeback`, ...device("virtio-blk-pci", "drive=disk")],
    ...["-drive", `if=none,id=tools,file=${tools},format=raw,cache=writeback,read-only=on`],
    ...device("virtio-blk-pci", "drive=tools"),
    ...["-netdev", `tap,id=net,ifname=${TAP},script=no,downscript=no`, ...device("virtio-net-pci", "netdev=net")],
  ];
}

function commandIn(namespace: NetworkNamespace, words: readonly string[]): MachineCommand {
  const [program, ...args] = namespace.command(words);
  return { program: program!, arguments: args };
}
