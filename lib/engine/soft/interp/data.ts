/**
 * Moves, the stack, conversions and the flag instructions.
 *
 * @module
 */
import { CR4_TSD } from "../control_bits.ts";
import type { Cpu } from "../cpu.ts";
import { BR, UD } from "../fault.ts";
import { type Insn, K_MEM, K_REG, K_SREG } from "../insn.ts";
import { CF, DF, EAX, EBP, EBX, EDX, ESP, IF, IOPL, NT, RF, SS, VM } from "../state.ts";
import { extend } from "./alu.ts";
import { loadSegment } from "./segments.ts";

export function mov(cpu: Cpu, insn: Insn): void {
  cpu.writeA(insn, cpu.readB(insn));
}

export function movzx(cpu: Cpu, insn: Insn): void {
  cpu.writeA(insn, cpu.readB(insn));
}

export function movsx(cpu: Cpu, insn: Insn): void {
  cpu.writeA(insn, extend(cpu.readB(insn), insn.srcSize));
}

export function lea(cpu: Cpu, insn: Insn): void {
  cpu.writeA(insn, cpu.offset(insn));
}

export function xchg(cpu: Cpu, insn: Insn): void {
  const a = cpu.modifyA(insn), b = cpu.readB(insn);
  cpu.storeA(insn, b);
  cpu.writeB(insn, a);
}

export function bswap(cpu: Cpu, insn: Insn): void {
  const v = cpu.reg(insn.ar);
  if (insn.size === 2) return cpu.setSized(insn.ar, 2, 0); // undefined; this is what processors do
  cpu.setReg(insn.ar, v << 24 | (v & 0xff00) << 8 | v >>> 8 & 0xff00 | v >>> 24);
}

export function cmov(cpu: Cpu, insn: Insn): void {
  const value = cpu.readB(insn); // read even if not moved: it may fault
  if (cpu.condition(insn.code)) cpu.writeA(insn, value);
}

export function setcc(cpu: Cpu, insn: Insn): void {
  cpu.writeA(insn, cpu.condition(insn.code) ? 1 : 0);
}

export function cbw(cpu: Cpu, insn: Insn): void {
  if (insn.size === 2) cpu.setSized(EAX, 2, cpu.getSized(EAX, 1) << 24 >> 24);
  else cpu.setReg(EAX, cpu.reg(EAX) << 16 >> 16);
}

export function cwd(cpu: Cpu, insn: Insn): void {
  if (insn.size === 2) cpu.setSized(EDX, 2, cpu.reg(EAX) << 16 >> 31);
  else cpu.setReg(EDX, cpu.reg(EAX) >> 31);
}

export function xlat(cpu: Cpu, insn: Insn): void {
  const sum = cpu.reg(EBX) + cpu.getSized(EAX, 1);
  const offset = insn.addrSize === 2 ? sum & 0xffff : sum | 0;
  cpu.setSized(EAX, 1, cpu.read8(cpu.segmented(insn.seg, offset, 1, false)));
}

// The stack.

export function push(cpu: Cpu, insn: Insn): void {
  if (insn.a === K_SREG) pushSegment(cpu, insn);
  else cpu.push(cpu.readA(insn), insn.size);
}

function pushSegment(cpu: Cpu, insn: Insn): void {
  const esp = (cpu.reg(ESP) - insn.size) & cpu.stackMask;
  // A 32-bit push of a selector writes only its 16 bits (Intel SDM volume 2, PUSH).
  cpu.write16(cpu.segmented(SS, esp, 2, true), cpu.selectors[insn.ar]!);
  cpu.setStackPointer(esp);
}

export function pop(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  if (insn.a === K_SREG) {
    const esp = cpu.reg(ESP) & cpu.stackMask;
    const selector = cpu.read16(cpu.segmented(SS, esp, 2, false));
    loadSegment(cpu, insn.ar, selector);
    cpu.setStackPointer(esp + size);
    if (insn.ar === SS) cpu.shadow = true;
    return;
  }
  if (insn.a === K_REG) return cpu.setSized(insn.ar, size, cpu.pop(size));
  const esp = cpu.reg(ESP);
  const value = cpu.pop(size); // ESP is raised before it is used in the destination's address
  try {
    cpu.write(cpu.linear(insn, size, true), size, value);
  } catch (fault) {
    cpu.setReg(ESP, esp);
    throw fault;
  }
}

export function pusha(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  let esp = cpu.reg(ESP);
  cpu.probePushes(8, size);
  for (let n = 0; n < 8; n++) {
    esp = (esp - size) & cpu.stackMask;
    cpu.write(cpu.segmented(SS, esp, size, true), size, cpu.reg(n));
  }
  cpu.setStackPointer(esp);
}

/** Restarted from its beginning after a fault: like processors, it leaves the registers that it has popped by then. */
export function popa(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const esp = cpu.reg(ESP) & cpu.stackMask;
  for (let n = 7; n >= 0; n--) {
    const value = cpu.read(cpu.segmented(SS, (esp + (7 - n) * size) & cpu.stackMask, size, false), size);
    if (n !== ESP) cpu.setSized(n, size, value);
  }
  cpu.setStackPointer(esp + 8 * size);
}

export function pushf(cpu: Cpu, insn: Insn): void {
  cpu.push(cpu.flags & ~(VM | RF), insn.size);
}

/** The EFLAGS bits that POPF and IRET may change at a privilege level (Intel SDM volume 2, POPF). */
export function changeableFlags(cpu: Cpu): number {
  let mask = 0x24_4dd5; // ID, AC, NT, OF, DF, TF, SF, ZF, AF, PF, CF
  if (cpu.cpl === 0) mask |= IOPL | IF;
  else if (cpu.cpl <= (cpu.systemFlags & IOPL) >> 12) mask |= IF;
  return mask | NT;
}

export function popf(cpu: Cpu, insn: Insn): void {
  const value = cpu.pop(insn.size);
  const mask = changeableFlags(cpu) & (insn.size === 2 ? 0xffff : -1);
  cpu.flags = cpu.flags & ~mask & ~RF | value & mask;
}

/** The pushes happen one after the other, so that the frame pointers copied may be ones that were just pushed. */
export function enter(cpu: Cpu, insn: Insn): void {
  const size = insn.size, level = insn.imm2 & 31, mask = cpu.stackMask;
  let esp = cpu.reg(ESP), ebp = cpu.reg(EBP);
  const push = (value: number) => {
    esp = (esp - size) & mask;
    cpu.write(cpu.segmented(SS, esp, size, true), size, value);
  };
  push(ebp);
  const frame = cpu.reg(ESP) & ~mask | esp & mask;
  for (let i = 1; i < level; i++) {
    ebp = (ebp - size) & mask;
    push(cpu.read(cpu.segmented(SS, ebp, size, false), size));
  }
  if (level > 0) push(frame);
  const final = (esp - (insn.imm & 0xffff)) & mask;
  cpu.probeWrite(cpu.segmented(SS, final, 1, true), 1); // the processor checks the new top of the stack
  cpu.setSized(EBP, size, frame);
  cpu.setStackPointer(final);
}

export function leave(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const ebp = cpu.reg(EBP) & cpu.stackMask;
  const value = cpu.read(cpu.segmented(SS, ebp, size, false), size);
  cpu.setStackPointer(ebp + size);
  cpu.setSized(EBP, size, value);
}

// Flags.

export function clc(cpu: Cpu, _insn: Insn): void {
  cpu.arithmetic = cpu.arithmetic & ~CF;
}

export function stc(cpu: Cpu, _insn: Insn): void {
  cpu.arithmetic = cpu.arithmetic | CF;
}

export function cmc(cpu: Cpu, _insn: Insn): void {
  cpu.arithmetic = cpu.arithmetic ^ CF;
}

export function cld(cpu: Cpu, _insn: Insn): void {
  cpu.systemFlags &= ~DF;
}

export function std(cpu: Cpu, _insn: Insn): void {
  cpu.systemFlags |= DF;
}

export function lahf(cpu: Cpu, _insn: Insn): void {
  cpu.u8[(EAX << 3) + 1] = cpu.arithmetic & 0xd5 | 2;
}

export function sahf(cpu: Cpu, _insn: Insn): void {
  cpu.arithmetic = cpu.arithmetic & ~0xd5 | cpu.u8[(EAX << 3) + 1]! & 0xd5;
}

export function bound(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const index = extend(cpu.getSized(insn.ar, size), size), at = cpu.offset(insn);
  const word = (offset: number) => extend(cpu.read(cpu.segmented(insn.seg, offset, size, false), size), size);
  if (index < word(at)) cpu.raise(BR); // the upper bound is not even read
  if (index > word(at + size | 0)) cpu.raise(BR);
}

export function arpl(cpu: Cpu, insn: Insn): void {
  const a = cpu.readA(Object.assign(insn, { size: 2 })), b = cpu.readB(insn) & 3;
  const lower = (a & 3) < b;
  if (lower) cpu.writeA(insn, a & ~3 | b);
  cpu.arithmetic = cpu.arithmetic & ~0x40 | (lower ? 0x40 : 0);
}

export function nop(_cpu: Cpu, _insn: Insn): void {}

export function ud(cpu: Cpu, _insn: Insn): void {
  cpu.raise(UD);
}

export function rdtsc(cpu: Cpu, _insn: Insn): void {
  if (cpu.cpl !== 0 && cpu.cr4 & CR4_TSD) cpu.gp();
  const now = cpu.timestamp();
  cpu.setReg(EAX, now % 0x1_0000_0000 | 0);
  cpu.setReg(EDX, now / 0x1_0000_0000 | 0);
}

export function movFromSegment(cpu: Cpu, insn: Insn): void {
  const selector = cpu.selectors[insn.br];
  if (insn.br > 5 || selector === undefined) cpu.raise(UD);
  if (insn.a === K_MEM) cpu.write16(cpu.linear(insn, 2, true), selector);
  else cpu.setSized(insn.ar, insn.size, selector);
}

export function movToSegment(cpu: Cpu, insn: Insn): void {
  if (insn.ar > 5 || insn.ar === 1) cpu.raise(UD);
  const selector = insn.b === K_MEM ? cpu.read16(cpu.linear(insn, 2, false)) : cpu.getSized(insn.br, 2);
  loadSegment(cpu, insn.ar, selector);
  if (insn.ar === SS) cpu.shadow = true;
}

/** A far pointer in memory: two accesses, each with its own checks. */
export function readFarPointer(cpu: Cpu, insn: Insn): [offset: number, selector: number] {
  const size = insn.size, at = cpu.offset(insn);
  const offset = cpu.read(cpu.segmented(insn.seg, at, size, false), size);
  return [offset, cpu.read16(cpu.segmented(insn.seg, at + size | 0, 2, false))];
}

const LDSEG_TARGET: Record<number, number> = { 0xc4: 0, 0xc5: 3, 0xb2: 2, 0xb4: 4, 0xb5: 5 };

/** LES, LDS, LSS, LFS, LGS; the decoder leaves the opcode in `code`. */
export function ldseg(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const [offset, selector] = readFarPointer(cpu, insn);
  loadSegment(cpu, LDSEG_TARGET[insn.code]!, selector);
  cpu.setSized(insn.ar, size, offset);
}
