/**
 * Gives up what a running Guest does not need: the file system (`--chroot=`) and the rights of root (`--username=`).
 *
 * In two steps, since after the first half nothing can be looked up any more: {@link preparePrivileges} finds the user
 * and opens directories; {@link Privileges.drop}, once every file is open and every Worker has loaded its modules,
 * changes root and working directory, then supplementary groups, group and user, in this order, and makes sure of it.
 * To Linux credentials belong to a thread; glibc changes those of all threads, and this looks at each of them
 * afterwards. Read next: `ffi/lguest.c`.
 *
 * @module
 */
import { AT_FDCWD, cString, ERRNO, type Library, O_NONBLOCK, O_RDONLY, openLibrary, strerror } from "../ffi/library.ts";
import { GuestError } from "./guest_error.ts";

/** What is to be given up. */
export interface PrivilegeOptions {
  /** The user to become. */
  readonly username?: string | undefined;
  /** The directory to see instead of the whole file system. */
  readonly chroot?: string | undefined;
  /** The C library's file, if a user named it. */
  readonly library?: string | undefined;
}

/**
 * Privileges that can be dropped. Disposing of it closes the directories, which must not stay open: from one outside of
 * the new root directory everything else can be reached.
 */
export interface Privileges extends Disposable {
  /**
   * Drop them, for good; nothing happens if nothing was asked for.
   *
   * @returns a line for each thing done, for `--verbose`
   * @throws {GuestError} if the system refuses; the program must end then
   */
  drop(): string[];
}

interface User {
  readonly name: string;
  readonly id: number;
  readonly group: number;
  readonly groups: Uint32Array<ArrayBuffer>;
}

/** More groups than Linux lets a process have (NGROUPS_MAX). */
const MAX_GROUPS = 65536;
const DIRECTORY_BYTES = 32768;
/** `/proc/…/status` is shorter than this up to the lines looked for. */
const STATUS_BYTES = 4096;

/**
 * Find everything that is needed to drop privileges later.
 *
 * @throws {GuestError} if there is no such user or directory
 */
export function preparePrivileges({ username, chroot, library }: PrivilegeOptions): Privileges {
  if (username === undefined && chroot === undefined) return { drop: () => [], [Symbol.dispose]: () => {} };
  const calls = openLibrary(library);
  const user = username === undefined ? undefined : findUser(calls, username);
  const threads = calls.lguest_openat(AT_FDCWD, cString("/proc/self/task"), O_RDONLY);
  if (threads < 0) {
    throw new GuestError(`The process's threads (/proc/self/task) cannot be listed: ${strerror(calls, threads)}`);
  }
  const directories = [threads];
  const close = () => directories.splice(0).forEach((fd) => calls.lguest_close(fd));
  let root: { readonly path: string; readonly fd: number } | undefined;
  try {
    if (chroot !== undefined) root = { path: chroot, fd: openRoot(calls, chroot) };
  } catch (error) {
    close();
    throw error;
  }
  if (root) directories.push(root.fd);
  return {
    [Symbol.dispose]: close,
    drop() {
      const done: string[] = [];
      if (root) {
        changeRoot(calls, root.path, root.fd);
        done.push(`Root directory is now "${root.path}"`);
      }
      if (user) {
        becomeUser(calls, user);
        verify(calls, user, threads);
        done.push(`User is now "${user.name}" (${user.id}, group ${user.group})`);
      }
      return done;
    },
  };
}

function findUser(calls: Library, name: string): User {
  const ids = new Uint32Array(2);
  const result = calls.lguest_getpwnam(cString(name), ids);
  if (result === -ERRNO.ENOENT) throw new GuestError(`User "${name}" does not exist`);
  if (result < 0) throw new GuestError(`User "${name}" cannot be looked up: ${strerror(calls, result)}`);
  const [id = 0, group = 0] = ids;
  const groups = new Uint32Array(MAX_GROUPS);
  const count = calls.lguest_getgrouplist(cString(name), group, groups, MAX_GROUPS);
  if (count < 0) throw new GuestError(`Groups of user "${name}" cannot be looked up: ${strerror(calls, count)}`);
  return { name, id, group, groups: groups.slice(0, count) };
}

function openRoot(calls: Library, path: string): number {
  const fd = calls.lguest_openat(AT_FDCWD, cString(path), O_RDONLY | O_NONBLOCK);
  if (fd === -ERRNO.ENOENT) throw new GuestError(`Root directory "${path}" does not exist`);
  if (fd < 0) throw new GuestError(`Root directory "${path}" cannot be opened: ${strerror(calls, fd)}`);
  if (calls.lguest_getdents(fd, new Uint8Array(DIRECTORY_BYTES), DIRECTORY_BYTES) === -ERRNO.ENOTDIR) {
    calls.lguest_close(fd);
    throw new GuestError(`Root directory "${path}" is not a directory`);
  }
  return fd;
}

function changeRoot(calls: Library, path: string, fd: number): void {
  const result = calls.lguest_chroot(fd);
  if (result < 0) throw refused(calls, `Root directory cannot be changed to "${path}"`, result);
}

function becomeUser(calls: Library, { name, id, group, groups }: User): void {
  const steps: (() => number)[] = [
    () => calls.lguest_setgroups(groups.length, groups),
    () => calls.lguest_setresgid(group),
    () => calls.lguest_setresuid(id),
  ];
  for (const step of steps) {
    const result = step();
    if (result < 0) throw refused(calls, `Cannot become user "${name}"`, result);
  }
}

function refused(calls: Library, what: string, result: number): GuestError {
  return new GuestError(
    result === -ERRNO.EPERM ? `${what}: not permitted; start lguest as root` : `${what}: ${strerror(calls, result)}`,
  );
}

/** Every thread has the new ids and no rights beside them, and there is no way back. */
function verify(calls: Library, user: User, threads: number): void {
  if (user.id !== 0 && calls.lguest_setresuid(0) !== -ERRNO.EPERM) {
    throw new GuestError(`User "${user.name}" could become root again: refusing to run the Guest`);
  }
  for (const thread of listThreads(calls, threads)) {
    const status = readStatus(calls, threads, thread);
    if (status === undefined) continue;
    const wrong = wrongIn(status, user);
    if (wrong !== undefined) {
      throw new GuestError(`Thread ${thread} did not become user "${user.name}" (${wrong}): refusing to run the Guest`);
    }
  }
}

/** The line of a thread's status that is not the user's, or `undefined` if all are. */
function wrongIn(status: string, { id, group, groups }: User): string | undefined {
  const wanted: [string, (values: string[]) => boolean][] = [
    ["Uid", (values) => values.length === 4 && values.every((value) => Number(value) === id)],
    ["Gid", (values) => values.length === 4 && values.every((value) => Number(value) === group)],
    ["Groups", (values) => values.every((value) => groups.includes(Number(value)))],
  ];
  if (id !== 0) {
    for (const set of ["CapPrm", "CapEff", "CapAmb"]) wanted.push([set, ([value]) => /^0+$/.test(value ?? "")]);
  }
  for (const [field, right] of wanted) {
    const line = status.split("\n").find((candidate) => candidate.startsWith(`${field}:`));
    if (line === undefined) return `no line ${field}`;
    const values = line.slice(field.length + 1).split(/\s+/).filter((value) => value !== "");
    if (!right(values)) return `${field} ${values.join(" ")}`;
  }
  return undefined;
}

/** The numbers of the threads: names in a directory of `struct linux_dirent64`, whose name begins at 19. */
function listThreads(calls: Library, directory: number): string[] {
  const buffer = new Uint8Array(DIRECTORY_BYTES);
  const view = new DataView(buffer.buffer);
  const names: string[] = [];
  for (;;) {
    const length = calls.lguest_getdents(directory, buffer, DIRECTORY_BYTES);
    if (length < 0) throw new GuestError(`The process's threads cannot be listed: ${strerror(calls, length)}`);
    if (length === 0) return names;
    for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
      const name = new TextDecoder().decode(buffer.subarray(at + 19, buffer.indexOf(0, at + 19)));
      if (/^\d+$/.test(name)) names.push(name);
    }
  }
}

/** What `/proc` says of a thread; `undefined` if it has ended meanwhile. */
function readStatus(calls: Library, directory: number, thread: string): string | undefined {
  const fd = calls.lguest_openat(directory, cString(`${thread}/status`), O_RDONLY);
  if (fd === -ERRNO.ENOENT) return undefined;
  if (fd < 0) throw new GuestError(`Thread ${thread} cannot be looked at: ${strerror(calls, fd)}`);
  const buffer = new Uint8Array(STATUS_BYTES);
  const length = calls.lguest_read(fd, buffer, STATUS_BYTES);
  calls.lguest_close(fd);
  return length < 0 ? undefined : new TextDecoder().decode(buffer.subarray(0, length));
}
