/**
 * The x87 floating-point unit: which handler executes which encoding.
 *
 * Enters: a decoded instruction whose `code` is (first opcode byte & 7) << 8 | ModRM. Leaves: its effect on the state at
 * `STATE_FPU_*`. The rooms: `float80.ts`, `arithmetic.ts`, `convert.ts`, `compare.ts`, `remainder.ts` and
 * `transcendental.ts` know numbers only; `unit.ts` is the register stack; `load_store.ts`, `basic.ts`, `functions.ts`,
 * `control.ts` and `environment.ts` are the instructions. Read them in this order.
 *
 * @module
 */
import type { Handler } from "../../insn.ts";
import {
  compareMemory,
  compareRegister,
  compareToFlags,
  fabs,
  fchs,
  frndint,
  fsqrt,
  ftst,
  fxam,
  OPERATIONS,
  toRegister,
  toTop,
  withMemory,
} from "./basic.ts";
import {
  fdecstp,
  ffree,
  ffreep,
  fincstp,
  fldcw,
  fnclex,
  fninit,
  fnnop,
  fnop,
  fnstcw,
  fnstsw,
  fnstswAx,
} from "./control.ts";
import {
  f2xm1,
  fcos,
  fpatan,
  fprem,
  fprem1,
  fptan,
  fscale,
  fsin,
  fsincos,
  fxtract,
  fyl2x,
  fyl2xp1,
} from "./functions.ts";
import { fldenv, fnsave, fnstenv, frstor } from "./environment.ts";
import {
  fbld,
  fbstp,
  fcmov,
  fetchDouble,
  fetchInteger16,
  fetchInteger32,
  fetchSingle,
  fild16,
  fild32,
  fild64,
  fist16,
  fist32,
  fistp16,
  fistp32,
  fistp64,
  fldConstant,
  fldDouble,
  fldExtended,
  fldRegister,
  fldSingle,
  fstDouble,
  fstpDouble,
  fstpExtended,
  fstpNoException,
  fstpRegister,
  fstpSingle,
  fstRegister,
  fstSingle,
  fxch,
} from "./load_store.ts";

export { fwait, initialize } from "./control.ts";
export { fxrstor, fxsave, MXCSR_MASK } from "./environment.ts";
export { pending } from "./unit.ts";

/** Handlers by `Insn.code`; undefined is #UD. */
export const X87_HANDLERS: (Handler | undefined)[] = new Array(2048).fill(undefined);

/** All encodings of a memory operand: `escape` is the first opcode byte, `reg` ModRM's reg field. */
function memory(escape: number, reg: number, handler: Handler): void {
  for (let modrm = 0; modrm < 0xc0; modrm++) {
    if ((modrm >> 3 & 7) === reg) X87_HANDLERS[(escape & 7) << 8 | modrm] = handler;
  }
}

/** All eight registers, from the given ModRM byte on. */
function registers(escape: number, first: number, handler: Handler): void {
  for (let i = 0; i < 8; i++) X87_HANDLERS[(escape & 7) << 8 | first + i] = handler;
}

function one(escape: number, modrm: number, handler: Handler): void {
  X87_HANDLERS[(escape & 7) << 8 | modrm] = handler;
}

const FETCHES = [[0xd8, fetchSingle], [0xda, fetchInteger32], [0xdc, fetchDouble], [0xde, fetchInteger16]] as const;
for (const [escape, fetch] of FETCHES) {
  OPERATIONS.forEach((operation, reg) => {
    memory(escape, reg, operation ? withMemory(operation, fetch) : compareMemory(fetch, reg === 3));
  });
}
OPERATIONS.forEach((operation, reg) => {
  if (!operation) return;
  registers(0xd8, 0xc0 + 8 * reg, toTop(operation));
  registers(0xdc, 0xc0 + 8 * reg, toRegister(operation, false));
  registers(0xde, 0xc0 + 8 * reg, toRegister(operation, true));
});

memory(0xd9, 0, fldSingle);
memory(0xd9, 2, fstSingle);
memory(0xd9, 3, fstpSingle);
memory(0xd9, 4, fldenv);
memory(0xd9, 5, fldcw);
memory(0xd9, 6, fnstenv);
memory(0xd9, 7, fnstcw);
memory(0xdb, 0, fild32);
memory(0xdb, 2, fist32);
memory(0xdb, 3, fistp32);
memory(0xdb, 5, fldExtended);
memory(0xdb, 7, fstpExtended);
memory(0xdd, 0, fldDouble);
memory(0xdd, 2, fstDouble);
memory(0xdd, 3, fstpDouble);
memory(0xdd, 4, frstor);
memory(0xdd, 6, fnsave);
memory(0xdd, 7, fnstsw);
memory(0xdf, 0, fild16);
memory(0xdf, 2, fist16);
memory(0xdf, 3, fistp16);
memory(0xdf, 4, fbld);
memory(0xdf, 5, fild64);
memory(0xdf, 6, fbstp);
memory(0xdf, 7, fistp64);

registers(0xd9, 0xc0, fldRegister);
registers(0xdd, 0xd0, fstRegister);
registers(0xd9, 0xc8, fxch);
registers(0xdd, 0xc0, ffree);
registers(0xd9, 0xd8, fstpNoException);
for (const [escape, first] of [[0xdd, 0xd8], [0xdf, 0xd0], [0xdf, 0xd8]] as const) {
  registers(escape, first, fstpRegister); // the first is documented, the others are aliases that all processors have
}
registers(0xdd, 0xc8, fxch);
registers(0xdf, 0xc8, fxch);
registers(0xdf, 0xc0, ffreep);
for (const escape of [0xda, 0xdb]) {
  for (let condition = 0; condition < 4; condition++) registers(escape, 0xc0 + 8 * condition, fcmov);
}

registers(0xd8, 0xd0, compareRegister(false, 0));
registers(0xd8, 0xd8, compareRegister(false, 1));
registers(0xdc, 0xd0, compareRegister(false, 0));
registers(0xdc, 0xd8, compareRegister(false, 1));
registers(0xde, 0xd0, compareRegister(false, 1));
one(0xde, 0xd9, compareRegister(false, 2));
registers(0xdd, 0xe0, compareRegister(true, 0));
registers(0xdd, 0xe8, compareRegister(true, 1));
one(0xda, 0xe9, compareRegister(true, 2));
registers(0xdb, 0xf0, compareToFlags(false, false));
registers(0xdf, 0xf0, compareToFlags(false, true));
registers(0xdb, 0xe8, compareToFlags(true, false));
registers(0xdf, 0xe8, compareToFlags(true, true));

one(0xd9, 0xd0, fnop);
one(0xd9, 0xe0, fchs);
one(0xd9, 0xe1, fabs);
one(0xd9, 0xe4, ftst);
one(0xd9, 0xe5, fxam);
for (let i = 0; i < 7; i++) one(0xd9, 0xe8 + i, fldConstant);
const D9_F0 = [
  ...[f2xm1, fyl2x, fptan, fpatan, fxtract, fprem1, fdecstp, fincstp],
  ...[fprem, fyl2xp1, fsqrt, fsincos, frndint, fscale, fsin, fcos],
];
D9_F0.forEach((handler, i) => one(0xd9, 0xf0 + i, handler));

one(0xdb, 0xe0, fnnop);
one(0xdb, 0xe1, fnnop);
one(0xdb, 0xe2, fnclex);
one(0xdb, 0xe3, fninit);
one(0xdb, 0xe4, fnnop);
one(0xdf, 0xe0, fnstswAx);
