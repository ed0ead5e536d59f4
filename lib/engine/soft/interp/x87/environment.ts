/**
 * The x87's state to memory and back: FNSTENV, FLDENV, FNSAVE, FRSTOR in their four formats (Intel SDM volume 1,
 * §8.1.10), FXSAVE and FXRSTOR with the SSE registers (§10.5).
 *
 * Read next: `mod.ts`.
 *
 * @module
 */
import { CR0_PE, CR4_OSFXSR } from "../../control_bits.ts";
import type { Cpu } from "../../cpu.ts";
import type { Insn } from "../../insn.ts";
import {
  STATE_FPU_DP,
  STATE_FPU_IP,
  STATE_FPU_OPCODE,
  STATE_FPU_REGS,
  STATE_MXCSR,
  STATE_XMM,
  VM,
} from "../../state.ts";
import { examine } from "./compare.ts";
import { initialize } from "./control.ts";
import { C0, C1, C2, C3, Float80 } from "./float80.ts";
import {
  check,
  controlWord,
  get,
  isEmpty,
  setControlWord,
  setStatus,
  setTags,
  setTop,
  statusWord,
  summarize,
  tags,
  top,
} from "./unit.ts";

const I_OPCODE = STATE_FPU_OPCODE >> 2, I_IP = STATE_FPU_IP >> 2, I_DP = STATE_FPU_DP >> 2;
const U_REGS = STATE_FPU_REGS >> 1;
/** MXCSR bits that exist; FXSAVE's MXCSR_MASK. */
export const MXCSR_MASK = 0xffff;
const FXSAVE_SIZE = 512;

const register = new Float80();

/** Two bits per physical register (§8.1.7): 0 valid, 1 zero, 2 special, 3 empty. */
function tagWord(cpu: Cpu): number {
  let word = 0;
  for (let i = 0; i < 8; i++) {
    get(cpu, i, register);
    const codes = examine(register) & ~C1;
    const tag = isEmpty(cpu, i) ? 3 : codes === C3 ? 1 : codes === C2 ? 0 : 2;
    word |= tag << 2 * (top(cpu) + i & 7);
  }
  return word;
}

/** Real-address and virtual-8086 mode keep linear addresses instead of selectors and offsets. */
function isReal(cpu: Cpu): boolean {
  return (cpu.cr0 & CR0_PE) === 0 || (cpu.systemFlags & VM) !== 0;
}

function environmentSize(insn: Insn): number {
  return insn.size === 2 ? 14 : 28;
}

function storeEnvironment(cpu: Cpu, address: number, wide: boolean): void {
  const { i32 } = cpu;
  const opcode = i32[I_OPCODE]! & 0x7ff;
  let ip = i32[I_IP]!, dp = i32[I_DP]!;
  let ipHigh = i32[I_IP + 1]! & 0xffff, dpHigh = i32[I_DP + 1]! & 0xffff;
  let high = 0xffff_0000 | 0; // unused halves are stored as ones
  if (isReal(cpu)) {
    ip = ip + (ipHigh << 4) | 0;
    dp = dp + (dpHigh << 4) | 0;
    ipHigh = wide ? ip >>> 16 << 12 | opcode : ip >>> 4 & 0xf000 | opcode;
    dpHigh = wide ? dp >>> 16 << 12 : dp >>> 4 & 0xf000;
    if (wide) {
      ip = ip & 0xffff | high;
      dp = dp & 0xffff | high;
      high = 0;
    }
  } else if (wide) {
    ipHigh |= opcode << 16;
    dpHigh |= high;
    high = 0xffff_0000 | 0;
  }
  const words = [controlWord(cpu) | high, statusWord(cpu) | high, tagWord(cpu) | high, ip, ipHigh, dp, dpHigh];
  if (wide && isReal(cpu)) { for (let i = 0; i < 3; i++) words[i]! |= 0xffff_0000; }
  words.forEach((word, i) => wide ? cpu.write32(address + 4 * i | 0, word) : cpu.write16(address + 2 * i | 0, word));
}

function loadEnvironment(cpu: Cpu, address: number, wide: boolean): void {
  const word = (n: number) => wide ? cpu.read32(address + 4 * n | 0) : cpu.read16(address + 2 * n | 0);
  const control = word(0), statusWord = word(1), tag = word(2);
  const ip = word(3), ipHigh = word(4), dp = word(5), dpHigh = word(6);
  const { i32 } = cpu;
  if (isReal(cpu)) {
    i32[I_IP] = ip & 0xffff | (wide ? ipHigh >>> 12 << 16 : (ipHigh & 0xf000) << 4);
    i32[I_DP] = dp & 0xffff | (wide ? dpHigh >>> 12 << 16 : (dpHigh & 0xf000) << 4);
    i32[I_IP + 1] = i32[I_DP + 1] = 0;
    i32[I_OPCODE] = ipHigh & 0x7ff;
  } else {
    i32[I_IP] = ip;
    i32[I_IP + 1] = ipHigh & 0xffff;
    i32[I_DP] = dp;
    i32[I_DP + 1] = dpHigh & 0xffff;
    if (wide) i32[I_OPCODE] = ipHigh >>> 16 & 0x7ff;
  }
  let full = 0;
  for (let n = 0; n < 8; n++) if ((tag >> 2 * n & 3) !== 3) full |= 1 << n;
  setTags(cpu, full);
  setStatusWord(cpu, statusWord);
  setControlWord(cpu, control);
}

/** Set the status word, TOP in its bits 11 to 13 included. ES and B follow from flags and masks: see `summarize`. */
function setStatusWord(cpu: Cpu, word: number): void {
  setTop(cpu, word >> 11);
  setStatus(cpu, word & (0x7f | C0 | C1 | C2 | C3));
}

/** FNSTENV: afterwards all exceptions are masked. */
export function fnstenv(cpu: Cpu, insn: Insn): void {
  cpu.needFpu();
  const size = environmentSize(insn);
  const address = cpu.linear(insn, size, true);
  cpu.probeWrite(address, size);
  storeEnvironment(cpu, address, insn.size !== 2);
  setControlWord(cpu, controlWord(cpu) | 0x3f);
}

/** FLDENV: an exception that it loads is pending for the next instruction. */
export function fldenv(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const size = environmentSize(insn);
  const address = cpu.linear(insn, size, false);
  cpu.probeRead(address, size);
  loadEnvironment(cpu, address, insn.size !== 2);
}

/** FNSAVE: environment, then ST(0) to ST(7), 10 bytes each; then as FNINIT. */
export function fnsave(cpu: Cpu, insn: Insn): void {
  cpu.needFpu();
  const size = environmentSize(insn);
  const address = cpu.linear(insn, size + 80, true);
  cpu.probeWrite(address, size + 80);
  storeEnvironment(cpu, address, insn.size !== 2);
  for (let i = 0; i < 8; i++) {
    const at = U_REGS + ((top(cpu) + i & 7) << 3);
    for (let k = 0; k < 5; k++) cpu.write16(address + size + 10 * i + 2 * k | 0, cpu.u16[at + k]!);
  }
  initialize(cpu);
}

/** FRSTOR. */
export function frstor(cpu: Cpu, insn: Insn): void {
  check(cpu);
  const size = environmentSize(insn);
  const address = cpu.linear(insn, size + 80, false);
  cpu.probeRead(address, size + 80);
  loadEnvironment(cpu, address, insn.size !== 2);
  for (let i = 0; i < 8; i++) {
    const at = U_REGS + ((top(cpu) + i & 7) << 3);
    for (let k = 0; k < 5; k++) cpu.u16[at + k] = cpu.read16(address + size + 10 * i + 2 * k | 0);
  }
}

/** The address of FXSAVE's image: 512 bytes, aligned to 16. */
function imageAddress(cpu: Cpu, insn: Insn, write: boolean): number {
  cpu.needFpu();
  const address = cpu.linear(insn, FXSAVE_SIZE, write);
  if ((address & 15) !== 0) cpu.gp();
  if (write) cpu.probeWrite(address, FXSAVE_SIZE);
  else cpu.probeRead(address, FXSAVE_SIZE);
  return address;
}

/** FXSAVE (§10.5.1): reserved and software-available bytes are left alone. Pending exceptions do not matter. */
export function fxsave(cpu: Cpu, insn: Insn): void {
  const address = imageAddress(cpu, insn, true);
  const { i32, u16 } = cpu;
  cpu.write32(address, controlWord(cpu) | statusWord(cpu) << 16);
  cpu.write32(address + 4 | 0, tags(cpu) & 0xff | (i32[I_OPCODE]! & 0x7ff) << 16);
  cpu.write32(address + 8 | 0, i32[I_IP]!);
  cpu.write32(address + 12 | 0, i32[I_IP + 1]! & 0xffff);
  cpu.write32(address + 16 | 0, i32[I_DP]!);
  cpu.write32(address + 20 | 0, i32[I_DP + 1]! & 0xffff);
  cpu.write32(address + 24 | 0, i32[STATE_MXCSR >> 2]!);
  cpu.write32(address + 28 | 0, MXCSR_MASK);
  for (let i = 0; i < 8; i++) {
    const n = top(cpu) + i & 7;
    const from = (STATE_FPU_REGS >> 2) + 4 * n;
    cpu.write32(address + 32 + 16 * i | 0, i32[from]!);
    cpu.write32(address + 36 + 16 * i | 0, i32[from + 1]!);
    cpu.write32(address + 40 + 16 * i | 0, u16[U_REGS + 8 * n + 4]!);
    cpu.write32(address + 44 + 16 * i | 0, 0);
  }
  if ((cpu.cr4 & CR4_OSFXSR) === 0) return;
  for (let i = 0; i < 32; i++) cpu.write32(address + 160 + 4 * i | 0, i32[(STATE_XMM >> 2) + i]!);
}

/** FXRSTOR (§10.5.2): #GP if a reserved bit of MXCSR would be set. */
export function fxrstor(cpu: Cpu, insn: Insn): void {
  const address = imageAddress(cpu, insn, false);
  const { i32, u16 } = cpu;
  const mxcsr = cpu.read32(address + 24 | 0);
  if ((cpu.cr4 & CR4_OSFXSR) !== 0) {
    if ((mxcsr & ~MXCSR_MASK) !== 0) cpu.gp();
    i32[STATE_MXCSR >> 2] = mxcsr;
    for (let i = 0; i < 32; i++) i32[(STATE_XMM >> 2) + i] = cpu.read32(address + 160 + 4 * i | 0);
  }
  setStatusWord(cpu, cpu.read16(address + 2 | 0));
  setControlWord(cpu, cpu.read16(address));
  summarize(cpu);
  setTags(cpu, cpu.read8(address + 4 | 0));
  i32[I_OPCODE] = cpu.read16(address + 6 | 0) & 0x7ff;
  i32[I_IP] = cpu.read32(address + 8 | 0);
  i32[I_IP + 1] = cpu.read16(address + 12 | 0);
  i32[I_DP] = cpu.read32(address + 16 | 0);
  i32[I_DP + 1] = cpu.read16(address + 20 | 0);
  for (let i = 0; i < 8; i++) {
    const n = top(cpu) + i & 7;
    const to = (STATE_FPU_REGS >> 2) + 4 * n;
    i32[to] = cpu.read32(address + 32 + 16 * i | 0);
    i32[to + 1] = cpu.read32(address + 36 + 16 * i | 0);
    u16[U_REGS + 8 * n + 4] = cpu.read16(address + 40 + 16 * i | 0);
  }
}
