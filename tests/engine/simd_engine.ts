/**
 * Runs code on a record's state in a whole `SoftEngine`, interpreting or translating, with paging, so that operands can
 * lie over a page's end or where they fault. What enters: code, a record as `simd_native.ts` describes it, and where
 * its memory stands. What leaves: the state after it, as a record or as text.
 *
 * The code ends in HLT; so does what every gate of the interrupt table leads to.
 *
 * @module
 */
import type { StopReason } from "../../lib/engine/engine.ts";
import {
  CR0_EM,
  CR0_NE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
} from "../../lib/engine/soft/control_bits.ts";
import { SoftEngine, type SoftOptions } from "../../lib/engine/soft/engine.ts";
import {
  ESP,
  RF,
  STATE_END,
  STATE_FPU_OPCODE,
  STATE_FPU_REGS,
  STATE_MXCSR,
  STATE_XMM,
} from "../../lib/engine/soft/state.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { hex, WITH_CODE } from "./case.ts";
import { HLT, PAGE } from "./layout.ts";
import { idleMachine } from "./machine.ts";
import { loadRecord, saveRecord } from "./simd_machine.ts";
import { R_FLAGS, R_MEMORY, R_OFFSET, R_TRAP, RECORD } from "./simd_native.ts";

const DIRECTORY = 0x1000, TABLE = 0x2000, IDT = 0x3000, HANDLERS = 0x4000, GDT = 0x5000, STACK = 0x6000, CODE = 0x7000;
const STACK_TOP = STACK + PAGE - 16;
const DATA = 0x8000, DATA_PAGES = 8, FRAMES = 0x1_0000;
/** Boundaries between pages: both are writable, the second is absent, it is only readable, the first is absent. */
export const EDGES = {
  inside: DATA + PAGE,
  absent: DATA + 3 * PAGE,
  readOnly: DATA + 5 * PAGE,
  before: DATA + 7 * PAGE,
};
/** A word on the stack page for loops to count in. */
export const COUNTER = STACK + 16;
const P = 1, RW = 2;
const POLLS = 64;

/** Where a record's memory stands, and what the CPU is like. */
export interface Setting {
  /** Linear address of the record's 64 bytes of memory. */
  readonly base: number;
  /** SSE cannot be used: CR0.EM, CR0.TS, no CR4.OSFXSR. */
  readonly disabled?: "emulate" | "switched" | "unsupported";
  /** The TLB is empty. */
  readonly cold?: boolean;
}

/** An engine with SSE and paging. */
export class SimdEngine {
  readonly #memory = GuestMemory.allocate(0x2_0000);
  readonly #engine: SoftEngine;
  #stopped: StopReason | undefined;
  #polls = 0;

  /** @param options how the engine runs */
  constructor(options: SoftOptions) {
    const stopped = () => this.#stopped;
    const stop = () => this.#stopped = { kind: "terminated" };
    const machine = {
      ...idleMachine(),
      wait: () => void stop(),
      poll: () => {
        if (++this.#polls > POLLS) stop();
      },
      get stopped() {
        return stopped();
      },
    };
    this.#engine = new SoftEngine(this.#memory, machine, options);
    this.#engine.reset({ eip: CODE, esi: 0 });
    this.#fillTables();
    const { cpu } = this.#engine;
    Object.assign(cpu.gdt, { base: GDT, limit: 0x1f });
    Object.assign(cpu.idt, { base: IDT, limit: 0x7ff });
    cpu.cr3 = DIRECTORY;
  }

  #fillTables(): void {
    const memory = this.#memory;
    memory.setUint32(DIRECTORY, TABLE | P | RW);
    for (let page = PAGE; page < DATA; page += PAGE) memory.setUint32(TABLE + page / PAGE * 4, page | P | RW);
    for (let i = 0; i < DATA_PAGES; i++) {
      const at = DATA + i * PAGE, absent = at === EDGES.absent || at === EDGES.before - PAGE;
      const flags = absent ? 0 : at === EDGES.readOnly ? P : P | RW;
      memory.setUint32(TABLE + at / PAGE * 4, frameOf(at) | flags);
    }
    for (const [selector, access] of [[0x10, 0x9b], [0x18, 0x93]] as const) {
      memory.setUint32(GDT + selector, 0xffff);
      memory.setUint32(GDT + selector + 4, 0xcf_0000 | access << 8);
    }
    for (let vector = 0; vector < 256; vector++) {
      memory.setUint32(IDT + 8 * vector, 0x10 << 16 | HANDLERS + 16 * vector);
      memory.setUint32(IDT + 8 * vector + 4, 0x8e00);
    }
    memory.fill(HANDLERS, PAGE, HLT);
  }

  /** Put code into the Guest; what was translated before is forgotten. */
  setCode(code: readonly number[]): void {
    this.#engine.cpu.dropCode(CODE, PAGE);
    this.#memory.fill(CODE, PAGE, HLT);
    this.#memory.write(CODE, Uint8Array.from(code));
  }

  /** Run the code from a record's state. */
  run(record: Uint8Array, setting: Setting): void {
    const { cpu } = this.#engine, view = new DataView(record.buffer, record.byteOffset, RECORD);
    const { base, disabled } = setting;
    cpu.cr0 = (cpu.cr0 & ~(CR0_EM | CR0_TS)) | CR0_PG | CR0_WP | CR0_NE |
      (disabled === "emulate" ? CR0_EM : disabled === "switched" ? CR0_TS : 0);
    cpu.cr4 = CR4_OSXMMEXCPT | (disabled === "unsupported" ? 0 : CR4_OSFXSR);
    cpu.updateMode();
    if (setting.cold) cpu.mmu.flush(false);
    loadRecord(cpu, record);
    cpu.i32.fill(0, STATE_FPU_OPCODE >> 2, STATE_MXCSR >> 2);
    cpu.setReg(ESP, STACK_TOP);
    cpu.setReg(7, base + view.getUint32(R_OFFSET, true));
    this.#memory.fill(STACK, PAGE, 0);
    this.#memory.fill(FRAMES, DATA_PAGES * PAGE, 0);
    for (let i = 0; i < 64; i++) this.#memory.setUint8(frameOf(base + i) + (base + i) % PAGE, record[R_MEMORY + i]!);
    cpu.cr2 = 0;
    cpu.eip = CODE;
    cpu.halted = cpu.inGenerated = cpu.shadow = false;
    this.#stopped = undefined;
    this.#polls = 0;
    const reason = this.#engine.run();
    if (reason.kind !== "terminated" || !cpu.halted) throw new Error(`The engine ended with ${JSON.stringify(reason)}`);
  }

  get #trap(): number {
    const at = this.#engine.cpu.eip - HANDLERS;
    return at >= 0 && at < PAGE ? at >> 4 : 0;
  }

  /** Put the state after {@link run} into a record. */
  save(record: Uint8Array, base: number): void {
    const { cpu } = this.#engine, view = new DataView(record.buffer, record.byteOffset, RECORD);
    const trap = this.#trap;
    const pushed = cpu.reg(ESP) + (WITH_CODE.has(trap) ? 4 : 0) + 8;
    saveRecord(cpu, record);
    view.setUint32(R_TRAP, trap, true);
    view.setUint32(R_FLAGS, trap ? this.#memory.getUint32(pushed) & ~RF : cpu.flags, true);
    for (let i = 0; i < 64; i++) record[R_MEMORY + i] = this.#memory.getUint8(frameOf(base + i) + (base + i) % PAGE);
  }

  /** The state after {@link run}: everything that a program could see, as words that {@link nameOf} names. */
  end(): Int32Array {
    const { cpu } = this.#engine, end = new Int32Array(MEMORY_AT + MEMORY_WORDS);
    for (let i = 0; i < 8; i++) end[i] = cpu.reg(i);
    end.set([cpu.eip, cpu.flags, cpu.cr2, this.#trap], 8);
    end.set(cpu.i32.subarray(STATE_FPU_REGS >> 2, STATE_END >> 2), STATE_AT);
    const ram = this.#memory.base;
    end.set(cpu.i32.subarray((ram + STACK) >> 2, (ram + STACK + PAGE) >> 2), MEMORY_AT);
    end.set(cpu.i32.subarray((ram + FRAMES) >> 2, (ram + FRAMES + DATA_PAGES * PAGE) >> 2), MEMORY_AT + PAGE / 4);
    return end;
  }
}

const STATE_AT = 12, MEMORY_AT = STATE_AT + (STATE_END - STATE_FPU_REGS) / 4;
const MEMORY_WORDS = (1 + DATA_PAGES) * PAGE / 4;

/** What a word of {@link SimdEngine.end} is. */
export function nameOf(index: number): string {
  if (index < 8) return `general ${index}`;
  if (index < STATE_AT) return ["eip", "eflags", "cr2", "trap"][index - 8]!;
  if (index >= MEMORY_AT) return `memory word ${hex(index - MEMORY_AT)}`;
  const at = STATE_FPU_REGS + 4 * (index - STATE_AT);
  return at >= STATE_XMM ? `xmm${(at - STATE_XMM) >> 4} word ${at >> 2 & 3}` : `state ${at}`;
}

/** Frames of data pages do not follow each other. */
function frameOf(linear: number): number {
  return FRAMES + Math.floor((linear - DATA) / PAGE) * 5 % DATA_PAGES * PAGE;
}
