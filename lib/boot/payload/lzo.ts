/**
 * LZO in the container of `lzop`, as the kernel's build uses it: a header, then blocks of LZO1X data, each behind its
 * sizes and a checksum. The byte codes are described in Linux Documentation/staging/lzo.rst.
 *
 * @module
 */
import { allocateOutput, PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";
import { crc32 } from "./node_zlib.ts";

const MAGIC_SIZE = 9;

// Header flags: which checksums there are (of the unpacked data, of the packed data), and whether a filter was used.
const ADLER32_UNPACKED = 0x1;
const ADLER32_PACKED = 0x2;
const CRC32_UNPACKED = 0x100;
const CRC32_PACKED = 0x200;
const HAS_FILTER = 0x800;

interface Block {
  readonly start: number;
  readonly packed: number;
  readonly unpacked: number;
  readonly adler32: number | undefined;
  readonly crc32: number | undefined;
}

/**
 * Unpack an lzop file.
 *
 * @param data the file
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackLzo(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  const blocks = listBlocks(data);
  const total = blocks.reduce((sum, { unpacked }) => sum + unpacked, 0);
  if (total > limit) {
    throw new PayloadError(TOO_LONG);
  }
  const out = allocateOutput(total);
  let outAt = 0;
  for (const { start, packed, unpacked, ...sums } of blocks) {
    const src = data.subarray(start, start + packed);
    const dst = out.subarray(outAt, outAt + unpacked);
    if (packed === unpacked) {
      dst.set(src);
    } else {
      unpackBlock(src, dst);
    }
    const adlerWrong = sums.adler32 !== undefined && sums.adler32 !== adler32(dst);
    if (adlerWrong || (sums.crc32 !== undefined && sums.crc32 !== crc32(dst))) {
      throw new PayloadError("is corrupt (its checksum does not match)");
    }
    outAt += unpacked;
  }
  return out;
}

function listBlocks(data: Uint8Array): Block[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = MAGIC_SIZE;
  const skip = (count: number) => {
    at += count;
    if (at > data.length) {
      throw new PayloadError(TRUNCATED);
    }
    return at - count;
  };
  const word = () => view.getUint32(skip(4), false);

  const version = view.getUint16(skip(2), false);
  const isRecent = version >= 0x940;
  // The library's version, the version needed, the method, the level.
  skip(2 + (isRecent ? 2 : 0) + 1 + (isRecent ? 1 : 0));
  const flags = word();
  // The filter, the mode, the time, the name with its length, the checksum of the header.
  skip(((flags & HAS_FILTER) !== 0 ? 4 : 0) + 8 + (isRecent ? 4 : 0));
  skip(data[skip(1)]! + 4);

  const blocks: Block[] = [];
  for (let unpacked = word(); unpacked !== 0; unpacked = word()) {
    const packed = word();
    if (packed === 0 || packed > unpacked) {
      throw new PayloadError("is corrupt (LZO block size)");
    }
    const adler32 = (flags & ADLER32_UNPACKED) !== 0 ? word() : undefined;
    const crc32 = (flags & CRC32_UNPACKED) !== 0 ? word() : undefined;
    if (packed < unpacked) {
      skip(((flags & ADLER32_PACKED) !== 0 ? 4 : 0) + ((flags & CRC32_PACKED) !== 0 ? 4 : 0));
    }
    blocks.push({ start: skip(packed), packed, unpacked, adler32, crc32 });
  }
  return blocks;
}

/** One block, which must fill `out` exactly. */
function unpackBlock(src: Uint8Array, out: Uint8Array): void {
  const srcEnd = src.length;
  const outEnd = out.length;
  let at = 0;
  let outAt = 0;
  // How many literals the last code brought along: 0 to 3 after a match, 4 for more.
  let state = 0;

  if (srcEnd > 0 && src[0]! > 17) {
    const literals = src[0]! - 17;
    at = 1;
    if (literals > srcEnd - at || literals > outEnd) {
      throw new PayloadError("is corrupt (LZO literals)");
    }
    for (const end = at + literals; at < end;) out[outAt++] = src[at++]!;
    state = Math.min(literals, 4);
  }
  while (at < srcEnd) {
    const code = src[at++]!;
    let length = 0;
    let distance = 0;
    let literals = code & 3;
    // The shortest code that gives its length in bytes of its own is one of 15, 31 or 7, here the mask of its bits.
    const mask = code >= 64 ? 0 : code >= 32 ? 31 : code >= 16 ? 7 : state === 0 ? 15 : 0;
    if (mask !== 0) {
      length = code & mask;
      if (length === 0) {
        length = mask;
        while (at < srcEnd && src[at] === 0) {
          at++;
          length += 255;
        }
        length += src[at++] ?? 0;
      }
    }
    if (mask === 15) {
      literals = length + 3;
      length = 0;
      state = 4;
    } else {
      // Every match code has one byte of distance at least.
      if (at >= srcEnd) {
        throw new PayloadError(TRUNCATED);
      }
      if (code >= 64) {
        length = (code >>> 5) + 1;
        distance = (src[at++]! << 3) + (code >>> 2 & 7) + 1;
      } else if (code >= 16) {
        if (at + 2 > srcEnd) {
          throw new PayloadError(TRUNCATED);
        }
        const pair = src[at]! | src[at + 1]! << 8;
        at += 2;
        length += 2;
        literals = pair & 3;
        distance = (pair >>> 2) + (code >= 32 ? 1 : 16384 + ((code & 8) << 11));
        if (distance === 16384 && code < 32) {
          if (outAt !== outEnd || at !== srcEnd) {
            throw new PayloadError("is corrupt (LZO block end)");
          }
          return;
        }
      } else {
        length = state === 4 ? 3 : 2;
        distance = (src[at++]! << 2) + (code >>> 2) + (state === 4 ? 2049 : 1);
      }
      state = literals;
    }
    if (distance > outAt) {
      throw new PayloadError("is corrupt (a match reaches before its beginning)");
    }
    if (length + literals > outEnd - outAt) {
      throw new PayloadError(TOO_LONG);
    }
    if (literals > srcEnd - at) {
      throw new PayloadError(TRUNCATED);
    }
    for (const end = outAt + length; outAt < end; outAt++) out[outAt] = out[outAt - distance]!;
    for (const end = at + literals; at < end;) out[outAt++] = src[at++]!;
  }
  throw new PayloadError(TRUNCATED);
}

function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let start = 0; start < bytes.length; start += 5552) {
    // So many bytes cannot overflow 32 bits before the remainder is taken.
    const end = Math.min(start + 5552, bytes.length);
    for (let at = start; at < end; at++) {
      low += bytes[at]!;
      high += low;
    }
    low %= 65521;
    high %= 65521;
  }
  return (high << 16 | low) >>> 0;
}
