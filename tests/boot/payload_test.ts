import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { BootError } from "../../lib/boot/error.ts";
import { identifyPayload, PAYLOAD_FORMATS, unpackPayload } from "../../lib/boot/payload/mod.ts";
import { sample } from "./_fixtures.ts";
import { PACKED_SAMPLES, SAMPLE_SIZE } from "./_packed_samples.ts";

/** Commands that pack standard input, by format: as the kernel's build calls them, and otherwise. */
const COMPRESSORS: readonly (readonly [format: string, command: string, ...args: string[]])[] = [
  ["xz", "xz", "--check=crc32", "--x86", "--lzma2=dict=1MiB"],
  ["xz", "xz", "--check=crc64", "--block-size=100000", "-1"],
  ["xz", "xz", "--check=none", "--lzma2=lc=0,lp=2,pb=0"],
  ["lzma", "xz", "--format=lzma", "-9"],
  ["lzo", "lzop", "-9"],
  ["lzo", "lzop", "-1", "--crc32"],
  ["lz4", "lz4", "-l", "-9"],
  ["lz4", "lz4", "-l", "-1"],
  ["bzip2", "bzip2", "-9"],
  ["bzip2", "bzip2", "-1"],
  ["zstd", "zstd", "-19"],
  ["gzip", "gzip", "-9"],
];

const canRun = Deno.permissions.querySync({ name: "run" }).state === "granted";

function unpackAny(data: Uint8Array, limit: number): Uint8Array {
  const format = identifyPayload(data);
  assert(format !== undefined);
  return unpackPayload(format, data, { limit, owner: 'Kernel "k"' });
}

/** Unpack bad data: an error of ours, or bytes within the bound. Anything else fails the test. */
function unpackBad(data: Uint8Array, limit: number): void {
  for (const { name, unpack } of PAYLOAD_FORMATS.filter(({ magic }) => magic.every((byte, at) => data[at] === byte))) {
    try {
      const { length } = unpack(data, limit);
      assert(length <= limit, `${name} made ${length} bytes, allowed were ${limit}`);
    } catch (error) {
      assert(error instanceof BootError, `${name} threw ${error}`);
    }
  }
}

for (const { made, format, data } of PACKED_SAMPLES) {
  Deno.test(`unpackPayload() unpacks what ${made} packed`, () => {
    assertEquals(identifyPayload(data)?.name, format);
    assertEquals(unpackAny(data, SAMPLE_SIZE), sample(SAMPLE_SIZE));
  });

  Deno.test(`unpackPayload() stays within its limit with what ${made} packed`, () => {
    for (const limit of [0, 1, SAMPLE_SIZE / 2, SAMPLE_SIZE - 1]) {
      assertThrows(() => unpackAny(data, limit), BootError, "unpacks to more than it may");
    }
  });

  Deno.test(`unpackPayload() survives every truncation of what ${made} packed`, () => {
    for (let length = 0; length < data.length; length++) {
      unpackBad(data.subarray(0, length), SAMPLE_SIZE);
    }
  });

  Deno.test(`unpackPayload() survives damage to what ${made} packed`, () => {
    const damage = fc.array(fc.tuple(fc.nat(data.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bad = data.slice();
        for (const [at, byte] of changes) {
          bad[at] = byte;
        }
        unpackBad(bad, SAMPLE_SIZE + 100);
      }),
      { numRuns: 400 },
    );
  });
}

Deno.test("unpackPayload() survives noise behind every magic number", () => {
  const magics = fc.constantFrom(...PAYLOAD_FORMATS.map(({ magic }) => magic));
  fc.assert(
    fc.property(magics, fc.uint8Array({ maxLength: 300 }), (magic, noise) => {
      unpackBad(Uint8Array.from([...magic, ...noise]), 10_000);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("unpackPayload() notices any flipped bit where the format has a checksum", () => {
  const summed = PACKED_SAMPLES.filter(({ format }) => ["xz", "bzip2", "gzip"].includes(format));
  for (const { format, data } of summed) {
    const wanted = sample(SAMPLE_SIZE);
    for (let bit = 0; bit < data.length * 8; bit += 5) {
      const bad = data.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      let result: Uint8Array | undefined;
      try {
        result = PAYLOAD_FORMATS.find(({ name }) => name === format)!.unpack(bad, SAMPLE_SIZE);
      } catch (error) {
        assert(error instanceof BootError);
      }
      // Some bits mean nothing to the data: a time, an operating system.
      assert(result === undefined || result.every((byte, at) => byte === wanted[at]), `${format} bit ${bit}`);
    }
  }
});

Deno.test("unpackPayload() tells the owner, the format and what is wrong", () => {
  const { data } = PACKED_SAMPLES[0]!;
  assertThrows(
    () => unpackAny(data.subarray(0, 100), SAMPLE_SIZE),
    BootError,
    'Kernel "k": its xz data ends too early; is the file damaged?',
  );
});

Deno.test("unpackPayload() unpacks any gzip and zstd data", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (data) => {
      assertEquals(unpackAny(new Uint8Array(gzipSync(data)), data.length), data);
      assertEquals(unpackAny(new Uint8Array(zstdCompressSync(data)), data.length), data);
    }),
    { numRuns: 50 },
  );
});

for (const [format, command, ...args] of COMPRESSORS) {
  const missing = !canRun || !isInstalled(command);
  Deno.test({
    name: `unpackPayload() unpacks what ${[command, ...args].join(" ")} packs`,
    ignore: missing,
    fn: async () => {
      for (const size of [1, 17, 70_000, 1_300_000]) {
        // Half of it hardly compressible, as code is; the end a long run.
        const data = sample(size);
        crypto.getRandomValues(data.subarray(size >> 2, Math.min(size >> 1, (size >> 2) + 65536)));
        // And what confuses the branch filter most: opcodes within operands of opcodes.
        const codes = data.subarray(size >> 1, Math.min(size - (size >> 3), (size >> 1) + 65536));
        crypto.getRandomValues(codes);
        codes.forEach((byte, at) => codes[at] = [0xe8, 0xe9, 0, 0xff, 0x12][byte % 5]!);
        data.fill(0, size - (size >> 3));
        const packed = await pack(command, args, data);
        assertEquals(identifyPayload(packed)?.name, format);
        const unpacked = unpackAny(packed, size);
        assert(unpacked.length === size && unpacked.every((byte, at) => byte === data[at]));
      }
    },
  });
}

function isInstalled(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

async function pack(command: string, args: string[], data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const child = new Deno.Command(command, { args: [...args, "-c"], stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(data);
  await writer.close();
  return (await output).stdout;
}
