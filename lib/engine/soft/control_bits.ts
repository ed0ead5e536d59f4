/**
 * Bits of the control registers and of segments' access words, by the manual's names. Nothing enters and nothing
 * leaves: numbers only. Read next: `cpu.ts`, which keeps the registers.
 *
 * @module
 */

/** CR0 bits (Intel SDM volume 3, §2.5). */
export const CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20, CR0_WP = 0x1_0000;
/** CR0: alignment mask, paging. */
export const CR0_AM = 0x4_0000, CR0_PG = 0x8000_0000 | 0;
/** CR4 bits. */
export const CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_PCE = 0x100;
/** CR4: FXSAVE and SSE enabled; unmasked SSE exceptions raise #XM. */
export const CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400;

/** Bits of a cached descriptor's access word: byte 5 of the descriptor, and byte 6's high nibble in bits 12 to 15. */
export const SEG_PRESENT = 0x80, SEG_CODE_OR_DATA = 0x10, SEG_CODE = 8, SEG_DOWN = 4, SEG_CONFORMING = 4;
/** Access word: writable data or readable code; default operation size 32 bits. */
export const SEG_RW = 2, SEG_BIG = 0x4000;
