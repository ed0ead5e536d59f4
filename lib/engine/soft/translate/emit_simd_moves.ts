/**
 * Moves of XMM registers: whole, their halves, their low lanes.
 *
 * Enters: an instruction. Leaves: code. Read next: `simd_operands.ts` (the vocabulary), `emit_packed.ts`.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { T0, T1 } from "./locals.ts";
import { loadMemory, loadWide, pushHostForStore, pushLinear, storeMemory } from "./memory_access.ts";
import {
  constant,
  P66,
  PF2,
  PF3,
  pushLow,
  pushSource,
  requireAlignment,
  shuffle,
  simdDefiner,
  type SimdEmitter,
  type SimdTable,
  ZERO,
  zeroUpper,
} from "./simd_operands.ts";

/** Moves by {@link Insn.code}. */
export const SIMD_MOVES: SimdTable = [];
const define = simdDefiner(SIMD_MOVES);

const load = (aligned: boolean): SimdEmitter => ({
  emit: (g, insn) => {
    pushSource(g, insn, aligned);
    g.code.set(g.xmm(insn.reg));
  },
});
define([0x28, P66 | 0x28, P66 | 0x6f], load(true));
define([0x10, P66 | 0x10, PF3 | 0x6f], load(false));

const store = (aligned: boolean, mem?: true): SimdEmitter => ({
  reg: "read",
  rm: "write",
  ...(mem ? { mem } : {}),
  emit: (g, insn) => {
    const c = g.code;
    if (!insn.mem) {
      c.get(g.xmm(insn.reg));
      c.set(g.xmm(insn.rm));
      return;
    }
    pushLinear(g, insn);
    if (aligned) {
      c.set(T0);
      requireAlignment(g);
      c.get(T0);
    }
    pushHostForStore(g, 16);
    c.get(g.xmm(insn.reg));
    c.simdMemory(11, 0);
  },
});
define([0x29, P66 | 0x29, P66 | 0x7f], store(true));
define([0x2b, P66 | 0x2b, P66 | 0xe7], store(true, true));
define([0x11, P66 | 0x11, PF3 | 0x7f], store(false));

/** MOVSS, MOVSD: from memory the rest becomes 0, from a register it stays. */
const loadScalar = (size: 4 | 8): SimdEmitter => ({
  emit: (g, insn) => {
    const c = g.code;
    if (insn.mem) pushLow(g, insn, size);
    else {
      c.get(g.xmm(insn.reg));
      c.get(g.xmm(insn.rm));
      shuffle(g, size, size === 8 ? [2, 1] : [4, 1, 2, 3]);
    }
    c.set(g.xmm(insn.reg));
  },
});
define([PF2 | 0x10], loadScalar(8));
define([PF3 | 0x10], loadScalar(4));

function storeLane(g: Emission, insn: Insn, size: 4 | 8, lane: number): void {
  const c = g.code;
  pushLinear(g, insn);
  pushHostForStore(g, size);
  c.get(g.xmm(insn.reg));
  c.simdMemory(size === 8 ? 91 : 90, 0);
  c.byte(lane);
}

const storeScalar = (size: 4 | 8): SimdEmitter => ({
  reg: "read",
  rm: "write",
  emit: (g, insn) => {
    if (insn.mem) return storeLane(g, insn, size, 0);
    g.code.get(g.xmm(insn.rm));
    g.code.get(g.xmm(insn.reg));
    shuffle(g, size, size === 8 ? [2, 1] : [4, 1, 2, 3]);
    g.code.set(g.xmm(insn.rm));
  },
});
define([PF2 | 0x11], storeScalar(8));
define([PF3 | 0x11], storeScalar(4));

/** MOVQ: the upper half becomes 0. */
define([PF3 | 0x7e], {
  emit: (g, insn) => {
    pushLow(g, insn, 8);
    if (!insn.mem) zeroUpper(g);
    g.code.set(g.xmm(insn.reg));
  },
});
define([P66 | 0xd6], {
  reg: "read",
  rm: "write",
  emit: (g, insn) => {
    if (insn.mem) return storeLane(g, insn, 8, 0);
    g.code.get(g.xmm(insn.reg));
    zeroUpper(g);
    g.code.set(g.xmm(insn.rm));
  },
});

/** MOVD between an XMM and a general register or memory. */
define([P66 | 0x6e], {
  rm: "general",
  emit: (g, insn) => {
    const c = g.code;
    constant(g, ZERO);
    if (insn.mem) {
      pushLinear(g, insn);
      loadMemory(g, 4);
    } else c.get(g.reg(insn.rm));
    c.simd(28);
    c.byte(0);
    c.set(g.xmm(insn.reg));
  },
});
define([P66 | 0x7e], {
  reg: "read",
  rm: "general-write",
  emit: (g, insn) => {
    const c = g.code;
    c.get(g.xmm(insn.reg));
    c.simd(27);
    c.byte(0);
    c.set(insn.mem ? T1 : g.reg(insn.rm));
    if (!insn.mem) return;
    pushLinear(g, insn);
    storeMemory(g, 4, T1);
  },
});

/** Halves: MOVLPS/D, MOVHPS/D, and between registers MOVHLPS, MOVLHPS. */
function loadHalf(lanes: readonly [number, number], fromRegister: readonly [number, number] | undefined): SimdEmitter {
  return {
    ...(fromRegister ? {} : { mem: true }),
    emit: (g, insn) => {
      const c = g.code;
      c.get(g.xmm(insn.reg));
      if (insn.mem) {
        pushLinear(g, insn);
        loadWide(g, 8, () => c.simdMemory(93, 0));
      } else c.get(g.xmm(insn.rm));
      shuffle(g, 8, insn.mem ? lanes : fromRegister!);
      c.set(g.xmm(insn.reg));
    },
  };
}
define([0x12], loadHalf([2, 1], [3, 1]));
define([0x16], loadHalf([0, 2], [0, 2]));
define([P66 | 0x12], loadHalf([2, 1], undefined));
define([P66 | 0x16], loadHalf([0, 2], undefined));
for (const [code, lane] of [[0x13, 0], [0x17, 1]] as const) {
  define([code, P66 | code], { reg: "read", mem: true, emit: (g, insn) => storeLane(g, insn, 8, lane) });
}
