/**
 * Files as disks: what is refused and how that is said, the lock, and reading and writing at positions.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestError } from "../../lib/guest_error.ts";
import { RawImage } from "../../lib/storage/raw_image.ts";
import { Folder, MAY_RUN, MAY_USE_FILES } from "./_disk.ts";

const ignore = !MAY_USE_FILES;
const MAY_SEE_USER = Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";

function refusal(path: string, readOnly = false): string {
  return assertThrows(() => new RawImage({ path, readOnly }), GuestError).message;
}

Deno.test({
  name: "a path that is no disk is refused with one line",
  ignore,
  fn() {
    using folder = new Folder();
    const missing = `${folder.path}/none.img`;
    assertEquals(refusal(missing), `Disk "${missing}" does not exist`);
    assertEquals(refusal(missing, true), `Disk "${missing}" does not exist`);
    assertEquals(refusal(folder.path), `Disk "${folder.path}" is a directory: a disk is a file or a block device`);
    assertEquals(refusal("/dev/zero"), `Disk "/dev/zero" is neither a file nor a block device`);
    const short = folder.file("short.img", 511);
    assertEquals(refusal(short), `Disk "${short}" has 511 bytes: a disk has at least 512`);
    const inFile = `${short}/x`;
    assert(/^Disk ".*" cannot be opened: .*[^.]$/.test(refusal(inFile)), refusal(inFile));
  },
});

Deno.test({
  name: "a pipe is refused without waiting for its other end",
  ignore: !MAY_RUN,
  fn() {
    using folder = new Folder();
    const path = `${folder.path}/pipe`;
    assert(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    assertEquals(refusal(path, true), `Disk "${path}" is neither a file nor a block device`);
  },
});

Deno.test({
  name: "a disk that may be written is locked against every other user, and a read-only one against writers",
  ignore,
  fn() {
    using folder = new Folder();
    const path = folder.file("a.img", 4096);
    {
      using _writer = new RawImage({ path, readOnly: false });
      assertEquals(
        refusal(path),
        `Disk "${path}" is already in use, by another program or by this one twice: use a copy, or open it read-only in both`,
      );
      assertEquals(
        refusal(path, true),
        `Disk "${path}" is already in use by a Guest that may write it: end that one, or use a copy`,
      );
    }
    {
      using _reader = new RawImage({ path, readOnly: true });
      using other = new RawImage({ path, readOnly: true });
      assert(other.readOnly);
      assert(refusal(path).startsWith(`Disk "${path}" is already in use, `));
    }
    using again = new RawImage({ path, readOnly: false });
    assertEquals(again.readOnly, false);
  },
});

Deno.test({
  name: "bytes go to their positions and come back, and the file keeps its length",
  ignore,
  fn() {
    using folder = new Folder();
    const path = folder.file("a.img", 3 * 512 + 100);
    using image = new RawImage({ path, readOnly: false });
    assertEquals(image.sectors, 3);
    const bytes = new Uint8Array(700).fill(0xee);
    image.write(512, bytes);
    image.flush();
    const back = new Uint8Array(702);
    image.read(511, back);
    assertEquals(back, Uint8Array.of((511 * 7 + 3) % 251, ...bytes, (1212 * 7 + 3) % 251));
    assertEquals(Deno.statSync(path).size, 3 * 512 + 100);
  },
});

Deno.test({
  name: "a read beyond the end of a file that has become shorter is an error, not zeroes",
  ignore,
  fn() {
    using folder = new Folder();
    const path = folder.file("a.img", 8192);
    using image = new RawImage({ path, readOnly: false });
    Deno.truncateSync(path, 4096);
    image.read(0, new Uint8Array(4096));
    assertThrows(() => image.read(4000, new Uint8Array(512)), RangeError);
  },
});

Deno.test({
  name: "a file that is opened for reading cannot be written",
  ignore,
  fn() {
    using folder = new Folder();
    const path = folder.file("a.img", 8192);
    const before = Deno.readFileSync(path);
    using image = new RawImage({ path, readOnly: true });
    assertThrows(() => image.write(0, new Uint8Array(512)));
    image.flush();
    assertEquals(Deno.readFileSync(path), before);
  },
});

/** How a file is made such that nobody may write it: the superuser may write what a mode forbids. */
function protect(path: string): boolean {
  if (Deno.uid() !== 0) {
    Deno.chmodSync(path, 0o444);
    return true;
  }
  return chattr("+i", path);
}

function unprotect(path: string): void {
  if (Deno.uid() === 0) chattr("-i", path);
}

function chattr(...args: string[]): boolean {
  try {
    return new Deno.Command("chattr", { args, stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Whether this file system and user have such files. */
function canProtect(): boolean {
  using folder = new Folder();
  const path = folder.file("probe", 1);
  const able = protect(path);
  unprotect(path);
  return able;
}

Deno.test({
  name: "a file that the host lets nobody write is a read-only disk",
  ignore: !MAY_RUN || !MAY_SEE_USER || !canProtect(),
  fn() {
    using folder = new Folder();
    const path = folder.file("a.img", 4096);
    protect(path);
    try {
      using image = new RawImage({ path, readOnly: false });
      using other = new RawImage({ path, readOnly: false });
      assertEquals([image.readOnly, other.readOnly], [true, true]);
    } finally {
      unprotect(path);
    }
  },
});

/** What a command prints, or `undefined` if it fails: these need root and loop devices. */
function tool(name: "losetup" | "blockdev", ...args: string[]): string | undefined {
  try {
    const { success, stdout } = new Deno.Command(name, { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Whether there are loop devices, and sysfs may be read, which Deno allows only with every permission. */
function canLoop(): boolean {
  if (Deno.permissions.querySync({ name: "read", path: "/sys" }).state !== "granted") return false;
  using folder = new Folder();
  const device = tool("losetup", "--find", "--show", folder.file("probe", 4096));
  if (device === undefined) return false;
  const can = tool("blockdev", "--setrw", device) !== undefined;
  tool("losetup", "--detach", device);
  return can;
}

Deno.test({
  name: "a block device that takes no writes is a read-only disk, another is not",
  ignore: !MAY_RUN || !canLoop(),
  fn() {
    for (const readOnly of [true, false]) {
      using folder = new Folder();
      const device = tool("losetup", "--find", "--show", folder.file("a.img", 8192));
      assert(device !== undefined);
      try {
        // Some kernels leave a loop device as its last user had it, so it is said either way.
        assert(tool("blockdev", readOnly ? "--setro" : "--setrw", device) !== undefined);
        using image = new RawImage({ path: device, readOnly: false });
        assertEquals([image.readOnly, image.sectors], [readOnly, 16]);
        if (!image.readOnly) image.write(512, new Uint8Array(512));
      } finally {
        tool("blockdev", "--setrw", device);
        tool("losetup", "--detach", device);
      }
    }
  },
});
