/**
 * Console, disks and random numbers as Linux and the host see them, with a reboot in between. The network has tests of
 * its own, `virtio_net_test.ts`.
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { assert, assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { buildLibrary } from "../../ffi/build.ts";
import { assertClean, makeExt4, readOut } from "./_ext4.ts";
import { QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Images } from "./_images.ts";
import { launch, type LaunchedGuest } from "./_machines.ts";
import { CANNOT_USE_DISKS } from "./_needs.ts";
import { Packages } from "./_packages.ts";
import type { Shell } from "./_shell.ts";

const MEMORY = "128";
const DISK_MIB = 48;
/** A text of so many numbered lines is 0.59 MB long, 18 times that 10.6 MB. */
const LINES = 100_000;
const PARTS = 18;
const PASTED = 150_000;
/** The length of what the Guest gets on its disks. */
const GIVEN = 3_000_001;

/** The disks, on the host. */
interface Disks {
  readonly writable: string;
  readonly readOnly: string;
  readonly raw: string;
  /** The digest of the file `given` on the first two. */
  readonly given: string;
}

Deno.test({
  name:
    "launch() gives the Guest consoles, disks and random numbers that work as Linux expects, before and after a reboot",
  ignore: CANNOT_USE_DISKS,
  fn: async (t) => {
    using images = new Images();
    const packages = await Packages.fetch(["pciutils"], images.path("tree"));
    const disks = await makeDisks(images);
    const before = await digestOf(disks.readOnly);
    const words = [
      ...strippedOfRights(images),
      ...[`--block=${disks.writable}`, `--block=${disks.readOnly},readonly`, `--block=${disks.raw}`, "--rng"],
      ...[
        `--initrd=${await images.devicesInitrd("686", { trees: [packages.tree], files: { "/lines": text(LINES) } })}`,
      ],
      ...[MEMORY, await images.bzImage("686"), ...QUICK_BOOT, "console=ttyS0", "console=hvc0"],
    ];
    await using guest = launch("devices", words);
    const { shell } = guest;
    const step = async (name: string, check: () => Promise<void>) => {
      assert(await t.step(name, check), "what follows needs what failed");
    };
    await shell.ready();
    await step("lspci shows each device with its driver, and nobody complains", () => checkBus(shell));
    await step("10 MB of output come complete and in order", () => checkOutput(shell));
    await step("pasted input comes complete and in order", () => checkInput(shell));
    await step("the serial port works beside the virtio console", () => checkSerialPort(shell));
    await step("/dev/hwrng gives random numbers", () => checkRandomNumbers(shell));
    await step("drivers let go of devices and take them again", () => checkUnbinding(shell));
    await step("a disk keeps files; a read-only one refuses", () => checkDisks(shell, disks));
    await step("another launcher is kept from the same disk", () => checkLock(words, disks.writable));
    await step("all of that works after a reboot in the middle of reading and writing", async () => {
      await shell.ask("while dd if=/dev/vdb of=/dev/null bs=64k iflag=direct; do :; done >/dev/null 2>&1 & true");
      await shell.ask(
        "while dd if=/dev/zero of=/dev/vdc bs=64k count=500 oflag=direct; do :; done >/dev/null 2>&1 & true",
      );
      await shell.ask("cat /dev/hwrng >/dev/null & true");
      await shell.leave("sleep 0.3; reboot -f");
      await shell.ready();
      await checkBus(shell);
      await checkInput(shell);
      await checkRandomNumbers(shell);
      await checkFiles(shell);
      await powerOff(guest);
    });
    await step("the host finds clean file systems and what was written", async () => {
      await assertClean(disks.writable);
      assertEquals(
        await readOut(disks.writable, "/dir/lines", images.path(".")),
        new TextEncoder().encode(text(LINES)),
      );
      assertEquals(await digestOf(disks.readOnly), before);
      const raw = await Deno.readFile(disks.raw);
      assertEquals(raw.length, DISK_MIB << 20);
      assertEquals(raw.subarray(-1024), new Uint8Array(1024).fill(0x5a));
      assert(raw.subarray(0, -1024).every((byte) => byte === 0), "something was written beside the last two sectors");
    });
  },
});

async function makeDisks(images: Images): Promise<Disks> {
  const contents = images.path("contents");
  await Deno.mkdir(contents);
  const given = new Uint8Array(GIVEN);
  for (let at = 0; at < GIVEN; at += 65536) crypto.getRandomValues(given.subarray(at, at + 65536));
  await Deno.writeFile(join(contents, "given"), given);
  const disks = {
    writable: images.path("writable.img"),
    readOnly: images.path("read-only.img"),
    raw: images.path("raw.img"),
    given: createHash("sha256").update(given).digest("hex"),
  };
  await makeExt4(disks.writable, DISK_MIB, contents);
  await Deno.copyFile(disks.writable, disks.readOnly);
  await Deno.writeFile(disks.raw, new Uint8Array());
  await Deno.truncate(disks.raw, DISK_MIB << 20);
  return disks;
}

/** Options for a launcher that keeps neither root's rights nor its view of files; only root can give them up. */
function strippedOfRights(images: Images): string[] {
  if (Deno.uid() !== 0) return [];
  buildLibrary();
  const empty = images.path("empty");
  Deno.mkdirSync(empty);
  return ["--username=nobody", `--chroot=${empty}`];
}

/** What Linux sees of the devices, and says about them. */
async function checkBus(shell: Shell): Promise<void> {
  const list = await shell.ask("lspci -n | grep ' 1af4:' | cut -d ' ' -f 3 | sort");
  assertEquals(list.split("\n"), ["1af4:1042", "1af4:1042", "1af4:1042", "1af4:1043", "1af4:1044"]);
  const details = (await shell.ask("lspci -vv")).split("\n\n").filter((text) => text.includes("Virtio"));
  assertEquals(details.length, 5);
  for (const text of details) {
    assertStringIncludes(text, "Kernel driver in use: virtio-pci");
    for (const structure of ["CommonCfg", "Notify", "ISR"]) assertStringIncludes(text, `VirtIO: ${structure}`);
    assertMatch(text, /Interrupt: pin [A-D] routed to IRQ \d+/);
    assertMatch(text, /Region \d: Memory at [0-9a-f]{8} /);
    assertNotMatch(text, /!!!|<unassigned>|\[disabled\]|\[virtual\]|access denied/);
  }
  const drivers = await shell.ask("for d in /sys/bus/virtio/devices/*/driver; do basename $(readlink $d); done | sort");
  assertEquals(drivers.split("\n"), ["virtio_blk", "virtio_blk", "virtio_blk", "virtio_console", "virtio_rng"]);
  // Levels 0 to 4: from emergency to warning. Conventional PCI has no extended configuration space to complain of.
  const words = "virtio|pci|hvc|vd[a-z]|hwrng|ext4|irq";
  const { output } = await shell.run(`dmesg -r | grep '^<[0-4]>' | grep -iE '${words}' | grep -v 'MMCONFIG'`);
  assertEquals(output, "");
}

/** First as a terminal shows it, which takes a piece for each line; then as much at once as goes. */
async function checkOutput(shell: Shell): Promise<void> {
  assertSame(await shell.ask(`head -n ${LINES / 8} /lines`), text(LINES / 8));
  const output = await shell.ask(`stty -opost; for part in $(seq ${PARTS}); do echo part $part; cat /lines; done`);
  assertSame(output, Array.from({ length: PARTS }, (_, i) => `part ${i + 1}\n${text(LINES)}`).join(""));
  await shell.ask("stty opost");
}

/** For texts that are too long to be printed; the last newline does not matter. */
function assertSame(output: string, expected: string): void {
  const wanted = expected.trimEnd();
  if (output === wanted) return;
  const at = [...wanted].findIndex((character, i) => output[i] !== character);
  assertEquals(output.slice(at, at + 100), wanted.slice(at, at + 100), `${output.length} bytes; byte ${at} is wrong`);
}

async function checkInput(shell: Shell): Promise<void> {
  const pasted = text(LINES).slice(0, PASTED);
  const digest = createHash("sha256").update(pasted).digest("hex");
  assertEquals(await shell.feed(`head -c ${PASTED} | sha256sum`, pasted), `${digest}  -\n`);
}

/** Both consoles show at the same terminal. */
async function checkSerialPort(shell: Shell): Promise<void> {
  assertSame(await shell.ask("head -n 1000 /lines >/dev/ttyS0"), text(1000));
}

async function checkRandomNumbers(shell: Shell): Promise<void> {
  assertMatch(await shell.ask("cat /sys/class/misc/hw_random/rng_current"), /^virtio_rng\./);
  const command = "head -c 100000 /dev/hwrng >/tmp/random && gzip </tmp/random | wc -c && sha256sum </tmp/random";
  const [packed, first] = (await shell.ask(command)).split("\n");
  const [, second] = (await shell.ask(command)).split("\n");
  // What is random cannot be packed.
  assert(Number(packed) > 100000, `100,000 random bytes were packed to ${packed}`);
  assert(first !== second, "the same random numbers came twice");
}

/** Resets that no reboot brings; and a device that gets a new place in memory. */
async function checkUnbinding(shell: Shell): Promise<void> {
  const driver = "/sys/bus/virtio/drivers/virtio_blk",
    disk = await shell.ask("basename $(readlink -f /sys/block/vdc/device)");
  assertMatch(disk, /^virtio\d$/);
  for (let turn = 0; turn < 2; turn++) {
    await shell.ask(`echo ${disk} >${driver}/unbind && test ! -e /dev/vdc && echo ${disk} >${driver}/bind`);
    await shell.ask("dd if=/dev/vdc of=/dev/null bs=64k count=16 2>/dev/null");
  }
  await shell.ask("rmmod virtio_rng && modprobe virtio_rng && head -c 1000 /dev/hwrng >/dev/null");
  await shell.ask("echo 1 >$(readlink -f /sys/block/vdc/device/..)/remove && test ! -e /dev/vdc");
  await shell.ask("echo 1 >/sys/bus/pci/rescan && dd if=/dev/vdc of=/dev/null bs=64k count=16 2>/dev/null");
}

async function checkDisks(shell: Shell, disks: Disks): Promise<void> {
  const sectors = DISK_MIB * 2048;
  assertEquals(await shell.ask("cat /sys/block/vd[abc]/size"), `${sectors}\n${sectors}\n${sectors}`);
  assertEquals(await shell.ask("cat /sys/block/vd[abc]/ro"), "0\n1\n0");
  const serials = (await shell.ask("for d in a b c; do cat /sys/block/vd$d/serial; echo; done")).split("\n");
  assertEquals(new Set(serials.filter((serial) => serial !== "")).size, 3, `serial numbers: ${serials}`);
  await shell.ask("mkdir /mnt/a /mnt/b && mount /dev/vda /mnt/a && mount -o ro /dev/vdb /mnt/b");
  assertEquals(await shell.ask("sha256sum </mnt/a/given"), `${disks.given}  -`);
  assertEquals(await shell.ask("sha256sum </mnt/b/given"), `${disks.given}  -`);
  await shell.ask(`mkdir /mnt/a/dir && cp /lines /mnt/a/dir && cp /mnt/a/given /mnt/a/dir/copy`);
  await shell.ask("ln -s dir/copy /mnt/a/link && mv /mnt/a/given /mnt/a/moved && rm /mnt/a/moved && fstrim /mnt/a");
  await shell.ask("umount /mnt/a && mount /dev/vda /mnt/a");
  assertEquals(await shell.ask("sha256sum </mnt/a/link"), `${disks.given}  -`);
  for (const refused of ["mount -o remount,rw /mnt/b", "touch /mnt/b/new", "dd if=/bin/busybox of=/dev/vdb count=1"]) {
    assert((await shell.run(`${refused} 2>/dev/null`)).status !== 0, `"${refused}" went well`);
  }
  await shell.ask("umount /mnt/a && umount /mnt/b");
  const last = "tr '\\0' Z </dev/zero | dd bs=512 count=2 iflag=fullblock of=/dev/vdc conv=fsync 2>/dev/null seek=";
  await shell.ask(`${last}${sectors - 2}`);
  assert((await shell.run(`${last}${sectors}`)).status !== 0, "a sector behind the end was written");
}

/** What {@link checkDisks} wrote is there. */
async function checkFiles(shell: Shell): Promise<void> {
  await shell.ask("mount /dev/vda /mnt");
  const sum = createHash("sha256").update(text(LINES)).digest("hex");
  assertEquals(await shell.ask("sha256sum </mnt/dir/lines && ls -1 /mnt"), `${sum}  -\ndir\nlink\nlost+found`);
  await shell.ask("umount /mnt");
}

/** The same words again: it must end at once, with a line that names the image. */
async function checkLock(words: readonly string[], image: string): Promise<void> {
  await using second = launch("second launcher", words);
  const { code, complaints } = await second.ended;
  assertEquals(code, 1);
  assertEquals(complaints.trimEnd().split("\n").length, 1, complaints);
  assertStringIncludes(complaints, image);
}

async function powerOff(guest: LaunchedGuest): Promise<void> {
  await guest.shell.leave("poweroff -f");
  assertEquals(await guest.ended, { code: 0, complaints: "" });
}

/** Numbered lines. */
function text(last: number): string {
  return Array.from({ length: last }, (_, i) => `${i + 1}\n`).join("");
}

async function digestOf(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}
