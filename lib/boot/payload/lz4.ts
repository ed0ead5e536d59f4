/**
 * LZ4 in the legacy frame that `lz4 -l` and the kernel's build make: a magic number, then blocks of at most 8 MiB, each
 * behind its packed size. It has no checksum and no end mark.
 *
 * @module
 */
import { allocateOutput, PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";

const MAGIC = 0x184c2102;
const BLOCK_LIMIT = 8 << 20;

/** From here on the built-in copy is faster than a loop. */
const LONG_COPY = 32;

/**
 * Unpack a legacy LZ4 file.
 *
 * @param data the file, with nothing after it
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackLz4(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const starts: { start: number; end: number }[] = [];
  let at = 0;
  while (at < data.length) {
    if (at + 4 > data.length) {
      throw new PayloadError(TRUNCATED);
    }
    const size = view.getUint32(at, true);
    at += 4;
    // Frames may be joined, each with its magic.
    if (size === MAGIC) {
      continue;
    }
    if (at + size > data.length) {
      throw new PayloadError(TRUNCATED);
    }
    starts.push({ start: at, end: at + size });
    at += size;
  }
  const out = allocateOutput(Math.min(limit, starts.length * BLOCK_LIMIT));
  let outAt = 0;
  for (const { start, end } of starts) {
    outAt = unpackBlock(data.subarray(start, end), out, outAt);
  }
  return out.subarray(0, outAt);
}

/** One block: sequences of literals and a match, whose distances stay within the block. */
function unpackBlock(src: Uint8Array, out: Uint8Array, outStart: number): number {
  const srcEnd = src.length;
  const outEnd = Math.min(out.length, outStart + BLOCK_LIMIT);
  let at = 0;
  let outAt = outStart;
  while (at < srcEnd) {
    const token = src[at++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let byte = 255;
      while (byte === 255 && at < srcEnd) {
        byte = src[at++]!;
        literals += byte;
      }
    }
    if (literals > srcEnd - at) {
      throw new PayloadError(TRUNCATED);
    }
    if (literals > outEnd - outAt) {
      throw new PayloadError(TOO_LONG);
    }
    if (literals < LONG_COPY) {
      for (const end = at + literals; at < end;) out[outAt++] = src[at++]!;
    } else {
      out.set(src.subarray(at, at + literals), outAt);
      at += literals;
      outAt += literals;
    }
    // The last sequence is literals only.
    if (at === srcEnd) {
      return outAt;
    }
    if (at + 2 > srcEnd) {
      throw new PayloadError(TRUNCATED);
    }
    const distance = src[at]! | src[at + 1]! << 8;
    at += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      let byte = 255;
      while (byte === 255 && at < srcEnd) {
        byte = src[at++]!;
        length += byte;
      }
    }
    if (distance === 0 || distance > outAt - outStart) {
      throw new PayloadError("is corrupt (a match reaches before its beginning)");
    }
    if (length > outEnd - outAt) {
      throw new PayloadError(TOO_LONG);
    }
    const from = outAt - distance;
    if (length < LONG_COPY || distance < length) {
      for (let index = 0; index < length; index++) out[outAt + index] = out[from + index]!;
    } else {
      out.copyWithin(outAt, from, from + length);
    }
    outAt += length;
  }
  throw new PayloadError(TRUNCATED);
}
