/**
 * Decimal adjustments (Intel SDM volume 2: AAA, AAD, AAM, AAS, DAA, DAS), and SALC.
 *
 * @module
 */
import type { Cpu } from "../cpu.ts";
import { DE } from "../fault.ts";
import { CC_UNIVERSAL } from "../flags.ts";
import type { Insn } from "../insn.ts";
import { AF, CF, EAX } from "../state.ts";

function setResult(cpu: Cpu, al: number, carry: boolean, adjust: boolean): void {
  cpu.setSized(EAX, 1, al);
  cpu.setLazy(CC_UNIVERSAL, al << 24 >> 24, (carry ? 0xc000_0000 | 0 : 0) | (adjust ? 8 : 0));
}

function adjust(cpu: Cpu, sign: 1 | -1): void {
  const al = cpu.getSized(EAX, 1), flags = cpu.arithmetic;
  const low = (al & 15) > 9 || (flags & AF) !== 0;
  const high = al > 0x99 || (flags & CF) !== 0;
  let value = al, carry = high;
  if (low) {
    value += 6 * sign;
    if (sign < 0 && al < 6) carry = true;
  }
  if (high) value += 0x60 * sign;
  setResult(cpu, value & 0xff, carry, low);
}

export function daa(cpu: Cpu, _insn: Insn): void {
  adjust(cpu, 1);
}

export function das(cpu: Cpu, _insn: Insn): void {
  adjust(cpu, -1);
}

function ascii(cpu: Cpu, sign: 1 | -1): void {
  const ax = cpu.getSized(EAX, 2);
  const needed = (ax & 15) > 9 || (cpu.arithmetic & AF) !== 0;
  const value = (needed ? ax + 0x106 * sign : ax) & 0xff0f;
  cpu.setSized(EAX, 2, value);
  setResult(cpu, value & 0xff, needed, needed);
}

export function aaa(cpu: Cpu, _insn: Insn): void {
  ascii(cpu, 1);
}

export function aas(cpu: Cpu, _insn: Insn): void {
  ascii(cpu, -1);
}

export function aam(cpu: Cpu, insn: Insn): void {
  const base = insn.imm & 0xff, al = cpu.getSized(EAX, 1);
  if (base === 0) cpu.raise(DE);
  cpu.setSized(EAX, 2, Math.floor(al / base) << 8);
  setResult(cpu, al % base, false, false);
}

export function aad(cpu: Cpu, insn: Insn): void {
  const ax = cpu.getSized(EAX, 2);
  const al = ((ax & 0xff) + (ax >> 8) * (insn.imm & 0xff)) & 0xff;
  cpu.setSized(EAX, 2, al);
  setResult(cpu, al, false, false);
}

export function salc(cpu: Cpu, _insn: Insn): void {
  cpu.setSized(EAX, 1, -cpu.carry & 0xff);
}
