/**
 * SSE and SSE2 on XMM registers as WebAssembly SIMD: moves, logic, integers, shuffles. Floating point is in
 * `emit_float.ts`; MMX and the rest are left to the interpreter.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import { addressBits, type Effects, FLAGS_KEEP, FLAGS_SET, SLOT_FLAGS, SLOT_XMM } from "./effects.ts";
import { FLOAT } from "./emit_float.ts";
import type { Generator } from "./generator.ts";
import { T0, T1, TV0 } from "./locals.ts";
import { W } from "./wasm.ts";

/** How a SIMD instruction is emitted, and what it touches beside its XMM operands. */
export interface SimdEmitter {
  readonly emit: (g: Generator, insn: Insn) => void;
  /** The ModRM reg operand is XMM and written (default), XMM and only read, or a general register that is written. */
  readonly reg?: "read" | "general";
  /** The ModRM rm operand is XMM and read (default), XMM and written, or a general register. */
  readonly rm?: "write" | "general" | "general-write";
  /** Only with (true) or without (false) a memory operand. */
  readonly mem?: boolean;
  /** It sets the arithmetic flags. */
  readonly flags?: boolean;
}

/** By {@link Insn.code}. */
const TABLE: (SimdEmitter | undefined)[] = [];

const P66 = 0x100, PF3 = 0x200, PF2 = 0x300;

function find(insn: Insn): SimdEmitter | undefined {
  return TABLE[insn.code] ?? FLOAT[insn.code];
}

/** Whether a SIMD instruction is emitted here and not left to the interpreter. */
export function isNativeSimd(insn: Insn): boolean {
  const emitter = find(insn);
  if (!emitter || (insn.mem && (insn.addrSize !== 4 || insn.seg === 1))) return false;
  if (SHIFT_GROUPS.has(insn.code)) return !insn.mem && shiftOf(insn) !== undefined;
  return emitter.mem === undefined || emitter.mem === insn.mem;
}

/** What it touches; see `effects.ts`. */
export function simdEffects(insn: Insn): Effects {
  const emitter = find(insn)!;
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
export function emitSimd(g: Generator, insn: Insn): void {
  g.needSse();
  find(insn)!.emit(g, insn);
}

function define(codes: readonly number[], emitter: SimdEmitter): void {
  for (const code of codes) TABLE[code] = emitter;
}

/** With an address in T0: #GP comes from the interpreter if it is not on a 16-byte boundary. */
function requireAlignment(g: Generator): void {
  const c = g.code;
  c.get(T0);
  c.const(15);
  c.byte(W.AND);
  g.openIf();
  g.leaveHere();
  g.closeIf();
}

/** Push the 16 bytes of the rm operand. */
export function pushSource(g: Generator, insn: Insn, aligned = true): void {
  const c = g.code;
  if (!insn.mem) return c.get(g.xmm(insn.rm));
  g.pushLinear(insn);
  if (aligned) {
    c.set(T0);
    requireAlignment(g);
    c.get(T0);
  }
  g.loadWide(16, () => c.simdMemory(0, 0));
}

/** Push the rm operand's low 4 or 8 bytes as a vector whose other lanes do not matter. */
function pushLow(g: Generator, insn: Insn, size: 4 | 8): void {
  if (!insn.mem) return g.code.get(g.xmm(insn.rm));
  g.pushLinear(insn);
  g.loadWide(size, () => g.code.simdMemory(size === 8 ? 93 : 92, 0));
}

/** Lanes of `i8x16.shuffle` from lanes of a given width; 16 bytes of the first operand, then 16 of the second. */
function shuffle(g: Generator, width: number, lanes: readonly number[]): void {
  g.code.simd(13);
  for (const lane of lanes) for (let i = 0; i < width; i++) g.code.byte(lane * width + i);
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
    g.pushLinear(insn);
    if (aligned) {
      c.set(T0);
      requireAlignment(g);
      c.get(T0);
    }
    g.pushHostForStore(16);
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

function storeLane(g: Generator, insn: Insn, size: 4 | 8, lane: number): void {
  const c = g.code;
  g.pushLinear(insn);
  g.pushHostForStore(size);
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

/** A vector constant. */
function constant(g: Generator, bytes: readonly number[]): void {
  g.code.simd(12);
  for (const byte of bytes) g.code.byte(byte);
}

const ZERO = new Array<number>(16).fill(0);

function zeroUpper(g: Generator): void {
  constant(g, ZERO);
  shuffle(g, 8, [0, 2]);
}

/** MOVD between an XMM and a general register or memory. */
define([P66 | 0x6e], {
  rm: "general",
  emit: (g, insn) => {
    const c = g.code;
    constant(g, ZERO);
    if (insn.mem) {
      g.pushLinear(insn);
      g.load(4);
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
    g.pushLinear(insn);
    g.storeMemory(4, T1);
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
        g.pushLinear(insn);
        g.loadWide(8, () => c.simdMemory(93, 0));
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

// Shifts by an immediate: opcode 71, 72, 73 and ModRM.reg.

interface Shift {
  readonly bits: number;
  readonly opcode: number;
  readonly arithmetic?: boolean;
  readonly bytes?: "left" | "right";
}
const SHIFTS: Record<number, Shift> = {
  0x7102: { bits: 16, opcode: 141 },
  0x7104: { bits: 16, opcode: 140, arithmetic: true },
  0x7106: { bits: 16, opcode: 139 },
  0x7202: { bits: 32, opcode: 173 },
  0x7204: { bits: 32, opcode: 172, arithmetic: true },
  0x7206: { bits: 32, opcode: 171 },
  0x7302: { bits: 64, opcode: 205 },
  0x7303: { bits: 128, opcode: 0, bytes: "right" },
  0x7306: { bits: 64, opcode: 203 },
  0x7307: { bits: 128, opcode: 0, bytes: "left" },
};
const SHIFT_GROUPS = new Set([P66 | 0x71, P66 | 0x72, P66 | 0x73]);

function shiftOf(insn: Insn): Shift | undefined {
  return SHIFTS[(insn.code & 0xff) << 8 | insn.reg];
}

function emitShift(g: Generator, insn: Insn): void {
  const c = g.code, shift = shiftOf(insn)!, local = g.xmm(insn.rm);
  let count = insn.imm & 0xff;
  if (shift.bytes) {
    count = Math.min(count, 16);
    c.get(local);
    constant(g, ZERO);
    const lanes = Array.from({ length: 16 }, (_, i) => {
      const from = shift.bytes === "right" ? i + count : i - count;
      return from < 0 || from > 15 ? 16 : from;
    });
    shuffle(g, 1, lanes);
  } else if (count >= shift.bits && !shift.arithmetic) constant(g, ZERO);
  else {
    c.get(local);
    c.const(Math.min(count, shift.bits - 1));
    c.simd(shift.opcode);
  }
  c.set(local);
}
define([...SHIFT_GROUPS], { emit: emitShift });
