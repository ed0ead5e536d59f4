/**
 * Lanes that change their places: shuffles, interleaving, single words, masks of signs.
 *
 * Enters: an instruction. Leaves: code. Read next: `emit_float.ts`.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { TV0 } from "./locals.ts";
import { loadMemory, pushLinear } from "./memory_access.ts";
import { P66, PF2, PF3, pushSource, shuffle, simdDefiner, type SimdEmitter, type SimdTable } from "./simd_operands.ts";

/** Shuffles by {@link Insn.code}. */
export const SHUFFLES: SimdTable = [];
const define = simdDefiner(SHUFFLES);

function twoOperands(width: number, lanes: (insn: Insn) => readonly number[]): SimdEmitter {
  return {
    emit: (g, insn) => {
      g.code.get(g.xmm(insn.reg));
      pushSource(g, insn);
      shuffle(g, width, lanes(insn));
      g.code.set(g.xmm(insn.reg));
    },
  };
}

function interleave(width: number, high: boolean): readonly number[] {
  const count = 16 / width, first = high ? count / 2 : 0;
  return Array.from({ length: count }, (_, i) => (i & 1) * count + first + (i >> 1));
}
for (
  const [code, width, high] of [[0x60, 1, 0], [0x61, 2, 0], [0x62, 4, 0], [0x68, 1, 1], [0x69, 2, 1], [0x6a, 4, 1]]
) {
  const lanes = interleave(width!, high === 1);
  define([P66 | code!], twoOperands(width!, () => lanes));
}
define([P66 | 0x6c, P66 | 0x14], twoOperands(8, () => [0, 2]));
define([P66 | 0x6d, P66 | 0x15], twoOperands(8, () => [1, 3]));
define([0x14], twoOperands(4, () => [0, 4, 1, 5]));
define([0x15], twoOperands(4, () => [2, 6, 3, 7]));

/** Two bits of the immediate for each of four lanes. */
function selectors(insn: Insn): [number, number, number, number] {
  const imm = insn.imm;
  return [imm & 3, imm >> 2 & 3, imm >> 4 & 3, imm >> 6 & 3];
}
define([0xc6], twoOperands(4, (insn) => selectors(insn).map((s, i) => i < 2 ? s : s + 4)));
define([P66 | 0xc6], twoOperands(8, (insn) => [insn.imm & 1, 2 + (insn.imm >> 1 & 1)]));

function oneOperand(width: number, lanes: (insn: Insn) => readonly number[]): SimdEmitter {
  return {
    emit: (g, insn) => {
      pushSource(g, insn);
      g.code.tee(TV0);
      g.code.get(TV0);
      shuffle(g, width, lanes(insn));
      g.code.set(g.xmm(insn.reg));
    },
  };
}
define([P66 | 0x70], oneOperand(4, selectors)); // PSHUFD
define([PF2 | 0x70], oneOperand(2, (insn) => [...selectors(insn), 4, 5, 6, 7]));
define([PF3 | 0x70], oneOperand(2, (insn) => [0, 1, 2, 3, ...selectors(insn).map((s) => s + 4)]));

// Between lanes and general registers.

function mask(opcode: number): SimdEmitter {
  return {
    reg: "general",
    mem: false,
    emit: (g, insn) => {
      g.code.get(g.xmm(insn.rm));
      g.code.simd(opcode);
      g.code.set(g.reg(insn.reg));
    },
  };
}
define([P66 | 0xd7], mask(100));
define([0x50], mask(164));
define([P66 | 0x50], mask(196));

/** PEXTRW and PINSRW. */
define([P66 | 0xc5], {
  reg: "general",
  mem: false,
  emit: (g, insn) => {
    g.code.get(g.xmm(insn.rm));
    g.code.simd(25);
    g.code.byte(insn.imm & 7);
    g.code.set(g.reg(insn.reg));
  },
});
define([P66 | 0xc4], {
  rm: "general",
  emit: (g, insn) => {
    const c = g.code;
    c.get(g.xmm(insn.reg));
    if (insn.mem) {
      pushLinear(g, insn);
      loadMemory(g, 2);
    } else c.get(g.reg(insn.rm));
    c.simd(26);
    c.byte(insn.imm & 7);
    c.set(g.xmm(insn.reg));
  },
});
