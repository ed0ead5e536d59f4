/**
 * Packed integers and logic: the same operation on every lane.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_packed_shift.ts`, `emit_shuffle.ts`.
 *
 * @module
 */
import { TV0 } from "./locals.ts";
import { constant, P66, pushSource, shuffle, simdDefiner, type SimdEmitter, type SimdTable } from "./simd_operands.ts";

/** Operations by `Insn.code`. */
export const PACKED: SimdTable = [];
const define = simdDefiner(PACKED);

/** Destination op= source. */
function lanewise(opcode: number, swapped = false): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code;
      if (swapped) {
        pushSource(g, insn);
        c.get(g.xmm(insn.reg));
      } else {
        c.get(g.xmm(insn.reg));
        pushSource(g, insn);
      }
      c.simd(opcode);
      c.set(g.xmm(insn.reg));
    },
  };
}

/** Opcode after 0F, and WebAssembly's opcode. */
const LANEWISE: readonly (readonly [code: number, opcode: number])[] = [
  [0xdb, 78], // PAND
  [0xeb, 80], // POR
  [0xef, 81], // PXOR
  [0xfc, 110], // PADDB
  [0xfd, 142],
  [0xfe, 174],
  [0xd4, 206],
  [0xf8, 113], // PSUBB
  [0xf9, 145],
  [0xfa, 177],
  [0xfb, 209],
  [0xec, 111], // PADDSB
  [0xed, 143],
  [0xdc, 112], // PADDUSB
  [0xdd, 144],
  [0xe8, 114], // PSUBSB
  [0xe9, 146],
  [0xd8, 115], // PSUBUSB
  [0xd9, 147],
  [0xd5, 149], // PMULLW
  [0xf5, 186], // PMADDWD
  [0x74, 35], // PCMPEQB
  [0x75, 45],
  [0x76, 55],
  [0x64, 39], // PCMPGTB
  [0x65, 49],
  [0x66, 59],
  [0xda, 119], // PMINUB
  [0xde, 121], // PMAXUB
  [0xea, 150], // PMINSW
  [0xee, 152], // PMAXSW
  [0xe0, 123], // PAVGB
  [0xe3, 155], // PAVGW
  [0x63, 101], // PACKSSWB
  [0x67, 102], // PACKUSWB
  [0x6b, 133], // PACKSSDW
];
for (const [code, opcode] of LANEWISE) define([P66 | code], lanewise(opcode));
define([0x54, P66 | 0x54], lanewise(78)); // ANDPS, ANDPD
define([0x56, P66 | 0x56], lanewise(80));
define([0x57, P66 | 0x57], lanewise(81));
define([0x55, P66 | 0x55, P66 | 0xdf], lanewise(79, true)); // source and not destination

/** PMULUDQ: the even doublewords. */
define([P66 | 0xf4], {
  emit: (g, insn) => {
    const c = g.code;
    const low = [255, 255, 255, 255, 0, 0, 0, 0];
    c.get(g.xmm(insn.reg));
    constant(g, [...low, ...low]);
    c.simd(78);
    pushSource(g, insn);
    constant(g, [...low, ...low]);
    c.simd(78);
    c.simd(213);
    c.set(g.xmm(insn.reg));
  },
});

// What WebAssembly has no single instruction for.

/** PMULHW, PMULHUW: the upper halves of the products. */
function highProducts(low: number, high: number): SimdEmitter {
  return {
    emit: (g, insn) => {
      const c = g.code;
      pushSource(g, insn);
      c.set(TV0);
      for (const opcode of [low, high]) {
        c.get(g.xmm(insn.reg));
        c.get(TV0);
        c.simd(opcode);
      }
      shuffle(g, 2, [1, 3, 5, 7, 9, 11, 13, 15]);
      c.set(g.xmm(insn.reg));
    },
  };
}
define([P66 | 0xe5], highProducts(188, 189));
define([P66 | 0xe4], highProducts(190, 191));

/** PSADBW: differences of bytes, added in pairs three times. */
define([P66 | 0xf6], {
  emit: (g, insn) => {
    const c = g.code, local = g.xmm(insn.reg);
    pushSource(g, insn);
    c.set(TV0);
    c.get(local);
    c.get(TV0);
    c.simd(115); // one of the two saturates to 0
    c.get(TV0);
    c.get(local);
    c.simd(115);
    c.simd(80);
    c.simd(125);
    c.simd(127);
    c.tee(TV0);
    c.const(32);
    c.simd(205);
    c.get(TV0);
    c.const(32);
    c.simd(203);
    c.const(32);
    c.simd(205);
    c.simd(206);
    c.set(local);
  },
});
