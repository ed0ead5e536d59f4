/**
 * Makes cases: for each form of the opcode tables operands, addresses and memory that reach what is peculiar to it.
 * Enters: a form and a source of randomness. Leaves: a {@link Case}. Read next: `builder.ts`, `native/oracle.ts`.
 *
 * @module
 */
import { Builder, little, SEGMENT_ES, STRING } from "./builder.ts";
import type { Case } from "./case.ts";
import { type Form, FORMS, untestable } from "./forms.ts";
import { LDT, ldtSelector, REGION_CODE, REGION_HIGH, USER_CS, USER_DS } from "./layout.ts";
import type { Random } from "./random.ts";

const EAX = 0, ECX = 1, EDX = 2, EBX = 3, ESP = 4, EBP = 5, ESI = 6, EDI = 7, SS = 2, DS = 3;

/** The forms that {@link generate} takes. */
export const TESTED: readonly Form[] = FORMS.filter((form) => untestable(form) === undefined);

/** What a form needs beyond random registers: before the operands are encoded, and after. */
interface Special {
  before?(b: Builder): void;
  after?(b: Builder): void;
}

/** What the host has and we have not been asked for. */
export interface Surroundings {
  /** Pages for 16-bit addresses exist. */
  readonly low: boolean;
  /** The LDT exists. */
  readonly ldt: boolean;
}

/** A case of one form. */
export function generate(form: Form, random: Random, host: Surroundings): Case {
  const b = new Builder(form, random, host.low);
  if (host.ldt && random.chance(0.06)) code16(b, host.low);
  if (host.ldt && random.chance(STRING.has(form.name) ? 0.3 : 0.08)) segmented(b);
  if (form.operands.some((operand) => operand[0] === "M")) b.memory = !random.chance(0.04);
  avoidNewer(b);
  if (form.name === "XCHG" || b.lock) b.aligned = true;
  if (STRING.has(form.name)) strings(b);
  else if (random.chance(0.02) && !REPEAT_MATTERS.has(form.opcode)) b.repeat = random.pick([0xf2, 0xf3]);
  b.access = form.byte ? 1 : b.operandSize;
  b.randomImmediate();
  const special = Object.hasOwn(SPECIAL, form.name) ? SPECIAL[form.name]! : {};
  special.before?.(b);
  const body = b.encode();
  if (b.target >= 0 && random.chance(0.6)) {
    b.poke(b.target, random.value());
    if (b.access > 4) b.poke(b.target + 4, random.value());
  }
  special.after?.(b);
  const prefixes = b.prefixes();
  if (random.chance(0.01)) padPrefixes(b, prefixes, body.length);
  const code = [...prefixes, ...body];
  if (LOADS_SS.has(form.key) && (form.name === "POP" || b.reg === SS)) code.push(0x90);
  const codeAt = b.codeAddress(code.length, LOADS_SS.has(form.key) || !b.flat || b.repeat !== 0);
  return b.finish(code, codeAt);
}

/** Opcodes whose meaning REP changes on newer processors (POPCNT, TZCNT, LZCNT, RDRAND, XSAVE's and PAUSE's kin). */
const REPEAT_MATTERS = new Set([0xb8, 0xbc, 0xbd, 0xc7, 0xae, 0x1e, 0x01, 0x09]);

/** These hold the single-step trap back for one instruction, a NOP here. */
export const LOADS_SS: ReadonlySet<string> = new Set(["17 POP Sv", "8e MOVTOSEG Sw Ew"]);

/** Keep clear of encodings that are something else on newer processors than we are. */
function avoidNewer(b: Builder): void {
  const { two, opcode, member } = b.form;
  if (two && opcode === 0x01 && member !== 4 && member !== 6) b.memory = true; // XGETBV, VMCALL, SWAPGS, …
  if (two && opcode === 0xae && member >= 4) b.memory = false; // XSAVE, XRSTOR, XSAVEOPT, CLFLUSH
  if (two && opcode === 0xc7 && member !== 1) b.memory = true; // RDRAND, RDSEED, RDPID
  if (two && opcode === 0xc7 && (member === 3 || member === 4 || member === 5)) b.memory = false; // XRSTORS, XSAVEC, XSAVES
  if (!two && (opcode === 0xc4 || opcode === 0xc5 || opcode === 0x62)) b.memory = true; // VEX, EVEX
  if (!two && (opcode === 0xc6 || opcode === 0xc7) && member === 7) b.memory = true; // XABORT, XBEGIN
}

/** Lengthen the instruction with prefixes that change nothing, up to one byte more than is allowed. */
function padPrefixes(b: Builder, prefixes: number[], rest: number): void {
  const same = prefixes.find((byte) => byte !== 0xf0) ?? 0x3e;
  const wanted = b.random.pick([14, 15, 15, 16, 16]);
  while (prefixes.length + rest < wanted) prefixes.unshift(same);
}

/** Code in a 16-bit segment, where the prefixes mean the opposite. */
function code16(b: Builder, low: boolean): void {
  b.code16 = true;
  b.segments[1] = ldtSelector("16-bit code");
  b.data16 = b.random.chance(0.7);
  b.address16 = low && b.random.chance(0.7);
}

/** Segments with bases, limits and rights. */
function segmented(b: Builder): void {
  const names = LDT.map((_, i) => i << 3 | 7).filter((_, i) => LDT[i]!.present);
  const data = names.filter((_, i) => LDT[i]!.contents !== "code" || i === 3);
  for (const segment of [0, DS, 4, 5]) if (b.random.chance(0.5)) b.segments[segment] = b.random.pick(data);
  const stacks = LDT.map((one, i) => [one, i << 3 | 7] as const)
    .filter(([one]) => one.present && one.contents !== "code" && !one.restricted).map(([, selector]) => selector);
  if (b.random.chance(0.4)) b.segments[SS] = b.random.pick(stacks);
}

function strings(b: Builder): void {
  const { random, regs, form } = b;
  b.repeat = random.chance(0.65) ? random.pick([0xf2, 0xf3]) : 0;
  const size = form.operands.includes("b") ? 1 : b.operandSize;
  const edge = b.limitOf(SEGMENT_ES, 8 * size);
  let linear = edge < 0 ? b.pick(size) : edge;
  if (linear >= REGION_CODE && linear < REGION_HIGH) linear += REGION_HIGH - REGION_CODE; // not over itself
  const destination = linear - b.base(SEGMENT_ES);
  const source = (random.chance(0.3) ? destination + random.below(17) - 8 : b.pick(size)) -
    b.base(b.override >= 0 ? b.override : DS);
  const count = random.chance(0.9) ? random.below(12) : random.below(80);
  if (b.address16) {
    const high = random.bits() & 0xffff_0000;
    regs[ESI] = high | source & 0xffff;
    regs[EDI] = high | destination & 0xffff;
    regs[ECX] = high | count;
  } else {
    regs[ESI] = source;
    regs[EDI] = destination;
    regs[ECX] = count;
  }
  if (form.name === "SCAS" && random.chance(0.5)) regs[EAX] = Math.imul(random.below(256), 0x0101_0101);
}

/** Selectors to load: good ones, null, of the wrong kind, of the kernel's, beyond the tables. */
function selector(b: Builder): number {
  const { random } = b;
  const dice = random.below(10);
  if (dice < 3) return random.pick([USER_DS, USER_CS]);
  if (dice < 5) return random.below(4);
  if (dice < 9) return random.below(LDT.length) << 3 | 4 | random.below(4);
  return random.pick([0x08, 0x10, 0x18, 0x0b, 0x28, 0x63, 0x73, 0xfffb, 0x7ff0, 0xff]);
}

/** Selectors for CS: none that would leave 32-bit code for 64-bit code. */
function codeSelector(b: Builder): number {
  return b.random.chance(0.4) ? USER_CS : selector(b);
}

/** A far pointer in memory at `at`. */
function pokeFar(b: Builder, at: number, target: number): void {
  const size = b.operandSize;
  b.poke(at, size === 4 ? b.random.value() : b.random.bits());
  b.poke(at + size, target | b.random.bits() << 16);
}

function farStack(b: Builder, words: number): number {
  const at = b.stack(words * b.operandSize, false) + b.base(SS);
  pokeFar(b, at, codeSelector(b));
  return at;
}

const shiftByCl = {
  before(b: Builder): void {
    if (b.random.chance(0.7)) b.regs[ECX] = b.regs[ECX]! & ~0xff | b.random.below(40);
  },
};

/** Above 16 a 16-bit double shift's result is undefined. */
const doubleShift = {
  before(b: Builder): void {
    const limit = b.operandSize === 2 ? 17 : 40;
    const count = b.random.below(limit) | (b.random.chance(0.3) ? 0xe0 : 0);
    const allowed = b.operandSize === 2 && (count & 31) > 16 ? 16 : count;
    if (b.form.operands.includes("CL")) b.regs[ECX] = b.regs[ECX]! & ~0xff | allowed;
    else b.immediate = [allowed & 0xff];
  },
  after(b: Builder): void { // ECX may have become an address meanwhile
    if (b.operandSize === 2 && b.form.operands.includes("CL") && (b.regs[ECX]! & 31) > 16) b.data16 = false;
  },
};

/** Dividends whose quotient mostly fits. */
const divide = {
  before(b: Builder): void {
    const { random, regs } = b;
    if (random.chance(0.3)) return;
    const small = random.value() >>> random.below(32);
    regs[EDX] = random.chance(0.5) ? small : random.chance(0.5) ? 0 : 0xffff_ffff;
    if (b.form.byte) regs[EAX] = regs[EAX]! & 0xffff_00ff | (small & 0x3f) << 8;
  },
};

/** BT with a register: the offset reaches far beyond the operand. */
const bitTest = {
  before(b: Builder): void {
    if (!b.memory || b.form.operands.includes("Ib")) return;
    const bits = (b.random.chance(0.5) ? b.random.bits() : b.random.below(256) - 128) | 0;
    b.regs[b.reg] = bits;
    const size = b.operandSize;
    b.beyond = (size === 2 ? bits << 16 >> 16 >> 4 : bits >> 5) * size;
    if (b.reg === 4 || b.address16) b.beyond = 0;
  },
};

const stackPush = {
  before(b: Builder): void {
    b.stack(b.operandSize, true);
  },
};

const stackPop = {
  before(b: Builder): void {
    b.poke(b.stack(b.operandSize, false) + b.base(SS), b.random.value());
  },
};

const loop = {
  before(b: Builder): void {
    if (b.random.chance(0.8)) b.regs[ECX] = b.random.pick([0, 1, 2, 0x1_0000, 0x1_0001, 0xffff_0000, 0xffff_ffff]);
  },
};

const segmentOperand = {
  before(b: Builder): void {
    if (!b.memory) b.regs[b.rm] = b.regs[b.rm]! & 0xffff_0000 | selector(b);
  },
  after(b: Builder): void {
    if (b.memory) b.poke(b.target, selector(b) | b.random.bits() << 16);
  },
};

/** By mnemonic of `opcodes.ts`. */
const SPECIAL: Readonly<Record<string, Special>> = {
  SHL: shiftByCl,
  SHR: shiftByCl,
  SAR: shiftByCl,
  ROL: shiftByCl,
  ROR: shiftByCl,
  RCL: shiftByCl,
  RCR: shiftByCl,
  SHLD: doubleShift,
  SHRD: doubleShift,
  DIV: divide,
  IDIV: divide,
  BT: bitTest,
  BTS: bitTest,
  BTR: bitTest,
  BTC: bitTest,
  LOOP: loop,
  LOOPE: loop,
  LOOPNE: loop,
  JCXZ: loop,
  PUSHF: stackPush,
  CALL: stackPush,
  CALLI: stackPush,
  RET: stackPop,
  PUSH: stackPush,
  POP: {
    before(b): void {
      const at = b.stack(b.operandSize, false) + b.base(SS);
      b.poke(at, b.form.operands[0] === "Sv" ? selector(b) | b.random.bits() << 16 : b.random.value());
    },
  },
  POPF: stackPop,
  PUSHA: {
    before(b): void {
      b.stack(8 * b.operandSize, true);
    },
  },
  POPA: {
    before(b): void {
      b.stack(8 * b.operandSize, false);
    },
  },
  ENTER: {
    before(b): void {
      const level = b.random.chance(0.6) ? b.random.below(4) : b.random.below(256);
      const size = b.random.chance(0.8) ? b.random.below(64) : b.random.bits() & 0x1fff;
      b.immediate = [...little(size, 2), level];
      const frame = (Math.max(1, level & 31) + 1) * b.operandSize;
      b.stack(frame, true);
      b.regs[EBP] = b.random.chance(0.8) ? b.regs[ESP]! + b.random.below(64) : b.pick(frame) + frame - b.base(SS);
    },
  },
  LEAVE: {
    before(b): void {
      b.regs[EBP] = b.pick(b.operandSize) - b.base(SS);
    },
  },
  XLAT: {
    before(b): void {
      const segment = b.override >= 0 ? b.override : DS;
      b.regs[EBX] = b.pick(1) - b.base(segment) - (b.regs[EAX]! & 0xff);
    },
  },
  CMPXCHG: {
    after(b): void {
      if (b.random.chance(0.5)) return;
      if (b.memory) b.poke(b.target, b.regs[EAX]!);
      else if (b.rm !== EAX && !b.form.byte) b.regs[b.rm] = b.regs[EAX]!;
    },
  },
  CMPXCHG8B: {
    before(b): void {
      b.access = 8;
      if (b.lock) b.aligned = true;
    },
    after(b): void {
      if (!b.memory || b.random.chance(0.4)) return;
      b.poke(b.target, b.regs[EAX]!);
      b.poke(b.target + 4, b.regs[EDX]!);
    },
  },
  BOUND: {
    before(b): void {
      b.access = 2 * b.operandSize;
    },
    after(b): void {
      if (!b.memory || b.random.chance(0.3)) return;
      const index = b.regs[b.reg]!;
      if (b.operandSize === 4) {
        b.poke(b.target, index - b.random.below(3) + 1);
        b.poke(b.target + 4, index + b.random.below(3) - 1);
      } else b.poke(b.target, (index - b.random.below(3) + 1 & 0xffff) | (index + b.random.below(3) - 1) << 16);
    },
  },
  AAM: {
    before(b): void {
      if (b.random.chance(0.7)) b.immediate = [b.random.pick([0, 1, 10, 16, 255])];
    },
  },
  INT: {
    before(b): void { // 80 is the host's system call; 3 and 4 have gates of their own
      while ([0x80, 3, 4].includes(b.immediate[0]!)) b.immediate = [b.random.below(256)];
    },
  },
  RETF: {
    before(b): void {
      farStack(b, 2);
    },
  },
  IRET: {
    before(b): void {
      const at = farStack(b, 3);
      b.poke(at + 2 * b.operandSize, b.random.bits() & ~(0x2_4100));
    },
  },
  CALLF: {
    before(b): void {
      b.stack(2 * b.operandSize, true);
      b.immediate.splice(b.operandSize, 2, ...little(codeSelector(b), 2));
    },
  },
  JMPF: {
    before(b): void {
      b.immediate.splice(b.operandSize, 2, ...little(codeSelector(b), 2));
    },
  },
  JCALLF: {
    before(b): void {
      b.stack(2 * b.operandSize, true);
      b.access = b.operandSize + 2;
    },
    after(b): void {
      if (b.memory) pokeFar(b, b.target, codeSelector(b));
    },
  },
  JMPFI: {
    before(b): void {
      b.access = b.operandSize + 2;
    },
    after(b): void {
      if (b.memory) pokeFar(b, b.target, codeSelector(b));
    },
  },
  LDSEG: {
    before(b): void {
      b.access = b.operandSize + 2;
    },
    after(b): void {
      if (b.memory) pokeFar(b, b.target, selector(b));
    },
  },
  MOVTOSEG: segmentOperand,
  LAR: segmentOperand,
  LSL: segmentOperand,
  VERR: segmentOperand,
  VERW: segmentOperand,
};
