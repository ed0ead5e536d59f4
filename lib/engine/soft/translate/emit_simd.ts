/**
 * SSE and SSE2 on XMM registers as WebAssembly SIMD: moves, logic, integers, shuffles. Floating point is in
 * `emit_float.ts`; MMX and the rest are left to the interpreter.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { loadMemory, loadWide, pushHostForStore, pushLinear, storeMemory } from "./memory_access.ts";
import { addressBits, type Effects, FLAGS_KEEP, FLAGS_SET, SLOT_FLAGS, SLOT_XMM } from "./slots.ts";
import { COMPARISONS } from "./emit_compare.ts";
import { CONVERSIONS } from "./emit_convert.ts";
import { ARITHMETIC } from "./emit_float.ts";
import { PACKED_SHIFTS, SHIFT_GROUPS, shiftOf } from "./emit_packed_shift.ts";
import type { Emission } from "./emission.ts";
import { T0, T1, TV0 } from "./locals.ts";
import {
  constant,
  P66,
  PF2,
  PF3,
  pushLow,
  pushSource,
  requireAlignment,
  shuffle,
  type SimdEmitter,
  ZERO,
  zeroUpper,
} from "./simd_operands.ts";

/** By {@link Insn.code}. */
const TABLE: (SimdEmitter | undefined)[] = [];

for (const table of [ARITHMETIC, COMPARISONS, CONVERSIONS, PACKED_SHIFTS]) {
  table.forEach((emitter, code) => TABLE[code] = emitter);
}

/** Whether a SIMD instruction is emitted here and not left to the interpreter. */
export function isNativeSimd(insn: Insn): boolean {
  const emitter = TABLE[insn.code];
  if (!emitter || (insn.mem && (insn.addrSize !== 4 || insn.seg === 1))) return false;
  if (SHIFT_GROUPS.has(insn.code)) return !insn.mem && shiftOf(insn) !== undefined;
  return emitter.mem === undefined || emitter.mem === insn.mem;
}

/** What it touches; see `effects.ts`. */
export function simdEffects(insn: Insn): Effects {
  const emitter = TABLE[insn.code]!;
  let uses = addressBits(insn), writes = 0;
  const shift = SHIFT_GROUPS.has(insn.code);
  if (emitter.reg === "general") {
    uses |= 1 << insn.reg;
    writes |= 1 << insn.reg;
  } else if (!shift) {
    uses |= 1 << (SLOT_XMM + insn.reg);
    if (emitter.reg !== "read") writes |= 1 << (SLOT_XMM + insn.reg);
  }
  if (!insn.mem) {
    const general = emitter.rm === "general" || emitter.rm === "general-write";
    const bit = general ? 1 << insn.rm : 1 << (SLOT_XMM + insn.rm);
    uses |= bit;
    if (emitter.rm === "write" || emitter.rm === "general-write" || shift) writes |= bit;
  }
  if (emitter.flags) {
    uses |= 1 << SLOT_FLAGS;
    writes |= 1 << SLOT_FLAGS;
  }
  return {
    uses,
    writes,
    flags: emitter.flags ? FLAGS_SET : FLAGS_KEEP,
    readsFlags: false,
    observes: true,
    interpreted: false,
  };
}

/** Emit it. */
export function emitSimd(g: Emission, insn: Insn): void {
  g.needSse();
  TABLE[insn.code]!.emit(g, insn);
}

function define(codes: readonly number[], emitter: SimdEmitter): void {
  for (const code of codes) TABLE[code] = emitter;
}

// Moves.

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

// Lane by lane.

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

// Shuffles.

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

// Masks.

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

// What WebAssembly has no single instruction for.

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
