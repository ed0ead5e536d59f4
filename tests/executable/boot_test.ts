/**
 * Debian's kernel in the executable: to a shell, with devices, in a terminal, and in a root directory that holds nothing
 * but the executable and what the dynamic linker needs.
 */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { basename, dirname, join } from "@std/path";
import { QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Images } from "../boots/_images.ts";
import { inTerminal, launchBy } from "../boots/_machines.ts";
import { CANNOT_BOOT, hasProgram } from "../boots/_needs.ts";
import { CANNOT_BUILD, CANNOT_MOUNT, executable, run } from "./_executable.ts";

const ignore = CANNOT_BOOT || CANNOT_BUILD;
const MEMORY = "64";
const SECTORS = 2048;

/** A root directory in a file system that cannot be written, with devices and processes; then a program in it. */
const ENTER_ROOT = `
mount --bind "$0" "$0" && mount -t proc none "$0/proc" && mount --rbind /dev "$0/dev" || exit 1
mount -o remount,bind,ro "$0" && exec env -i "$(command -v chroot)" "$0" "$@"
`;

/** What the dynamic linker loads for a program. */
async function sharedObjects(program: string): Promise<string[]> {
  const { stdout } = await run(["ldd", program]);
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+)/gm)].map(([, path]) => path!);
}

/** Put copies of files below a directory, where they are below the root directory. */
async function copyBelow(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, file] of Object.entries(files)) {
    await Deno.mkdir(join(root, dirname(path)), { recursive: true });
    await Deno.copyFile(file, join(root, path));
  }
}

Deno.test({
  name: "the executable boots Debian's kernel with a disk and random numbers, again after a reboot, and ends with 0",
  ignore,
  fn: async () => {
    using images = new Images();
    const disk = images.path("disk");
    await Deno.writeFile(disk, new Uint8Array(SECTORS * 512));
    const initrd = await images.devicesInitrd("686");
    const words = [
      MEMORY,
      await images.bzImage("686"),
      `--initrd=${initrd}`,
      `--block=${disk}`,
      "--rng",
      ...QUICK_BOOT,
    ];
    await using guest = launchBy("executable", ["env", "-i", await executable(), ...words]);
    const { shell } = guest;
    await shell.ready();
    assertMatch(await shell.ask("uname -r"), /-686$/);
    await shell.ask("echo written by the Guest | dd of=/dev/vda conv=fsync");
    assertEquals(await shell.ask("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c"), "64");
    await shell.leave("reboot -f");
    await shell.ready();
    assertEquals(await shell.ask("cat /sys/block/vda/size"), `${SECTORS}`);
    assertEquals(await shell.ask("head -n 1 /dev/vda"), "written by the Guest");
    await shell.leave("poweroff -f");
    assertEquals(await guest.ended, { code: 0, complaints: "" });
    assertStringIncludes(new TextDecoder().decode(await Deno.readFile(disk)), "written by the Guest\n");
  },
});

Deno.test({
  name: "the executable gives the Guest a terminal, and ends with 130 after three ^C",
  ignore: ignore || !await hasProgram("script"),
  fn: async () => {
    using images = new Images();
    const words = [
      await executable(),
      MEMORY,
      await images.bzImage("686"),
      `--initrd=${await images.initrd()}`,
      "quiet",
    ];
    await using guest = inTerminal("terminal", `${words.join(" ")}; echo "left with $?"; stty -a | tr ' ;' '\\n\\n'`);
    const { shell } = guest;
    await shell.ready();
    assertEquals(await shell.interrupt("sleep 100"), 130);
    await shell.leave("trap '' INT; echo deaf; sleep 100");
    await shell.line.expect("\ndeaf\n");
    await shell.line.type("\x03\x03\x03");
    await shell.line.expect("left with 130");
    await shell.line.expect("\nicanon\n");
    assertEquals((await guest.ended).code, 0);
  },
});

Deno.test({
  name: "the executable boots in a root that cannot be written and holds nothing else, with another root and user",
  ignore: ignore || CANNOT_MOUNT || !await hasProgram("ldd"),
  fn: async () => {
    using images = new Images();
    const root = images.path("root");
    const program = await executable();
    const objects = await sharedObjects(program);
    await copyBelow(root, {
      "lguest": program,
      "kernel": await images.bzImage("686"),
      "initrd": await images.devicesInitrd("686"),
      ...Object.fromEntries(objects.map((path) => [path, path])),
    });
    for (const name of ["dev", "proc", "etc", "empty"]) await Deno.mkdir(join(root, name));
    await Deno.writeTextFile(join(root, "etc/passwd"), "guest:x:1234:1234::/:\n");
    await Deno.writeFile(join(root, "disk"), new Uint8Array(SECTORS * 512));
    const words = [
      ...["--verbose", "--block=/disk", "--rng", "--chroot=/empty", "--username=guest"],
      ...["--initrd=/initrd", MEMORY, "/kernel", ...QUICK_BOOT],
    ];
    await using guest = launchBy(basename(root), ["unshare", "-m", "sh", "-c", ENTER_ROOT, root, "/lguest", ...words]);
    const { shell } = guest;
    await shell.ready();
    assertEquals(await shell.ask("cat /sys/block/vda/ro"), "1");
    assertEquals(await shell.ask("dd if=/dev/vda bs=512 2>/dev/null | wc -c"), `${SECTORS * 512}`);
    // Nothing is loaded any more after the first boot: the root has changed.
    await shell.leave("reboot -f");
    await shell.ready();
    await shell.leave("poweroff -f");
    const { code, complaints } = await guest.ended;
    assertEquals(code, 0, complaints);
    assertStringIncludes(complaints, 'lguest: Root directory is now "/empty"\n');
    assertStringIncludes(complaints, 'lguest: User is now "guest" (1234, group 1234)\n');
  },
});
