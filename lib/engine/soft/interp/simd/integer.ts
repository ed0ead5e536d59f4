/**
 * Packed integer arithmetic, logic and comparison, MMX and XMM alike (Intel SDM volume 1, §9.4, §10.4.4, §11.4.2).
 * What enters: lanes in `A` and `B`. What leaves: lanes in `R`. Each row is an opcode, the type of its lanes and what
 * happens in one lane; storing into a typed array wraps, so only saturation has to be spelt out.
 *
 * Read next: `shifts.ts`, `shuffles.ts`.
 *
 * @module
 */
import { A, B, type HandlerTable, installBoth, type Kernel, P_66, R, xmmHandler } from "./operands.ts";

type LaneType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32";
type LaneFunction = (a: number, b: number) => number;

function saturate(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

function add(a: number, b: number): number {
  return a + b;
}

function subtract(a: number, b: number): number {
  return a - b;
}

function equal(a: number, b: number): number {
  return a === b ? -1 : 0;
}

function greater(a: number, b: number): number {
  return a > b ? -1 : 0;
}

function average(a: number, b: number): number {
  return a + b + 1 >> 1;
}

const ROWS: readonly (readonly [opcode: number, type: LaneType, lane: LaneFunction])[] = [
  [0xfc, "u8", add], // PADDB
  [0xfd, "u16", add], // PADDW
  [0xfe, "u32", add], // PADDD
  [0xf8, "u8", subtract], // PSUBB
  [0xf9, "u16", subtract], // PSUBW
  [0xfa, "u32", subtract], // PSUBD
  [0xec, "i8", (a, b) => saturate(a + b, -0x80, 0x7f)], // PADDSB
  [0xed, "i16", (a, b) => saturate(a + b, -0x8000, 0x7fff)], // PADDSW
  [0xdc, "u8", (a, b) => saturate(a + b, 0, 0xff)], // PADDUSB
  [0xdd, "u16", (a, b) => saturate(a + b, 0, 0xffff)], // PADDUSW
  [0xe8, "i8", (a, b) => saturate(a - b, -0x80, 0x7f)], // PSUBSB
  [0xe9, "i16", (a, b) => saturate(a - b, -0x8000, 0x7fff)], // PSUBSW
  [0xd8, "u8", (a, b) => saturate(a - b, 0, 0xff)], // PSUBUSB
  [0xd9, "u16", (a, b) => saturate(a - b, 0, 0xffff)], // PSUBUSW
  [0xd5, "i16", (a, b) => a * b], // PMULLW
  [0xe5, "i16", (a, b) => a * b >> 16], // PMULHW
  [0xe4, "u16", (a, b) => a * b >>> 16], // PMULHUW
  [0xda, "u8", Math.min], // PMINUB
  [0xde, "u8", Math.max], // PMAXUB
  [0xea, "i16", Math.min], // PMINSW
  [0xee, "i16", Math.max], // PMAXSW
  [0xe0, "u8", average], // PAVGB
  [0xe3, "u16", average], // PAVGW
  [0x74, "u8", equal], // PCMPEQB
  [0x75, "u16", equal], // PCMPEQW
  [0x76, "u32", equal], // PCMPEQD
  [0x64, "i8", greater], // PCMPGTB
  [0x65, "i16", greater], // PCMPGTW
  [0x66, "i32", greater], // PCMPGTD
];

/** Apply a function lane by lane. */
function lanewise(type: LaneType, lane: LaneFunction): Kernel {
  const a = A[type], b = B[type], r = R[type], width = a.BYTES_PER_ELEMENT;
  return (bytes) => {
    const count = bytes / width;
    for (let i = 0; i < count; i++) r[i] = lane(a[i]!, b[i]!);
  };
}

/** PADDQ. */
function addQuadwords(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const low = A.u32[i]! + B.u32[i]!;
    R.u32[i] = low;
    R.u32[i + 1] = A.u32[i + 1]! + B.u32[i + 1]! + (low > 0xffff_ffff ? 1 : 0);
  }
}

/** PSUBQ. */
function subtractQuadwords(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const low = A.u32[i]! - B.u32[i]!;
    R.u32[i] = low;
    R.u32[i + 1] = A.u32[i + 1]! - B.u32[i + 1]! - (low < 0 ? 1 : 0);
  }
}

/** PMULUDQ: the even doublewords' 64-bit products. */
function multiplyUnsigned(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i += 2) {
    const a = A.u32[i]!, b = B.u32[i]!;
    const low = (a & 0xffff) * b, high = (a >>> 16) * b; // 48 bits each: exact
    const middle = high + Math.floor(low / 0x1_0000);
    R.i32[i] = Math.imul(a, b);
    R.u32[i + 1] = Math.floor(middle / 0x1_0000);
  }
}

/** PMADDWD: four -8000h squared wrap to 8000_0000h, as the manual says. */
function multiplyAdd(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) {
    R.i32[i] = A.i16[2 * i]! * B.i16[2 * i]! + A.i16[2 * i + 1]! * B.i16[2 * i + 1]!;
  }
}

/** PSADBW: one sum per quadword. */
function sumDifferences(bytes: number): void {
  for (let base = 0; base < bytes; base += 8) {
    let sum = 0;
    for (let i = base; i < base + 8; i++) sum += Math.abs(A.u8[i]! - B.u8[i]!);
    R.i32[base >> 2] = sum;
    R.i32[(base >> 2) + 1] = 0;
  }
}

// Logic has a loop each, not a row: PXOR and its kin are the most frequent of all.

function and(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = A.i32[i]! & B.i32[i]!;
}

function andNot(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = ~A.i32[i]! & B.i32[i]!;
}

function or(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = A.i32[i]! | B.i32[i]!;
}

function xor(bytes: number): void {
  for (let i = 0; i < bytes >> 2; i++) R.i32[i] = A.i32[i]! ^ B.i32[i]!;
}

/** PAND, PANDN, POR, PXOR; ANDPS, ANDNPS, ORPS, XORPS and their PD forms do the same. */
const LOGIC: readonly (readonly [integer: number, float: number, kernel: Kernel])[] = [
  [0xdb, 0x54, and],
  [0xdf, 0x55, andNot],
  [0xeb, 0x56, or],
  [0xef, 0x57, xor],
];

/** Put the integer instructions into the table. */
export function installInteger(table: HandlerTable): void {
  for (const [opcode, type, lane] of ROWS) installBoth(table, opcode, lanewise(type, lane));
  installBoth(table, 0xd4, addQuadwords);
  installBoth(table, 0xfb, subtractQuadwords);
  installBoth(table, 0xf4, multiplyUnsigned);
  installBoth(table, 0xf5, multiplyAdd);
  installBoth(table, 0xf6, sumDifferences);
  for (const [integer, float, kernel] of LOGIC) {
    installBoth(table, integer, kernel);
    table[float] = table[P_66 | float] = xmmHandler(kernel);
  }
}
