/**
 * bzip2: Huffman codes over a move-to-front list over a Burrows-Wheeler transform over run lengths, block by block.
 * Files of several streams, one after the other, are taken too.
 *
 * @module
 */
import { allocateOutput, PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;
/** A stream's blocks hold one to nine times as much. */
const BLOCK_UNIT = 100_000;
const GROUP_SIZE = 50;
const MAX_CODE_LENGTH = 20;
const RUN_A = 0;
const RUN_B = 1;

/** A Huffman table: for each code length, the last code of it and where its symbols begin. */
interface HuffmanTable {
  readonly shortest: number;
  /** The largest code of each length, left-aligned in 20 bits; everything is at most the last. */
  readonly last: Int32Array;
  /** What to subtract from a code of each length to get an index into `symbols`. */
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
}

/** What a block is decoded in, one after the other. */
interface Scratch {
  /** Low 8 bits: the transformed bytes; the other 24: the chain of the inverse transform. */
  readonly chain: Uint32Array;
  readonly crcTable: Int32Array;
}

/**
 * Unpack a .bz2 file.
 *
 * @param data the file, with nothing after it
 * @param limit the most bytes it may unpack to
 * @returns the unpacked bytes
 * @throws {PayloadError} if the data is corrupt, or unpacks to more
 */
export function unpackBzip2(data: Uint8Array, limit: number): Uint8Array<ArrayBuffer> {
  const out = allocateOutput(limit);
  const bits = new BitReader(data);
  // One for all streams, however many short ones a bad file may have.
  const scratch = { chain: new Uint32Array(9 * BLOCK_UNIT), crcTable: makeCrcTable() };
  let outAt = 0;
  do {
    const level = bits.take(24) === 0x425a68 ? bits.take(8) - 0x30 : 0;
    if (level < 1 || level > 9) {
      throw new PayloadError("is corrupt (bzip2 header)");
    }
    let streamCrc = 0;
    let magic = bits.take(24) * 0x1000000 + bits.take(24);
    while (magic === BLOCK_MAGIC) {
      const storedCrc = bits.take(16) << 16 | bits.take(16);
      if (bits.take(1) !== 0) {
        throw new PayloadError("is corrupt (bzip2 block of a kind no longer made)");
      }
      const start = bits.take(24);
      const count = decodeBlock(bits, scratch.chain.subarray(0, level * BLOCK_UNIT));
      const { end, crc } = writeBlock(scratch, { start, count }, out, outAt);
      if (crc !== storedCrc) {
        throw new PayloadError("is corrupt (its checksum does not match)");
      }
      streamCrc = (streamCrc << 1 | streamCrc >>> 31) ^ crc;
      outAt = end;
      magic = bits.take(24) * 0x1000000 + bits.take(24);
    }
    if (magic !== END_MAGIC || (bits.take(16) << 16 | bits.take(16)) !== streamCrc) {
      throw new PayloadError("is corrupt (bzip2 block header)");
    }
    bits.align();
  } while (!bits.atEnd);
  return out.subarray(0, outAt);
}

/** Bits of a byte array, the highest first. */
class BitReader {
  readonly data: Uint8Array;
  /** The next byte. */
  at = 0;
  /** Bits taken from `data` but not yet used: the lowest {@link held} of this. */
  buffer = 0;
  held = 0;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  get atEnd(): boolean {
    return this.at >= this.data.length && this.held === 0;
  }

  /** Up to 24 bits. */
  take(count: number): number {
    while (this.held < count) {
      if (this.at >= this.data.length) {
        throw new PayloadError(TRUNCATED);
      }
      this.buffer = this.buffer << 8 | this.data[this.at++]!;
      this.held += 8;
    }
    this.held -= count;
    return this.buffer >>> this.held & (1 << count) - 1;
  }

  /** Go on at the next whole byte. */
  align(): void {
    this.held -= this.held % 8;
  }
}

/** Everything but the transform: leaves the transformed bytes in `chain` and tells how many they are. */
function decodeBlock(bits: BitReader, chain: Uint32Array): number {
  const list = readAlphabet(bits);
  const alphabet = list.length + 2;
  const groups = bits.take(3);
  const selectorCount = bits.take(15);
  if (list.length === 0 || groups < 2 || groups > 6 || selectorCount === 0) {
    throw new PayloadError("is corrupt (bzip2 block header)");
  }
  const selectors = readSelectors(bits, groups, selectorCount);
  const tables = Array.from({ length: groups }, () => readTable(bits, alphabet));
  return decodeSymbols(bits, chain, { list, selectors, tables, endSymbol: alphabet - 1 });
}

/** The bytes that occur in the block, ascending. */
function readAlphabet(bits: BitReader): Uint8Array {
  const present: number[] = [];
  const used = bits.take(16);
  for (let high = 0; high < 16; high++) {
    const row = (used & 0x8000 >>> high) !== 0 ? bits.take(16) : 0;
    for (let low = 0; low < 16; low++) {
      if ((row & 0x8000 >>> low) !== 0) {
        present.push(high << 4 | low);
      }
    }
  }
  return Uint8Array.from(present);
}

/** Which table is used for each group of 50 symbols: itself a move-to-front list. */
function readSelectors(bits: BitReader, groups: number, count: number): Uint8Array {
  const selectors = new Uint8Array(count);
  const order = [0, 1, 2, 3, 4, 5].slice(0, groups);
  for (let index = 0; index < count; index++) {
    let rank = 0;
    while (bits.take(1) === 1) {
      if (++rank >= groups) {
        throw new PayloadError("is corrupt (bzip2 selector)");
      }
    }
    const table = order[rank]!;
    order.copyWithin(1, 0, rank);
    order[0] = table;
    selectors[index] = table;
  }
  return selectors;
}

function readTable(bits: BitReader, alphabet: number): HuffmanTable {
  const lengths = new Uint8Array(alphabet);
  let length = bits.take(5);
  for (let symbol = 0; symbol < alphabet; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_LENGTH) {
        throw new PayloadError("is corrupt (bzip2 code length)");
      }
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  const last = new Int32Array(MAX_CODE_LENGTH + 1).fill(-1);
  const base = new Int32Array(MAX_CODE_LENGTH + 1);
  const symbols = new Uint16Array(alphabet);
  let code = 0;
  let index = 0;
  for (let size = 1; size <= MAX_CODE_LENGTH; size++) {
    base[size] = code - index;
    for (let symbol = 0; symbol < alphabet; symbol++) {
      if (lengths[symbol] === size) {
        symbols[index++] = symbol;
        code++;
      }
    }
    // Lengths that promise more codes than there are would make the next figures meaningless.
    if (code > 1 << size) {
      throw new PayloadError("is corrupt (bzip2 code lengths)");
    }
    last[size] = (code << (MAX_CODE_LENGTH - size)) - 1;
    code <<= 1;
  }
  return { shortest: Math.min(...lengths), last, base, symbols };
}

function decodeSymbols(
  bits: BitReader,
  chain: Uint32Array,
  { list, selectors, tables, endSymbol }: {
    list: Uint8Array;
    selectors: Uint8Array;
    tables: readonly HuffmanTable[];
    endSymbol: number;
  },
): number {
  const data = bits.data;
  let { at, buffer, held } = bits;
  let count = 0;
  let run = 0;
  let runWeight = 1;
  for (let group = 0; group < selectors.length; group++) {
    const { shortest, last, base, symbols } = tables[selectors[group]!]!;
    // Zeros are read beyond the end; a group of them is soon too much.
    if (at > data.length + 8) {
      throw new PayloadError(TRUNCATED);
    }
    for (let index = 0; index < GROUP_SIZE; index++) {
      while (held < MAX_CODE_LENGTH) {
        buffer = buffer << 8 | (at < data.length ? data[at]! : 0);
        at++;
        held += 8;
      }
      const window = buffer >>> (held - MAX_CODE_LENGTH) & (1 << MAX_CODE_LENGTH) - 1;
      let size = shortest;
      while (size <= MAX_CODE_LENGTH && window > last[size]!) size++;
      if (size > MAX_CODE_LENGTH) {
        throw new PayloadError("is corrupt (bzip2 code)");
      }
      held -= size;
      const symbol = symbols[(window >>> (MAX_CODE_LENGTH - size)) - base[size]!]!;

      if (symbol <= RUN_B) {
        // Runs of the list's first byte, their lengths in bijective base 2.
        run += symbol === RUN_A ? runWeight : runWeight * 2;
        runWeight *= 2;
        if (run > chain.length) {
          throw new PayloadError("is corrupt (bzip2 run)");
        }
        continue;
      }
      if (run > 0) {
        if (run > chain.length - count) {
          throw new PayloadError("is corrupt (bzip2 run)");
        }
        chain.fill(list[0]!, count, count + run);
        count += run;
        run = 0;
        runWeight = 1;
      }
      if (symbol === endSymbol) {
        // Give back whole bytes, so that none beyond the end seems to have been read.
        while (held >= 8) {
          held -= 8;
          at--;
        }
        if (at > data.length) {
          throw new PayloadError(TRUNCATED);
        }
        bits.at = at;
        bits.held = held;
        bits.buffer = held > 0 ? data[at - 1]! : 0;
        return count;
      }
      if (count >= chain.length) {
        throw new PayloadError("is corrupt (bzip2 block size)");
      }
      let rank = symbol - 1;
      const byte = list[rank]!;
      for (; rank > 0; rank--) list[rank] = list[rank - 1]!;
      list[0] = byte;
      chain[count++] = byte;
    }
  }
  throw new PayloadError("is corrupt (bzip2 block end)");
}

/** Undo the transform and the run lengths, and sum what comes out. */
function writeBlock(
  { chain, crcTable }: Scratch,
  { start, count }: { start: number; count: number },
  out: Uint8Array,
  outStart: number,
): { end: number; crc: number } {
  if (start >= count) {
    throw new PayloadError("is corrupt (bzip2 block start)");
  }
  const next = new Int32Array(256);
  for (let index = 0; index < count; index++) next[chain[index]! & 0xff]!++;
  for (let byte = 0, sum = 0; byte < 256; byte++) {
    const occurrences = next[byte]!;
    next[byte] = sum;
    sum += occurrences;
  }
  for (let index = 0; index < count; index++) {
    const byte = chain[index]! & 0xff;
    chain[next[byte]!++]! |= index << 8;
  }

  let crc = -1;
  let outAt = outStart;
  let link = chain[start]! >>> 8;
  let previous = -1;
  let repeated = 0;
  for (let index = 0; index < count; index++) {
    const entry = chain[link]!;
    link = entry >>> 8;
    const byte = entry & 0xff;
    if (repeated === 4) {
      // Four equal bytes are followed by how many more there are.
      if (byte > out.length - outAt) {
        throw new PayloadError(TOO_LONG);
      }
      for (const end = outAt + byte; outAt < end; outAt++) {
        out[outAt] = previous;
        crc = crc << 8 ^ crcTable[crc >>> 24 ^ previous]!;
      }
      repeated = 0;
      previous = -1;
      continue;
    }
    repeated = byte === previous ? repeated + 1 : 1;
    previous = byte;
    if (outAt >= out.length) {
      throw new PayloadError(TOO_LONG);
    }
    out[outAt++] = byte;
    crc = crc << 8 ^ crcTable[crc >>> 24 ^ byte]!;
  }
  return { end: outAt, crc: ~crc };
}

/** CRC-32 with the highest bit first. */
function makeCrcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, index) => {
    let crc = index << 24;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc << 1 ^ (crc >> 31 & 0x04c11db7);
    }
    return crc;
  });
}
