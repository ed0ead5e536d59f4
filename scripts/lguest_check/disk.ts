/**
 * The disk that a check gives to the Guest, by the host's e2fsprogs: made with a file in it, and looked at afterwards.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "@std/path";
import { GuestError } from "../../lib/guest_error.ts";
import { expect } from "./steps.ts";

/** What the file is called, and what is in it. */
export const GREETING_FILE = "hello.txt", GREETING = "hello from the host's disk";

/**
 * What ext4 of 2.6.30 has: the host's mke2fs would add what such kernels refuse to mount, so that each feature is named.
 */
const FEATURES =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file,huge_file,uninit_bg";

const SIZE = 16 << 20;

/** A disk image. */
export class Disk {
  /** Where it is. */
  readonly path: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, "disk.img");
  }

  /**
   * Make one.
   *
   * @param directory takes it
   * @throws {GuestError} if the host's tools are not there
   */
  static async create(directory: string): Promise<Disk> {
    const disk = new Disk(directory);
    const root = join(directory, "root");
    await Deno.mkdir(root);
    await Deno.writeTextFile(join(root, GREETING_FILE), `${GREETING}\n`);
    await Deno.writeFile(disk.path, new Uint8Array());
    await Deno.truncate(disk.path, SIZE);
    const { success, text } = await run("mke2fs", ["-q", "-F", "-t", "ext4", "-O", FEATURES, "-d", root, disk.path]);
    if (!success) throw new GuestError(`mke2fs failed: ${text}`);
    return disk;
  }

  /** See that its file system, unmounted, is in order. */
  async requireClean(): Promise<void> {
    const { success, text } = await run("e2fsck", ["-f", "-n", this.path]);
    expect(success, `e2fsck complains: ${text}`);
  }

  /** The MD5 of a file in it, as md5sum(1) prints it. */
  async md5(name: string): Promise<string> {
    const target = join(this.#directory, "out");
    const { success, text } = await run("debugfs", ["-R", `dump /${name} ${target}`, this.path]);
    expect(success, `debugfs failed: ${text}`);
    const bytes = await Deno.readFile(target);
    await Deno.remove(target);
    return createHash("md5").update(bytes).digest("hex");
  }
}

async function run(program: string, args: readonly string[]): Promise<{ success: boolean; text: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
    const decoder = new TextDecoder();
    return { success, text: (decoder.decode(stdout) + decoder.decode(stderr)).trim().replaceAll("\n", "; ") };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new GuestError(`There is no program "${program}" (Debian: e2fsprogs)`, { cause: error });
  }
}
