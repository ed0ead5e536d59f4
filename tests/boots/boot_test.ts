/**
 * Debian's own kernels, in each form that the loader takes, to a shell that is typed to, and to power-off, reboot and
 * ^C. Two Guests run at a time.
 */
import { createHash } from "node:crypto";
import { assertEquals, assertNotEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import type { KernelFlavour } from "../../scripts/debian.ts";
import { Images } from "./_images.ts";
import { hold, inTerminal, launch, launcherCommand } from "./_machines.ts";
import { CANNOT_BOOT, hasProgram } from "./_needs.ts";
import type { Shell } from "./_shell.ts";

const FLAVOURS: readonly KernelFlavour[] = ["686", "686-pae"];
const MEMORY = "64";

/** What a kernel says when something is wrong with the machine below it or with itself. */
const TROUBLE =
  /\b(BUG|Oops|WARNING:|Call Trace|general protection|segfault|invalid opcode|stack-protector|soft lockup)/;

/** What `seq 20000` writes. */
const NUMBERS = Array.from({ length: 20000 }, (_, i) => `${i + 1}\n`).join("");

const ignore = CANNOT_BOOT;

/** Do something with both kernels at once, and fail when both have ended. */
async function withBoth(action: (flavour: KernelFlavour) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(FLAVOURS.map(action));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** What must work in any shell. */
async function checkShell(shell: Shell, flavour: KernelFlavour): Promise<void> {
  assertStringIncludes(await shell.ask("uname -r"), `-${flavour}`);
  assertEquals(await shell.ask("uname -m"), "i686");
  assertEquals(await shell.ask("echo $((6 * 7)) $((-7 / 2)) $((0x7fffffff * 3 % 1000))"), "42 -3 941");
  assertEquals(await shell.ask("seq 1000 | grep 7 | wc -l"), "271");
  assertEquals(await shell.ask("seq 200 | sort -r -n | tail -n 1 | tr 1 x"), "x");
  assertEquals(await shell.ask("ls -1 /bin/busybox /dev/console"), "/bin/busybox\n/dev/console");
  assertEquals(
    await shell.ask("seq 20000 >/tmp/numbers && wc -c </tmp/numbers && md5sum </tmp/numbers"),
    `${NUMBERS.length}\n${createHash("md5").update(NUMBERS).digest("hex")}  -`,
  );
  assertEquals(
    await shell.ask("n=0; while [ $n -lt 50 ]; do n=$((n + $(echo 1))); done; echo $n"),
    "50",
  );
  assertEquals(
    await shell.ask("(for n in 1 2 3 4 5; do busybox sh -c 'exec busybox expr $0 \\* $0' $n & done; wait)")
      .then((text) => text.split("\n").sort()),
    ["1", "16", "25", "4", "9"],
  );
  assertEquals((await shell.run("busybox false")).status, 1);
  assertEquals((await shell.run("sh -c 'kill -SEGV $$'")).status, 139);
  assertEquals(await shell.interrupt("sleep 100"), 130);
  assertEquals(await shell.ask("echo still here"), "still here");
  assertNotMatch(await shell.ask("dmesg"), TROUBLE);
}

for (
  const { form, flags, image } of [
    { form: "a bzImage that unpacks itself in the Guest", flags: ["--unpack=guest"], image: "bzImage" },
    { form: "a bzImage that is unpacked on the host", flags: [], image: "bzImage" },
    { form: "a vmlinux", flags: [], image: "vmlinux" },
  ] as const
) {
  Deno.test({
    name: `launch() boots Debian's kernels from ${form} to a shell and ends with 0 at power-off`,
    ignore,
    fn: async () => {
      using images = new Images();
      const initrd = await images.initrd();
      await withBoth(async (flavour) => {
        const kernel = await images[image](flavour);
        await using guest = launch([flavour, image, ...flags].join(" "), [
          ...flags,
          MEMORY,
          kernel,
          `--initrd=${initrd}`,
        ]);
        await guest.shell.ready();
        await checkShell(guest.shell, flavour);
        await guest.shell.leave("poweroff -f");
        assertEquals(await guest.ended, { code: 0, complaints: "" });
      });
    },
  });
}

Deno.test({
  name: "Guest.run() boots Debian's kernels anew at each reboot",
  ignore,
  fn: async () => {
    using images = new Images();
    const initrd = await images.initrd();
    await withBoth(async (flavour) => {
      await using guest = hold(`${flavour}, reboot`, {
        memory: 64 << 20,
        kernel: await images.bzImage(flavour),
        initrd,
        commandLine: "console=ttyS0 quiet",
      });
      const { shell } = guest;
      await shell.ready();
      await shell.ask("echo first >/life");
      await shell.leave("reboot -f");
      await shell.ready();
      assertEquals((await shell.run("cat /life")).status, 1);
      await checkShell(shell, flavour);
      // Through the keyboard controller this time, not as ACPI says.
      await shell.leave("poweroff");
      assertEquals(await guest.stopped, { kind: "poweroff" });
      assertEquals(guest.log.filter((line) => line === "The Guest reboots").length, 1);
    });
  },
});

Deno.test({
  name: "launch() takes a whole session from a pipe",
  ignore,
  fn: async () => {
    using images = new Images();
    const words = [MEMORY, await images.bzImage("686"), `--initrd=${await images.initrd()}`, "quiet"];
    await using guest = launch("pipe", words);
    await guest.shell.line.type("echo $((1234567 * 3))\nuname -r | tr 0-9 x\nexit\n");
    await guest.closeInput();
    assertEquals(await guest.ended, { code: 0, complaints: "" });
    assertStringIncludes(guest.shell.line.heard, "\n3703701\n");
    assertStringIncludes(guest.shell.line.heard, "\nx.x.x-xx-xxx\n");
  },
});

Deno.test({
  name: "launch() hands ^C to a Guest in a terminal and ends with 130 after three",
  ignore: ignore || !await hasProgram("script"),
  fn: async () => {
    using images = new Images();
    const words = [MEMORY, await images.bzImage("686-pae"), `--initrd=${await images.initrd()}`, "quiet"];
    const launcher = launcherCommand(...words).join(" ");
    await using guest = inTerminal(
      "terminal",
      `echo "before: $(stty -g)"; ${launcher}; echo "left with $?"; echo "after: $(stty -g)"`,
    );
    const { shell } = guest;
    await shell.ready();
    assertEquals(await shell.ask("stty -a </dev/ttyS0 | grep -o 'intr = ^C'"), "intr = ^C");
    assertEquals(await shell.interrupt("sleep 100"), 130);
    await shell.leave("trap '' INT; echo deaf; sleep 100");
    await shell.line.expect("\ndeaf\n");
    await shell.line.type("\x03\x03\x03");
    await shell.line.expect("left with 130");
    assertEquals((await guest.ended).code, 0);
    const [, before] = /before: (\S+)/.exec(shell.line.heard) ?? [];
    const [, after] = /after: (\S+)/.exec(shell.line.heard) ?? [];
    assertNotEquals(before, undefined);
    assertEquals(after, before);
  },
});
