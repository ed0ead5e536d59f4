/**
 * Builds an initramfs around busybox: programs and an init script enter, a cpio archive leaves. The demo, the boot
 * tests and the benchmark differ in the script. The archive is not compressed: it is 2 MB, and the Guest would have to
 * unpack it. Read next: `debian.ts`, where busybox comes from; `../lib/boot/cpio.ts`.
 *
 * @module
 */
import { type CpioEntry, writeCpio } from "../lib/boot/cpio.ts";
import { GuestError } from "../lib/guest_error.ts";
import { join } from "@std/path";

/** What goes into an initramfs. */
export interface InitramfsOptions {
  /** The program busybox. */
  readonly busybox: Uint8Array;
  /** The text of `/init`. */
  readonly init: string;
  /** Directories whose whole trees are copied to the root. */
  readonly trees?: readonly string[];
  /** More files: absolute path in the Guest, and contents. All can be executed. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/**
 * The begin of an init script: mounts what programs expect, and makes `poweroff`, `reboot` and `halt` work without
 * `-f`, by which they ask init; init is this script.
 */
export const INIT_PREAMBLE = `#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm /tmp
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
ln -s /proc/self/fd /dev/fd
hostname lguest
trap 'poweroff -f' USR2
trap 'reboot -f' TERM
trap 'halt -f' USR1
`;

/**
 * The middle of an init script, where `fetchModules` of `debian.ts` is in the initramfs: loads the drivers of the virtio
 * devices that are there, and nothing where there are none. Other modules come when the kernel asks for them, ext4 when
 * `mount` tries what /etc/filesystems names. With `console=hvc0` the kernel has a console only after this, so init's own
 * files are opened anew.
 */
export const INIT_DRIVERS = `drivers() {
  found=
  for file in /sys/bus/$1/devices/*/modalias; do
    [ -r "$file" ] && read -r alias <"$file" || continue
    case " $found " in *" $alias "*) continue ;; esac
    case $alias in $2*) found="$found $alias" ;; esac
  done
  [ -z "$found" ] || modprobe -abq $found
}
mkdir -p /etc /mnt
echo ext4 >/etc/filesystems
drivers pci pci:v00001AF4 && drivers virtio virtio:
exec </dev/console >/dev/console 2>&1
`;

/**
 * Words for a kernel that is booted for what comes afterwards: without its messages, and without the tests of its own
 * cryptography and the search for ISA cards, which are a third of the time of its boot.
 */
export const QUICK_BOOT: readonly string[] = ["quiet", "cryptomgr.notests", "noisapnp"];

/**
 * The end of an init script: a shell on the console, which is its controlling terminal, and power-off when it ends.
 * The second setsid finds itself a group leader, so it forks and leaves; with a mere "&" the shell and all it starts
 * would ignore ^C.
 */
export const INIT_SHELL = `cd /root
setsid setsid cttyhack sh -c 'sh; kill -USR2 1' </dev/console >/dev/console 2>&1
while :; do
  sleep 3600 &
  wait $!
done
`;

/** The demo's whole init script. */
export const DEMO_INIT = `${INIT_PREAMBLE}${INIT_DRIVERS}
export PS1='lguest:\\w\\$ '
# A serial port does not know the window's size; a virtio console does.
case "\$(stty size </dev/console 2>/dev/null)" in
  ""|"0 0") stty rows "\${LINES:-24}" cols "\${COLUMNS:-80}" </dev/console ;;
esac
unset LINES COLUMNS
read -r up idle </proc/uptime
cat <<END

  Linux $(uname -r) on a CPU written in TypeScript, up after $up s.
  busybox has the usual commands. "poweroff" or the end of this shell ends lguest; so does ^C three times.

END
${INIT_SHELL}`;

/**
 * Make the archive.
 *
 * @throws {GuestError} if busybox is not one
 */
export function buildInitramfs(options: InitramfsOptions): Uint8Array<ArrayBuffer> {
  const entries = new Map<string, CpioEntry>();
  const add = (entry: CpioEntry) => {
    addParents(entries, entry.path);
    entries.set(entry.path, entry);
  };
  for (const path of ["dev", "proc", "sys", "root", "tmp", "bin"]) add({ kind: "directory", path });
  add({ kind: "character", path: "dev/console", major: 5, minor: 1 });
  for (const tree of options.trees ?? []) for (const entry of readTree(tree, "")) add(entry);
  add({ kind: "file", path: "bin/busybox", mode: 0o755, data: options.busybox });
  for (const applet of busyboxApplets(options.busybox)) {
    const path = `bin/${applet}`;
    if (!entries.has(path) && !entries.has(`usr/${path}`)) add({ kind: "symlink", path, target: "busybox" });
  }
  // Where the kernel looks for it.
  if (!entries.has("sbin/modprobe")) add({ kind: "symlink", path: "sbin/modprobe", target: "/bin/busybox" });
  const encoder = new TextEncoder();
  for (const [path, contents] of Object.entries({ "/init": options.init, ...options.files })) {
    const data = typeof contents === "string" ? encoder.encode(contents) : contents;
    add({ kind: "file", path: path.replace(/^\/+/, ""), mode: 0o755, data });
  }
  return writeCpio(entries.values());
}

/** The names of busybox's commands: a sorted list of strings in the program, which may be of a foreign processor. */
export function busyboxApplets(program: Uint8Array): string[] {
  const text = new TextDecoder("latin1").decode(program);
  const start = text.indexOf("\0[\0[[\0");
  const end = text.indexOf("\0\0", start + 1);
  const names = start < 0 || end < 0 ? [] : text.slice(start + 1, end).split("\0");
  if (!names.includes("sh") || !names.includes("mount")) {
    throw new GuestError("Cannot find the list of commands in busybox: fetch another one");
  }
  return names.filter((name) => name !== "busybox");
}

/** Directories must come before what is in them; a package's tree may have made them already, perhaps as links. */
function addParents(entries: Map<string, CpioEntry>, path: string): void {
  const parts = path.split("/");
  for (let i = 1; i < parts.length; i++) {
    const parent = parts.slice(0, i).join("/");
    if (!entries.has(parent)) entries.set(parent, { kind: "directory", path: parent });
  }
}

function* readTree(root: string, under: string): Generator<CpioEntry> {
  const names = [...Deno.readDirSync(join(root, under))].map((entry) => entry.name).sort();
  for (const name of names) {
    const path = under ? `${under}/${name}` : name;
    const full = join(root, path);
    const info = Deno.lstatSync(full);
    if (info.isSymlink) yield { kind: "symlink", path, target: Deno.readLinkSync(full) };
    else if (info.isDirectory) {
      yield { kind: "directory", path };
      yield* readTree(root, path);
    } else if (info.isFile) {
      yield { kind: "file", path, mode: (info.mode ?? 0o644) & 0o7777, data: Deno.readFileSync(full) };
    }
  }
}
