/**
 * A place to try the README's commands in: a copy of the source tree, the files that a user is supposed to have, and
 * `lguest` where a shell finds it. It is gone when the tests are over.
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";
import { buildLibrary } from "../ffi/build.ts";
import { lguestKernel, pcKernel } from "./_readme_kernels.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
/** What is not copied: nothing in it is source. */
const NOT_COPIED = new Set([".git", "dist", "node_modules"]);

/** A shell's answer. */
export interface Answer {
  readonly code: number;
  /** What was written to stdout and stderr. */
  readonly text: string;
}

/** The place. */
export class Room {
  /** All of it. */
  readonly directory: string;
  /** The copy of the source tree. */
  readonly tree: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.tree = join(directory, "lguest");
  }

  /** Furnish one. */
  static async create(): Promise<Room> {
    const room = new Room(await Deno.makeTempDir({ prefix: "lguest-readme-" }));
    addEventListener("unload", () => Deno.removeSync(room.directory, { recursive: true }));
    try {
      buildLibrary();
    } catch {
      // No compiler: what needs the library is not tried.
    }
    await Deno.mkdir(room.tree);
    const names = [...Deno.readDirSync(ROOT)].map(({ name }) => name).filter((name) => !NOT_COPIED.has(name));
    await new Deno.Command("cp", { args: ["-r", ...names, room.tree], cwd: ROOT }).output();
    await room.#putFiles();
    await room.#putPrograms();
    return room;
  }

  async #putFiles(): Promise<void> {
    const put = (name: string, bytes: Uint8Array) => Deno.writeFile(join(this.tree, name), bytes);
    for (const name of ["bzImage", "vmlinux"]) await put(name, pcKernel());
    for (const name of ["vmlinux-4.13", "bzImage-4.13"]) await put(name, lguestKernel("4.13.9", "4.10"));
    await put("bzImage-3.11", lguestKernel("3.11.10", "3.10"));
    for (const name of ["initramfs.cpio", "disk.img", "cd.iso"]) await put(name, new Uint8Array(1 << 16));
  }

  async #putPrograms(): Promise<void> {
    const bin = join(this.directory, "bin");
    await Deno.mkdir(bin);
    await Deno.symlink(Deno.execPath(), join(bin, "deno"));
    const script = `#!/bin/sh\nexec deno run -A "${this.tree}/main.ts" "$@"\n`;
    await Deno.writeTextFile(join(bin, "lguest"), script, { mode: 0o755 });
  }

  /**
   * Have bash execute something in the tree.
   *
   * @param command what
   * @param where a directory in the tree
   */
  async run(command: string, where: string = "."): Promise<Answer> {
    const { code, stdout } = await new Deno.Command("bash", {
      args: ["-c", `exec 2>&1; set -o pipefail; ${command}`],
      cwd: join(this.tree, where),
      stdin: "null",
      env: {
        PATH: `${join(this.directory, "bin")}:${Deno.env.get("PATH") ?? ""}`,
        DENO_NO_UPDATE_CHECK: "1",
        NO_COLOR: "1",
        MANPAGER: "cat",
      },
    }).output();
    return { code, text: new TextDecoder().decode(stdout) };
  }
}
