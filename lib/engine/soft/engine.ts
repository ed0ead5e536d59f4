/**
 * The built-in CPU as an engine: the loop that fetches, decides how to run what it fetched (interpreted or
 * translated), takes interrupts and delivers faults.
 *
 * Enters: memory with a kernel in it, and a machine. Leaves: why the Guest stopped. Read next: `interp/mod.ts` for
 * what instructions mean, `translate/translator.ts` for how hot code becomes WebAssembly.
 *
 * @module
 */
import { ATTENTION_AT, type GuestMemory } from "../../memory.ts";
import type { Engine, EntryState, Machine, StopReason } from "../engine.ts";
import { type Block, CodeCache } from "./code_cache.ts";
import { CR0_ET, CR0_PE } from "./control_bits.ts";
import { Cpu } from "./cpu.ts";
import { Decoder, MAX_LENGTH, NEED_MORE } from "./decoder.ts";
import { CpuFault, DB, DOUBLE, GP, PAGE, RETRY } from "./fault.ts";
import { END_BRANCH, type Insn } from "./insn.ts";
import { deliver } from "./interp/interrupt.ts";
import { HANDLERS } from "./interp/mod.ts";
import { flatSegments } from "./interp/segments.ts";
import { CS, ESI, IF, RF, STATE_BUDGET, STATE_END, TF } from "./state.ts";
import { Translator } from "./translate/translator.ts";

/** Block entries and loop turns between two looks at the clock and the outside world. */
const BUDGET = 4096;
/** A block is translated when it has been interpreted this often. */
const THRESHOLD = 24;
/** The boot protocol's segments (Linux boot protocol, "32-bit boot protocol"). */
const BOOT_CS = 0x10, BOOT_DS = 0x18;

/** How the engine runs; the defaults are what users want, tests want others. */
export interface SoftOptions {
  /** Never translate. */
  readonly interpretOnly?: boolean;
  /** Translate a block when it was interpreted this often; 0: alone and at once. */
  readonly threshold?: number;
}

/** An instruction that reaches into a next page. */
interface Crossing {
  readonly insn: Insn;
  readonly codeSize: 2 | 4;
  /** What it was decoded from. */
  readonly bytes: Uint8Array;
}

/** The most of them that are remembered. */
const MAX_CROSSING = 4096;

/** Executes i386 code on any host. */
export class SoftEngine implements Engine {
  /** The processor. */
  readonly cpu: Cpu;
  readonly #machine: Machine;
  readonly #decoder = new Decoder(HANDLERS);
  readonly #cache: CodeCache;
  readonly #translator: Translator | undefined;
  readonly #threshold: number;
  readonly #scratch = new Uint8Array(2 * MAX_LENGTH);
  /** Instructions that reach into a next page, by physical address. */
  readonly #crossing: Map<number, Crossing> = new Map();
  #died: StopReason | undefined;

  /**
   * @param memory the Guest's RAM
   * @param machine its platform
   * @param options how to run
   */
  constructor(memory: GuestMemory, machine: Machine, options: SoftOptions = {}) {
    this.#machine = machine;
    this.cpu = new Cpu(memory, machine);
    this.#cache = new CodeCache(this.cpu, this.#decoder);
    this.#threshold = options.threshold ?? THRESHOLD;
    if (!options.interpretOnly) {
      this.#translator = new Translator(this.cpu, this.#cache, () => this.#acrossPages());
    }
    memory.onChange = (address, length) => this.#changed(address, length);
  }

  /** Start state of the Linux boot protocol's 32-bit entry; forgets all code. */
  reset(entry: EntryState): void {
    const cpu = this.cpu;
    this.#cache.clear();
    this.#translator?.clear();
    this.#died = undefined;
    cpu.u8.fill(0, 0, STATE_END);
    cpu.powerOn();
    cpu.cr0 = CR0_ET | CR0_PE;
    flatSegments(cpu, BOOT_CS, BOOT_DS);
    cpu.updateMode();
    cpu.mmu.flush(false);
    cpu.flags = 2;
    cpu.setReg(ESI, entry.esi);
    cpu.eip = entry.eip | 0;
  }

  /** A device, or the loader, has changed memory: code made from it goes. What runs just now runs to its next exit. */
  #changed(address: number, length: number): void {
    const cpu = this.cpu, codePages = cpu.mmu.codePages, end = address + length;
    while (address < end) {
      const size = Math.min(end, (address | 0xfff) + 1) - address;
      if (codePages[address >>> 12] && cpu.dropCode(address, size)) cpu.codeDrops++;
      address += size;
    }
  }

  /** Run until the machine stops or the Guest dies. */
  run(): StopReason {
    for (;;) {
      const reason = this.#died ?? this.#machine.stopped;
      if (reason) return reason;
      try {
        this.#loop();
      } catch (thrown) {
        this.#caught(thrown);
      }
    }
  }

  #loop(): void {
    const cpu = this.cpu, machine = this.#machine, i32 = cpu.i32;
    /** Where generated code came back to its start: its first instruction may be one it leaves to the interpreter. */
    let stuck: number | undefined;
    for (;;) {
      if ((--i32[STATE_BUDGET >> 2]! | i32[ATTENTION_AT >> 2]!) < 0) {
        i32[STATE_BUDGET >> 2] = BUDGET;
        machine.poll();
        if (machine.stopped) return;
      }
      if (!cpu.halted && (cpu.shadow || cpu.systemFlags & TF)) {
        this.#single();
        continue;
      }
      if (cpu.systemFlags & IF && machine.interrupts.pending) {
        cpu.halted = false;
        deliver(cpu, machine.interrupts.acknowledge(), -1, cpu.eip, false);
      } else if (cpu.halted) {
        this.#halt();
        if (machine.stopped) return;
        continue;
      }
      const block = this.#fetch(), eip = cpu.eip;
      if (block.target >= 0 && cpu.flat && eip !== stuck) {
        this.#translator!.enter(block);
        stuck = cpu.eip === eip ? eip : undefined;
      } else {
        stuck = undefined;
        this.#interpret(block);
      }
    }
  }

  #halt(): void {
    const machine = this.#machine;
    machine.poll();
    if (machine.stopped || (machine.interrupts.pending && this.cpu.systemFlags & IF)) return;
    machine.wait();
    machine.poll();
  }

  #fetch(): Block {
    const cpu = this.cpu, eip = cpu.eip;
    if ((eip >>> 0) > cpu.limits[CS]!) cpu.gp();
    const physical = cpu.mmu.fetch(cpu.segmentBase(CS) + eip | 0);
    if (physical >= cpu.memory.size) {
      throw new GuestDied(`It jumped to 0x${physical.toString(16)}, where there is no memory`);
    }
    return this.#cache.block(physical, cpu.codeSize);
  }

  #interpret(block: Block): void {
    const cpu = this.cpu, insns = block.insns, drops = cpu.codeDrops;
    const translator = this.#translator;
    if (insns.length === 0) {
      if (translator && cpu.flat) translator.learnCrossing();
      this.#acrossPages();
      return;
    }
    block.count++;
    if (translator && cpu.flat) {
      if (!block.tried && block.count >= this.#threshold) translator.request(block);
      if (block.count === 4 * this.#threshold || this.#threshold === 0) translator.flush();
    }
    let eip = cpu.eip;
    const page = eip & ~0xfff;
    for (let i = 0; i < insns.length; i++) {
      const insn = insns[i]!;
      insn.exec(cpu, insn);
      if (insn.ends === END_BRANCH) {
        if (block.targets !== undefined) block.learn(page, cpu.eip);
        return;
      }
      eip = eip + insn.length | 0;
      cpu.eip = eip;
      if (cpu.codeDrops !== drops) return;
    }
  }

  /** One instruction, with the trap flag and the interrupt shadow taken into account. */
  #single(): void {
    const cpu = this.cpu;
    cpu.stepping = (cpu.systemFlags & TF) !== 0;
    cpu.shadow = false;
    this.#step();
    if (cpu.stepping) {
      cpu.dr[6]! |= 0x4000;
      cpu.halted = false; // it was HLT that is stepped through
      deliver(cpu, DB, -1, cpu.eip, false);
    }
  }

  #step(): void {
    const block = this.#fetch();
    const insn = block.insns[0];
    if (insn) this.#execute(insn);
    else this.#acrossPages();
  }

  #execute(insn: Insn): void {
    const cpu = this.cpu, eip = cpu.eip;
    insn.exec(cpu, insn);
    if (insn.ends !== END_BRANCH) cpu.eip = eip + insn.length | 0;
  }

  /** An instruction that reaches into the next page: both are fetched each time, but it is decoded only if it is new. */
  #acrossPages(): Insn {
    const cpu = this.cpu, linear = cpu.segmentBase(CS) + cpu.eip | 0;
    const here = 4096 - (linear & 0xfff);
    const first = cpu.mmu.fetch(linear);
    const known = this.#crossing.get(first);
    if (known && known.codeSize === cpu.codeSize && this.#isUnchanged(known, linear, first)) {
      this.#execute(known.insn);
      return known.insn;
    }
    const bytes = this.#scratch;
    for (let i = 0; i < here && i < MAX_LENGTH; i++) bytes[i] = cpu.mmu.physical.read(first + i, 1);
    let insn: Insn;
    try {
      insn = this.#decoder.decode(bytes, 0, Math.min(here, MAX_LENGTH), cpu.codeSize);
    } catch (reason) {
      if (reason !== NEED_MORE) throw reason;
      const second = cpu.mmu.fetch(linear + here | 0);
      for (let i = here; i < MAX_LENGTH; i++) bytes[i] = cpu.mmu.physical.read(second + i - here, 1);
      insn = this.#decoder.decode(bytes, 0, MAX_LENGTH + 1, cpu.codeSize);
    }
    if (this.#crossing.size >= MAX_CROSSING) this.#crossing.clear();
    this.#crossing.set(first, { insn, codeSize: cpu.codeSize, bytes: bytes.slice(0, insn.length) });
    this.#execute(insn);
    return insn;
  }

  /** Whether the bytes of an instruction that begins at a physical address are still what it was decoded from. */
  #isUnchanged({ bytes }: Crossing, linear: number, first: number): boolean {
    const { mmu } = this.cpu, here = 4096 - (linear & 0xfff);
    const second = bytes.length > here ? mmu.fetch(linear + here | 0) : 0;
    for (let i = 0; i < bytes.length; i++) {
      if (mmu.physical.read(i < here ? first + i : second + i - here, 1) !== bytes[i]) return false;
    }
    return true;
  }

  #caught(thrown: unknown): void {
    const cpu = this.cpu;
    cpu.inGenerated = false;
    if (thrown === RETRY) {
      try {
        this.#step();
      } catch (again) {
        this.#caught(again);
      }
    } else if (thrown instanceof CpuFault) this.#deliverFault(thrown);
    else if (thrown instanceof GuestDied) this.#died = { kind: "died", message: thrown.message };
    else throw thrown;
  }

  /** Deliver a fault; a fault while doing so may be a double fault, and then the end (Intel SDM volume 3, §6.15). */
  #deliverFault(fault: CpuFault): void {
    const cpu = this.cpu;
    let vector = fault.vector, code = fault.code;
    for (;;) {
      if (vector === PAGE) cpu.cr2 = fault.address;
      try {
        const resume = vector === DB ? 0 : RF;
        cpu.systemFlags |= resume;
        deliver(cpu, vector, code, cpu.eip, false);
        return;
      } catch (second) {
        if (!(second instanceof CpuFault)) throw second;
        if (vector === DOUBLE) {
          this.#died = { kind: "reset" };
          return;
        }
        if (isContributory(vector, second.vector)) {
          vector = DOUBLE;
          code = 0;
        } else {
          vector = second.vector;
          code = second.code;
        }
      }
    }
  }
}

/** Whether a second fault while the first is delivered makes a double fault (Intel SDM volume 3, table 6-5). */
function isContributory(first: number, second: number): boolean {
  const contributory = (v: number) => v === 0 || (v >= 10 && v <= GP);
  if (first === PAGE) return second === PAGE || contributory(second);
  return contributory(first) && contributory(second);
}

/** The Guest can not go on. */
class GuestDied extends Error {}
