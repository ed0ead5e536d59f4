/**
 * Small kernels that are none, and data to compress, all made from nothing.
 *
 * @module
 */

/** Header fields and their widths: what {@link makeBzImage} can be told to write beyond its defaults. */
export interface BzImageParts {
  /** Boot protocol version. */
  readonly version?: number;
  /** Number of setup sectors as the header has it: 0 stands for 4. */
  readonly setupSects?: number;
  /** The payload, with its size word. */
  readonly payload?: Uint8Array;
  /** Further fields: offset, bytes (1, 2, 4 or 8), value. */
  readonly fields?: readonly (readonly [offset: number, width: number, value: number])[];
}

/** Where the payload begins in the protected-mode part that {@link makeBzImage} makes. */
export const PAYLOAD_OFFSET = 0x100;

/** A bzImage of protocol 2.15 that prefers 0x200000, needs 0x100000 bytes there and starts with `payload`. */
export function makeBzImage(parts: BzImageParts = {}): Uint8Array<ArrayBuffer> {
  const { version = 0x20f, setupSects = 4, payload = new Uint8Array(64), fields = [] } = parts;
  const setupSize = ((setupSects || 4) + 1) * 512;
  const protectedSize = Math.ceil((PAYLOAD_OFFSET + payload.length) / 16) * 16;
  const file = new Uint8Array(setupSize + protectedSize);
  const view = new DataView(file.buffer);
  const defaults: (readonly [number, number, number])[] = [
    [0x1f1, 1, setupSects],
    [0x1f4, 4, protectedSize / 16],
    [0x1fe, 2, 0xaa55],
    [0x200, 2, 0x6aeb],
    [0x202, 4, 0x53726448],
    [0x206, 2, version],
    [0x211, 1, 1],
    [0x214, 4, 0x100000],
    [0x22c, 4, 0x7fffffff],
    [0x230, 4, 0x200000],
    [0x234, 1, 1],
    [0x235, 1, 13],
    [0x236, 2, 4],
    [0x238, 4, 2047],
    [0x248, 4, PAYLOAD_OFFSET],
    [0x24c, 4, payload.length],
    [0x258, 8, 0x200000],
    [0x260, 4, 0x100000],
  ];
  for (const [offset, width, value] of [...defaults, ...fields]) {
    if (width === 1) view.setUint8(offset, value);
    else if (width === 2) view.setUint16(offset, value, true);
    else if (width === 4) view.setUint32(offset, value, true);
    else view.setBigUint64(offset, BigInt(value), true);
  }
  file.fill(0x90, setupSize, setupSize + PAYLOAD_OFFSET);
  file.set(payload, setupSize + PAYLOAD_OFFSET);
  return file;
}

/** What an ELF file is made of, see {@link makeElf}. */
export interface ElfParts {
  /** e_entry. */
  readonly entry?: number;
  /** e_machine. */
  readonly machine?: number;
  /** EI_CLASS. */
  readonly elfClass?: number;
  /** Physical address of the one segment; its virtual address is 0xc0000000 above. */
  readonly address?: number;
  /** What is in the segment. */
  readonly data?: Uint8Array;
  /** Bytes of the segment in memory. */
  readonly memorySize?: number;
  /** p_type of the second program header. */
  readonly secondType?: number;
}

/** An ELF32 file with one segment of `data` at 0x200000. */
export function makeElf(parts: ElfParts = {}): Uint8Array<ArrayBuffer> {
  const { data = sample(3000), address = 0x200000, entry = address, machine = 3, elfClass = 1, secondType = 4 } = parts;
  const offset = 0x80;
  const file = new Uint8Array(offset + data.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, elfClass, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, machine, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 2, true);
  const header = [1, offset, address + 0xc0000000, address, data.length, parts.memorySize ?? data.length + 1000];
  [...header, 0, 0, secondType].forEach((word, index) => view.setUint32(52 + index * 4, word, true));
  file.set(data, offset);
  return file;
}

/** Text with repetitions near and far, some noise, and x86 calls for the branch filter; always the same. */
export function sample(size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let seed = 1;
  for (let at = 0; at < size; at++) {
    const phase = at % 97;
    if (phase < 3) {
      seed = Math.imul(seed, 1103515245) + 12345 | 0;
      bytes[at] = seed >>> 16;
    } else if (phase < 8) {
      bytes[at] = [0xe8, at & 0xff, at >> 8 & 0x3f, 0, 0][phase - 3]!;
    } else {
      bytes[at] = 0x41 + (phase * phase + (at >> 9)) % 23;
    }
  }
  return bytes;
}

/** `data` and its size as a 32-bit word, as the kernel's build appends it. */
export function withSize(data: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(data.length + 4);
  joined.set(data);
  new DataView(joined.buffer).setUint32(data.length, size, true);
  return joined;
}
