/**
 * What a program in user mode cannot ask the processor underneath: SIMD switched off, page faults in the middle of an
 * operand, #XM without a handler, opcodes of SSE3.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { CR0_EM, CR0_NE, CR0_PE, CR0_PG, CR0_TS, CR4_OSXMMEXCPT } from "../../lib/engine/soft/control_bits.ts";
import { NM, PAGE, UD, XM } from "../../lib/engine/soft/fault.ts";
import { Insn } from "../../lib/engine/soft/insn.ts";
import { fences, SIMD_HANDLERS } from "../../lib/engine/soft/interp/simd/mod.ts";
import { EDI, STATE_FPU_TAGS, STATE_FPU_TOP, STATE_MXCSR, STATE_XMM } from "../../lib/engine/soft/state.ts";
import { isSimdOpcode, SSE3 } from "./simd_cases.ts";
import { SimdMachine } from "./simd_machine.ts";

/** End of the mapped page: what follows is not present. */
const EDGE = 0x3000;

const MOVUPS_LOAD = [0x0f, 0x10, 0x0f], MOVUPS_STORE = [0x0f, 0x11, 0x0f], ADDPS = [0x0f, 0x58, 0xc8];
const PADDB_MMX = [0x0f, 0xfc, 0xc8], EMMS = [0x0f, 0x77], MASKMOVDQU = [0x66, 0x0f, 0xf7, 0xc8];

function execute(machine: SimdMachine, code: number[]): number {
  return machine.execute(Uint8Array.from(code));
}

/** Paging with the first pages mapped to themselves, up to {@link EDGE}. */
function paged(): SimdMachine {
  const machine = new SimdMachine(), { cpu } = machine;
  cpu.memory.setUint32(0x8000, 0x9007);
  for (let page = 0; page < EDGE; page += 0x1000) cpu.memory.setUint32(0x9000 + page / 0x400, page | 7);
  cpu.cr3 = 0x8000;
  cpu.cr0 = CR0_PE | CR0_NE | CR0_PG;
  return machine;
}

function setXmm(machine: SimdMachine, n: number, bytes: number[]): void {
  machine.cpu.u8.set(bytes, STATE_XMM + 16 * n);
}

function xmm(machine: SimdMachine, n: number): number[] {
  return [...machine.cpu.u8.subarray(STATE_XMM + 16 * n, STATE_XMM + 16 * n + 16)];
}

Deno.test("SIMD table has nothing of SSE3", () => {
  assertEquals(SSE3.filter((code) => SIMD_HANDLERS[code] !== undefined), []);
  const outside = SIMD_HANDLERS.flatMap((handler, code) => handler && !isSimdOpcode(code & 0xff) ? [code] : []);
  assertEquals(outside, []);
});

Deno.test("SIMD instructions raise #UD with CR0.EM and #NM with CR0.TS", () => {
  const machine = new SimdMachine();
  machine.cpu.cr0 |= CR0_EM | CR0_TS;
  assertEquals([ADDPS, PADDB_MMX, EMMS].map((code) => execute(machine, code)), [UD, UD, UD]);
  machine.cpu.cr0 &= ~CR0_EM;
  assertEquals([ADDPS, PADDB_MMX, EMMS].map((code) => execute(machine, code)), [NM, NM, NM]);
});

Deno.test("SSE, but not MMX, raises #UD without CR4.OSFXSR", () => {
  const machine = new SimdMachine();
  machine.cpu.cr4 = 0;
  assertEquals([ADDPS, PADDB_MMX, EMMS].map((code) => execute(machine, code)), [UD, 0, 0]);
});

Deno.test("unmasked SSE exception raises #XM, or #UD without CR4.OSXMMEXCPT, and keeps the destination", () => {
  const machine = new SimdMachine(), { cpu } = machine;
  setXmm(machine, 0, [0, 0, 0xa0, 0x7f]); // a signalling NaN
  setXmm(machine, 1, [1, 2, 3, 4]);
  const before = xmm(machine, 1);
  cpu.i32[STATE_MXCSR >> 2] = 0x1f00;
  assertEquals(execute(machine, ADDPS), XM);
  assertEquals(cpu.i32[STATE_MXCSR >> 2], 0x1f01);
  cpu.cr4 &= ~CR4_OSXMMEXCPT;
  assertEquals(execute(machine, ADDPS), UD);
  assertEquals(xmm(machine, 1), before);
});

Deno.test("load over a page's end faults at the second page and changes nothing", () => {
  const machine = paged(), { cpu } = machine;
  setXmm(machine, 1, [9, 8, 7]);
  const before = xmm(machine, 1);
  for (const distance of [15, 9, 8, 5, 4, 1]) {
    cpu.setReg(EDI, EDGE - distance);
    assertEquals([execute(machine, MOVUPS_LOAD), cpu.fault.address, cpu.fault.code], [PAGE, EDGE, 0]);
  }
  assertEquals(xmm(machine, 1), before);
  cpu.setReg(EDI, EDGE - 16);
  assertEquals(execute(machine, MOVUPS_LOAD), 0);
});

Deno.test("store over a page's end faults at the second page and writes nothing", () => {
  const machine = paged(), { cpu } = machine;
  setXmm(machine, 1, new Array(16).fill(0xff));
  for (const distance of [15, 9, 8, 5, 4, 1]) {
    cpu.setReg(EDI, EDGE - distance);
    assertEquals([execute(machine, MOVUPS_STORE), cpu.fault.address, cpu.fault.code], [PAGE, EDGE, 2]);
  }
  assertEquals([...cpu.memory.copy(EDGE - 16, 16)], new Array(16).fill(0));
});

Deno.test("loads and stores over two present pages reach both", () => {
  const machine = paged(), { cpu } = machine;
  const bytes = Array.from({ length: 16 }, (_, i) => i + 1);
  setXmm(machine, 1, bytes);
  cpu.setReg(EDI, 0x1ffb);
  assertEquals(execute(machine, MOVUPS_STORE), 0);
  assertEquals([...cpu.memory.copy(0x1ffb, 16)], bytes);
  setXmm(machine, 1, new Array(16).fill(0));
  assertEquals(execute(machine, MOVUPS_LOAD), 0);
  assertEquals(xmm(machine, 1), bytes);
});

Deno.test("MMX load that faults leaves the x87 as it was", () => {
  const machine = paged(), { cpu } = machine;
  cpu.i32[STATE_FPU_TOP >> 2] = 3;
  cpu.i32[STATE_FPU_TAGS >> 2] = 0x18;
  cpu.setReg(EDI, EDGE);
  assertEquals(execute(machine, [0x0f, 0x6f, 0x0f]), PAGE);
  assertEquals([cpu.i32[STATE_FPU_TOP >> 2], cpu.i32[STATE_FPU_TAGS >> 2]], [3, 0x18]);
});

Deno.test("MASKMOVDQU faults only where the mask is set, before it writes", () => {
  const machine = paged(), { cpu } = machine;
  cpu.setReg(EDI, EDGE - 8);
  setXmm(machine, 1, new Array(16).fill(0x55));
  setXmm(machine, 0, [...new Array(8).fill(0x80), ...new Array(8).fill(0)]);
  assertEquals(execute(machine, MASKMOVDQU), 0);
  assertEquals([...cpu.memory.copy(EDGE - 8, 8)], new Array(8).fill(0x55));
  setXmm(machine, 1, new Array(16).fill(0x66));
  setXmm(machine, 0, new Array(16).fill(0x80));
  assertEquals([execute(machine, MASKMOVDQU), cpu.fault.address], [PAGE, EDGE]);
  assertEquals([...cpu.memory.copy(EDGE - 8, 8)], new Array(8).fill(0x55));
});

Deno.test("fences() is CLFLUSH with /7 and memory, which must be readable", () => {
  const machine = paged(), { cpu } = machine;
  const insn = new Insn();
  Object.assign(insn, { mem: true, reg: 7, code: 0xae, base: EDI });
  cpu.setReg(EDI, EDGE - 1);
  fences(cpu, insn);
  cpu.setReg(EDI, EDGE);
  let vector = 0;
  try {
    fences(cpu, insn);
  } catch {
    vector = cpu.fault.vector;
  }
  assertEquals(vector, PAGE);
});
