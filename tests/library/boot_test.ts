/** The library with Debian's kernel, by both consoles. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Guest, GuestError } from "../../lib/mod.ts";
import { INIT_DRIVERS, INIT_PREAMBLE, INIT_SHELL, QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Images } from "../boots/_images.ts";
import { CANNOT_BOOT } from "../boots/_needs.ts";
import { checkCommands } from "./_commands.ts";

const PATIENCE = { timeout: 300_000 };

for (const terminal of ["ttyS0", "hvc0"]) {
  Deno.test({
    name: `Guest.run() gets any command's output and status from busybox's shell on ${terminal}`,
    ignore: CANNOT_BOOT,
    fn: async () => {
      using images = new Images();
      await using guest = await Guest.start({
        memory: 64,
        kernel: await images.bzImage("686"),
        initrd: await images.devicesInitrd("686", { init: INIT_PREAMBLE + INIT_DRIVERS + INIT_SHELL }),
        commandLine: [`console=${terminal}`, ...QUICK_BOOT].join(" "),
        rng: true,
      });
      await guest.console.expect("/root # ", PATIENCE);
      await checkCommands((command, options) => guest.run(command, options));

      await guest.pause();
      assertEquals(guest.state, "paused");
      guest.resume();
      assertStringIncludes((await guest.run("uname -r", PATIENCE)).stdout, "-686\n");
      const log = (await guest.run("dmesg", PATIENCE)).stdout;
      assertEquals(log.match(/soft lockup|stall|clocksource.*unstable|BUG|Oops/g), null);
      await assertRejects(() => guest.run("poweroff -f", PATIENCE), GuestError, "stopped (poweroff) during");
      assertEquals(await guest.exited, { kind: "poweroff" });
    },
  });
}
