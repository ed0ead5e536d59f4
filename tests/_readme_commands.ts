/**
 * How each command of the README is tried: as it stands there, or by something equivalent, with the reason. A command
 * that is not in this table makes the test fail.
 *
 * @module
 */
import { UP } from "./_readme_kernels.ts";

/** What a command needs of the machine. */
export type Need = "cc" | "boot" | "man" | "fish" | "npm" | "tap";

/** How a command is tried. */
export interface Trial {
  /** What is executed; the command itself unless given. */
  readonly instead?: string;
  /** Why not the command itself. */
  readonly because?: string;
  /** What it must write. */
  readonly says?: string | RegExp;
  /** How it must end; with 0 unless given. */
  readonly status?: number;
  /** What it needs. */
  readonly needs?: readonly Need[];
}

/** A kernel is up in each of these; the stand-in turns itself off at once. */
const BOOTS: Trial = { says: UP };
const ELSEWHERE = "another test does it";
const LONG = "it runs for minutes or hours";

/** All of them. */
export const TRIALS: ReadonlyMap<string, Trial> = new Map<string, Trial>([
  ["npm install -g deno", {
    instead: "deno --version",
    because: "would replace the Deno that runs this",
    says: /^deno (2\.(9|\d\d)|[3-9])/,
  }],
  ["deno task demo", {
    instead: "deno task demo --fetch-only",
    because: "the picture's test boots it",
    says: /vmlinuz\n.*demo-686-\w+\.cpio\n$/,
    needs: ["boot"],
  }],
  ["deno task compile", { says: /dist\/lguest: [\d.]+ MB, built /, needs: ["cc"] }],
  ["sudo install dist/lguest /usr/local/bin", {
    instead: "mkdir -p local && install dist/lguest local && local/lguest --version",
    because: "would change this machine",
    says: /^lguest \d/,
    needs: ["cc"],
  }],
  ["lguest doctor", { says: "Guests can be run on this machine." }],

  ["deno task run", { instead: "deno task run --version", because: "it is no whole command", says: /lguest \d/ }],
  ["deno task run 64 bzImage --initrd=initramfs.cpio", BOOTS],
  ["deno task run 64m vmlinux --initrd=initramfs.cpio console=ttyS0 quiet", BOOTS],
  ["deno task run 64 bzImage --initrd=initramfs.cpio rdinit=/bin/sh -- -s", BOOTS],
  ["echo 'cat /proc/cpuinfo; poweroff' | deno task run 64 bzImage --initrd=initramfs.cpio", BOOTS],
  ["deno task run 64 bzImage --initrd=initramfs.cpio --block=disk.img --block=cd.iso,readonly --rng", BOOTS],
  ["sudo lguest 64 bzImage --initrd=initramfs.cpio --tunnet=192.168.19.1 console=hvc0", {
    instead: "unshare -rn lguest 64 bzImage --initrd=initramfs.cpio --tunnet=192.168.19.1 console=hvc0",
    because: "the tap shall be in a network of its own",
    says: UP,
    needs: ["tap"],
  }],
  ["deno task demo --block=disk.img --rng", {
    instead: "deno task demo --block=disk.img --rng --fetch-only",
    because: "tests/boots/ has Debian's kernel use disks and random numbers",
    says: "demo-686-",
    needs: ["boot"],
  }],
  ["deno task demo --flavour=686-pae --memory=128 quiet", {
    instead: "deno task demo --flavour=686-pae --memory=128 quiet --fetch-only",
    because: "tests/boots/ boots that kernel",
    says: "demo-686-pae-",
    needs: ["boot"],
  }],
  ["deno task build", { says: /^C library: (built|up to date): .*liblguest\.so$/m, needs: ["cc"] }],

  ["deno task run 64 vmlinux-4.13 --platform=lguest --initrd=initramfs.cpio --block=disk.img --rng", {}],
  ["deno task run 64 bzImage-3.11 --platform=lguest --initrd=initramfs.cpio", {}],
  ["sudo lguest 64 bzImage-4.13 --engine=lguest --device=/dev/lguest --initrd=initramfs.cpio", {
    instead: "lguest 64 bzImage-4.13 --engine=lguest --device=/nowhere/lguest --initrd=initramfs.cpio",
    because: "no machine has the device; tests/platform/lguest/ has the program use a stand-in",
    says: 'lguest: "/nowhere/lguest" does not exist',
    status: 1,
  }],
  ["deno run -A scripts/lguest_check.ts bzImage-4.13", {
    instead: "deno run -A scripts/lguest_check.ts --help",
    because: "needs a real kernel with CONFIG_LGUEST_GUEST, which nobody distributes",
    says: "scripts/lguest_check.ts [options] KERNEL...",
  }],

  ["deno doc lib/mod.ts", { says: "class Guest extends EventTarget" }],
  ["deno test -A examples/kernel_test.ts", {
    instead: "deno test -A --no-run examples/kernel_test.ts",
    because: "it is part of the suite by itself",
  }],
  ["deno run -A examples/build.ts", { instead: "deno check examples/build.ts", because: ELSEWHERE }],
  ["deno run -A examples/two_guests.ts", { instead: "deno check examples/two_guests.ts", because: ELSEWHERE }],

  ["dist/lguest 64 bzImage --initrd=initramfs.cpio", { ...BOOTS, needs: ["cc"] }],
  ["deno compile", { instead: "deno compile --help", because: ELSEWHERE, says: "deno compile" }],
  ["deno run -A scripts/compile/startup.ts", {
    instead: "deno run -A scripts/compile/startup.ts 1",
    because: "one round will do",
    says: "| a Guest's first instruction |",
    needs: ["cc"],
  }],

  ["deno task pack", { says: /dist\/lguest-lguest-[\d.]+\.tgz/ }],
  ["npm install ./dist/lguest-lguest-0.1.0.tgz deno", {
    instead: "mkdir -p project && cd project && echo '{}' >package.json && " +
      "npm install --offline ../dist/lguest-lguest-0.1.0.tgz && test -x node_modules/.bin/lguest",
    because: "Deno is here already, and the tree is no place for packages",
    needs: ["npm"],
  }],
  ["npx lguest --version", {
    instead: "cd project && npx --offline lguest --version",
    because: "the package is in a directory of its own",
    says: /^lguest \d/m,
    needs: ["npm"],
  }],

  ["source <(lguest completions bash)", {
    instead: "source <(lguest completions bash) && complete -p lguest",
    because: "what it says to the shell is to be seen",
    says: /^complete .* lguest$/m,
  }],
  ["lguest completions fish | source", {
    instead: `fish -c 'lguest completions fish | source; complete -C "lguest --plat"'`,
    because: "it is for another shell",
    says: "--platform",
    needs: ["fish"],
  }],
  ["lguest man | man -l -", { says: /boot/i, needs: ["man"] }],

  ["deno task test", {
    instead: "deno task test --no-check tests/statistics_test.ts",
    because: "it is what runs this",
    says: "ok | 1 passed",
  }],
  ["deno test", {
    instead: "deno test --no-check tests/statistics_test.ts",
    because: "all of it takes minutes",
    says: /ok \| \d+ passed/,
  }],
  ["deno task ok", { instead: "deno fmt --check README.md", because: "it is what runs this" }],
  ["deno task conformance 10", { instead: "deno task conformance 0", because: LONG }],
  ["LGUEST_CASES=1000000 deno task test tests/virtio tests/pci", {
    instead: "LGUEST_CASES=10 deno task test --no-check tests/pci/property_test.ts",
    because: LONG,
    says: /ok \| \d+ passed/,
  }],
  ["deno run -A scripts/kill_loop.ts 200", {
    instead: "deno run -A scripts/kill_loop.ts none",
    because: LONG,
    says: "Want a number of kills",
    status: 1,
  }],
  ["deno task bench", { instead: "deno task bench --help", because: LONG, says: "Usage: deno task bench" }],
  ["sudo deno task bench --devices", { instead: "deno task bench --help", because: LONG, says: "--devices" }],
  ["deno task bench --kernel=bzImage-4.13", {
    instead: "deno task bench --help",
    because: "needs a real kernel with CONFIG_LGUEST_GUEST",
    says: "--kernel=FILE",
  }],
  ["deno run -A scripts/picture.ts", { instead: "deno check scripts/picture.ts", because: ELSEWHERE }],
]);
