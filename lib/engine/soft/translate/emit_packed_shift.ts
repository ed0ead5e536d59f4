/**
 * Packed shifts, by an immediate and by the low quadword of an operand.
 *
 * @module
 */
import type { Insn } from "../insn.ts";
import type { Emission } from "./emission.ts";
import { constant, P66, pushSource, shuffle, type SimdEmitter, ZERO } from "./simd_operands.ts";
import { T64A } from "./locals.ts";
import { W } from "./wasm.ts";

/** Shifts by {@link Insn.code}. */
export const PACKED_SHIFTS: (SimdEmitter | undefined)[] = [];

/** In lanes of so many bits. */
interface Shift {
  readonly bits: number;
  readonly opcode: number;
  readonly arithmetic?: boolean;
  readonly bytes?: "left" | "right";
}
/** By the group's opcode and ModRM.reg. */
const IMMEDIATE: Record<number, Shift> = {
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
/** {@link Insn.code} of the shifts by an immediate, whose rm operand is written. */
export const SHIFT_GROUPS: ReadonlySet<number> = new Set([P66 | 0x71, P66 | 0x72, P66 | 0x73]);

/** What a shift by an immediate does; `undefined` if ModRM.reg has none. */
export function shiftOf(insn: Insn): Shift | undefined {
  return IMMEDIATE[(insn.code & 0xff) << 8 | insn.reg];
}

function emitShift(g: Emission, insn: Insn): void {
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
for (const code of SHIFT_GROUPS) PACKED_SHIFTS[code] = { emit: emitShift };

/** By the low quadword of the rm operand: opcode, lanes, WebAssembly's opcode. */
const BY_COUNT: readonly (readonly [code: number, bits: number, opcode: number])[] = [
  [0xd1, 16, 141],
  [0xd2, 32, 173],
  [0xd3, 64, 205],
  [0xe1, 16, 140],
  [0xe2, 32, 172],
  [0xf1, 16, 139],
  [0xf2, 32, 171],
  [0xf3, 64, 203],
];
for (const [code, bits, opcode] of BY_COUNT) PACKED_SHIFTS[P66 | code] = { emit: byCount(bits, opcode) };

/** WebAssembly takes counts modulo the lane's bits: those beyond leave 0, or copies of the sign. */
function byCount(bits: number, opcode: number): SimdEmitter["emit"] {
  const arithmetic = opcode === 140 || opcode === 172;
  return (g, insn) => {
    const c = g.code, local = g.xmm(insn.reg);
    const pushSmall = () => {
      c.get(T64A);
      c.const64(bits);
      c.byte(W.I64_LT_U);
    };
    pushSource(g, insn);
    c.simd(29);
    c.byte(0);
    c.set(T64A);
    c.get(local);
    c.get(T64A);
    c.byte(W.WRAP);
    if (arithmetic) {
      c.const(bits - 1);
      pushSmall();
      c.byte(W.SELECT);
    }
    c.simd(opcode);
    if (!arithmetic) {
      constant(g, ZERO);
      pushSmall();
      c.byte(W.SELECT);
    }
    c.set(local);
  };
}
