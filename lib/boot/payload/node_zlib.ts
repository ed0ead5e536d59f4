/**
 * The zlib and zstd that Deno brings along, loaded when first needed: importing `node:zlib` costs more than ten
 * milliseconds of start-up, and most runs do not need it.
 *
 * @module
 */
import type * as Crypto from "node:crypto";
import type * as Zlib from "node:zlib";
import { PayloadError, TOO_LONG } from "./error.ts";

/**
 * @returns the module `node:zlib`
 */
export function nodeZlib(): typeof Zlib {
  return globalThis.process.getBuiltinModule("node:zlib");
}

/**
 * CRC-32 as gzip, xz and bzip2's cousins use it.
 *
 * @param bytes what to sum
 * @returns an unsigned 32-bit number
 */
export function crc32(bytes: Uint8Array): number {
  return nodeZlib().crc32(bytes) >>> 0;
}

/**
 * Run one of `node:zlib`'s synchronous decompressors and put its errors into ours.
 *
 * @param unpack what to run
 * @returns its output
 * @throws {PayloadError} whatever it threw
 */
export function guardZlib(unpack: () => Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    const { buffer, byteOffset, length } = unpack();
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw new PayloadError(TOO_LONG);
    }
    throw new PayloadError(`is corrupt (${message ?? "unknown error"})`);
  }
}

/**
 * @returns the module `node:crypto`
 */
export function nodeCrypto(): typeof Crypto {
  return globalThis.process.getBuiltinModule("node:crypto");
}
