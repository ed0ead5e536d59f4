/**
 * Kernel modules for an initramfs: a kernel package's files and the names of the wanted modules enter; a tree leaves
 * that holds these, the modules they depend on, and the tables by which `modprobe` finds them. Debian's packages have
 * no such tables: `depmod` makes them at installation (modules.dep(5), modprobe.d(5)); here they are made from what
 * each module says about itself in its section `.modinfo` (Linux include/linux/module.h). Read next: `debian.ts`, where
 * the package comes from; `initramfs.ts`, whose `/init` loads them.
 *
 * @module
 */
import { ensureDir } from "@std/fs";
import { basename, join } from "@std/path";
import { GuestError } from "../lib/guest_error.ts";

/**
 * What a Guest's devices need: virtio over PCI, its drivers, and ext4 with the checksum it asks the kernel for. What
 * these depend on comes along.
 */
export const VIRTIO_MODULES: readonly string[] = [
  ...["virtio_pci", "virtio_blk", "virtio_console", "virtio_net", "virtio_rng"],
  ...["ext4", "crc32c_generic"],
];

/** What a module says about itself. */
export interface ModuleInfo {
  /** Names of the modules it needs. */
  readonly depends: readonly string[];
  /** Patterns for what it drives: `virtio:d00000002v*`. */
  readonly aliases: readonly string[];
}

/**
 * Copy modules and write their tables.
 *
 * @param source a directory with `lib/modules/VERSION/kernel/`
 * @param target the tree, not there yet
 * @param names modules, with `_` for any `-`
 * @throws {GuestError} if a module is not there
 */
export async function collectModules(source: string, target: string, names: readonly string[]): Promise<void> {
  const version = await onlyDirectory(join(source, "lib/modules"));
  const paths = await modulePaths(join(source, "lib/modules", version));
  const directory = join(target, "lib/modules", version);
  await ensureDir(directory);
  const infos = new Map<string, ModuleInfo>();
  const collect = async (name: string) => {
    if (infos.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new GuestError(`The kernel package has no module "${name}"`);
    const bytes = await Deno.readFile(path);
    const info = readModuleInfo(bytes, basename(path));
    infos.set(name, info);
    await Deno.writeFile(join(directory, `${name}.ko`), bytes);
    for (const needed of info.depends) await collect(needed);
  };
  for (const name of names) await collect(name);
  await Deno.writeTextFile(join(directory, "modules.dep"), dependencyTable(infos));
  await Deno.writeTextFile(join(directory, "modules.alias"), aliasTable(infos));
}

/**
 * Read a module's section `.modinfo`: `key=value` strings with a zero byte after each.
 *
 * @param bytes the file, ELF for i386
 * @param name what to call it in an error
 * @throws {GuestError} if it is none
 */
export function readModuleInfo(bytes: Uint8Array, name: string): ModuleInfo {
  const text = new TextDecoder("latin1").decode(section(bytes, ".modinfo", name));
  const words = text.split("\0");
  const values = (key: string) =>
    words.filter((word) => word.startsWith(`${key}=`)).map((w) => w.slice(key.length + 1));
  return {
    depends: values("depends").flatMap((list) => list.split(",")).filter(Boolean).map(underscored),
    aliases: values("alias"),
  };
}

/** Sizes and offsets of the i386 ELF header and section headers (System V ABI, chapter 4). */
const ELF32 = {
  MAGIC: 0x464c457f,
  SECTIONS: 32,
  SECTION_SIZE: 46,
  SECTION_COUNT: 48,
  NAMES_INDEX: 50,
  SECTION_OFFSET: 16,
  SECTION_LENGTH: 20,
} as const;

function section(bytes: Uint8Array, wanted: string, file: string): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (view.getUint32(0, true) !== ELF32.MAGIC) throw new GuestError(`"${file}" is not a kernel module`);
    const headers = view.getUint32(ELF32.SECTIONS, true);
    const size = view.getUint16(ELF32.SECTION_SIZE, true);
    const contents = (index: number) => {
      const offset = view.getUint32(headers + index * size + ELF32.SECTION_OFFSET, true);
      return bytes.subarray(offset, offset + view.getUint32(headers + index * size + ELF32.SECTION_LENGTH, true));
    };
    const names = new TextDecoder("latin1").decode(contents(view.getUint16(ELF32.NAMES_INDEX, true)));
    for (let index = 1; index < view.getUint16(ELF32.SECTION_COUNT, true); index++) {
      const at = view.getUint32(headers + index * size, true);
      if (names.slice(at, names.indexOf("\0", at)) === wanted) return contents(index);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new GuestError(`"${file}" has no section ${wanted}: it is not a kernel module`);
}

/** A line per module: its file, and after the colon those it needs, what is to be loaded first at the end. */
function dependencyTable(infos: ReadonlyMap<string, ModuleInfo>): string {
  const lines = [...infos.keys()].map((name) => {
    const needed = loadOrder(name, infos).reverse().slice(1);
    return `${name}.ko:${needed.map((other) => ` ${other}.ko`).join("")}\n`;
  });
  return lines.join("");
}

/** A module with all that it needs, each after what it needs itself. */
function loadOrder(name: string, infos: ReadonlyMap<string, ModuleInfo>, done = new Set<string>()): string[] {
  for (const needed of infos.get(name)?.depends ?? []) loadOrder(needed, infos, done);
  return [...done.add(name)];
}

function aliasTable(infos: ReadonlyMap<string, ModuleInfo>): string {
  const lines = [...infos].flatMap(([name, { aliases }]) => aliases.map((alias) => `alias ${alias} ${name}\n`));
  return lines.join("");
}

/** Every module's file by its name, in which the kernel writes `_` for `-`. */
async function modulePaths(directory: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  const walk = async (under: string) => {
    for await (const entry of Deno.readDir(under)) {
      const path = join(under, entry.name);
      if (entry.isDirectory) await walk(path);
      else if (entry.name.endsWith(".ko")) paths.set(underscored(basename(entry.name, ".ko")), path);
    }
  };
  await walk(join(directory, "kernel"));
  return paths;
}

function underscored(name: string): string {
  return name.replaceAll("-", "_");
}

async function onlyDirectory(path: string): Promise<string> {
  for await (const entry of Deno.readDir(path)) if (entry.isDirectory) return entry.name;
  throw new GuestError(`The kernel package has nothing in "${path}"`);
}
