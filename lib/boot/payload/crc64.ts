/**
 * CRC-64 (ECMA-182, reflected), which `xz` uses unless told otherwise. Kernels are made with CRC-32; this is for
 * an ELF file that somebody compressed by hand.
 *
 * @module
 */

const POLYNOMIAL_LOW = 0xd7870f42 | 0;
const POLYNOMIAL_HIGH = 0xc96c5795 | 0;

/**
 * @param bytes what to sum
 * @returns an unsigned 64-bit number
 */
export function crc64(bytes: Uint8Array): bigint {
  const tableLow = new Int32Array(256);
  const tableHigh = new Int32Array(256);
  for (let index = 0; index < 256; index++) {
    let low = index;
    let high = 0;
    for (let bit = 0; bit < 8; bit++) {
      const odd = -(low & 1);
      low = (low >>> 1 | high << 31) ^ (odd & POLYNOMIAL_LOW);
      high = high >>> 1 ^ (odd & POLYNOMIAL_HIGH);
    }
    tableLow[index] = low;
    tableHigh[index] = high;
  }
  let low = -1;
  let high = -1;
  for (let at = 0; at < bytes.length; at++) {
    const index = (low ^ bytes[at]!) & 0xff;
    low = (low >>> 8 | high << 24) ^ tableLow[index]!;
    high = high >>> 8 ^ tableHigh[index]!;
  }
  return BigInt(~high >>> 0) << 32n | BigInt(~low >>> 0);
}
