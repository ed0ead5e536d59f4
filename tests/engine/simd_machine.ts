/**
 * Our CPU as the other side of the comparison: takes a record as `simd_native.ts` describes it, executes the
 * instruction in a flat 32-bit Guest and writes the state after it back.
 *
 * @module
 */
import { CR0_NE, CR0_PE, CR4_OSFXSR, CR4_OSXMMEXCPT } from "../../lib/engine/soft/control_bits.ts";
import { Cpu } from "../../lib/engine/soft/cpu.ts";
import { Decoder } from "../../lib/engine/soft/decoder.ts";
import { CpuFault, UD } from "../../lib/engine/soft/fault.ts";
import type { Handler } from "../../lib/engine/soft/insn.ts";
import { fences, ldmxcsr, movnti, SIMD_HANDLERS, stmxcsr } from "../../lib/engine/soft/interp/simd/mod.ts";
import { OP } from "../../lib/engine/soft/opcodes.ts";
import {
  STATE_FPU_CONTROL,
  STATE_FPU_REGS,
  STATE_FPU_STATUS,
  STATE_FPU_TAGS,
  STATE_FPU_TOP,
  STATE_MXCSR,
  STATE_REGS,
  STATE_XMM,
} from "../../lib/engine/soft/state.ts";
import type { Machine } from "../../lib/engine/engine.ts";
import { GuestMemory } from "../../lib/memory.ts";
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

/** Guest address of the record's memory. */
export const MEMORY = 0x2000;

function handlers(): Handler[] {
  const op: Handler[] = [];
  op[OP.UD!] = (cpu) => cpu.raise(UD);
  op[OP.LDMXCSR!] = ldmxcsr;
  op[OP.STMXCSR!] = stmxcsr;
  op[OP.MOVNTI!] = movnti;
  op[OP.LFENCE!] = op[OP.MFENCE!] = op[OP.SFENCE!] = fences;
  return op;
}

/** A CPU with SSE enabled in flat protected mode, and a decoder for it. */
export class SimdMachine {
  /** The CPU. */
  readonly cpu: Cpu;
  readonly #decoder: Decoder = new Decoder({ op: handlers(), simd: SIMD_HANDLERS, x87: [] });

  constructor() {
    this.cpu = new Cpu(GuestMemory.allocate(0x1_0000), {} as Machine);
    this.cpu.cr0 = CR0_PE | CR0_NE;
    this.cpu.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    for (let seg = 0; seg < 6; seg++) {
      this.cpu.limits[seg] = 0xffff_ffff;
      this.cpu.accesses[seg] = seg === 1 ? 0xc09b : 0xc093;
    }
    this.cpu.updateMode();
  }

  /**
   * Execute the bytes of one instruction.
   *
   * @returns vector of the exception it raised, or 0
   */
  execute(code: Uint8Array): number {
    const insn = this.#decoder.decode(code, 0, code.length, 4);
    try {
      insn.exec(this.cpu, insn);
    } catch (error) {
      if (!(error instanceof CpuFault)) throw error;
      return error.vector;
    }
    if (insn.length !== code.length) throw new Error(`Decoded ${insn.length} bytes of [${code}]`);
    return 0;
  }

  /** Execute a record in place. */
  run(record: Uint8Array): void {
    const view = new DataView(record.buffer, record.byteOffset, RECORD);
    const { cpu } = this;
    loadRecord(cpu, record);
    cpu.setReg(7, MEMORY + view.getUint32(R_OFFSET, true));
    cpu.memory.write(MEMORY, record.subarray(R_MEMORY, R_MEMORY + 64));
    const code = record.slice(R_CODE, R_CODE + view.getUint32(R_LENGTH, true));
    view.setUint32(R_TRAP, this.execute(code), true);
    saveRecord(cpu, record);
    view.setUint32(R_FLAGS, cpu.flags, true);
    record.set(cpu.memory.copy(MEMORY, 64), R_MEMORY);
  }
}

/** Set a CPU's registers, all but EDI, as a record says. */
export function loadRecord(cpu: Cpu, record: Uint8Array): void {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  cpu.i32[STATE_MXCSR >> 2] = view.getUint32(R_MXCSR, true);
  cpu.flags = view.getUint32(R_FLAGS, true);
  for (let i = 0; i < 7; i++) cpu.i32[(STATE_REGS >> 2) + 2 * i] = view.getInt32(R_GENERAL + 4 * i, true);
  const status = view.getUint16(R_STATUS, true), top = status >> 11 & 7;
  cpu.u16[STATE_FPU_CONTROL >> 1] = view.getUint16(R_CONTROL, true);
  cpu.u16[STATE_FPU_STATUS >> 1] = status & ~0x3800;
  cpu.i32[STATE_FPU_TOP >> 2] = top;
  cpu.i32[STATE_FPU_TAGS >> 2] = view.getUint16(R_TAGS, true);
  for (let i = 0; i < 8; i++) {
    cpu.u8.set(record.subarray(R_STACK + 16 * i, R_STACK + 16 * i + 16), STATE_FPU_REGS + 16 * (top + i & 7));
  }
  cpu.u8.set(record.subarray(R_XMM, R_XMM + 128), STATE_XMM);
}

/** Put a CPU's registers, all but EFLAGS, into a record. */
export function saveRecord(cpu: Cpu, record: Uint8Array): void {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  view.setUint32(R_MXCSR, cpu.i32[STATE_MXCSR >> 2]!, true);
  for (let i = 0; i < 7; i++) view.setInt32(R_GENERAL + 4 * i, cpu.reg(i), true);
  const top = cpu.i32[STATE_FPU_TOP >> 2]!;
  view.setUint16(R_STATUS, cpu.u16[STATE_FPU_STATUS >> 1]! | top << 11, true);
  view.setUint16(R_TAGS, cpu.i32[STATE_FPU_TAGS >> 2]!, true);
  for (let i = 0; i < 8; i++) {
    const at = STATE_FPU_REGS + 16 * (top + i & 7);
    record.set(cpu.u8.subarray(at, at + 10), R_STACK + 16 * i);
  }
  record.set(cpu.u8.subarray(STATE_XMM, STATE_XMM + 128), R_XMM);
}
