/**
 * What the SIMD tests say when they fail, and which numbers the environment gives them.
 *
 * @module
 */
import {
  R_CODE,
  R_CONTROL,
  R_FLAGS,
  R_GENERAL,
  R_LENGTH,
  R_MEMORY,
  R_MXCSR,
  R_OFFSET,
  R_STACK,
  R_STATUS,
  R_TAGS,
  R_TRAP,
  R_XMM,
  RECORD,
} from "./simd_native.ts";

/** A number from an environment variable, if there is permission to ask. */
export function environment(name: string): number | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
  const value = Deno.env.get(name);
  return value === undefined ? undefined : Number(value);
}

/** Bytes as text. */
export function hex(bytes: Uint8Array, reverse = false): string {
  const copy = [...bytes];
  if (reverse) copy.reverse();
  return copy.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const FIELDS: readonly (readonly [name: string, at: number, bytes: number])[] = [
  ["trap", R_TRAP, 4],
  ["mxcsr", R_MXCSR, 4],
  ["eflags", R_FLAGS, 4],
  ["status", R_STATUS, 2],
  ["tags", R_TAGS, 2],
  ...[0, 1, 2, 3, 5, 6].map((i) => [`general ${i}`, R_GENERAL + 4 * i, 4] as const),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => [`st ${i}`, R_STACK + 16 * i, 10] as const),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => [`xmm ${i}`, R_XMM + 16 * i, 16] as const),
  ["memory", R_MEMORY, 64],
];

function same(a: Uint8Array, b: Uint8Array, at: number, bytes: number): boolean {
  for (let i = at; i < at + bytes; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What differs, with the state before, or `undefined`. */
export function difference(before: Uint8Array, native: Uint8Array, ours: Uint8Array): string | undefined {
  const view = new DataView(native.buffer, native.byteOffset, RECORD);
  view.setUint32(R_FLAGS, view.getUint32(R_FLAGS, true) & ~0x1_0000, true); // RF is set by the exception's delivery
  const lines: string[] = [];
  for (const [name, at, bytes] of FIELDS) {
    if (same(native, ours, at, bytes)) continue;
    const was = hex(before.subarray(at, at + bytes), true);
    const want = hex(native.subarray(at, at + bytes), true), have = hex(ours.subarray(at, at + bytes), true);
    lines.push(`  ${name}: before ${was}, processor ${want}, ours ${have}`);
  }
  if (lines.length === 0) return undefined;
  return [describe(before), ...lines].join("\n");
}

/** The instruction of a record and its operands. */
export function describe(record: Uint8Array): string {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  const code = record.subarray(R_CODE, R_CODE + view.getUint32(R_LENGTH, true));
  const modrm = code[code.indexOf(0x0f) + 2] ?? 0, reg = modrm >> 3 & 7, rm = modrm & 7;
  const offset = view.getUint32(R_OFFSET, true);
  const second = modrm < 0xc0
    ? `memory+${offset} ${hex(record.subarray(R_MEMORY + offset, R_MEMORY + offset + 16), true)}`
    : `xmm${rm} ${hex(record.subarray(R_XMM + 16 * rm, R_XMM + 16 * rm + 16), true)}`;
  return `[${hex(code)}] mxcsr ${view.getUint32(R_MXCSR, true).toString(16)} control ${
    view.getUint16(R_CONTROL, true).toString(16)
  } xmm${reg} ${hex(record.subarray(R_XMM + 16 * reg, R_XMM + 16 * reg + 16), true)} ${second}`;
}
