/**
 * Integer arithmetic and logic. Each function is one instruction as the Intel SDM (volume 2) describes it, for all
 * operand sizes: values of 1 and 2 bytes are unsigned, of 4 bytes signed. Flags are recorded lazily (`../flags.ts`).
 *
 * @module
 */
import type { Cpu } from "../cpu.ts";
import { DE } from "../fault.ts";
import { carries, CC_ADD8, CC_DEC8, CC_INC8, CC_SUB8, CC_UNIVERSAL } from "../flags.ts";
import { type Insn, K_IMM, K_MEM } from "../insn.ts";
import { AF, CF, EAX, EDX, OF, PF, SF, ZF } from "../state.ts";

/** Sign-extend a value of `size` bytes to 32 bits. */
export function extend(value: number, size: number): number {
  return size === 4 ? value | 0 : size === 2 ? value << 16 >> 16 : value << 24 >> 24;
}

function log2(size: number): number {
  return size >> 1; // 1, 2, 4 bytes: 0, 1, 2
}

function setLogic(cpu: Cpu, result: number, size: number): void {
  cpu.setLazy(CC_UNIVERSAL, extend(result, size), 0);
}

/** Result with given CF and OF; AF is cleared. */
function setCarryOverflow(cpu: Cpu, result: number, size: number, carry: number, overflow: number): void {
  cpu.setLazy(CC_UNIVERSAL, extend(result, size), carry << 31 | (carry ^ overflow) << 30);
}

export function add(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn), a = cpu.modifyA(insn);
  cpu.storeA(insn, a + b);
  cpu.setLazy(CC_ADD8 + log2(insn.size), extend(a + b, insn.size), b);
}

export function sub(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn), a = cpu.modifyA(insn);
  cpu.storeA(insn, a - b);
  cpu.setLazy(CC_SUB8 + log2(insn.size), extend(a - b, insn.size), b);
}

export function cmp(cpu: Cpu, insn: Insn): void {
  const a = cpu.readA(insn), b = cpu.readB(insn);
  cpu.setLazy(CC_SUB8 + log2(insn.size), extend(a - b, insn.size), b);
}

export function adc(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn), a = cpu.modifyA(insn);
  const result = a + b + cpu.carry;
  cpu.storeA(insn, result);
  const vector = (a & b) | ((a | b) & ~result);
  cpu.setLazy(CC_UNIVERSAL, extend(result, insn.size), carries(vector, log2(insn.size)));
}

export function sbb(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn), a = cpu.modifyA(insn);
  const result = a - b - cpu.carry;
  cpu.storeA(insn, result);
  const vector = (~a & b) | (~(a ^ b) & result);
  cpu.setLazy(CC_UNIVERSAL, extend(result, insn.size), carries(vector, log2(insn.size)));
}

export function and(cpu: Cpu, insn: Insn): void {
  const result = cpu.readB(insn) & cpu.modifyA(insn);
  cpu.storeA(insn, result);
  setLogic(cpu, result, insn.size);
}

export function or(cpu: Cpu, insn: Insn): void {
  const result = cpu.readB(insn) | cpu.modifyA(insn);
  cpu.storeA(insn, result);
  setLogic(cpu, result, insn.size);
}

export function xor(cpu: Cpu, insn: Insn): void {
  const result = cpu.readB(insn) ^ cpu.modifyA(insn);
  cpu.storeA(insn, result);
  setLogic(cpu, result, insn.size);
}

export function test(cpu: Cpu, insn: Insn): void {
  setLogic(cpu, cpu.readA(insn) & cpu.readB(insn), insn.size);
}

export function not(cpu: Cpu, insn: Insn): void {
  cpu.storeA(insn, ~cpu.modifyA(insn));
}

export function neg(cpu: Cpu, insn: Insn): void {
  const a = cpu.modifyA(insn);
  cpu.storeA(insn, -a);
  cpu.setLazy(CC_SUB8 + log2(insn.size), extend(-a, insn.size), a);
}

export function inc(cpu: Cpu, insn: Insn): void {
  const a = cpu.modifyA(insn);
  cpu.storeA(insn, a + 1);
  cpu.setLazy(CC_INC8 + log2(insn.size), extend(a + 1, insn.size), cpu.carry);
}

export function dec(cpu: Cpu, insn: Insn): void {
  const a = cpu.modifyA(insn);
  cpu.storeA(insn, a - 1);
  cpu.setLazy(CC_DEC8 + log2(insn.size), extend(a - 1, insn.size), cpu.carry);
}

/** High 32 bits of an unsigned 32 by 32 bit product. */
export function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const middle = a1 * b0 + (a0 * b0 >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 0x1_0000) + Math.floor(other / 0x1_0000)) | 0;
}

export function mul(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const b = cpu.readA(insn), a = cpu.getSized(EAX, size);
  let low: number, high: number;
  if (size === 4) {
    low = Math.imul(a, b);
    high = multiplyHigh(a, b);
    cpu.setReg(EAX, low);
    cpu.setReg(EDX, high);
  } else {
    low = a * b;
    high = low >>> (size * 8);
    cpu.setSized(EAX, 2, low);
    if (size === 2) cpu.setSized(EDX, 2, high);
  }
  const over = high !== 0 ? 1 : 0;
  setCarryOverflow(cpu, low, size, over, over);
}

export function imulAccumulator(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const b = extend(cpu.readA(insn), size), a = extend(cpu.getSized(EAX, size), size);
  let low: number, over: number;
  if (size === 4) {
    low = Math.imul(a, b);
    const high = multiplyHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0) | 0;
    cpu.setReg(EAX, low);
    cpu.setReg(EDX, high);
    over = high !== low >> 31 ? 1 : 0;
  } else {
    const product = a * b;
    low = extend(product, size);
    cpu.setSized(EAX, 2, product);
    if (size === 2) cpu.setSized(EDX, 2, product >> 16);
    over = product !== low ? 1 : 0;
  }
  setCarryOverflow(cpu, low, size, over, over);
}

export function imul(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const b = extend(cpu.readB(insn), size);
  const a = extend(insn.c === K_IMM ? insn.imm : cpu.readA(insn), size);
  const low = size === 4 ? Math.imul(a, b) : extend(a * b, size);
  const over = a * b !== low ? 1 : 0; // 2^62 is not exact as a double, but unequal to any 32-bit value all the same
  cpu.writeA(insn, low);
  setCarryOverflow(cpu, low, size, over, over);
}

export function div(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const divisor = size === 4 ? cpu.readA(insn) >>> 0 : cpu.readA(insn);
  if (divisor === 0) cpu.raise(DE);
  if (size === 4) {
    const high = cpu.reg(EDX) >>> 0, low = cpu.reg(EAX) >>> 0;
    if (high >= divisor) cpu.raise(DE);
    if (high < 0x20_0000) {
      const value = high * 0x1_0000_0000 + low;
      let quotient = Math.floor(value / divisor);
      let rest = value - quotient * divisor;
      if (rest < 0) { // the division was rounded up to the next integer
        quotient--;
        rest += divisor;
      }
      cpu.setReg(EAX, quotient);
      cpu.setReg(EDX, rest);
    } else {
      const value = BigInt(high) << 32n | BigInt(low), by = BigInt(divisor);
      cpu.setReg(EAX, Number(value / by));
      cpu.setReg(EDX, Number(value % by));
    }
    return;
  }
  const value = size === 2 ? (cpu.getSized(EDX, 2) << 16 | cpu.getSized(EAX, 2)) >>> 0 : cpu.getSized(EAX, 2);
  const quotient = Math.floor(value / divisor);
  if (quotient > (size === 2 ? 0xffff : 0xff)) cpu.raise(DE);
  storeQuotient(cpu, size, quotient, value % divisor);
}

function storeQuotient(cpu: Cpu, size: number, quotient: number, rest: number): void {
  if (size === 2) {
    cpu.setSized(EAX, 2, quotient);
    cpu.setSized(EDX, 2, rest);
  } else cpu.setSized(EAX, 2, (rest & 0xff) << 8 | quotient & 0xff);
}

export function idiv(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const divisor = extend(cpu.readA(insn), size);
  if (divisor === 0) cpu.raise(DE);
  if (size === 4) {
    const high = cpu.reg(EDX), low = cpu.reg(EAX);
    if (high === low >> 31) {
      if (low === -0x8000_0000 && divisor === -1) cpu.raise(DE);
      cpu.setReg(EAX, low / divisor | 0);
      cpu.setReg(EDX, low % divisor);
      return;
    }
    const value = BigInt(high) << 32n | BigInt(low >>> 0), by = BigInt(divisor);
    const quotient = value / by;
    if (quotient !== BigInt.asIntN(32, quotient)) cpu.raise(DE);
    cpu.setReg(EAX, Number(quotient));
    cpu.setReg(EDX, Number(value % by));
    return;
  }
  const value = size === 2 ? cpu.getSized(EDX, 2) << 16 | cpu.getSized(EAX, 2) : extend(cpu.getSized(EAX, 2), 2);
  const quotient = Math.trunc(value / divisor);
  if (quotient !== extend(quotient, size)) cpu.raise(DE);
  storeQuotient(cpu, size, quotient, value % divisor);
}

/** The count of a shift or rotate: an immediate or CL, of which five bits count. */
function shiftCount(cpu: Cpu, insn: Insn, immediate: boolean): number {
  return (immediate ? insn.imm : cpu.getSized(1, 1)) & 31;
}

export function shl(cpu: Cpu, insn: Insn): void {
  const count = shiftCount(cpu, insn, insn.b === K_IMM);
  const a = cpu.modifyA(insn);
  const bits = insn.size * 8;
  const result = a << count;
  cpu.storeA(insn, result);
  if (count === 0) return;
  const carry = count > bits ? 0 : (bits === 32 ? a >>> (32 - count) : a << count >>> bits) & 1;
  setCarryOverflow(cpu, result, insn.size, carry, carry ^ (result >>> (bits - 1)) & 1);
}

export function shr(cpu: Cpu, insn: Insn): void {
  const count = shiftCount(cpu, insn, insn.b === K_IMM);
  const a = cpu.modifyA(insn);
  const result = a >>> count;
  cpu.storeA(insn, result);
  if (count === 0) return;
  setCarryOverflow(cpu, result, insn.size, (a >>> (count - 1)) & 1, (a >>> (insn.size * 8 - 1)) & 1);
}

export function sar(cpu: Cpu, insn: Insn): void {
  const count = shiftCount(cpu, insn, insn.b === K_IMM);
  const a = extend(cpu.modifyA(insn), insn.size);
  const result = a >> count;
  cpu.storeA(insn, result);
  if (count === 0) return;
  setCarryOverflow(cpu, result, insn.size, (a >> (count - 1)) & 1, 0);
}

/** Replace CF and OF, keep the other flags (rotates, BT). */
function replaceCarry(cpu: Cpu, carry: number, overflow: number): void {
  cpu.arithmetic = cpu.arithmetic & ~(CF | OF) | carry | (overflow !== 0 ? OF : 0);
}

export function rol(cpu: Cpu, insn: Insn): void {
  const masked = shiftCount(cpu, insn, insn.b === K_IMM);
  const a = cpu.modifyA(insn), bits = insn.size * 8, count = masked & (bits - 1);
  const result = count === 0 ? a : a << count | (a >>> (bits - count));
  cpu.storeA(insn, result);
  if (masked !== 0) replaceCarry(cpu, result & 1, (result ^ (result >>> (bits - 1))) & 1);
}

export function ror(cpu: Cpu, insn: Insn): void {
  const masked = shiftCount(cpu, insn, insn.b === K_IMM);
  const a = cpu.modifyA(insn), bits = insn.size * 8, count = masked & (bits - 1);
  const result = count === 0 ? a : a >>> count | a << (bits - count);
  cpu.storeA(insn, result);
  const top = (result >>> (bits - 1)) & 1;
  if (masked !== 0) replaceCarry(cpu, top, top ^ (result >>> (bits - 2)) & 1);
}

export function rcl(cpu: Cpu, insn: Insn): void {
  const bits = insn.size * 8, count = shiftCount(cpu, insn, insn.b === K_IMM) % (bits + 1);
  let a = cpu.modifyA(insn), carry = cpu.carry;
  for (let i = 0; i < count; i++) {
    const out = (a >>> (bits - 1)) & 1;
    a = a << 1 | carry;
    carry = out;
  }
  cpu.storeA(insn, a);
  if (count !== 0) replaceCarry(cpu, carry, carry ^ (a >>> (bits - 1)) & 1);
}

export function rcr(cpu: Cpu, insn: Insn): void {
  const bits = insn.size * 8, count = shiftCount(cpu, insn, insn.b === K_IMM) % (bits + 1);
  let a = cpu.modifyA(insn), carry = cpu.carry;
  for (let i = 0; i < count; i++) {
    const out = a & 1;
    a = a >>> 1 | carry << (bits - 1);
    carry = out;
  }
  cpu.storeA(insn, a);
  if (count !== 0) replaceCarry(cpu, carry, ((a >>> (bits - 1)) ^ (a >>> (bits - 2))) & 1);
}

export function shld(cpu: Cpu, insn: Insn): void {
  const count = shiftCount(cpu, insn, insn.c === K_IMM);
  const a = cpu.modifyA(insn), b = cpu.readB(insn);
  if (count === 0) return cpu.storeA(insn, a);
  let result: number, carry: number;
  if (insn.size === 4) {
    result = a << count | b >>> (32 - count);
    carry = (a >>> (32 - count)) & 1;
  } else { // above 16 the result is undefined; processors shift the operands' concatenation on
    const wide = count <= 16 ? (a << 16 | b) : (b << 16 | a);
    result = (count <= 16 ? wide << count : wide << (count - 16)) >>> 16;
    carry = (count <= 16 ? a >>> (16 - count) : b >>> (32 - count)) & 1;
  }
  cpu.storeA(insn, result);
  const bits = insn.size * 8;
  setCarryOverflow(cpu, result, insn.size, carry, ((result ^ a) >>> (bits - 1)) & 1);
}

export function shrd(cpu: Cpu, insn: Insn): void {
  const count = shiftCount(cpu, insn, insn.c === K_IMM);
  const a = cpu.modifyA(insn), b = cpu.readB(insn);
  if (count === 0) return cpu.storeA(insn, a);
  let result: number, carry: number;
  if (insn.size === 4) {
    result = a >>> count | b << (32 - count);
    carry = (a >>> (count - 1)) & 1;
  } else {
    const wide = count <= 16 ? (b << 16 | a) : (a << 16 | b);
    const by = count <= 16 ? count : count - 16;
    result = (wide >>> by) & 0xffff;
    carry = (wide >>> (by - 1)) & 1;
  }
  cpu.storeA(insn, result);
  const bits = insn.size * 8;
  setCarryOverflow(cpu, result, insn.size, carry, ((result ^ a) >>> (bits - 1)) & 1);
}

/** BT, BTS, BTR, BTC: a register bit offset reaches memory beyond the operand. */
function bitTest(change: (value: number, bit: number) => number, writes: boolean): (cpu: Cpu, insn: Insn) => void {
  return (cpu, insn) => {
    const size = insn.size, bits = size * 8;
    const index = insn.b === K_IMM ? insn.imm : extend(cpu.readB(insn), size);
    const bit = 1 << (index & (bits - 1));
    let value: number;
    if (insn.a === K_MEM) {
      const at = insn.b === K_IMM ? 0 : (index >> (size === 4 ? 5 : 4)) * size;
      let offset = cpu.offset(insn) + at;
      offset = insn.addrSize === 2 ? offset & 0xffff : offset | 0;
      const address = cpu.segmented(insn.seg, offset, size, writes);
      if (writes) cpu.probeWrite(address, size);
      value = cpu.read(address, size);
      if (writes) cpu.write(address, size, change(value, bit));
    } else {
      value = cpu.readA(insn);
      if (writes) cpu.writeA(insn, change(value, bit));
    }
    cpu.arithmetic = cpu.arithmetic & ~CF | ((value & bit) !== 0 ? CF : 0);
  };
}

export const bt = bitTest((value) => value, false);
export const bts = bitTest((value, bit) => value | bit, true);
export const btr = bitTest((value, bit) => value & ~bit, true);
export const btc = bitTest((value, bit) => value ^ bit, true);

export function bsf(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn);
  if (b !== 0) cpu.writeA(insn, 31 - Math.clz32(b & -b));
  cpu.arithmetic = cpu.arithmetic & ~(CF | PF | AF | SF | OF | ZF) | (b === 0 ? ZF | PF : 0);
}

export function bsr(cpu: Cpu, insn: Insn): void {
  const b = cpu.readB(insn);
  if (b !== 0) cpu.writeA(insn, 31 - Math.clz32(b));
  cpu.arithmetic = cpu.arithmetic & ~(CF | PF | AF | SF | OF | ZF) | (b === 0 ? ZF | PF : 0);
}

export function xadd(cpu: Cpu, insn: Insn): void {
  const a = cpu.modifyA(insn), b = cpu.readB(insn);
  cpu.storeA(insn, a + b);
  if (insn.a !== insn.b || insn.ar !== insn.br || insn.a === K_MEM) cpu.writeB(insn, a);
  cpu.setLazy(CC_ADD8 + log2(insn.size), extend(a + b, insn.size), b);
}

export function cmpxchg(cpu: Cpu, insn: Insn): void {
  const size = insn.size;
  const a = cpu.modifyA(insn), accumulator = cpu.getSized(EAX, size);
  if (a === accumulator) cpu.storeA(insn, cpu.readB(insn));
  else {
    cpu.storeA(insn, a);
    cpu.setSized(EAX, size, a);
  }
  cpu.setLazy(CC_SUB8 + log2(size), extend(accumulator - a, size), a);
}

export function cmpxchg8b(cpu: Cpu, insn: Insn): void {
  const address = cpu.linear(insn, 8, true);
  cpu.probeWrite(address, 8);
  const low = cpu.read32(address), high = cpu.read32(address + 4 | 0);
  const equal = low === cpu.reg(EAX) && high === cpu.reg(EDX);
  cpu.write32(address, equal ? cpu.reg(3) : low);
  cpu.write32(address + 4 | 0, equal ? cpu.reg(1) : high);
  if (!equal) {
    cpu.setReg(EAX, low);
    cpu.setReg(EDX, high);
  }
  cpu.arithmetic = cpu.arithmetic & ~ZF | (equal ? ZF : 0);
}
