/**
 * The LZMA decoder that `xz.ts` (as LZMA2 chunks) and `lzma.ts` (as one long run) share.
 *
 * A range coder narrows an interval once for each binary decision, and each decision has its own adaptive probability.
 * That is some tens of millions of tiny steps, each depending on the last, for a kernel: nearly all of the time
 * between program start and the Guest's first instruction is spent in {@link LzmaDecoder.decode}. So the step is
 * written out wherever it is needed instead of being a function, everything it touches lives in a local variable, and
 * `range` and `code` are kept as signed 32-bit integers (compared with the sign bit flipped), which V8 can hold
 * unboxed from its first tier on.
 *
 * The step, for reference; `p` is the index of a probability, 11 bits wide:
 *
 * ```text
 * if range < 2^24: range <<= 8, code = code << 8 | next byte
 * bound = (range >> 11) * probs[p]
 * code < bound ? (range = bound, probs[p] grows, bit 0) : (range -= bound, code -= bound, probs[p] shrinks, bit 1)
 * ```
 *
 * There is no sliding window: the output buffer is the dictionary.
 *
 * @module
 */
import { PayloadError, TOO_LONG, TRUNCATED } from "./error.ts";

// Where each group of probabilities begins. Matches, then literals, whose number depends on lc and lp.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + 12 * 16;
const IS_REP_G0 = IS_REP + 12;
const IS_REP_G1 = IS_REP_G0 + 12;
const IS_REP_G2 = IS_REP_G1 + 12;
const IS_REP0_LONG = IS_REP_G2 + 12;
const POS_SLOT = IS_REP0_LONG + 12 * 16;
const POS_SPECIAL = POS_SLOT + 4 * 64;
const ALIGN = POS_SPECIAL + 128;
const MATCH_LENGTH = ALIGN + 16;
const LENGTH_LOW = 2;
const LENGTH_MID = LENGTH_LOW + 16 * 8;
const LENGTH_HIGH = LENGTH_MID + 16 * 8;
const REP_LENGTH = MATCH_LENGTH + LENGTH_HIGH + 256;
const LITERAL = REP_LENGTH + LENGTH_HIGH + 256;

/** A fresh probability: one half. */
const HALF = 1024;

/** Bytes that must be readable after the input proper: no symbol needs more, so it is enough to check once each. */
export const INPUT_SLACK = 32;

/** The three numbers that LZMA packs into its properties byte. */
export interface LzmaProperties {
  /** Literal context bits, 0 to 8. */
  readonly lc: number;
  /** Literal position bits, 0 to 4. */
  readonly lp: number;
  /** Position bits, 0 to 4. */
  readonly pb: number;
}

/**
 * Take a properties byte apart.
 *
 * @param byte `(pb * 5 + lp) * 9 + lc`
 * @returns the three numbers
 * @throws {PayloadError} if it is out of range
 */
export function parseProperties(byte: number): LzmaProperties {
  if (byte >= 9 * 5 * 5) {
    throw new PayloadError(`has the impossible LZMA properties byte ${byte}`);
  }
  return { lc: byte % 9, lp: Math.floor(byte / 9) % 5, pb: Math.floor(byte / 45) };
}

/** LZMA state that lasts from one run of input to the next. */
export class LzmaDecoder {
  readonly #out: Uint8Array;
  #probs: Uint16Array = new Uint16Array(LITERAL);
  #lc = 0;
  #literalMask = 0;
  #positionMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;
  /** Where the dictionary begins: no match reaches below it. */
  dictionaryStart = 0;
  /** Bytes of input that the last {@link decode} had taken when it returned. */
  inputEnd = 0;
  /** Whether the last {@link decode} ended at an end marker. */
  sawEndMarker = false;
  /** Whether the last {@link decode} ended as an encoder ends: on zero. Anything else is damage, or there is more. */
  clean = false;

  /** @param out where the output goes, from its first byte on */
  constructor(out: Uint8Array) {
    this.#out = out;
  }

  /**
   * Forget every probability and the last four distances, with new properties if given.
   *
   * @param properties lc, lp and pb from now on
   */
  reset(properties?: LzmaProperties): void {
    if (properties !== undefined) {
      const { lc, lp, pb } = properties;
      const size = LITERAL + (768 << (lc + lp));
      if (this.#probs.length !== size) {
        this.#probs = new Uint16Array(size);
      }
      this.#lc = lc;
      this.#literalMask = (1 << lp) - 1;
      this.#positionMask = (1 << pb) - 1;
    }
    this.#probs.fill(HALF);
    this.#state = 0;
    this.#rep0 = 0;
    this.#rep1 = 0;
    this.#rep2 = 0;
    this.#rep3 = 0;
  }

  /**
   * Decode one range-coded run, which begins with the coder's five bytes.
   *
   * @param src the input; {@link INPUT_SLACK} bytes after `srcEnd` must be readable, whatever is in them
   * @param srcStart first byte of the run
   * @param srcEnd end of the run
   * @param outStart where in the output to go on
   * @param outEnd where to stop
   * @returns where the output ended: `outEnd`, or less at an end marker
   * @throws {PayloadError} if the run is corrupt
   */
  decode(src: Uint8Array, srcStart: number, srcEnd: number, outStart: number, outEnd: number): number {
    const out = this.#out;
    const probs = this.#probs;
    const lc = this.#lc;
    const literalMask = this.#literalMask;
    const positionMask = this.#positionMask;
    const dictionaryStart = this.dictionaryStart;
    if (srcEnd - srcStart < 5 || src[srcStart] !== 0) {
      throw new PayloadError("is corrupt (a range coder does not start)");
    }
    if (srcEnd + INPUT_SLACK > src.length || outEnd > out.length) {
      throw new RangeError("LzmaDecoder.decode was called without slack");
    }

    let state = this.#state;
    let rep0 = this.#rep0;
    let rep1 = this.#rep1;
    let rep2 = this.#rep2;
    let rep3 = this.#rep3;
    let at = outStart;
    let range = -1;
    let code = src[srcStart + 1]! << 24 | src[srcStart + 2]! << 16 | src[srcStart + 3]! << 8 | src[srcStart + 4]!;
    let pos = srcStart + 5;
    let prob = 0;
    let bound = 0;
    let p = 0;
    let previous = at > dictionaryStart ? out[at - 1]! : 0;
    this.sawEndMarker = false;

    while (at < outEnd) {
      if (pos > srcEnd) {
        throw new PayloadError(TRUNCATED);
      }
      const positionState = (at - dictionaryStart) & positionMask;

      p = IS_MATCH + (state << 4) + positionState;
      if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
      prob = probs[p]!;
      bound = Math.imul(range >>> 11, prob);
      if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
        range = bound;
        probs[p] = prob + ((2048 - prob) >>> 5);

        // A literal. After a match, the byte that the match would have gone on with says which probabilities to use,
        // for as long as the new byte agrees with it.
        const literal = LITERAL + 768 * (((at - dictionaryStart & literalMask) << lc) + (previous >>> (8 - lc)));
        let symbol = 1;
        if (state >= 7) {
          let expected = out[at - rep0 - 1]!;
          let offset = 0x100;
          do {
            expected <<= 1;
            const bit = expected & offset;
            p = literal + offset + bit + symbol;
            if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
            prob = probs[p]!;
            bound = Math.imul(range >>> 11, prob);
            if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
              range = bound;
              probs[p] = prob + ((2048 - prob) >>> 5);
              symbol <<= 1;
              offset &= ~bit;
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[p] = prob - (prob >>> 5);
              symbol = symbol << 1 | 1;
              offset &= bit;
            }
          } while (symbol < 0x100);
          state = state < 10 ? state - 3 : state - 6;
        } else {
          do {
            p = literal + symbol;
            if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
            prob = probs[p]!;
            bound = Math.imul(range >>> 11, prob);
            if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
              range = bound;
              probs[p] = prob + ((2048 - prob) >>> 5);
              symbol <<= 1;
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[p] = prob - (prob >>> 5);
              symbol = symbol << 1 | 1;
            }
          } while (symbol < 0x100);
          state = state < 4 ? 0 : state - 3;
        }
        previous = symbol & 0xff;
        out[at++] = previous;
        continue;
      }
      range = (range - bound) | 0;
      code = (code - bound) | 0;
      probs[p] = prob - (prob >>> 5);

      let lengthProbs = MATCH_LENGTH;
      let isMatch = false;
      p = IS_REP + state;
      if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
      prob = probs[p]!;
      bound = Math.imul(range >>> 11, prob);
      if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
        // A match with a new distance, read after its length.
        range = bound;
        probs[p] = prob + ((2048 - prob) >>> 5);
        isMatch = true;
        rep3 = rep2;
        rep2 = rep1;
        rep1 = rep0;
        state = state < 7 ? 7 : 10;
      } else {
        // One of the last four distances again.
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[p] = prob - (prob >>> 5);
        lengthProbs = REP_LENGTH;
        p = IS_REP_G0 + state;
        if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
        prob = probs[p]!;
        bound = Math.imul(range >>> 11, prob);
        if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
          range = bound;
          probs[p] = prob + ((2048 - prob) >>> 5);
          p = IS_REP0_LONG + (state << 4) + positionState;
          if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
          prob = probs[p]!;
          bound = Math.imul(range >>> 11, prob);
          if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
            // A single byte from the last distance.
            range = bound;
            probs[p] = prob + ((2048 - prob) >>> 5);
            if (rep0 >= at - dictionaryStart) {
              throw new PayloadError("is corrupt (a match reaches before its beginning)");
            }
            state = state < 7 ? 9 : 11;
            previous = out[at - rep0 - 1]!;
            out[at++] = previous;
            continue;
          }
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[p] = prob - (prob >>> 5);
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[p] = prob - (prob >>> 5);
          p = IS_REP_G1 + state;
          if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
          prob = probs[p]!;
          bound = Math.imul(range >>> 11, prob);
          if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
            range = bound;
            probs[p] = prob + ((2048 - prob) >>> 5);
            const distance = rep1;
            rep1 = rep0;
            rep0 = distance;
          } else {
            range = (range - bound) | 0;
            code = (code - bound) | 0;
            probs[p] = prob - (prob >>> 5);
            p = IS_REP_G2 + state;
            if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
            prob = probs[p]!;
            bound = Math.imul(range >>> 11, prob);
            let distance = rep2;
            if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
              range = bound;
              probs[p] = prob + ((2048 - prob) >>> 5);
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[p] = prob - (prob >>> 5);
              distance = rep3;
              rep3 = rep2;
            }
            rep2 = rep1;
            rep1 = rep0;
            rep0 = distance;
          }
        }
        state = state < 7 ? 8 : 11;
      }

      // The length: 2 to 9, 10 to 17 or 18 to 273, from a tree of 3, 3 or 8 bits.
      let tree = lengthProbs + LENGTH_LOW + (positionState << 3);
      let treeSize = 8;
      let length = 2 - 8;
      p = lengthProbs;
      if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
      prob = probs[p]!;
      bound = Math.imul(range >>> 11, prob);
      if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
        range = bound;
        probs[p] = prob + ((2048 - prob) >>> 5);
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probs[p] = prob - (prob >>> 5);
        p = lengthProbs + 1;
        if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
        prob = probs[p]!;
        bound = Math.imul(range >>> 11, prob);
        if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
          range = bound;
          probs[p] = prob + ((2048 - prob) >>> 5);
          tree = lengthProbs + LENGTH_MID + (positionState << 3);
          length = 10 - 8;
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[p] = prob - (prob >>> 5);
          tree = lengthProbs + LENGTH_HIGH;
          treeSize = 256;
          length = 18 - 256;
        }
      }
      let symbol = 1;
      do {
        p = tree + symbol;
        if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
        prob = probs[p]!;
        bound = Math.imul(range >>> 11, prob);
        if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
          range = bound;
          probs[p] = prob + ((2048 - prob) >>> 5);
          symbol <<= 1;
        } else {
          range = (range - bound) | 0;
          code = (code - bound) | 0;
          probs[p] = prob - (prob >>> 5);
          symbol = symbol << 1 | 1;
        }
      } while (symbol < treeSize);
      length += symbol;

      if (isMatch) {
        tree = POS_SLOT + ((length < 6 ? length - 2 : 3) << 6);
        symbol = 1;
        do {
          p = tree + symbol;
          if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
          prob = probs[p]!;
          bound = Math.imul(range >>> 11, prob);
          if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
            range = bound;
            probs[p] = prob + ((2048 - prob) >>> 5);
            symbol <<= 1;
          } else {
            range = (range - bound) | 0;
            code = (code - bound) | 0;
            probs[p] = prob - (prob >>> 5);
            symbol = symbol << 1 | 1;
          }
        } while (symbol < 64);
        const slot = symbol - 64;
        rep0 = slot;
        if (slot >= 4) {
          // The slot gives the top two bits; the rest follow, the lowest bits first.
          let bits = (slot >>> 1) - 1;
          rep0 = (2 | slot & 1) << bits;
          tree = POS_SPECIAL + rep0 - slot;
          if (slot >= 14) {
            // All but four of them come without a probability, the highest first.
            let direct = 0;
            do {
              if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
              range >>>= 1;
              // Bit 1 if code >= range. Neither can pass 2^31 here by more than the subtraction can show.
              code = (code - range) | 0;
              const mask = code >> 31;
              code = (code + (range & mask)) | 0;
              direct = (direct << 1) + mask + 1;
            } while (--bits > 4);
            rep0 = (rep0 + (direct << 4)) | 0;
            tree = ALIGN;
          }
          symbol = 1;
          let weight = 1;
          do {
            p = tree + symbol;
            if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
            prob = probs[p]!;
            bound = Math.imul(range >>> 11, prob);
            if ((code ^ 0x80000000) < (bound ^ 0x80000000)) {
              range = bound;
              probs[p] = prob + ((2048 - prob) >>> 5);
              symbol <<= 1;
            } else {
              range = (range - bound) | 0;
              code = (code - bound) | 0;
              probs[p] = prob - (prob >>> 5);
              symbol = symbol << 1 | 1;
              rep0 += weight;
            }
            weight <<= 1;
          } while (--bits > 0);
          rep0 |= 0;
          if (rep0 === -1) {
            this.sawEndMarker = true;
            break;
          }
        }
      }

      // Distances from 2^31 on are negative here, and far beyond any dictionary.
      if (rep0 < 0 || rep0 >= at - dictionaryStart) {
        throw new PayloadError("is corrupt (a match reaches before its beginning)");
      }
      if (length > outEnd - at) {
        throw new PayloadError(TOO_LONG);
      }
      let from = at - rep0 - 1;
      const end = at + length;
      do {
        out[at++] = out[from++]!;
      } while (at < end);
      previous = out[at - 1]!;
    }

    if ((range & 0xff000000) === 0) (range <<= 8, code = code << 8 | src[pos++]!);
    if (pos > srcEnd) {
      throw new PayloadError(TRUNCATED);
    }
    this.inputEnd = pos;
    this.clean = code === 0;
    this.#state = state;
    this.#rep0 = rep0;
    this.#rep1 = rep1;
    this.#rep2 = rep2;
    this.#rep3 = rep3;
    return at;
  }
}
