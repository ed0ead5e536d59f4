/**
 * The old .lzma file ("LZMA alone"): thirteen bytes of header, then one range-coded run. It has no checksum. Read
 * `lzma_core.ts` next.
 *
 * @module
 */
import { allocateOutput, PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";
import { INPUT_SLACK, LzmaDecoder, parseProperties } from "./lzma_core.ts";

const HEADER_SIZE = 13;
const SIZE_UNKNOWN = 2n ** 64n - 1n;

/**
 * Unpack a .lzma file.
 *
 * @param data the file
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackLzma(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  if (data.length < HEADER_SIZE) {
    throw new PayloadError(TRUNCATED);
  }
  const size = new DataView(data.buffer, data.byteOffset, data.byteLength).getBigUint64(5, true);
  const sized = size !== SIZE_UNKNOWN;
  if (sized && size > BigInt(limit)) {
    throw new PayloadError(TOO_LONG);
  }
  const properties = parseProperties(data[0]!);
  const src = new Uint8Array(data.length - HEADER_SIZE + INPUT_SLACK);
  src.set(data.subarray(HEADER_SIZE));
  // A file without a size ends with a marker, which the decoder only looks for while there is room for more.
  const out = allocateOutput(sized ? Number(size) : limit + 1);
  const decoder = new LzmaDecoder(out);
  decoder.reset(properties);
  const end = decoder.decode(src, 0, src.length - INPUT_SLACK, 0, out.length);
  if (!sized && !decoder.sawEndMarker) {
    throw new PayloadError(TOO_LONG);
  }
  if (sized ? end !== out.length : !decoder.clean) {
    throw new PayloadError("is corrupt (LZMA end)");
  }
  return out.subarray(0, end);
}
