/**
 * A disk image without a format: sector n of the disk is at byte n × 512 of a file or of a block device. A path comes
 * in; reads and writes at positions are done with what Deno has on its own. Read next: `disk_server.ts`, who calls
 * this.
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";
import { SECTOR_SIZE } from "./backend.ts";
import type { DiskImage } from "./disk_server.ts";

/** How a {@link RawImage} is opened. */
export interface RawImageOptions {
  /** As the user wrote it. */
  readonly path: string;
  /** Whether it must not be written. */
  readonly readOnly: boolean;
}

/** A file that is open, locked, and as large as it was then. */
export class RawImage implements DiskImage, Disposable {
  /** Its size in sectors; what is left of the file after the last whole sector belongs to nobody. */
  readonly sectors: number;
  /** Whether it cannot be written: because it was opened so, or because the host forbids it. */
  readonly readOnly: boolean;
  readonly #file: Deno.FsFile;
  /** Whether something may not be on stable storage; true at first, since whoever wrote the file may just have done so. */
  #dirty = true;

  /**
   * Open a file or a block device. One that the host does not allow to be written is opened for reading. The lock lasts
   * until it is closed, or the process ends: for itself alone if it is to be written, else shared with other readers.
   *
   * @throws {GuestError} if it cannot be used; the message is one line
   */
  constructor({ path, readOnly }: RawImageOptions) {
    const disk = `Disk "${path}"`;
    let file: Deno.FsFile | undefined;
    try {
      // First, since opening a pipe would wait for its other end.
      const info = Deno.statSync(path);
      judge(disk, info);
      [file, this.readOnly] = open(path, readOnly || isReadOnlyDevice(info));
      judge(disk, file.statSync());
      if (!file.tryLockSync(!this.readOnly)) {
        throw new GuestError(
          this.readOnly
            ? `${disk} is already in use by a Guest that may write it: end that one, or use a copy`
            : `${disk} is already in use, by another program or by this one twice: use a copy, or open it read-only in both`,
        );
      }
      const bytes = file.seekSync(0, Deno.SeekMode.End);
      if (bytes < SECTOR_SIZE) throw new GuestError(`${disk} has ${bytes} bytes: a disk has at least ${SECTOR_SIZE}`);
      this.sectors = Math.floor(bytes / SECTOR_SIZE);
      this.#file = file;
    } catch (error) {
      file?.close();
      if (error instanceof GuestError) throw error;
      throw new GuestError(`${disk} ${explain(error)}`, { cause: error });
    }
  }

  /**
   * Fill `into` with the bytes from a position.
   *
   * @throws {Error} if the host fails, or the file has become shorter
   */
  read(position: number, into: Uint8Array): void {
    this.#file.seekSync(position, Deno.SeekMode.Start);
    for (let filled = 0; filled < into.length;) {
      const count = this.#file.readSync(into.subarray(filled));
      if (count === null) throw new RangeError(`The file ends at byte ${position + filled}`);
      filled += count;
    }
  }

  /**
   * Put bytes at a position.
   *
   * @throws {Error} if the host fails; some of them may have been written
   */
  write(position: number, bytes: Uint8Array): void {
    this.#dirty = true;
    this.#file.seekSync(position, Deno.SeekMode.Start);
    for (let written = 0; written < bytes.length;) {
      const count = this.#file.writeSync(bytes.subarray(written));
      if (count === 0) throw new RangeError(`The file takes no more at byte ${position + written}`);
      written += count;
    }
  }

  /**
   * Have everything written so far on stable storage.
   *
   * @throws {Error} if the host fails
   */
  flush(): void {
    if (!this.#dirty) return;
    this.#file.syncDataSync();
    this.#dirty = false;
  }

  /** Close the file, which ends the lock. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function judge(disk: string, info: Deno.FileInfo): void {
  if (info.isDirectory) throw new GuestError(`${disk} is a directory: a disk is a file or a block device`);
  if (!info.isFile && !info.isBlockDevice) throw new GuestError(`${disk} is neither a file nor a block device`);
}

function open(path: string, readOnly: boolean): [file: Deno.FsFile, readOnly: boolean] {
  if (!readOnly) {
    try {
      return [Deno.openSync(path, { read: true, write: true }), false];
    } catch (error) {
      if (!isWriteProtected(error)) throw error;
    }
  }
  return [Deno.openSync(path, { read: true }), true];
}

/** A block device that refuses writes can be opened for them all the same, and then fails each; sysfs tells (ro). */
function isReadOnlyDevice({ isBlockDevice, rdev }: Deno.FileInfo): boolean {
  if (!isBlockDevice || rdev === null) return false;
  // makedev(3): the low 32 bits are minor (31…20), major (19…8) and minor (7…0).
  const major = rdev >>> 8 & 0xfff, minor = rdev & 0xff | rdev >>> 12 & 0xfff00;
  try {
    return Deno.readTextFileSync(`/sys/dev/block/${major}:${minor}/ro`).trim() === "1";
  } catch {
    return false; // no sysfs here, or it may not be read
  }
}

/** EACCES, EPERM (an immutable file) or EROFS. */
function isWriteProtected(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    (error instanceof Error && "code" in error && error.code === "EROFS");
}

/** Why a file cannot be used, to follow its name. */
function explain(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "cannot be opened: permission denied";
  if (error instanceof Deno.errors.NotCapable) {
    return "cannot be opened: Deno was started without --allow-read or --allow-write";
  }
  return `cannot be opened: ${error instanceof Error ? error.message : error}`;
}
