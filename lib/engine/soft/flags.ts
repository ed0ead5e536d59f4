/**
 * The arithmetic flags are computed when somebody asks, not when they are set.
 *
 * The state holds the last operation that set them, its result (sign-extended from its size to 32 bits) and its second
 * operand. Few operations are enough, since everything unusual is stored in a universal form: result and an
 * auxiliary word in which bit 31 = CF, bit 30 = CF xor OF, bit 3 = AF, bit 0 = SF differs from the result's sign, and
 * bits 8 to 15 are xored into the result before its parity is taken. A logical operation is universal with 0.
 *
 * @module
 */
import { AF, CF, OF, PF, SF, ZF } from "./state.ts";

/** Universal form: source is the auxiliary word. */
export const CC_UNIVERSAL = 0;
/** Result = first + source. The three sizes follow each other: 8, 16, 32 bits. */
export const CC_ADD8 = 1, CC_ADD16 = 2, CC_ADD32 = 3;
/** Result = first - source (SUB, CMP, NEG). */
export const CC_SUB8 = 4, CC_SUB16 = 5, CC_SUB32 = 6;

/** Result = operand + 1; source is the carry flag as it was, 0 or 1. */
export const CC_INC8 = 7, CC_INC16 = 8, CC_INC32 = 9;
/** Result = operand - 1; source is the carry flag as it was, 0 or 1. */
export const CC_DEC8 = 10, CC_DEC16 = 11, CC_DEC32 = 12;

/** Parity flag (0x4 or 0) of the low byte. */
export function parity(value: number): number {
  value ^= value >> 4;
  return ((0x9669 >> (value & 15)) & 1) << 2;
}

/** The auxiliary word of the universal form for an operation: everything but the result. */
export function auxiliary(op: number, res: number, src: number): number {
  switch (op) {
    case CC_ADD8:
    case CC_ADD16:
    case CC_ADD32: {
      const first = res - src | 0;
      return carries((first & src) | ((first | src) & ~res), op - CC_ADD8);
    }
    case CC_SUB8:
    case CC_SUB16:
    case CC_SUB32: {
      const first = res + src | 0;
      return carries((~first & src) | (~(first ^ src) & res), op - CC_SUB8);
    }
    case CC_INC8:
    case CC_INC16:
    case CC_INC32: {
      const first = res - 1 | 0;
      return withCarry(carries((first & 1) | ((first | 1) & ~res), op - CC_INC8), src);
    }
    case CC_DEC8:
    case CC_DEC16:
    case CC_DEC32: {
      const first = res + 1 | 0;
      return withCarry(carries((~first & 1) | (~(first ^ 1) & res), op - CC_DEC8), src);
    }
    default:
      return src;
  }
}

/** Replace CF in an auxiliary word, keeping OF. */
function withCarry(aux: number, carry: number): number {
  const overflow = (aux ^ aux << 1) >>> 31;
  return carry << 31 | (carry ^ overflow) << 30 | aux & 8;
}

/** Auxiliary word from the vector of carries out of each bit; `sizeLog` 0, 1, 2 for 8, 16, 32 bits. */
export function carries(vector: number, sizeLog: number): number {
  const top = sizeLog === 2 ? vector : vector << (sizeLog === 0 ? 24 : 16);
  return (top & 0xc000_0000) | (vector & 8);
}

/** The six flags as EFLAGS bits. */
export function arithmeticFlags(op: number, res: number, src: number): number {
  const aux = auxiliary(op, res, src);
  let flags = aux >>> 31; // CF
  if (res === 0) flags |= ZF;
  if ((res >>> 31) !== (aux & 1)) flags |= SF;
  if (((aux ^ (aux << 1)) & 0x8000_0000) !== 0) flags |= OF;
  return flags | (aux & 8) << 1 | parity(res ^ (aux >> 8));
}

/** Auxiliary word that, with {@link universalResult}, stands for the given EFLAGS bits. */
export function universalAux(flags: number): number {
  const carry = flags & CF;
  const overflow = (flags & OF) !== 0 ? 1 : 0;
  const naturalParity = (flags & ZF) !== 0 ? PF : 0; // result 0 has even parity, result 1 odd
  return carry << 31 | (carry ^ overflow) << 30 | (flags & AF) >> 1 | (flags & SF) >> 7 |
    ((flags & PF) !== naturalParity ? 0x100 : 0);
}

/** Result word for {@link universalAux}. */
export function universalResult(flags: number): number {
  return (flags & ZF) !== 0 ? 0 : 1;
}
