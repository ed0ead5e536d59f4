/**
 * A file system with one file in it, as its server sees it: requests of Linux's FUSE enter (`linux/fuse.h`, protocol
 * 7.31), opening, reading, writing and releasing of the file leave to a {@link FuseFile}, whose answers go back. Nothing
 * is cached, so each `pread()` and `pwrite()` arrives with its offset and size. Read next: `driver.ts`, the file.
 *
 * @module
 */
import { ERRNO, type Library } from "../../../../ffi/library.ts";

/** What the file is called. */
export const FILE_NAME = "lguest";

const LOOKUP = 1, FORGET = 2, GETATTR = 3, OPEN = 14, READ = 15, WRITE = 16, RELEASE = 18, INIT = 26;
const OPENDIR = 27, RELEASEDIR = 29, INTERRUPT = 36, BATCH_FORGET = 42;
const ENOSYS = 38;
const MAJOR = 7, MINOR = 31, MAX_WRITE = 4096;
const IN_HEADER = 40, OUT_HEADER = 16, WRITE_IN = 40;
const FOPEN_DIRECT_IO = 1;
const ROOT = 1n, FILE = 2n;
const S_IFDIR = 0o040000, S_IFREG = 0o100000;
/** More than Linux asks a server to have room for (FUSE_MIN_READ_BUFFER). */
const BUFFER = 65536;

/** Who asks, and where in the file. */
export interface Access {
  /** The thread's number. */
  readonly task: number;
  /** The file's offset. */
  readonly offset: number;
  /** By which it can be interrupted. */
  readonly unique: bigint;
}

/** What is behind the file. A negative number is an error number. */
export interface FuseFile {
  open(handle: number): void;
  write(handle: number, access: Access, bytes: Uint8Array): number;
  read(handle: number, access: Access, size: number): Uint8Array | number;
  release(handle: number): void;
}

/** The server's end of `/dev/fuse`, which does not block. */
export class FuseConnection {
  readonly #calls: Library;
  readonly #fd: number;
  readonly #file: FuseFile;
  readonly #mode: number;
  readonly #buffer = new Uint8Array(BUFFER);
  #handles = 0;

  /**
   * @param fd the open `/dev/fuse`
   * @param mode who may open the file, as `chmod` has it
   */
  constructor(calls: Library, { fd, file, mode }: { fd: number; file: FuseFile; mode: number }) {
    this.#calls = calls;
    this.#fd = fd;
    this.#file = file;
    this.#mode = mode;
  }

  /**
   * Serve one request, if one has come.
   *
   * @returns whether there was one; or the request that somebody wants interrupted
   */
  serveOne(): boolean | { interrupt: bigint } {
    // A request that is served may have others served meanwhile: each needs bytes of its own.
    const count = this.#calls.lguest_read(this.#fd, this.#buffer, BUFFER);
    if (count === -ERRNO.EAGAIN || count === -ERRNO.EINTR || count === -ERRNO.ENOENT) return false;
    if (count < 0) throw new Error(`/dev/fuse cannot be read: error ${-count}`);
    const request = this.#buffer.slice(0, count);
    const view = new DataView(request.buffer);
    const opcode = view.getUint32(4, true);
    const unique = view.getBigUint64(8, true);
    if (opcode === INTERRUPT) return { interrupt: view.getBigUint64(IN_HEADER, true) };
    if (opcode === FORGET || opcode === BATCH_FORGET) return true;
    let answer: Uint8Array | number = -5;
    try {
      answer = this.#answer(opcode, view);
    } finally {
      this.#reply(unique, answer);
    }
    return true;
  }

  #answer(opcode: number, view: DataView<ArrayBuffer>): Uint8Array | number {
    const node = view.getBigUint64(16, true);
    const handle = () => Number(view.getBigUint64(IN_HEADER, true));
    const access = (): Access => ({
      task: view.getUint32(32, true),
      offset: Number(view.getBigUint64(IN_HEADER + 8, true)),
      unique: view.getBigUint64(8, true),
    });
    const size = () => view.getUint32(IN_HEADER + 16, true);
    switch (opcode) {
      case INIT:
        return initialized();
      case LOOKUP: {
        const name = new TextDecoder().decode(new Uint8Array(view.buffer, IN_HEADER)).replace(/\0.*/s, "");
        return node === ROOT && name === FILE_NAME ? this.#entry() : -ERRNO.ENOENT;
      }
      case GETATTR:
        return words(104, (out) => this.#attributes(out, 16, node));
      case OPENDIR:
        return words(16, () => {});
      case OPEN: {
        const opened = ++this.#handles;
        this.#file.open(opened);
        return words(16, (out) => {
          out.setUint32(0, opened, true);
          out.setUint32(8, FOPEN_DIRECT_IO, true);
        });
      }
      case READ:
        return this.#file.read(handle(), access(), size());
      case WRITE: {
        const bytes = new Uint8Array(view.buffer, IN_HEADER + WRITE_IN, size());
        const result = this.#file.write(handle(), access(), bytes);
        return result < 0 ? result : words(8, (out) => out.setUint32(0, result, true));
      }
      case RELEASE:
        this.#file.release(handle());
        return 0;
      case RELEASEDIR:
        return 0;
      default:
        return -ENOSYS;
    }
  }

  #entry(): Uint8Array {
    return words(128, (out) => {
      out.setBigUint64(0, FILE, true);
      this.#attributes(out, 40, FILE);
    });
  }

  #attributes(out: DataView, at: number, node: bigint): void {
    out.setBigUint64(at, node, true);
    out.setUint32(at + 60, node === ROOT ? S_IFDIR | 0o755 : S_IFREG | this.#mode, true);
    out.setUint32(at + 64, 1, true);
  }

  #reply(unique: bigint, answer: Uint8Array | number): void {
    const body = typeof answer === "number" ? new Uint8Array() : answer;
    const reply = words(OUT_HEADER + body.length, (out) => {
      out.setUint32(0, OUT_HEADER + body.length, true);
      out.setInt32(4, typeof answer === "number" ? answer : 0, true);
      out.setBigUint64(8, unique, true);
    });
    reply.set(body, OUT_HEADER);
    const result = this.#calls.lguest_write(this.#fd, reply, reply.length);
    // ENOENT: whoever asked does not wait any more.
    if (result < 0 && result !== -ERRNO.ENOENT) throw new Error(`/dev/fuse refuses an answer: error ${-result}`);
  }
}

function initialized(): Uint8Array {
  return words(64, (out) => {
    out.setUint32(0, MAJOR, true);
    out.setUint32(4, MINOR, true);
    out.setUint16(16, 16, true); // requests in the background
    out.setUint16(18, 12, true);
    out.setUint32(20, MAX_WRITE, true);
    out.setUint32(24, 1, true); // nanoseconds that times are multiples of
  });
}

/** Zeros, but for what is filled in. */
function words(length: number, fill: (out: DataView) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
}
