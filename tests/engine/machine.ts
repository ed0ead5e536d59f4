/**
 * Our side of the comparison: a processor in user mode with the same pages, segments and gates that Linux gives the
 * oracle. Enters: a case. Leaves: its outcome in the interpreter. Read next: `compare.ts`.
 *
 * @module
 */
import { CR0_PE, CR0_PG, CR0_WP, CR4_PAE } from "../../lib/engine/soft/control_bits.ts";
import { Cpu } from "../../lib/engine/soft/cpu.ts";
import { Decoder, NEED_MORE } from "../../lib/engine/soft/decoder.ts";
import { END_BRANCH, type Insn } from "../../lib/engine/soft/insn.ts";
import { HANDLERS } from "../../lib/engine/soft/interp/mod.ts";
import { ESP, IF, TF } from "../../lib/engine/soft/state.ts";
import type { Machine } from "../../lib/engine/engine.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { AddressSpace } from "../../lib/platform/bus.ts";
import { type Case, NO_FAULT, type Outcome, WITH_CODE } from "./case.ts";
import { descriptor, HLT, initial, LDT, PAGE, REGION_CODE, REGIONS, WRITABLE } from "./layout.ts";

/** Linear addresses that only the supervisor sees: descriptor tables, task state, stack and code of level 0. */
const SYSTEM = 0xb5a9_c000, GDT = SYSTEM, LDT_AT = SYSTEM + PAGE, IDT = SYSTEM + 2 * PAGE, TSS = SYSTEM + 3 * PAGE;
const STACK_TOP = SYSTEM + 5 * PAGE, HANDLERS_AT = SYSTEM + 5 * PAGE, SYSTEM_PAGES = 6;
const GDT_LIMIT = 16 * 8 - 1, TSS_LIMIT = 0x67;
const RAM = 1 << 20;

/** Linux's GDT of a 64-bit kernel, as far as user mode may ask about it (arch/x86/kernel/cpu/common.c). */
const LINUX_GDT: readonly (readonly [number, number])[] = [
  [0, 0],
  [0xffff, 0xcf_9b00],
  [0xffff, 0xaf_9b00],
  [0xffff, 0xcf_9300],
  [0xffff, 0xcf_fb00],
  [0xffff, 0xcf_f300],
  [0xffff, 0xaf_fb00],
];

/** Page-table entry bits. */
const P = 1, RW = 2, US = 4;

/** Which paging a {@link TestMachine} uses. */
export interface Paging {
  /** Three levels with no-execute, as the host has; else two levels, where everything can be executed. */
  readonly pae: boolean;
}

/** How a {@link TestMachine} gets its processor. */
export type MakeCpu = (memory: GuestMemory) => Cpu;

/** A processor and its memory, reset for each case. */
export class TestMachine {
  readonly cpu: Cpu;
  readonly memory: GuestMemory;
  readonly paging: Paging;
  readonly #decoder = new Decoder(HANDLERS);
  readonly #split = new Uint8Array(32);
  /** Physical address of each region's first writable page. */
  readonly #frames: number[] = [];
  readonly #initial: Int32Array[] = [];
  readonly #live: Int32Array[] = [];
  #nextFrame = 0x4000; // below: the root of the page tables
  #tables = new Map<number, number>();

  constructor(paging: Paging, make: MakeCpu = (memory) => new Cpu(memory, idleMachine())) {
    this.paging = paging;
    this.memory = GuestMemory.allocate(RAM);
    this.cpu = make(this.memory);
    this.#mapRegions();
    this.#mapSystem();
    this.#enablePaging();
  }

  #frame(): number {
    const frame = this.#nextFrame;
    this.#nextFrame += PAGE;
    return frame;
  }

  /** Map a linear page to a frame. */
  map(linear: number, frame: number, flags: number, execute: boolean): void {
    const { memory } = this;
    if (!this.paging.pae) {
      const slot = (linear >>> 22) * 4;
      const table = this.#table(slot, (at) => memory.setUint32(slot, at | P | RW | US));
      memory.setUint32(table + (linear >>> 12 & 0x3ff) * 4, frame | flags);
      return;
    }
    const directory = this.#table(linear >>> 30, (at) => memory.setBigUint64((linear >>> 30) * 8, BigInt(at | P)));
    const slot = directory + (linear >>> 21 & 0x1ff) * 8;
    const table = this.#table(slot, (at) => memory.setBigUint64(slot, BigInt(at | P | RW | US)));
    const never = execute ? 0n : 1n << 63n;
    memory.setBigUint64(table + (linear >>> 12 & 0x1ff) * 8, BigInt(frame | flags) | never);
  }

  #table(key: number, link: (at: number) => void): number {
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = this.#frame();
      this.#tables.set(key, table);
      link(table);
    }
    return table;
  }

  #mapRegions(): void {
    for (const region of REGIONS) {
      const content = initial(region);
      const frames = [this.#frame(), this.#frame(), this.#frame()];
      const code = region === REGION_CODE;
      frames.forEach((frame, i) => {
        if (i < 2) this.map(region + PAGE + i * PAGE, frame, P | RW | US, code);
        else if (!code) this.map(region + PAGE + i * PAGE, frame, P | US, false);
      });
      this.memory.write(frames[0]!, content);
      this.memory.write(frames[2]!, readOnlyContent(region));
      this.#frames.push(frames[0]!);
      this.#initial.push(new Int32Array(content.buffer));
      this.#live.push(new Int32Array(this.memory.memory.buffer, this.memory.base + frames[0]!, WRITABLE / 4));
    }
  }

  #mapSystem(): void {
    const { memory } = this;
    const first = this.#nextFrame;
    this.#nextFrame += SYSTEM_PAGES * PAGE;
    for (let i = 0; i < SYSTEM_PAGES; i++) this.map(SYSTEM + i * PAGE, first + i * PAGE, P | RW, true);
    const at = (linear: number) => first + linear - SYSTEM;
    const put = (table: number, i: number, [low, high]: readonly [number, number]) => {
      memory.setUint32(at(table) + 8 * i, low);
      memory.setUint32(at(table) + 8 * i + 4, high);
    };
    LINUX_GDT.forEach((one, i) => put(GDT, i, one));
    LDT.forEach((one, i) => put(LDT_AT, i, descriptor(one)));
    for (let vector = 0; vector < 256; vector++) {
      const target = HANDLERS_AT + vector * 16;
      const user = vector === 3 || vector === 4 || vector === 0x80;
      put(IDT, vector, [0x08 << 16 | target & 0xffff, target & 0xffff_0000 | (user ? 0xee00 : 0x8e00)]);
    }
    memory.fill(at(HANDLERS_AT), PAGE, HLT);
    memory.setUint32(at(TSS) + 4, STACK_TOP);
    memory.setUint32(at(TSS) + 8, 0x18);
    memory.setUint16(at(TSS) + 0x66, 0xffff); // no I/O permission map
  }

  #enablePaging(): void {
    const { cpu } = this;
    cpu.cr3 = 0;
    if (this.paging.pae) {
      cpu.cr4 |= CR4_PAE;
      cpu.efer = 0x800; // NXE
      cpu.mmu.loadPointers(0);
    }
    cpu.cr0 |= CR0_PE | CR0_PG | CR0_WP;
    Object.assign(cpu.gdt, { base: GDT | 0, limit: GDT_LIMIT });
    Object.assign(cpu.idt, { base: IDT | 0, limit: 0x7ff });
    Object.assign(cpu.ldt, { selector: 0x50, base: LDT_AT | 0, limit: LDT.length * 8 - 1, access: 0x82 });
    Object.assign(cpu.task, { selector: 0x40, base: TSS | 0, limit: TSS_LIMIT, access: 0x8b });
  }

  /** Registers, segments, code and memory of a case; `eflags` beyond its own can be added. */
  load(one: Case, moreFlags: number): void {
    const { cpu } = this;
    cpu.cpl = 3;
    one.regs.forEach((value, i) => cpu.setReg(i, value));
    one.segments.forEach((selector, i) => this.#segment(i, selector));
    cpu.updateMode();
    cpu.flags = one.eflags | moreFlags | IF | 2;
    cpu.eip = one.eip;
    cpu.shadow = false;
    one.code.forEach((byte, i) => this.#putByte(one.codeAt + i, byte));
    for (const [address, value] of one.pokes) {
      for (let i = 0; i < 4; i++) this.#putByte(address + i, value >>> (8 * i) & 0xff);
    }
  }

  #putByte(linear: number, value: number): void {
    const index = REGIONS.findIndex((region) => linear >= region + PAGE && linear < region + PAGE + WRITABLE);
    if (index < 0) return;
    this.memory.setUint8(this.#frames[index]! + linear - REGIONS[index]! - PAGE, value);
  }

  #segment(segment: number, selector: number): void {
    const { cpu } = this;
    const [low, high] = selector & 4 ? descriptor(LDT[selector >> 3]!) : LINUX_GDT[selector >> 3]!;
    const limit = low & 0xffff | high & 0xf_0000;
    cpu.selectors[segment] = selector;
    cpu.setSegmentBase(segment, low >>> 16 | (high & 0xff) << 16 | high & 0xff00_0000);
    cpu.limits[segment] = high & 0x80_0000 ? limit << 12 | 0xfff : limit;
    cpu.accesses[segment] = high >>> 8 & 0xf0ff;
  }

  /** The instruction at a linear address, fetched page by page. */
  #fetch(linear: number): Insn {
    const { cpu, memory } = this;
    const at = memory.base + cpu.mmu.fetch(linear | 0);
    const end = (at | 0xfff) + 1;
    try {
      return this.#decoder.decode(cpu.u8, at, end, cpu.codeSize);
    } catch (need) {
      if (need !== NEED_MORE) throw need;
    }
    const next = memory.base + cpu.mmu.fetch((linear | 0xfff) + 1 | 0);
    const head = end - at;
    this.#split.set(cpu.u8.subarray(at, end));
    this.#split.set(cpu.u8.subarray(next, next + 16), head);
    return this.#decoder.decode(this.#split, 0, head + 16, cpu.codeSize);
  }

  /** Run a case in the interpreter. */
  interpret(one: Case): Outcome {
    const { cpu } = this;
    this.load(one, TF);
    let trap = NO_FAULT, error = 0;
    try {
      const insn = this.#fetch(one.codeAt);
      insn.exec(cpu, insn);
      if (insn.ends !== END_BRANCH) cpu.eip = cpu.eip + insn.length | 0;
      if (cpu.shadow) cpu.eip = cpu.eip + 1 | 0; // the processor runs the NOP behind it, too
    } catch (fault) {
      if (fault !== cpu.fault) {
        this.takeChanges();
        throw fault;
      }
      trap = cpu.fault.vector;
      error = cpu.fault.code;
    }
    return cpu.cpl === 3 ? this.outcome(trap, error) : this.delivered();
  }

  /** The state as an outcome; memory is as before afterwards. */
  outcome(trap: number, error: number): Outcome {
    const { cpu } = this;
    return {
      regs: Uint32Array.from({ length: 8 }, (_, i) => cpu.reg(i)),
      eflags: cpu.flags >>> 0,
      eip: cpu.eip >>> 0,
      trap,
      error: error >>> 0,
      cr2: cpu.fault.address >>> 0,
      segments: Array.from(cpu.selectors),
      changes: this.takeChanges(),
    };
  }

  /** As {@link outcome}, after an interrupt gate was passed: what user mode was is on the stack of level 0. */
  delivered(): Outcome {
    const { cpu } = this;
    const trap = (cpu.eip - HANDLERS_AT) >>> 4;
    const coded = WITH_CODE.has(trap) ? 4 : 0;
    const word = (n: number) => cpu.mmu.readSystem(cpu.reg(ESP) + coded + 4 * n | 0, 4) >>> 0;
    const error = coded ? cpu.mmu.readSystem(cpu.reg(ESP), 4) : 0;
    const [eip, cs, eflags, esp, ss] = [word(0), word(1), word(2), word(3), word(4)];
    const after = this.outcome(trap, error);
    after.regs[ESP] = esp;
    return { ...after, eip, eflags, segments: after.segments.with(1, cs).with(2, ss) };
  }

  /** The words of writable pages that differ from the initial content, which is restored. */
  takeChanges(): Uint32Array {
    const changes: number[] = [];
    REGIONS.forEach((region, n) => {
      const live = this.#live[n]!, before = this.#initial[n]!;
      for (let i = 0; i < live.length; i++) {
        const value = live[i]!;
        if (value === before[i]!) continue;
        changes.push(region + PAGE + 4 * i, value);
        live[i] = before[i]!;
      }
    });
    return Uint32Array.from(changes);
  }
}

function readOnlyContent(region: number): Uint8Array {
  return region === REGION_CODE ? new Uint8Array(PAGE) : initialAt(region + PAGE + WRITABLE);
}

function initialAt(start: number): Uint8Array {
  return initial(start - PAGE).subarray(0, PAGE);
}

/** A platform where nothing happens; what it is asked for can be replaced. */
export function idleMachine(): Machine {
  return {
    ports: new AddressSpace(),
    mmio: new AddressSpace(),
    interrupts: { pending: false, acknowledge: () => 0 },
    now: () => 0,
    deadline: () => Infinity,
    poll: () => {},
    wait: () => {},
    stopped: undefined,
  };
}
