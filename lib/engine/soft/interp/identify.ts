/**
 * What the CPU says it is: CPUID and the model-specific registers.
 *
 * It presents itself as an in-order Atom (family 6, model 1Ch): one of the few models that Linux knows to be free of
 * speculation, so that no mitigation slows the Guest down. Its time-stamp counter runs at exactly 1 GHz, told through
 * leaf 15h, so that Linux needs no calibration.
 *
 * @module
 */
import type { Cpu } from "../cpu.ts";
import type { Insn } from "../insn.ts";
import { EAX, EBX, ECX, EDX } from "../state.ts";

const FPU = 1, DE = 1 << 2, PSE = 1 << 3, TSC = 1 << 4, MSR = 1 << 5, PAE = 1 << 6, CX8 = 1 << 8, SEP = 1 << 11;
const PGE = 1 << 13, CMOV = 1 << 15, CLFSH = 1 << 19, MMX = 1 << 23, FXSR = 1 << 24, SSE = 1 << 25, SSE2 = 1 << 26;
const FEATURES = FPU | DE | PSE | TSC | MSR | PAE | CX8 | SEP | PGE | CMOV | CLFSH | MMX | FXSR | SSE | SSE2;
const HYPERVISOR = 1 << 31, NX = 1 << 20, INVARIANT_TSC = 1 << 8;
const TSC_ADJUST = 1 << 1;
const SIGNATURE = 0x0001_06c2, MAX_LEAF = 0x15, MAX_EXTENDED = 0x8000_0008;
/** Rate of the time-stamp counter. */
export const TSC_HZ = 1_000_000_000;

const BRAND = "lguest built-in CPU";
type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];
const NOTHING: Leaf = [0, 0, 0, 0];

function text(s: string, at: number): number {
  const code = (i: number) => s.charCodeAt(at + i) || 0;
  return code(0) | code(1) << 8 | code(2) << 16 | code(3) << 24;
}

function brand(part: number): Leaf {
  return [text(BRAND, part), text(BRAND, part + 4), text(BRAND, part + 8), text(BRAND, part + 12)];
}

const VENDOR = "GenuineIntel";
const LEAVES: ReadonlyMap<number, Leaf> = new Map<number, Leaf>([
  [0, [MAX_LEAF, text(VENDOR, 0), text(VENDOR, 8), text(VENDOR, 4)]],
  [1, [SIGNATURE, 8 << 8, HYPERVISOR, FEATURES]],
  [2, [1, 0, 0, 0]],
  [7, [0, TSC_ADJUST, 0, 0]],
  [0x15, [1, 1, TSC_HZ, 0]],
  [0x4000_0000, [0x4000_0000, text("lguestlguest", 0), text("lguestlguest", 4), text("lguestlguest", 8)]],
  [0x8000_0000, [MAX_EXTENDED, 0, 0, 0]],
  [0x8000_0001, [0, 0, 0, NX]],
  [0x8000_0002, brand(0)],
  [0x8000_0003, brand(16)],
  [0x8000_0004, brand(32)],
  [0x8000_0007, [0, 0, 0, INVARIANT_TSC]],
  [0x8000_0008, [36 | 32 << 8, 0, 0, 0]],
]);

/** CPUID (Intel SDM volume 2). */
export function cpuid(cpu: Cpu, _insn: Insn): void {
  const leaf = LEAVES.get(cpu.reg(EAX) >>> 0) ?? NOTHING;
  cpu.setReg(EAX, leaf[0]);
  cpu.setReg(EBX, leaf[1]);
  cpu.setReg(ECX, leaf[2]);
  cpu.setReg(EDX, leaf[3]);
}

const IA32_TSC = 0x10, IA32_TSC_ADJUST = 0x3b, IA32_EFER = 0xc000_0080, EFER_BITS = 0x800;

/** Registers that keep what is written (SYSENTER, and the TSC's adjustment, which nobody needs here), or are always 0 and whose writes are ignored. */
const PLAIN = new Set([0x174, 0x175, 0x176, IA32_TSC_ADJUST]);
const ZERO = new Set([
  0x17, // IA32_PLATFORM_ID
  0x1b, // IA32_APIC_BASE: disabled
  0x2a, // EBL_CR_POWERON
  0x8b, // IA32_BIOS_SIGN_ID
  0xcd, // FSB_FREQ
  0x1a0, // IA32_MISC_ENABLE
]);

/** The value of a model-specific register; #GP(0) if it does not exist. */
export function readMsr(cpu: Cpu, n: number): readonly [low: number, high: number] {
  if (n === IA32_TSC) {
    const now = cpu.timestamp();
    return [now % 0x1_0000_0000 | 0, now / 0x1_0000_0000 | 0];
  }
  if (n === IA32_EFER) return [cpu.efer, 0];
  if (PLAIN.has(n)) return cpu.msrs.get(n) ?? [0, 0];
  if (ZERO.has(n)) return [0, 0];
  return cpu.gp();
}

/** Set a model-specific register; #GP(0) if it does not exist or does not take the value. */
export function writeMsr(cpu: Cpu, n: number, low: number, high: number): void {
  if (n === IA32_TSC) cpu.setTimestamp((high >>> 0) * 0x1_0000_0000 + (low >>> 0));
  else if (n === IA32_EFER) {
    if (high !== 0 || low & ~EFER_BITS) cpu.gp();
    if (cpu.efer !== low) cpu.mmu.flush(false);
    cpu.efer = low;
  } else if (PLAIN.has(n)) cpu.msrs.set(n, [low, high]);
  else if (!ZERO.has(n)) cpu.gp();
}
