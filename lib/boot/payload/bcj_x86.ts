/**
 * The x86 branch filter of xz, undone.
 *
 * Before compression, the operand of every CALL and JMP (opcodes E8 and E9) was changed from a relative to an absolute
 * address, so that calls of one function look alike. Not every E8 is an opcode; the filter guesses from the operand's
 * top byte (00 or FF), and from whether other E8 or E9 bytes lie within the four bytes before. The inverse must guess
 * exactly alike.
 *
 * @module
 */

/**
 * Turn the absolute addresses back into relative ones, in place.
 *
 * @param bytes all of a block's data
 * @param start the address of the first byte as the filter counted it: 0 unless the block's header says otherwise
 */
export function undoBcjX86(bytes: Uint8Array, start: number): void {
  const last = bytes.length - 5;
  // Most words hold neither opcode and are passed over as a whole. Where blocks begin at odd places, all go byte by byte.
  const aligned = (bytes.byteOffset & 3) === 0 && last >= 0;
  const words = aligned ? new Int32Array(bytes.buffer, bytes.byteOffset, last >> 2) : new Int32Array();
  // Bit k of `recent`: the byte k + 1 before this one looked like an opcode and was not converted.
  let recent = 0;
  let previous = -5;
  let at = 0;
  while (at <= last) {
    if ((bytes[at]! & 0xfe) !== 0xe8) {
      at++;
      if ((at & 3) === 0) {
        for (let word = at >> 2; word < words.length; word++, at += 4) {
          // Which bytes are zero after this: those that were E8 or E9.
          const probe = words[word]! & 0xfefefefe ^ 0xe8e8e8e8;
          if ((probe - 0x01010101 & ~probe & 0x80808080) !== 0) break;
        }
      }
      continue;
    }
    const gap = at - previous;
    previous = at;
    recent = gap > 3 ? 0 : recent << (gap - 1) & 7;
    const top = bytes[at + 4]!;
    // `checked` is the byte, counted from the top of the operand, up to which the earlier opcode's operand reached.
    const checked = recent > 3 ? 3 : recent > 1 ? 2 : recent;
    if (recent !== 0) {
      const allowed = recent === 1 || recent === 2 || recent === 4;
      const shared = bytes[at + 4 - checked]!;
      if (!allowed || shared === 0 || shared === 0xff) {
        recent = recent << 1 | 1;
        at++;
        continue;
      }
    }
    if (top !== 0 && top !== 0xff) {
      recent = recent << 1 | 1;
      at++;
      continue;
    }
    const source = bytes[at + 1]! | bytes[at + 2]! << 8 | bytes[at + 3]! << 16 | top << 24;
    const next = start + at + 5 | 0;
    let operand = source - next | 0;
    if (recent !== 0) {
      // Where the guess would not hold for the result, the encoder flipped the low bits first. Once is enough: the
      // byte that counts is then the complement of `shared`, which is neither 00 nor FF.
      const byte = operand >>> (24 - checked * 8) & 0xff;
      if (byte === 0 || byte === 0xff) {
        operand = (operand ^ (1 << (32 - checked * 8)) - 1) - next | 0;
      }
    }
    bytes[at + 1] = operand;
    bytes[at + 2] = operand >>> 8;
    bytes[at + 3] = operand >>> 16;
    bytes[at + 4] = (operand & 0x1000000) === 0 ? 0 : 0xff;
    recent = 0;
    at += 5;
  }
}
