/**
 * The C library (`lguest.c`) for TypeScript: where its file is, and what its functions are called.
 *
 * Only a Guest with a tap, another root or another user, or one on `/dev/lguest`, needs it; nothing is opened before
 * {@link openLibrary} is called. Every thread opens it for itself. All functions return a number: what the system call
 * returned, or -errno.
 * Read next: `build.ts`, which makes the file; `lib/net/tap.ts`, its first user.
 *
 * @module
 */
import { dirname, fromFileUrl, join } from "@std/path";
import { GuestError, requireDeno } from "../lib/guest_error.ts";
import { embeddedLibrary, withFile } from "./embedded.ts";

/** What its file is called. */
export const LIBRARY_NAME = "liblguest.so";

/** What `lguest_version()` returns in the library that this module describes. */
const VERSION = 2;

const SYMBOLS = {
  lguest_version: { parameters: [], result: "i32" },
  lguest_strerror: { parameters: ["i32"], result: "pointer" },
  lguest_long_size: { parameters: [], result: "i32" },
  lguest_openat: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  lguest_close: { parameters: ["i32"], result: "i32" },
  lguest_read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  lguest_write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  lguest_writev: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  lguest_pread: { parameters: ["i32", "buffer", "u32", "u32"], result: "i32" },
  lguest_pwrite: { parameters: ["i32", "buffer", "u32", "u32"], result: "i32" },
  lguest_poll: { parameters: ["buffer", "u32", "i32"], result: "i32" },
  lguest_eventfd: { parameters: [], result: "i32" },
  lguest_getdents: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  lguest_open_tree: { parameters: ["buffer"], result: "i32" },
  lguest_ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" },
  lguest_ioctl_value: { parameters: ["i32", "u32", "u32"], result: "i32" },
  lguest_socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  lguest_if_nametoindex: { parameters: ["buffer"], result: "i32" },
  lguest_gettid: { parameters: [], result: "i32" },
  lguest_tgkill: { parameters: ["i32", "i32"], result: "i32" },
  lguest_catch_signal: { parameters: ["i32"], result: "i32" },
  lguest_getpwnam: { parameters: ["buffer", "buffer"], result: "i32" },
  lguest_getgrouplist: { parameters: ["buffer", "u32", "buffer", "i32"], result: "i32" },
  lguest_setgroups: { parameters: ["u32", "buffer"], result: "i32" },
  lguest_setresgid: { parameters: ["u32"], result: "i32" },
  lguest_setresuid: { parameters: ["u32"], result: "i32" },
  lguest_chroot: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of `lguest.c`, by name; see there. */
export type Library = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** Error numbers that callers tell apart; Linux, all architectures that Deno runs on. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  EACCES: 13,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ERESTART: 85,
  EOPNOTSUPP: 95,
} as const;

/** `openat()`: relative to the working directory. */
export const AT_FDCWD = -100;
/** `open()` flags; the same on x86-64 and arm64. */
export const O_RDONLY = 0, O_RDWR = 2, O_NONBLOCK = 0o4000, O_PATH = 0o10000000;

let opened: { readonly path: string | undefined; readonly library: Library } | undefined;

/**
 * Open the C library; the same again if this thread has opened it already.
 *
 * @param path its file, as a user named it; else it is the one in this executable, or is looked for beside this module
 * and beside the program
 * @throws {GuestError} if there is none, or one that cannot be used
 */
export function openLibrary(path?: string): Library {
  if (opened && opened.path === path) return opened.library;
  requireDeno("The C library");
  const bytes = path === undefined ? embeddedLibrary(LIBRARY_NAME) : undefined;
  const file = bytes ? "(in this executable)" : path ?? findLibrary();
  const library = bytes ? withFile(bytes, dlopen) : dlopen(file);
  const version = library.lguest_version();
  if (version !== VERSION) {
    throw new GuestError(
      `C library "${file}" has version ${version}, not ${VERSION}: run "deno task build" to bring it up to date`,
    );
  }
  opened = { path, library };
  return library;
}

/**
 * What an error number means, in the system's words.
 *
 * @param error an errno, of either sign
 */
export function strerror(library: Library, error: number): string {
  const text = library.lguest_strerror(Math.abs(error));
  return text === null ? `error ${Math.abs(error)}` : new Deno.UnsafePointerView(text).getCString();
}

/** A string as C takes it: UTF-8 with a zero byte behind. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** Where the library may be, best first. */
function places(): string[] {
  const here = new URL(LIBRARY_NAME, import.meta.url);
  const program = join(dirname(Deno.execPath()), LIBRARY_NAME);
  return here.protocol === "file:" ? [fromFileUrl(here), program] : [program];
}

function findLibrary(): string {
  const candidates = places();
  for (const place of candidates) {
    try {
      if (Deno.statSync(place).isFile) return place;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw cannotOpen(place, error);
    }
  }
  throw new GuestError(
    `Taps, --chroot, --username and /dev/lguest need the C library: run "deno task build" (no "${candidates[0]}")`,
  );
}

function dlopen(file: string): Library {
  try {
    return Deno.dlopen(file, SYMBOLS).symbols;
  } catch (error) {
    throw cannotOpen(file, error);
  }
}

/** What Deno puts in front of the loader's words, twice; the file's name follows once more. */
const REPEATED = /^(Could not open library: )+/;

function cannotOpen(file: string, error: unknown): GuestError {
  const why = error instanceof Deno.errors.NotCapable
    ? "Deno was started without --allow-ffi and --allow-read"
    : (error instanceof Error ? error.message : String(error)).replace(REPEATED, "").replace(`${file}: `, "");
  return new GuestError(`C library "${file}" cannot be opened: ${why}`, { cause: error });
}
