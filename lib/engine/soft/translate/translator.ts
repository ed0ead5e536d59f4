/**
 * Hot code becomes WebAssembly. Requests are collected and compiled as one module, since a module costs far more than
 * a function in it (measured: 45 µs against 6 µs).
 *
 * Enters: blocks that were interpreted often. Leaves: table slots that the dispatcher and other regions jump to. Read
 * next: `region.ts` (what is compiled together), `generator.ts` (how), `runtime.ts` and `jump_cache.ts` (how one
 * region finds the next).
 *
 * @module
 */
import type { Block, CodeCache, CodePage, Derived } from "../code_cache.ts";
import type { Cpu } from "../cpu.ts";
import { arithmeticFlags, auxiliary } from "../flags.ts";
import { END_BRANCH, END_NONE, type Insn, K_CR, K_SREG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { IF, STATE_EIP, STATE_PAGE, TF } from "../state.ts";
import { generate } from "./generator.ts";
import { JumpCache } from "./jump_cache.ts";
import { formRegion, type Region } from "./region.ts";
import { createRuntime, type Runtime, TYPE, TYPES } from "./runtime.ts";
import { buildModule, type Func, type Import } from "./wasm_module.ts";

/** Requests that are compiled together. */
const BATCH = 16;
/** Table slots; when they are used up, all code is forgotten. */
const SLOTS = 65536;
/** The slot of instructions that reach into a next page. */
const CROSSING = SLOTS - 1;

/** Imported functions, in the order of `IMPORT` in `locals.ts`. */
const IMPORTS: readonly Import[] = [
  { name: "read8", type: TYPE.READ },
  { name: "read16", type: TYPE.READ },
  { name: "read32", type: TYPE.READ },
  { name: "write8", type: TYPE.WRITE },
  { name: "write16", type: TYPE.WRITE },
  { name: "write32", type: TYPE.WRITE },
  { name: "modify8", type: TYPE.READ },
  { name: "modify16", type: TYPE.READ },
  { name: "modify32", type: TYPE.READ },
  { name: "interpret", type: TYPE.CHAIN },
  { name: "carry", type: TYPE.FLAGS },
  { name: "condition", type: TYPE.CONDITION },
  { name: "auxiliary", type: TYPE.FLAGS },
  { name: "chain", type: TYPE.CHAIN },
  { name: "flags", type: TYPE.FLAGS },
  { name: "system", type: TYPE.SYSTEM },
  { name: "second", type: TYPE.CHAIN },
];

/** Operations after which the code at the next address may be another, or be reached in another way. */
const LEAVE = new Uint8Array(512);
for (const name of ["INVLPG", "LGDT", "LMSW", "WRMSR"]) LEAVE[OP[name]!] = 1;

/** Whether the dispatcher has to look after a system instruction before the next one is executed. */
function mustLeave(cpu: Cpu, insn: Insn): boolean {
  if (insn.a === K_SREG) return cpu.shadow || !cpu.flat;
  const pending = cpu.machine.interrupts.pending;
  if (cpu.shadow && !pending) cpu.shadow = false; // there is nothing to hold back
  return cpu.shadow || cpu.halted || !cpu.flat || insn.a === K_CR || LEAVE[insn.op] === 1 ||
    (cpu.systemFlags & TF) !== 0 || (pending && (cpu.systemFlags & IF) !== 0) || cpu.machine.stopped !== undefined;
}

/** What the translator did so far. */
export interface TranslatorCounts {
  modules: number;
  regions: number;
  insns: number;
  bytes: number;
  dropped: number;
}

/** Compiles blocks for one CPU. */
export class Translator {
  /** For measurements. */
  readonly counts: TranslatorCounts = { modules: 0, regions: 0, insns: 0, bytes: 0, dropped: 0 };
  readonly #cpu: Cpu;
  readonly #cache: CodeCache;
  readonly #table = new WebAssembly.Table({ element: "anyfunc", initial: SLOTS, maximum: SLOTS });
  readonly #runtime: Runtime;
  readonly #jumps: JumpCache;
  readonly #imports: WebAssembly.Imports;
  readonly #memoryPages: number;
  /** Instructions that regions leave to the interpreter, by number. */
  readonly #interpreted: (Insn | undefined)[] = [];
  /** Ranges of them that belong to code that was dropped. */
  readonly #retired: [number, number][] = [];
  #queue: Block[] = [];
  #nextSlot = 0;

  /**
   * @param cpu whose code is compiled
   * @param cache where it finds the code
   * @param crossing executes the instruction at the instruction pointer, which reaches into a next page
   */
  constructor(cpu: Cpu, cache: CodeCache, crossing: () => Insn) {
    this.#cpu = cpu;
    this.#cache = cache;
    const memory = cpu.memory.memory;
    this.#memoryPages = memory.buffer.byteLength / 65536;
    this.#runtime = createRuntime(memory, this.#table, (address) => {
      cpu.eip = address;
      const insn = crossing();
      return insn.ends !== END_NONE && mustLeave(cpu, insn) ? 1 : 0;
    });
    this.#table.set(CROSSING, this.#runtime.crossing);
    this.#jumps = new JumpCache(cpu.i32, cpu.mmu);
    const { chain, second } = this.#runtime;
    this.#imports = { e: { m: memory, t: this.#table, chain, second, ...this.#helpers() } };
  }

  /** Generated code shall not come back to the dispatcher for the instruction at the instruction pointer. */
  learnCrossing(): void {
    this.#jumps.fill(this.#cpu.eip, CROSSING, this.#cpu.cpl === 3);
  }

  /** A block is hot. */
  request(block: Block): void {
    block.tried = true;
    this.#queue.push(block);
    if (this.#queue.length >= BATCH) this.flush();
  }

  /** Run translated code from a block on, until JavaScript is needed. */
  enter(block: Block): void {
    const cpu = this.#cpu;
    while (this.#retired.length > 0) this.#interpreted.fill(undefined, ...this.#retired.pop()!);
    this.#jumps.fill(cpu.eip, block.target, cpu.cpl === 3);
    cpu.inGenerated = true;
    this.#runtime.enter(block.target, cpu.eip);
    cpu.inGenerated = false;
  }

  /** Forget all code. */
  clear(): void {
    this.#cache.clear();
    this.#jumps.clear();
    this.#interpreted.length = 0;
    this.#retired.length = 0;
    this.#queue = [];
    this.#nextSlot = 0;
  }

  /** Compile what was requested. */
  flush(): void {
    const regions: Region[] = [];
    for (const block of this.#queue) {
      if (block.target >= 0 || block.page.dropped) continue;
      const region = formRegion(block);
      if (!region) continue;
      for (const entry of region.entries) { // so that no other region of this batch takes it
        const at = region.page.blocks.get(entry.start)!;
        if (at.target < 0) at.target = 0;
      }
      regions.push(region);
    }
    this.#queue = [];
    if (regions.length === 0) return;
    if (this.#nextSlot + regions.length > CROSSING) return this.clear();
    this.#compile(regions);
  }

  #compile(regions: readonly Region[]): void {
    const funcs: Func[] = [];
    const firstSlot = this.#nextSlot;
    this.#nextSlot += regions.length;
    regions.forEach((region, i) => {
      const first = this.#interpreted.length;
      const { body, hints, locals, interpreted } = generate(region, first);
      this.#interpreted.push(...interpreted);
      funcs.push({ type: TYPE.REGION, locals, body, hints });
      this.counts.insns += region.nodes.reduce((sum, node) => sum + node.insns.length, 0);
      this.#publish(region, firstSlot + i, first, interpreted.length);
    });
    const bytes = buildModule({ types: TYPES, imports: IMPORTS, funcs, memoryPages: this.#memoryPages, firstSlot });
    this.counts.modules++;
    this.counts.regions += regions.length;
    this.counts.bytes += bytes.length;
    new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports);
  }

  /** Let the region's entries be found, and arrange for its end. */
  #publish(region: Region, slot: number, firstInterpreted: number, count: number): void {
    const page: CodePage = region.page;
    for (const entry of region.entries) page.blocks.get(entry.start)!.target = slot | entry.entry << 16;
    const derived: Derived = {
      drop: () => {
        this.counts.dropped++;
        this.#table.set(slot, this.#runtime.stub);
        // A device may drop the code that is running just now: what it needs goes when no code runs.
        this.#retired.push([firstInterpreted, firstInterpreted + count]);
      },
    };
    page.derived.add(derived);
  }

  /** What generated code calls: the slow paths, with the instruction pointer made exact first. */
  #helpers(): Record<string, (...args: number[]) => number | void> {
    const cpu = this.#cpu, i32 = cpu.i32, mmu = cpu.mmu, interpreted = this.#interpreted;
    const EIP = STATE_EIP >> 2, PAGE = STATE_PAGE >> 2;
    const at = (offset: number) => {
      i32[EIP] = i32[PAGE]! + offset;
    };
    const read = (size: number) => (address: number, offset: number) => {
      at(offset);
      return mmu.readSlow(address, size);
    };
    const write = (size: number) => (address: number, offset: number, value: number) => {
      at(offset);
      mmu.writeSlow(address, size, value);
    };
    const modify = (size: number) => (address: number, offset: number) => {
      at(offset);
      cpu.probeWrite(address, size);
      return cpu.read(address, size);
    };
    return {
      read8: read(1),
      read16: read(2),
      read32: read(4),
      write8: write(1),
      write16: write(2),
      write32: write(4),
      modify8: modify(1),
      modify16: modify(2),
      modify32: modify(4),
      interpret: (n) => {
        const insn = interpreted[n!]!;
        at(insn.offset);
        insn.exec(cpu, insn);
      },
      system: (n) => {
        const insn = interpreted[n!]!;
        at(insn.offset);
        insn.exec(cpu, insn);
        if (insn.ends !== END_BRANCH) i32[EIP] = i32[EIP]! + insn.length;
        return mustLeave(cpu, insn) ? 1 : 0;
      },
      carry: (op, res, src) => auxiliary(op!, res!, src!) >>> 31,
      condition: (op, res, src, code) => {
        cpu.setLazy(op!, res!, src!);
        return cpu.condition(code!) ? 1 : 0;
      },
      auxiliary: (op, res, src) => auxiliary(op!, res!, src!),
      flags: (op, res, src) => arithmeticFlags(op!, res!, src!),
    };
  }
}
