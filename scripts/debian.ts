/**
 * Fetches stock Debian i386 packages with the system's own apt: names come in, paths under the user's cache leave.
 *
 * apt gets directories of its own (its configuration file below), so neither the system's package state nor root is
 * needed; its sources and keys are the system's. What was fetched once is not fetched again: delete the directory that
 * {@link cacheDirectory} names to get newer packages. Used by the demo, the boot tests and the benchmark. Read next:
 * `initramfs.ts`.
 *
 * @module
 */
import { ensureDir, exists } from "@std/fs";
import { join } from "@std/path";
import { Progress } from "../lib/cli/progress.ts";
import { GuestError } from "../lib/guest_error.ts";
import { collectModules, VIRTIO_MODULES } from "./modules.ts";

/** The two kernels that Debian builds for i386 and that run on this CPU. */
export type KernelFlavour = "686" | "686-pae";

/**
 * Where everything fetched is kept.
 *
 * @throws {GuestError} if the environment names no place
 */
export function cacheDirectory(): string {
  const home = Deno.env.get("HOME");
  const base = Deno.env.get("XDG_CACHE_HOME") || (home && join(home, ".cache"));
  if (!base) throw new GuestError("No place to keep a kernel: neither XDG_CACHE_HOME nor HOME is set");
  return join(base, "lguest");
}

/** Whether packages can be fetched here at all. */
export async function hasApt(): Promise<boolean> {
  const found = await Promise.all(
    ["apt-get", "apt-cache", "dpkg-deb", "tar"].map((program) => isProgram(program)),
  );
  return found.every(Boolean);
}

/**
 * Debian's current kernel of a flavour.
 *
 * @returns the path of its bzImage
 * @throws {GuestError} if it cannot be fetched
 */
export async function fetchKernel(flavour: KernelFlavour = "686"): Promise<string> {
  return join(await fetchKernelPackage(flavour), "vmlinuz");
}

/**
 * The modules of the kernel that {@link fetchKernel} gives: {@link VIRTIO_MODULES} and what they need.
 *
 * @returns the path of a tree for an initramfs, with `lib/modules/VERSION/`
 * @throws {GuestError} if they cannot be fetched
 */
export async function fetchModules(flavour: KernelFlavour = "686"): Promise<string> {
  return join(await fetchKernelPackage(flavour), "modules");
}

/** Kernel and modules come together, for a kernel takes no modules but its own. */
async function fetchKernelPackage(flavour: KernelFlavour): Promise<string> {
  const path = join(cacheDirectory(), `kernel-${flavour}-${await shortHash(VIRTIO_MODULES)}`);
  if (await exists(path)) return path;
  await withApt(`Fetching Debian's ${flavour} kernel`, async (apt) => {
    const record = await apt.run("apt-cache", ["show", "--no-all-versions", `linux-image-${flavour}`]);
    const name = /^Depends:.*?\b(linux-image-[^\s,]+)/m.exec(record)?.[1];
    if (!name) throw new GuestError(`apt knows no package that linux-image-${flavour} stands for`);
    const [archive] = await apt.download([name]);
    const unpacked = join(apt.scratch, "unpacked"), chosen = join(apt.scratch, "chosen");
    for (const directory of [unpacked, chosen]) await ensureDir(directory);
    await extract(archive!, unpacked, ["--wildcards", "./boot/vmlinuz-*", "./lib/modules/*/kernel"]);
    await Deno.rename(await onlyFile(join(unpacked, "boot")), join(chosen, "vmlinuz"));
    await collectModules(unpacked, join(chosen, "modules"), VIRTIO_MODULES);
    await Deno.rename(chosen, path);
  });
  return path;
}

/**
 * Debian's static busybox for i386.
 *
 * @returns the path of the program
 * @throws {GuestError} if it cannot be fetched
 */
export async function fetchBusybox(): Promise<string> {
  const path = join(cacheDirectory(), "busybox");
  if (await exists(path)) return path;
  await withApt("Fetching busybox", async (apt) => {
    const [archive] = await apt.download(["busybox-static"]);
    await extract(archive!, apt.scratch, []);
    const program = join(apt.scratch, "bin/busybox");
    await Deno.rename(await exists(program) ? program : join(apt.scratch, "usr/bin/busybox"), path);
  });
  return path;
}

/**
 * Packages and everything they depend on, unpacked into one tree (their installation scripts are not run).
 *
 * @param names Debian package names
 * @returns the tree's root
 * @throws {GuestError} if one cannot be fetched
 */
export async function fetchPackages(names: readonly string[]): Promise<string> {
  const sorted = [...new Set(names)].sort();
  const path = join(cacheDirectory(), `tree-${await shortHash(sorted)}`);
  if (await exists(path)) return path;
  await withApt(`Fetching ${sorted.join(", ")}`, async (apt) => {
    const plan = await apt.run("apt-get", [
      ...["install", "-qq", "-y", "--no-install-recommends", "--print-uris"],
      ...sorted,
    ]);
    const needed = [...plan.matchAll(/^'[^']*'\s+([^_\s]+)_/gm)].map((match) => match[1]!);
    const tree = join(apt.scratch, "tree");
    await ensureDir(tree);
    for (const archive of await apt.download(needed)) await extract(archive, tree, []);
    await Deno.rename(tree, path);
  });
  return path;
}

/** A name for what a list of names gives. */
async function shortHash(names: readonly string[]): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(names.join(" ")));
  return new Uint8Array(digest).toHex().slice(0, 16);
}

/** Whether this process has fetched the lists of packages. */
let updated = false;

/** apt with directories of its own. */
class Apt {
  readonly #root: string;
  /** A directory that is gone afterwards. */
  readonly scratch: string;

  constructor(root: string, scratch: string) {
    this.#root = root;
    this.scratch = scratch;
  }

  /** Fetch the lists of packages. Some source may be broken; whether that matters shows when a package is missing. */
  async update(): Promise<void> {
    if (updated) return;
    for (const dir of ["state/lists/partial", "cache/archives/partial"]) await ensureDir(join(this.#root, dir));
    await Deno.writeTextFile(join(this.#root, "status"), "");
    await Deno.writeTextFile(join(this.#root, "conf"), this.#configuration());
    await this.run("apt-get", ["update", "-qq"]).catch(async (error) => {
      if (!await this.#knowsPackages()) throw error;
    });
    updated = true;
  }

  /** Run an apt program; returns what it printed. */
  run(program: string, args: readonly string[]): Promise<string> {
    return runProgram(program, ["-c", join(this.#root, "conf"), ...args], this.scratch);
  }

  /** Fetch archives of packages; returns their paths. */
  async download(names: readonly string[]): Promise<string[]> {
    const archives = join(this.scratch, "archives");
    await ensureDir(archives);
    await runProgram("apt-get", ["-c", join(this.#root, "conf"), "-qq", "download", ...names], archives);
    const paths: string[] = [];
    for await (const entry of Deno.readDir(archives)) paths.push(join(archives, entry.name));
    return paths.sort();
  }

  async #knowsPackages(): Promise<boolean> {
    for await (const entry of Deno.readDir(join(this.#root, "state/lists"))) {
      if (entry.name.includes("_Packages")) return true;
    }
    return false;
  }

  /** Hooks of the system's configuration are dropped: they would act on the system's own directories. */
  #configuration(): string {
    const quote = (name: string) => `"${join(this.#root, name)}"`;
    return `
#clear APT::Update;
#clear DPkg;
#clear APT::Architectures;
APT::Architecture "i386";
APT::Architectures { "i386"; };
APT::Sandbox::User "";
Acquire::Languages "none";
Debug::NoLocking "true";
Dir::State ${quote("state")};
Dir::State::status ${quote("status")};
Dir::Cache ${quote("cache")};
`;
  }
}

/** One fetch at a time, also among processes; the user sees what is going on. */
async function withApt(what: string, action: (apt: Apt) => Promise<void>): Promise<void> {
  if (!await hasApt()) {
    throw new GuestError(
      "Cannot fetch Debian packages without apt-get and dpkg-deb; pass a kernel and an initramfs of your own: " +
        "deno task run 64 <bzImage> --initrd=<initramfs>",
    );
  }
  const root = join(cacheDirectory(), "apt");
  await ensureDir(root);
  const progress = new Progress(what);
  using lock = await Deno.open(join(root, "lock"), { create: true, write: true });
  await lock.lock(true);
  const scratch = await Deno.makeTempDir({ dir: root, prefix: "fetch-" });
  try {
    const apt = new Apt(root, scratch);
    await apt.update();
    await action(apt);
  } finally {
    progress.done();
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Unpack an archive's files into a directory, or only some of them. */
async function extract(archive: string, directory: string, tarArguments: readonly string[]): Promise<void> {
  const source = new Deno.Command("dpkg-deb", { args: ["--fsys-tarfile", archive], stdout: "piped" }).spawn();
  const tar = new Deno.Command("tar", { args: ["-x", "-C", directory, ...tarArguments], stdin: "piped" }).spawn();
  await source.stdout.pipeTo(tar.stdin);
  const results = await Promise.all([source.status, tar.status]);
  if (!results.every((status) => status.success)) throw new GuestError(`Cannot unpack "${archive}"`);
}

async function runProgram(program: string, args: readonly string[], cwd: string): Promise<string> {
  const output = await new Deno.Command(program, { args: [...args], cwd, env: { LC_ALL: "C" }, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  if (output.success) return decoder.decode(output.stdout);
  const complaints = decoder.decode(output.stderr).split("\n").filter((line) => line.startsWith("E: "));
  throw new GuestError(`${program} failed: ${complaints[0]?.slice(3) ?? `status ${output.code}`}`);
}

async function isProgram(name: string): Promise<boolean> {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    if (directory && await exists(join(directory, name))) return true;
  }
  return false;
}

async function onlyFile(directory: string): Promise<string> {
  for await (const entry of Deno.readDir(directory)) if (entry.isFile) return join(directory, entry.name);
  throw new GuestError(`The package holds no file in "${directory}"`);
}
