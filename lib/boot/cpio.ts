/**
 * Writes an initramfs: a cpio archive in the "newc" format (Linux Documentation/driver-api/early-userspace/
 * buffer-format.rst). Entries enter in the order the kernel is to make them in, a directory before what is in it; one
 * array of bytes leaves. The same entries always make the same bytes.
 *
 * @module
 */

/** What every kind of entry has. */
export interface CpioEntryBase {
  /** Its path, without a slash at the beginning. */
  readonly path: string;
  /** Its permission bits; 0o644 for files, 0o755 for directories, 0o777 for links, 0o600 for devices unless given. */
  readonly mode?: number;
  /** Its owner, root unless given. */
  readonly uid?: number;
  /** Its group, root unless given. */
  readonly gid?: number;
  /** When it was modified, in seconds since 1970; 0 unless given. */
  readonly mtime?: number;
}

/** A regular file. */
export interface CpioFile extends CpioEntryBase {
  /** What it is. */
  readonly kind: "file";
  /** What is in it. */
  readonly data: Uint8Array;
}

/** A directory. */
export interface CpioDirectory extends CpioEntryBase {
  /** What it is. */
  readonly kind: "directory";
}

/** A symbolic link. */
export interface CpioSymlink extends CpioEntryBase {
  /** What it is. */
  readonly kind: "symlink";
  /** What it points to. */
  readonly target: string;
}

/** A device node. */
export interface CpioDevice extends CpioEntryBase {
  /** What it is. */
  readonly kind: "character" | "block";
  /** The driver's number. */
  readonly major: number;
  /** The device's number with that driver. */
  readonly minor: number;
}

/** One thing in an archive. */
export type CpioEntry = CpioFile | CpioDirectory | CpioSymlink | CpioDevice;

const HEADER_SIZE = 110;
const TRAILER = "TRAILER!!!";

/** File types as `stat` has them, and the permission bits of those who name none. */
const KINDS = {
  file: { type: 0o100000, mode: 0o644 },
  directory: { type: 0o040000, mode: 0o755 },
  symlink: { type: 0o120000, mode: 0o777 },
  character: { type: 0o020000, mode: 0o600 },
  block: { type: 0o060000, mode: 0o600 },
} as const;

/**
 * Make a cpio archive.
 *
 * @param entries what is in it; inode numbers are given in this order
 * @returns the archive
 * @throws {RangeError} if a number does not fit its field, or a path is empty or begins with a slash
 *
 * @example An initramfs with a console and an init
 * ```ts ignore
 * const archive = writeCpio([
 *   { kind: "directory", path: "dev" },
 *   { kind: "character", path: "dev/console", major: 5, minor: 1 },
 *   { kind: "file", path: "init", mode: 0o755, data: new TextEncoder().encode("#!/bin/sh\n") },
 * ]);
 * ```
 */
export function writeCpio(entries: Iterable<CpioEntry>): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  let inode = 1;
  for (const entry of entries) {
    const path = encoder.encode(entry.path);
    if (path.length === 0 || entry.path.startsWith("/") || entry.path === TRAILER) {
      throw new RangeError(`Cannot put "${entry.path}" into a cpio archive: want a path without a slash in front`);
    }
    const { type, mode } = KINDS[entry.kind];
    const data = contents(entry, encoder);
    const device = entry.kind === "character" || entry.kind === "block" ? entry : { major: 0, minor: 0 };
    const header = [
      inode++,
      type | (entry.mode ?? mode) & 0o7777,
      entry.uid ?? 0,
      entry.gid ?? 0,
      entry.kind === "directory" ? 2 : 1,
      entry.mtime ?? 0,
      data.length,
      0,
      0,
      device.major,
      device.minor,
    ];
    chunks.push(...record(header, path, data));
  }
  chunks.push(...record([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], encoder.encode(TRAILER), new Uint8Array()));

  const archive = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    archive.set(chunk, at);
    at += chunk.length;
  }
  return archive;
}

function contents(entry: CpioEntry, encoder: TextEncoder): Uint8Array {
  switch (entry.kind) {
    case "file":
      return entry.data;
    case "symlink":
      return encoder.encode(entry.target);
    default:
      return new Uint8Array();
  }
}

/** Header and path, then the contents, each filled up to a multiple of four. */
function record(fields: readonly number[], path: Uint8Array, data: Uint8Array): Uint8Array[] {
  const numbers = [...fields, path.length + 1, 0];
  const text = numbers.map((number) => {
    if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) {
      throw new RangeError(`Cannot write ${number} into a cpio header: want an integer from 0 to 4294967295`);
    }
    return number.toString(16).padStart(8, "0");
  });
  const head = new Uint8Array(align4(HEADER_SIZE + path.length + 1));
  new TextEncoder().encodeInto("070701" + text.join(""), head);
  head.set(path, HEADER_SIZE);
  return [head, data, new Uint8Array(align4(data.length) - data.length)];
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}
