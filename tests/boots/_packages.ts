/**
 * Debian's i386 programs, for the Guest and, where the processor underneath and its kernel run them, for the host: the
 * same program's output there is what the Guest's is compared with. Package names enter; a tree for an initramfs
 * leaves, without what no program reads. Read next: `../../scripts/debian.ts`.
 */
import { join } from "@std/path";
import { fetchPackages } from "../../scripts/debian.ts";

/** What nobody needs to run a program. */
const SUPERFLUOUS = [
  "usr/share/doc",
  "usr/share/man",
  "usr/share/info",
  "usr/share/locale",
  "usr/share/lintian",
  "usr/share/bug",
  "usr/share/bash-completion",
  "usr/lib/i386-linux-gnu/gconv",
  "usr/lib/i386-linux-gnu/audit",
];

/** How a program ended on the host. */
export interface HostResult {
  /** Its exit status. */
  readonly status: number;
  /** What it wrote to stdout. */
  readonly stdout: Uint8Array<ArrayBuffer>;
}

/** A tree of programs. */
export class Packages {
  /** Where the tree is. */
  readonly tree: string;

  private constructor(tree: string) {
    this.tree = tree;
  }

  /**
   * Fetch packages and what they depend on.
   *
   * @param names Debian package names
   * @param directory an empty place for the tree, not yet there
   */
  static async fetch(names: readonly string[], directory: string): Promise<Packages> {
    await copyTree(await fetchPackages(names), directory);
    for (const path of SUPERFLUOUS) {
      await Deno.remove(join(directory, path), { recursive: true }).catch(() => {});
    }
    return new Packages(directory);
  }

  /** Whether the host runs such programs itself. */
  async runsOnHost(): Promise<boolean> {
    const loader = join(this.tree, "lib/ld-linux.so.2");
    try {
      return (await new Deno.Command(loader, { args: ["--help"], stdout: "null", stderr: "null" }).output()).success;
    } catch {
      return false;
    }
  }

  /**
   * Run one of the programs on the host.
   *
   * @param program its path in the tree
   * @param args its arguments
   */
  async runOnHost(program: string, args: readonly string[]): Promise<HostResult> {
    const libraries = ["lib/i386-linux-gnu", "usr/lib/i386-linux-gnu"].map((path) => join(this.tree, path)).join(":");
    const { code, stdout } = await new Deno.Command(join(this.tree, "lib/ld-linux.so.2"), {
      args: ["--library-path", libraries, join(this.tree, program), ...args],
      stdin: "null",
      stderr: "inherit",
      env: { LC_ALL: "C" },
    }).output();
    return { status: code, stdout };
  }
}

async function copyTree(from: string, to: string): Promise<void> {
  const copied = await new Deno.Command("cp", { args: ["-a", from, to], stdin: "null" }).output();
  if (!copied.success) throw new Error(`Cannot copy "${from}": ${new TextDecoder().decode(copied.stderr)}`);
}
