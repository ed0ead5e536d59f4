/**
 * Compressed data in, plain data out: what a bzImage carries, or a compressed vmlinux. Each format has a file of its
 * own with one function, `(data, limit) -> bytes`, which never loops, reads past its input or makes more than `limit`
 * bytes, whatever the input. Kernels are mostly xz, zstd, gzip or lz4: read `xz.ts` and `lzma_core.ts` first.
 *
 * @module
 */
import { BootError } from "../error.ts";
import { unpackBzip2 } from "./bzip2.ts";
import { PayloadError } from "./error.ts";
import { unpackGzip } from "./gzip.ts";
import { unpackLz4 } from "./lz4.ts";
import { unpackLzma } from "./lzma.ts";
import { unpackLzo } from "./lzo.ts";
import { unpackXz } from "./xz.ts";
import { unpackZstd } from "./zstd.ts";

/** A compression that Linux kernels use. */
export interface PayloadFormat {
  /** Its name, for messages. */
  readonly name: string;
  /** What such data begins with. */
  readonly magic: readonly number[];
  /** Unpack `data` to at most `limit` bytes, or throw a {@link BootError}. */
  readonly unpack: (data: Uint8Array, limit: number) => Uint8Array<ArrayBuffer>;
}

/** All formats; the magic numbers are those of Linux lib/decompress.c. */
export const PAYLOAD_FORMATS: readonly PayloadFormat[] = [
  { name: "xz", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], unpack: unpackXz },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: unpackZstd },
  { name: "gzip", magic: [0x1f, 0x8b], unpack: unpackGzip },
  { name: "lz4", magic: [0x02, 0x21, 0x4c, 0x18], unpack: unpackLz4 },
  { name: "lzo", magic: [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a], unpack: unpackLzo },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68], unpack: unpackBzip2 },
  { name: "lzma", magic: [0x5d, 0x00, 0x00], unpack: unpackLzma },
];

/**
 * Tell by its first bytes how data is compressed.
 *
 * @param data anything
 * @returns the format, or `undefined` if it is none of ours
 */
export function identifyPayload(data: Uint8Array): PayloadFormat | undefined {
  return PAYLOAD_FORMATS.find(({ magic }) => magic.every((byte, index) => data[index] === byte));
}

/**
 * Unpack data and name its owner if it is bad.
 *
 * @param format from {@link identifyPayload}
 * @param data the compressed data, without anything appended to it
 * @param options `limit`: the most bytes it may unpack to; `owner`: what to call it, such as `Kernel "vmlinuz"`
 * @returns the unpacked bytes
 * @throws {BootError} if it is corrupt or too long
 */
export function unpackPayload(
  format: PayloadFormat,
  data: Uint8Array,
  { limit, owner }: { limit: number; owner: string },
): Uint8Array<ArrayBuffer> {
  try {
    return format.unpack(data, limit);
  } catch (error) {
    if (error instanceof PayloadError) {
      throw new BootError(`${owner}: its ${format.name} data ${error.message}; is the file damaged?`, { cause: error });
    }
    throw error;
  }
}
