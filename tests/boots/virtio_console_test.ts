/**
 * hvc0 at a terminal: its size, ^C, and the end.
 */
import { assertEquals } from "@std/assert";
import { QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Images } from "./_images.ts";
import { inTerminal, launcherCommand } from "./_machines.ts";
import { CANNOT_BOOT, hasProgram } from "./_needs.ts";

Deno.test({
  name: "launch() passes the terminal's size, its changes and ^C on to the virtio console",
  ignore: CANNOT_BOOT || !await hasProgram("script"),
  fn: async () => {
    using images = new Images();
    const words = [
      ...[`--initrd=${await images.devicesInitrd("686")}`, "64", await images.bzImage("686")],
      ...[...QUICK_BOOT, "console=hvc0"],
    ];
    const sign = images.path("larger");
    const change = `(until [ -e ${sign} ]; do sleep 0.1; done; stty rows 41 cols 3900 </dev/tty) &`;
    const launcher = launcherCommand(...words).join(" ");
    await using guest = inTerminal(
      "terminal",
      `stty rows 30 cols 3000; ${change} ${launcher}; echo "left with $?"`,
    );
    const { shell } = guest;
    await shell.ready();
    assertEquals(await shell.ask("cat /sys/class/tty/console/active"), "hvc0");
    await shell.ask('until [ "$(stty size)" = "30 3000" ]; do sleep 0.1; done');
    await Deno.writeTextFile(sign, "");
    await shell.ask('until [ "$(stty size)" = "41 3900" ]; do sleep 0.1; done');
    assertEquals(await shell.interrupt("sleep 100"), 130);
    assertEquals(await shell.interrupt("yes"), 130);
    await shell.leave("trap '' INT; echo deaf; sleep 100");
    await shell.line.expect("\ndeaf\n");
    await shell.line.type("\x03\x03\x03");
    await shell.line.expect("left with 130");
    assertEquals((await guest.ended).code, 0);
  },
});
