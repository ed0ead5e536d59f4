/** What the x87 tests against the processor cannot reach: faults, CR0's bits, formats of other modes, FXSAVE. */
import { assertEquals } from "@std/assert";
import { fwait, fxrstor, fxsave, initialize, MXCSR_MASK } from "../../lib/engine/soft/interp/x87/mod.ts";
import { CR0_EM, CR0_MP, CR0_NE, CR0_PE, CR0_TS } from "../../lib/engine/soft/control_bits.ts";
import type { Cpu } from "../../lib/engine/soft/cpu.ts";
import { CpuFault, GP, MF, NM } from "../../lib/engine/soft/fault.ts";
import {
  CS,
  DS,
  ESI,
  STATE_FPU_CONTROL,
  STATE_FPU_DP,
  STATE_FPU_IP,
  STATE_FPU_OPCODE,
  STATE_FPU_STATUS,
  STATE_FPU_TAGS,
  STATE_FPU_TOP,
  STATE_MXCSR,
  STATE_XMM,
} from "../../lib/engine/soft/state.ts";
import { handlerOf, makeCpu, makeInsn, OPERAND } from "./x87_machine.ts";

/** Execute one instruction, its memory operand at [ESI]. */
function run(cpu: Cpu, first: number, modrm: number, size = 4): void {
  const insn = makeInsn(first, modrm, size);
  handlerOf(insn)!(cpu, insn);
}

/** The vector of the fault that this raises, or -1. */
function vectorOf(cpu: Cpu, act: () => void): number {
  try {
    act();
  } catch (error) {
    if (error instanceof CpuFault) return cpu.fault.vector;
    throw error;
  }
  return -1;
}

function ready(): Cpu {
  const cpu = makeCpu();
  initialize(cpu);
  cpu.setReg(ESI, OPERAND);
  return cpu;
}

/** Divide 1 by 0 with everything unmasked: an exception is pending afterwards. */
function divideByZero(cpu: Cpu): void {
  cpu.write16(OPERAND, 0x340);
  run(cpu, 0xd9, 0x2e); // fldcw
  run(cpu, 0xd9, 0xe8); // fld1
  run(cpu, 0xd9, 0xee); // fldz
  run(cpu, 0xde, 0xf9); // fdivp
}

Deno.test("an unmasked exception arrives at the next waiting instruction", () => {
  const cpu = ready();
  divideByZero(cpu);
  assertEquals(vectorOf(cpu, () => run(cpu, 0xd9, 0xe8)), MF);
  assertEquals(vectorOf(cpu, () => fwait(cpu, makeInsn(0xdb, 0xe4))), MF);
  run(cpu, 0xdf, 0xe0); // fnstsw ax
  assertEquals(cpu.reg(0), 0xb084);
  run(cpu, 0xdb, 0xe2); // fnclex
  run(cpu, 0xd9, 0xe8);
  assertEquals(cpu.i32[STATE_FPU_TOP >> 2], 5);
});

Deno.test("with CR0.NE clear a pending exception is ignored", () => {
  const cpu = ready();
  divideByZero(cpu);
  cpu.cr0 &= ~CR0_NE;
  run(cpu, 0xd9, 0xe8);
  assertEquals(cpu.i32[STATE_FPU_TOP >> 2], 5);
});

Deno.test("CR0.TS and CR0.EM raise #NM, for FWAIT only TS with MP", () => {
  const cpu = ready();
  const wait = makeInsn(0xdb, 0xe4);
  cpu.cr0 |= CR0_TS;
  assertEquals(vectorOf(cpu, () => run(cpu, 0xd9, 0xe8)), NM);
  assertEquals(vectorOf(cpu, () => fxsave(cpu, makeInsn(0, 6))), NM);
  fwait(cpu, wait);
  cpu.cr0 |= CR0_MP;
  assertEquals(vectorOf(cpu, () => fwait(cpu, wait)), NM);
  cpu.cr0 = cpu.cr0 & ~CR0_TS | CR0_EM;
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdb, 0xe3)), NM);
  fwait(cpu, wait);
});

Deno.test("a segment fault leaves the x87 as it was", () => {
  const cpu = ready();
  run(cpu, 0xd9, 0xe8);
  const before = cpu.u8.slice(STATE_FPU_CONTROL, STATE_MXCSR);
  cpu.limits[DS] = OPERAND + 6;
  cpu.updateMode();
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdd, 0x1e)), GP); // fstp m64
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdd, 0x06)), GP); // fld m64
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdd, 0x36)), GP); // fnsave
  assertEquals(cpu.u8.slice(STATE_FPU_CONTROL, STATE_MXCSR), before);
});

Deno.test("a store over a page's end that faults writes nothing", () => {
  const cpu = ready();
  run(cpu, 0xd9, 0xe8);
  cpu.memory.write(0x8000, new Uint8Array(0x2000));
  // Identity-map everything but the page behind 0x3000.
  for (let page = 0; page < 16; page++) cpu.write32(0x9000 + 4 * page, page === 3 ? 0 : page << 12 | 7);
  cpu.write32(0x8000, 0x9007);
  cpu.cr3 = 0x8000;
  cpu.cr0 |= 0x8000_0000;
  cpu.mmu.flush(false);
  cpu.setReg(ESI, 0x2ffc);
  const before = cpu.u8.slice(STATE_FPU_CONTROL, STATE_MXCSR);
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdd, 0x1e)), 14);
  assertEquals(vectorOf(cpu, () => run(cpu, 0xdb, 0x3e)), 14);
  assertEquals(cpu.read32(0x2ffc), 0);
  assertEquals(cpu.u8.slice(STATE_FPU_CONTROL, STATE_MXCSR), before);
});

Deno.test("instruction and data pointers name the last instruction that is no control instruction", () => {
  const cpu = ready();
  cpu.eip = 0x1234;
  cpu.selectors[CS] = 0x10;
  cpu.selectors[DS] = 0x18;
  run(cpu, 0xdd, 0x06); // fld m64
  cpu.eip = 0x5678;
  run(cpu, 0xdf, 0xe0); // fnstsw ax
  assertEquals(cpu.i32[STATE_FPU_OPCODE >> 2], 0x506);
  assertEquals([...cpu.i32.slice(STATE_FPU_IP >> 2, (STATE_FPU_IP >> 2) + 2)], [0x1234, 0x10]);
  assertEquals([...cpu.i32.slice(STATE_FPU_DP >> 2, (STATE_FPU_DP >> 2) + 2)], [OPERAND, 0x18]);
});

for (const [name, protectedMode, size, bytes] of [["real", false, 2, 14], ["real", false, 4, 28]] as const) {
  Deno.test(`FNSTENV in ${name} mode writes ${bytes} bytes that FLDENV takes back`, () => {
    const cpu = ready();
    cpu.eip = 0x1_2345;
    run(cpu, 0xd9, 0xeb); // fldpi
    if (!protectedMode) cpu.cr0 &= ~CR0_PE;
    cpu.memory.fill(OPERAND, 32, 0xcc);
    run(cpu, 0xd9, 0x36, size);
    const image = cpu.memory.copy(OPERAND, 32);
    assertEquals(image.slice(bytes), new Uint8Array(32 - bytes).fill(0xcc));
    const view = new DataView(image.buffer);
    assertEquals(view.getUint16(size * 3, true), 0x2345);
    assertEquals(size === 2 ? view.getUint16(8, true) : view.getUint32(16, true), 0x11eb);
    run(cpu, 0xdb, 0xe3); // fninit
    run(cpu, 0xd9, 0x26, size);
    assertEquals(cpu.i32[STATE_FPU_IP >> 2], 0x1_2345);
    assertEquals(cpu.i32[STATE_FPU_TAGS >> 2], 0x80);
    assertEquals(cpu.i32[STATE_FPU_TOP >> 2], 7);
  });
}

Deno.test("FXSAVE and FXRSTOR keep x87, XMM and MXCSR, and reserved bytes alone", () => {
  const cpu = ready();
  const insn = makeInsn(0, 6);
  run(cpu, 0xd9, 0xeb);
  run(cpu, 0xd9, 0xe8);
  cpu.i32[STATE_MXCSR >> 2] = 0x1f80;
  cpu.u8.set(Array.from({ length: 128 }, (_, i) => i), STATE_XMM);
  cpu.memory.fill(OPERAND, 512, 0xcc);
  fxsave(cpu, insn);
  const image = new DataView(cpu.memory.copy(OPERAND, 512).buffer);
  assertEquals([image.getUint16(0, true), image.getUint16(2, true), image.getUint8(4)], [0x37f, 0x3000, 0xc0]);
  assertEquals([image.getUint32(24, true), image.getUint32(28, true)], [0x1f80, MXCSR_MASK]);
  assertEquals(image.getUint16(32 + 8, true), 0x3fff);
  assertEquals(image.getBigUint64(48, true), 0xc90f_daa2_2168_c235n);
  assertEquals(image.getUint8(288), 0xcc);
  const before = cpu.u8.slice(STATE_FPU_CONTROL - 128, STATE_XMM + 128);
  cpu.u8.fill(0, STATE_FPU_CONTROL - 128, STATE_XMM + 128);
  fxrstor(cpu, insn);
  assertEquals(cpu.u8.slice(STATE_FPU_CONTROL - 128, STATE_XMM + 128), before);
});

Deno.test("FXSAVE and FXRSTOR raise #GP for a misaligned image and reserved bits of MXCSR", () => {
  const cpu = ready();
  const insn = makeInsn(0, 6);
  cpu.setReg(ESI, OPERAND + 8);
  assertEquals(vectorOf(cpu, () => fxsave(cpu, insn)), GP);
  cpu.setReg(ESI, OPERAND);
  fxsave(cpu, insn);
  cpu.write32(OPERAND + 24, 0x1_0000);
  assertEquals(vectorOf(cpu, () => fxrstor(cpu, insn)), GP);
  assertEquals(cpu.u16[STATE_FPU_STATUS >> 1], 0);
});
