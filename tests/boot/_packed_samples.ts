/**
 * `sample(1500)` as each compressor packs it, so that no compressor is needed to test the unpackers.
 *
 * @module
 */

/** One packed sample. */
export interface PackedSample {
  /** The command that made it. */
  readonly made: string;
  /** The format it is to be recognized as. */
  readonly format: string;
  /** The packed bytes. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Size of the sample that was packed. */
export const SAMPLE_SIZE = 1500;

/** One of each format, and of each kind of checksum. */
export const PACKED_SAMPLES: readonly PackedSample[] = [
  {
    made: "xz --check=crc32 --x86 --lzma2=preset=9e",
    format: "xz",
    data: Uint8Array.fromBase64(
      "/Td6WFoAAAFpIt42AgEEACEBHACHbtrl4AXbAMhdAGMfjC6AYwNf6JdlOLttzT3YzGzZ2Y4W21N48wAJ/u/LA28welQ23Ett/llc" +
        "KmKnL2nJlNsgrA5huo+y4jfT+2uQkGO7DgGL4g5W2/+azB0NIOftk0+CAgDn8rnyffEXYgDkV4CA5xhO7VXIOWvtY2igTnSNLLly" +
        "8+szkWx9t0UN3C3BEBfIGip5jyTEQn0BfaNXKR3Y6ZQb3r6cwao/psiOJOUkA625KYJCF7BY98UDiCHJNUgq4YjPgeV9ae/ZKH4Z" +
        "ihFMU24AACbIng4AAeAB3AsAAC8Ppog+MA2LAgAAAAABWVo=",
    ),
  },
  {
    made: "xz --block-size=700 (three blocks, CRC-64)",
    format: "xz",
    data: Uint8Array.fromBase64(
      "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AK7AHFdAGMfjC6AIQNf6JdlOLttzT3YzGzZ2Y4W21N48wAJ/u/LA28welQx0xdfrq9W" +
        "e1rQgHbxCWDz6O2dSQMSo/gipVN0bZakl+NBhoSTTUI0ht57QbXBYF62ae4+0HsQe5I6LFCtt5wXpMu4ZVeU+Jhxq5gAAAAAAPFv" +
        "YcCwdSzyAgAhARYAAAB0L+Wj4AK7AHFdACMQxE2wMz7L7V0oOEzaq3VFd3xs4KRCvmHE9NQsCDw/3EyuF1NbMSVoR7QrCbdLtdyr" +
        "xR6xbN0mVoWo90lEeNWkYoS3r/WMMbepjp/BMvKGkJ/WIMmGmymmvwPfxovWmQtohJ8csIeJTRnmgPqfsSMAAAAAAHMRbEKO6MED" +
        "AgAhARYAAAB0L+Wj4ABjAChdACmTBPgi7qB4wJQXumGhzu1qTP2mBZNf5QWcaebVWzYgu0w/IxiPgKAAxryNJ6MaSBEAA40BvAWN" +
        "AbwFRGTs6D0lFBc7MAMAAAAABFla",
    ),
  },
  {
    made: "xz --check=sha256",
    format: "xz",
    data: Uint8Array.fromBase64(
      "/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4AXbAMJdAGMfjC6AIQNf6JdlOLttzT3YzGzZ2Y4W21N48wAJ/u/LA28welQx0xdfrq9W" +
        "e1rQgHbxCWDz6O2dSQMSo/gipVN0bZakl+NBhoSTTUI0ht57QbXBYF62ae4+0HsQe5I6LFCtt5wXpMu4ZVeU+JvK1HyYxu+AvSbD" +
        "raf301QQL0KGbXB+QXgvjHWLVOu2bLyLYFRfzUwa0igJGTn9ieNS1JLV0viumWL+CWLl0J1vtmQMQ7fqq4Gs4XHtMQ5MkqgLfsoA" +
        "AAAA3cKsNf931LaTUzZ0NKLIK4XpDuzbhaJZhnfu8I4MXwkAAfYB3AsAAKnuKV226d8cAgAAAAAKWVo=",
    ),
  },
  {
    made: "xz --format=lzma (no size, end marker)",
    format: "lzma",
    data: Uint8Array.fromBase64(
      "XQAAgAD//////////wBjH4wugCEDX+iXZTi7bc092Mxs2dmOFttTePMACf7vywNvMHpUMdMXX66vVnta0IB28Qlg8+jtnUkDEqP4" +
        "IqVTdG2WpJfjQYaEk01CNIbee0G1wWBetmnuPtB7EHuSOixQrbecF6TLuGVXlPibytR8mMbvgL0mw62n99NUEC9Chm1wfkF4L4x1" +
        "i1Trtmy8i2BUX81MGtIoCRk5/YnjUtSS1dL4rpli/gli5dCdb7ZkDEO36quBrOFx7TEOTJKoIrlyZ//4FmAA",
    ),
  },
  {
    made: "lzop -9",
    format: "lzo",
    data: Uint8Array.fromBase64(
      "iUxaTwANChoKEEAgoAlAAwkDAAANAACBpGsA/P0AAAAAADxSBP8AAAXcAAABBK/ku0wwxn6B6AQAAABTTUlHR0lNU0ROQ1FKRUJB" +
        "QkVKUUNORCAhWAACa0v76GUgO4ABAuL7VOjGIDuAAQP2vd/oJwEgOoABAnwc4eiIIDuAAQKHAb/o6TSAAQAFUkRPRVROSkhISk5U" +
        "RU9EUktGQ0JDRksgDlgABTHeVuhKAgAAICEkATVYAAJyD0foqyA7gAEDZ2aH6AwDIDqAAQJZqojobSA7gAECPFnq6M4gEIABAAVV" +
        "T0tJSUtPVUZQRVNMR0RDREdMU0VQRjJYAAJWE3voL0yFIArIACANWAAC0oWh6JAgO4ABAtg8VOjxIDuAAQNVLzfoUgUgOoABAq5l" +
        "W+izIAeAAREAAAAAAAA=",
    ),
  },
  {
    made: "lz4 -l -9",
    format: "lz4",
    data: Uint8Array.fromBase64(
      "AiFMGPoAAAD/EMZ+gegEAAAAU01JR0dJTVNETkNRSkVCQUJFSlFDTkQXAC9fa0v76GVhAElf4vtU6MZhAElv9r3f6CcBYQBIX3wc" +
        "4eiIYQBJX4cBv+jpYQAD/whSRE9FVE5KSEhKTlRFT0RSS0ZDQkNGSxcAHI8x3lboSgIAAEoAAA9hADNfcg9H6KthAElvZ2aH6AwD" +
        "YQBIX1mqiOhtYQBJXzxZ6ujOYQAe/whVT0tJSUtPVUZQRVNMR0RDREdMU0VQRhcAAY9WE3voLwQAADMABA8XAC9f0oWh6JBhAElf" +
        "2DxU6PFhAElvVS836FIFYQBIX65lW+izYQAQUFBFU0xH",
    ),
  },
  {
    made: "bzip2",
    format: "bzip2",
    data: Uint8Array.fromBase64(
      "QlpoOTFBWSZTWdTGhg8AAt9///4EiAQAgKCEP///KAOKEA0iwEAAIBkIAoEBEEGwcCEIMAFMBsNVP0mmoGQANAAAGgA0aeoMaT1C" +
        "EImgD0gGmmmmhoGQNHpGmnqMjQMFKpU8TKPU0PJlA00A00APFGgAAA+Z9g4IEgIBIkkCZAAa5Rc3ru6emKOt31JZ6b+zA4IlfTd6" +
        "TwSccnHJySclGSTZV6JPHRlo2yc6GyTJV1pM0m6TeVuJvQ2Sc2TSTGrbRtk35OjRi8u/Jtk3SZyZiZpOrwSaZMsnTk1SaCZia5Pb" +
        "qJnowkxyaJNVWuTRJnkxw1k0EzkxqyVZZMJoyLmYFlkwtMmpWUnhmSrDFOCTGsRhYEEf6D2gAQVAK4hQIJSAKk1xaA8sauBQqDIT" +
        "MZK3kkvcpyW+bCRwmH01A8qHjBgTGqgp1f41SuVFbv8XckU4UJDUxoYP",
    ),
  },
  {
    made: "zstd -19",
    format: "zstd",
    data: Uint8Array.fromBase64(
      "KLUv/QRonQYAFArGfoHoBAAAAFNNSUdHSU1TRE5DUUpFQkFCRUpRQ05Ea0v76GXi+1Toxva93+gnAXwc4eiIhwG/6OlSRE9FVE5K" +
        "SEhKTlRFT0RSS0ZDQkNGSzHeVuhKAgAAcg9H6KtnZofoDANZqojobTxZ6ujOVU9LSUlLT1VGUEVTTEdEQ0RHTFNFUEZWE3voLwQA" +
        "ANKFoeiQ2DxU6PFVLzfoUgWuZVvosxQgMDNtA0uNppJMOp/0SmE1L90U6TxpbCp50rcU7DUPUavoPGk8lYxJJ5mT/io1J+8wg/k=",
    ),
  },
  {
    made: "gzip -9",
    format: "gzip",
    data: Uint8Array.fromBase64(
      "H4sIAAAAAAACAztW1/iChYGBIdjX093d0zfYxc850MvVydHJ1SvQ2c+FcuFs798vUmlpwaPfIS+O0dKCb3vvv1BnpKEFNTIPX3TQ" +
        "0oJ2xv0vXmK3IMjF3zXEz8vDw8svxNXfJcjbzdnJ2c2bRGHDe2EvvJgYGCg3CYdwEb/7i9W0tCA9rf0FDzMNLYhc1fEil5YW2ES+" +
        "enGOZAtC/b09Pb39Q90CXIN93F2cXdx9gl0D3LAJhwlXv9AHlhUkaCFN+FLrwhcTaGnBDZuQFx9paUGovvmLIFYaWrAuNfrFZmIt" +
        "AAAmyJ4O3AUAAA==",
    ),
  },
];
