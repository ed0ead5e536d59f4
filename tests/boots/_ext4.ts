/**
 * Disk images with ext4, by the host's e2fsprogs: a size and files enter, an image leaves; a Guest's image enters, what
 * `e2fsck` says of it and the files in it leave.
 */
import { join } from "@std/path";
import { assertEquals } from "@std/assert";

/**
 * Make an image.
 *
 * @param path where
 * @param mebibytes its size
 * @param directory what its root directory is to hold
 */
export async function makeExt4(path: string, mebibytes: number, directory?: string): Promise<void> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, mebibytes << 20);
  const { success, text } = await run("mke2fs", [
    ...["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
    ...(directory === undefined ? [] : ["-d", directory]),
    path,
  ]);
  assertEquals(success, true, `mke2fs: ${text}`);
}

/** Check an image that was unmounted: there must be nothing to complain of, and nothing left in the journal. */
export async function assertClean(path: string): Promise<void> {
  const { success, text } = await run("e2fsck", ["-f", "-n", path]);
  assertEquals(success, true, `e2fsck: ${text}`);
}

/** Replay the journal of an image whose Guest is gone; after that there must be nothing to complain of. */
export async function recover(path: string): Promise<void> {
  const { text } = await run("e2fsck", ["-E", "journal_only", "-y", path]);
  try {
    await assertClean(path);
  } catch (error) {
    throw new Error(`After the replay of the journal: ${text}`, { cause: error });
  }
}

/**
 * Copy a tree out of an image.
 *
 * @param source an absolute path in the image
 * @param target a directory that is there; the tree's last name comes below it
 */
export async function copyOut(path: string, source: string, target: string): Promise<void> {
  const { success, text } = await run("debugfs", ["-R", `rdump ${source} ${target}`, path]);
  assertEquals(success, true, `debugfs: ${text}`);
}

/** The contents of one file in an image. */
export async function readOut(path: string, source: string, scratch: string): Promise<Uint8Array<ArrayBuffer>> {
  const target = join(scratch, "read-out");
  const { success, text } = await run("debugfs", ["-R", `dump ${source} ${target}`, path]);
  assertEquals(success, true, `debugfs: ${text}`);
  const bytes = await Deno.readFile(target);
  await Deno.remove(target);
  return bytes;
}

async function run(program: string, args: readonly string[]): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
