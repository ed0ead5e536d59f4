/**
 * A FUSE file system that is mounted nowhere: only who knows the number of its descriptor reaches it, and it is gone
 * with the process. Read next: `fuse.ts`, who serves it.
 *
 * @module
 */
import { AT_FDCWD, cString, type Library, O_NONBLOCK, O_RDWR, strerror } from "../../../../ffi/library.ts";

/** System calls of Linux 5.2, with the same numbers everywhere. */
const FSOPEN = 430n, FSCONFIG = 431n, FSMOUNT = 432n;
const CLOEXEC = 1n;
const SET_FLAG = 0n, SET_STRING = 1n, CREATE = 6n;

/** A file system, and the descriptor to serve it by. */
export interface FuseMount {
  /** Its root directory, which can be opened by `/proc/self/fd/`. */
  readonly root: number;
  /** `/dev/fuse`, not blocking. */
  readonly fuse: number;
}

/**
 * Make one, for everybody, with the permissions that its server tells.
 *
 * @throws {Error} if that cannot be done here
 */
export function mountFuse(calls: Library): FuseMount {
  const libc = Deno.dlopen("libc.so.6", {
    open: { name: "syscall", parameters: ["i64", "buffer", "i64"], result: "i64" },
    configure: { name: "syscall", parameters: ["i64", "i64", "i64", "buffer", "buffer", "i64"], result: "i64" },
    mount: { name: "syscall", parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
    __errno_location: { parameters: [], result: "pointer" },
  });
  const { open, configure, mount, __errno_location } = libc.symbols;
  const fds: number[] = [];
  const need = (what: string, result: number | bigint) => {
    const number = Number(result);
    if (number >= 0) return number;
    const error = number === -1 ? new Deno.UnsafePointerView(__errno_location()!).getInt32() : number;
    throw new Error(`${what}: ${strerror(calls, error)}`);
  };
  const opened = (what: string, result: number | bigint) => {
    const fd = need(what, result);
    fds.push(fd);
    return fd;
  };
  try {
    const fuse = opened("/dev/fuse", calls.lguest_openat(AT_FDCWD, cString("/dev/fuse"), O_RDWR | O_NONBLOCK));
    const context = opened("fsopen", open(FSOPEN, cString("fuse"), CLOEXEC));
    const options = { source: "lguest", fd: `${fuse}`, rootmode: "40000", user_id: "0", group_id: "0" };
    for (const [key, value] of Object.entries(options)) {
      need(key, configure(FSCONFIG, BigInt(context), SET_STRING, cString(key), cString(value), 0n));
    }
    for (const flag of ["allow_other", "default_permissions"]) {
      need(flag, configure(FSCONFIG, BigInt(context), SET_FLAG, cString(flag), null, 0n));
    }
    need("create", configure(FSCONFIG, BigInt(context), CREATE, null, null, 0n));
    const root = opened("fsmount", mount(FSMOUNT, BigInt(context), CLOEXEC, 0n));
    fds.splice(0);
    calls.lguest_close(context);
    return { root, fuse };
  } finally {
    for (const fd of fds) calls.lguest_close(fd);
    libc.close();
  }
}
