/**
 * Zstandard, through `node:zlib`.
 *
 * @module
 */
import { guardZlib, nodeZlib } from "./node_zlib.ts";

/**
 * Unpack a zstd file. Input that is cut off at a block's end is not noticed: the caller compares sizes.
 *
 * @param data the file, with nothing after it
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackZstd(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  return guardZlib(() => nodeZlib().zstdDecompressSync(data, { maxOutputLength: Math.max(limit, 1) }));
}
