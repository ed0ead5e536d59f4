/**
 * gzip, through `node:zlib`.
 *
 * @module
 */
import { PayloadError } from "./error.ts";
import { guardZlib, nodeZlib } from "./node_zlib.ts";

/**
 * Unpack a gzip file.
 *
 * @param data the file, with nothing after it
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackGzip(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  if (data.length < 18) {
    throw new PayloadError("ends too early");
  }
  // The last word is the size modulo 2^32: one piece of that size spares joining many. It is only a hint, checked by
  // zlib in the end, and never worth more than the limit.
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const hint = Math.min(view.getUint32(data.length - 4, true), limit);
  return guardZlib(() => {
    return nodeZlib().gunzipSync(data, { maxOutputLength: Math.max(limit, 1), chunkSize: Math.max(hint, 65536) });
  });
}
