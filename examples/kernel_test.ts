/**
 * A kernel under test, in the style of `deno test`: each test boots a Guest of its own, asks it something and throws it
 * away. Run it with `deno test -A examples/kernel_test.ts`.
 *
 * The kernel is Debian's, fetched with apt; put in the path of yours. The initial RAM disk holds busybox and an init
 * script that ends in a shell.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Guest } from "@lguest/lguest";
import { fetchBusybox, fetchKernel, fetchModules, hasApt } from "../scripts/debian.ts";
import { buildInitramfs, INIT_DRIVERS, INIT_PREAMBLE, INIT_SHELL } from "../scripts/initramfs.ts";

/** What cannot be done without these rights is not tried. */
const isPermitted = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");
const ignore = !isPermitted || !await hasApt();

/** Boot to a shell. */
async function boot(more: { block?: string[]; rng?: boolean } = {}): Promise<Guest> {
  const kernel = await fetchKernel();
  const initrd = buildInitramfs({
    busybox: await Deno.readFile(await fetchBusybox()),
    init: INIT_PREAMBLE + INIT_DRIVERS + INIT_SHELL,
    trees: [await fetchModules()],
  });
  const guest = await Guest.start({ memory: 64, kernel, initrd, commandLine: "console=hvc0 quiet", ...more });
  await guest.console.expect("/root # ", { timeout: 300_000 });
  return guest;
}

Deno.test({
  name: "the kernel boots without a complaint",
  ignore,
  fn: async () => {
    await using guest = await boot();
    const { stdout } = await guest.run("dmesg");
    assertMatch(stdout, /Linux version \d+\.\d+/);
    assertEquals(stdout.match(/BUG:|WARNING:|Oops|Call Trace/g), null);
  },
});

Deno.test({
  name: "the kernel keeps what is written to a disk over a reboot",
  ignore,
  fn: async () => {
    const disk = await Deno.makeTempFile({ prefix: "lguest-example-" });
    try {
      await Deno.truncate(disk, 1 << 20);
      await using guest = await boot({ block: [disk] });
      assertEquals((await guest.run("echo it was here >/dev/vda && sync")).status, 0);
      await guest.console.write("reboot\r");
      await guest.console.expect("BusyBox v", { timeout: 300_000 }); // what the next shell begins with
      await guest.console.expect("/root # ", { timeout: 300_000 });
      assertEquals((await guest.run("head -n 1 /dev/vda")).stdout, "it was here\n");
    } finally {
      await Deno.remove(disk);
    }
  },
});

Deno.test({
  name: "the kernel's clock stands still while the Guest is paused",
  ignore,
  fn: async () => {
    await using guest = await boot();
    const uptime = async () => Number((await guest.run("cut -d ' ' -f 1 /proc/uptime")).stdout);
    const host = performance.now();
    const before = await uptime();
    await guest.pause();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    guest.resume();
    const guestSeconds = await uptime() - before, hostSeconds = (performance.now() - host) / 1000;
    assert(guestSeconds < hostSeconds - 2.9, `${guestSeconds} s passed in the Guest, ${hostSeconds} s outside`);
  },
});
