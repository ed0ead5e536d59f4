/**
 * The .xz container (file format 1.2.1): blocks of LZMA2 data, perhaps behind the x86 branch filter. Linux kernels
 * come as one stream of one block with a CRC-32. Read `lzma_core.ts` next.
 *
 * @module
 */
import { undoBcjX86 } from "./bcj_x86.ts";
import { allocateOutput, PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";
import { INPUT_SLACK, LzmaDecoder, parseProperties } from "./lzma_core.ts";
import { crc32, nodeCrypto } from "./node_zlib.ts";
import { crc64 } from "./crc64.ts";

/** What an .xz file begins with. */
export const XZ_MAGIC: readonly number[] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

const STREAM_HEADER_SIZE = 12;
const STREAM_FOOTER_SIZE = 12;

/** Check types (section 2.1.1.2) and their sizes in bytes. */
const CHECK_CRC32 = 1;
const CHECK_CRC64 = 4;
const CHECK_SHA256 = 10;
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

/** Filter identifiers (section 5.3). */
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;

interface BlockHeader {
  readonly dataStart: number;
  readonly uncompressedSize: number | undefined;
  /** Where the x86 filter starts counting, if there is one. */
  readonly x86Start: number | undefined;
}

/**
 * Unpack the first stream of an .xz file. What follows it is not looked at.
 *
 * @param data the file
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackXz(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  if (data.length < STREAM_HEADER_SIZE + STREAM_FOOTER_SIZE) {
    throw new PayloadError(TRUNCATED);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data[6] !== 0 || (data[7]! & 0xf0) !== 0 || crc32(data.subarray(6, 8)) !== view.getUint32(8, true)) {
    throw new PayloadError("is corrupt (xz stream header)");
  }
  const check = data[7]!;
  const out = allocateOutput(limit);
  let at = 0;
  let outAt = 0;
  let blocks = 0;
  for (at = STREAM_HEADER_SIZE; data[at] !== 0; blocks++) {
    if (at >= data.length) {
      throw new PayloadError(TRUNCATED);
    }
    const header = parseBlockHeader(data, at);
    const decoded = decodeLzma2(data, header.dataStart, out, outAt);
    const block = out.subarray(outAt, decoded.outEnd);
    if (header.uncompressedSize !== undefined && header.uncompressedSize !== block.length) {
      throw new PayloadError("is corrupt (xz block size)");
    }
    if (header.x86Start !== undefined) {
      undoBcjX86(block, header.x86Start);
    }
    at = decoded.srcEnd + 3 & ~3;
    const checkEnd = at + CHECK_SIZES[check]!;
    if (checkEnd > data.length) {
      throw new PayloadError(TRUNCATED);
    }
    if (!verifyCheck(check, block, data.subarray(at, checkEnd))) {
      throw new PayloadError("is corrupt (its checksum does not match)");
    }
    at = checkEnd;
    outAt = decoded.outEnd;
  }
  checkIndex(data, at, { blocks, bytes: outAt });
  return out.subarray(0, outAt);
}

/** Section 3.1. */
function parseBlockHeader(data: Uint8Array, start: number): BlockHeader {
  const end = start + (data[start]! + 1) * 4;
  if (end > data.length) {
    throw new PayloadError(TRUNCATED);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (crc32(data.subarray(start, end - 4)) !== view.getUint32(end - 4, true)) {
    throw new PayloadError("is corrupt (xz block header)");
  }
  const reader = new VariableReader(data, start + 2, end - 4);
  const flags = data[start + 1]!;
  if ((flags & 0x3c) !== 0) {
    throw new PayloadError("uses an unknown xz feature");
  }
  if ((flags & 0x40) !== 0) {
    reader.next();
  }
  const uncompressedSize = (flags & 0x80) !== 0 ? reader.next() : undefined;
  let x86Start: number | undefined;
  const filters = (flags & 3) + 1;
  for (let filter = 1; filter <= filters; filter++) {
    const id = reader.next();
    const properties = reader.take(reader.next());
    if (id === FILTER_LZMA2 && filter === filters && properties.length === 1) {
      continue;
    }
    if (id === FILTER_X86 && filter === 1 && filters === 2 && (properties.length === 0 || properties.length === 4)) {
      const [a = 0, b = 0, c = 0, d = 0] = properties;
      x86Start = a | b << 8 | c << 16 | d << 24;
      continue;
    }
    throw new PayloadError(`uses the xz filter 0x${id.toString(16)}, which is not supported here`);
  }
  return { dataStart: end, uncompressedSize, x86Start };
}

/** Decode chunks up to the end marker of the LZMA2 stream. */
function decodeLzma2(
  data: Uint8Array,
  start: number,
  out: Uint8Array,
  outStart: number,
): { srcEnd: number; outEnd: number } {
  const decoder = new LzmaDecoder(out);
  let at = start;
  let outAt = outStart;
  // What the chunks so far leave undone: the first must reset the dictionary, the first of LZMA the properties.
  let needDictionary = true;
  let needProperties = true;
  let needState = true;
  for (;;) {
    const control = data[at++];
    if (control === undefined || at + 6 > data.length) {
      throw new PayloadError(TRUNCATED);
    }
    if (control === 0) {
      return { srcEnd: at, outEnd: outAt };
    }
    if (control === 1 || control >= 0xe0) {
      decoder.dictionaryStart = outAt;
      needDictionary = false;
      needProperties = true;
    }
    if (needDictionary || (control > 2 && control < 0x80)) {
      throw new PayloadError("is corrupt (LZMA2 control byte)");
    }
    if (control < 0x80) {
      const size = (data[at]! << 8 | data[at + 1]!) + 1;
      at += 2;
      checkRoom(data, at + size, out, outAt + size);
      out.set(data.subarray(at, at + size), outAt);
      at += size;
      outAt += size;
      continue;
    }
    const size = ((control & 0x1f) << 16 | data[at]! << 8 | data[at + 1]!) + 1;
    const packed = (data[at + 2]! << 8 | data[at + 3]!) + 1;
    at += 4;
    if (control >= 0xc0) {
      const properties = parseProperties(data[at++]!);
      if (properties.lc + properties.lp > 4) {
        throw new PayloadError("is corrupt (LZMA2 properties)");
      }
      decoder.reset(properties);
      needProperties = needState = false;
    } else if (control >= 0xa0 && !needProperties) {
      decoder.reset();
      needState = false;
    }
    if (needProperties || needState) {
      throw new PayloadError("is corrupt (LZMA2 control byte)");
    }
    checkRoom(data, at + packed, out, outAt + size);
    outAt = decodeChunk(decoder, data.subarray(at), packed, { outAt, size });
    at += packed;
  }
}

function checkRoom(data: Uint8Array, end: number, out: Uint8Array, outEnd: number): void {
  if (end > data.length) {
    throw new PayloadError(TRUNCATED);
  }
  if (outEnd > out.length) {
    throw new PayloadError(TOO_LONG);
  }
}

function decodeChunk(
  decoder: LzmaDecoder,
  rest: Uint8Array,
  packed: number,
  { outAt, size }: { outAt: number; size: number },
): number {
  let src = rest;
  if (packed + INPUT_SLACK > rest.length) {
    src = new Uint8Array(packed + INPUT_SLACK);
    src.set(rest.subarray(0, packed));
  }
  const end = decoder.decode(src, 0, packed, outAt, outAt + size);
  if (end !== outAt + size || decoder.inputEnd !== packed || !decoder.clean) {
    throw new PayloadError("is corrupt (LZMA2 chunk)");
  }
  return end;
}

/** Section 4: the index repeats how many blocks there were and how many bytes they held. */
function checkIndex(data: Uint8Array, start: number, found: { blocks: number; bytes: number }): void {
  const reader = new VariableReader(data, start + 1, data.length);
  const blocks = reader.next();
  if (blocks !== found.blocks) {
    throw new PayloadError("is corrupt (xz index)");
  }
  let bytes = 0;
  for (let block = 0; block < blocks; block++) {
    reader.next();
    bytes += reader.next();
  }
  const end = start + (reader.at - start + 3 & ~3);
  if (end + 4 + STREAM_FOOTER_SIZE > data.length) {
    throw new PayloadError(TRUNCATED);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (bytes !== found.bytes || crc32(data.subarray(start, end)) !== view.getUint32(end, true)) {
    throw new PayloadError("is corrupt (xz index)");
  }
}

function verifyCheck(check: number, block: Uint8Array, stored: Uint8Array): boolean {
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  switch (check) {
    case CHECK_CRC32:
      return crc32(block) === view.getUint32(0, true);
    case CHECK_CRC64:
      return crc64(block) === view.getBigUint64(0, true);
    case CHECK_SHA256: {
      const digest = nodeCrypto().createHash("sha256").update(block).digest();
      return digest.every((byte, index) => byte === stored[index]);
    }
    default:
      // No check, or one that nobody has defined yet: the specification allows to go without.
      return true;
  }
}

/** Reads xz's numbers of variable length (section 1.2), 7 bits a byte. */
class VariableReader {
  readonly #data: Uint8Array;
  readonly #end: number;
  /** Where the next number begins. */
  at: number;

  constructor(data: Uint8Array, start: number, end: number) {
    this.#data = data;
    this.at = start;
    this.#end = end;
  }

  next(): number {
    let value = 0;
    // Sizes that do not fit a double exactly are as wrong as any other that does not match.
    for (let weight = 1; this.at < this.#end && weight < 2 ** 63; weight *= 128) {
      const byte = this.#data[this.at++]!;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) {
        return value;
      }
    }
    throw new PayloadError("is corrupt (xz number)");
  }

  take(length: number): Uint8Array {
    if (length > this.#end - this.at) {
      throw new PayloadError("is corrupt (xz filter properties)");
    }
    this.at += length;
    return this.#data.subarray(this.at - length, this.at);
  }
}
