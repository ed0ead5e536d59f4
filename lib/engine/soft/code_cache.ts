/**
 * What is known about code in RAM, by physical page: decoded blocks and, once they are hot, translated regions. A
 * change of page tables, process or privilege changes nothing here; only a store into the code itself does.
 *
 * Enters: a physical address to run from; a store to a page that holds code. Leaves: a {@link Block}. Read next:
 * `engine.ts` (who runs blocks), `translate/translator.ts` (who compiles them).
 *
 * @module
 */
import type { Cpu } from "./cpu.ts";
import { type Decoder, NEED_MORE } from "./decoder.ts";
import { END_NONE, type Insn } from "./insn.ts";
import { OP } from "./opcodes.ts";

/** Longest block in instructions: keeps a run of straight code from being decoded far ahead of its use. */
const MAX_BLOCK = 64;

/** Instructions decoded between two sweeps; what was not run between them is forgotten. A boot runs most code once. */
const SWEEP = 50_000;

/** Targets of an indirect branch that are remembered. */
const MAX_TARGETS = 8;

const CALLI = OP.CALLI!, JMPI = OP.JMPI!;

/** Places for blocks that were asked for lately. */
const RECENT = 8192;

/** Straight-line code: it is entered at the top and left at the end, or by a fault. */
export class Block {
  /** The page it lies in. */
  readonly page: CodePage;
  /** Offset of its first byte in the page. */
  readonly start: number;
  /** Its key in {@link CodePage.blocks}. */
  readonly key: number;
  /** Offset behind its last byte. */
  readonly end: number;
  /** Its instructions; none if the first one reaches into the next page. */
  readonly insns: readonly Insn[];
  /** Times it was interpreted. */
  count = 0;
  /** {@link count} at the last sweep. */
  swept = 0;
  /** How generated code is entered here: table slot | entry number << 16; -1 while there is none. */
  target = -1;
  /** It can still be found; see {@link CodeCache.block}. */
  known = true;
  /** It was given to the translator, whatever came of it. */
  tried = false;
  /** Offsets in the page that its indirect call or jump was seen to go to; `undefined` if it does not end so. */
  readonly targets: number[] | undefined;

  constructor(page: CodePage, key: number, end: number, insns: readonly Insn[]) {
    this.page = page;
    this.key = key;
    this.start = key & 0xfff;
    this.end = end;
    this.insns = insns;
    const last = insns.at(-1)?.op;
    this.targets = last === CALLI || last === JMPI ? [] : undefined;
  }

  /** Its indirect branch, executed in the page at virtual address `page`, went to `address`. */
  learn(page: number, address: number): void {
    const targets = this.targets!, offset = address - page;
    if (offset < 0 || offset > 0xfff || targets.length >= MAX_TARGETS || targets.includes(offset)) return;
    targets.push(offset);
  }
}

/** Something that was made from a page's code and must go with it. */
export interface Derived {
  /** The code has changed. */
  drop(): void;
}

/** One physical page with code on it. */
export class CodePage {
  /** Physical address. */
  readonly physical: number;
  /** Blocks by offset, of 32-bit code; of 16-bit code with 0x1000 added. */
  readonly blocks: Map<number, Block> = new Map();
  /** Translations made from it. */
  readonly derived: Set<Derived> = new Set();
  /** One bit for each 128 bytes that hold code. */
  covered = 0;
  /** It was forgotten, with all that hangs on it. */
  dropped = false;

  constructor(physical: number) {
    this.physical = physical;
  }
}

/** The bits of {@link CodePage.covered} for bytes `first` to `last` of a page. */
function granules(first: number, last: number): number {
  return (-1 << (first >> 7)) & (-1 >>> (31 - (last >> 7)));
}

/** All code pages of one CPU's memory. */
export class CodeCache {
  readonly #cpu: Cpu;
  readonly #decoder: Decoder;
  readonly #pages: (CodePage | undefined)[];
  /** Blocks that were asked for lately, by a hash of their address. */
  readonly #recent: (Block | undefined)[] = new Array(RECENT).fill(undefined);
  #decoded = 0;

  /**
   * @param cpu whose memory is cached
   * @param decoder makes instructions
   */
  constructor(cpu: Cpu, decoder: Decoder) {
    this.#cpu = cpu;
    this.#decoder = decoder;
    // Filled, so that it is an array and no dictionary.
    this.#pages = new Array(cpu.memory.size >>> 12).fill(undefined);
    cpu.dropCode = (physical, size) => this.#stored(physical, size);
  }

  /** The block at a physical address, decoded now if it was not known. */
  block(physical: number, codeSize: 2 | 4): Block {
    const offset = physical & 0xfff;
    const key = codeSize === 4 ? offset : offset | 0x1000;
    const place = (key ^ (physical >>> 12)) & (RECENT - 1);
    const recent = this.#recent[place];
    if (recent !== undefined && recent.known && recent.key === key && recent.page.physical === physical - offset) {
      return recent;
    }
    return this.#recent[place] = this.#find(physical, key, codeSize);
  }

  #find(physical: number, key: number, codeSize: 2 | 4): Block {
    const offset = physical & 0xfff;
    const page = this.#pages[physical >>> 12] ?? this.#addPage(physical);
    let block = page.blocks.get(key);
    if (!block) {
      block = this.#decode(page, offset, codeSize);
      page.blocks.set(key, block);
      this.#decoded += block.insns.length;
      if (this.#decoded > SWEEP) this.#sweep();
    }
    return block;
  }

  /** Forget the decoded form of code that was not interpreted since the last sweep and is not translated. */
  #sweep(): void {
    this.#decoded = 0;
    for (const page of this.#pages) {
      if (!page) continue;
      for (const [key, block] of page.blocks) {
        if (block.target < 0 && block.count === block.swept && block.count > 0) {
          page.blocks.delete(key);
          block.known = false;
        } else block.swept = block.count;
      }
      if (page.blocks.size === 0 && page.derived.size === 0) this.#dropPage(page);
    }
  }

  /** Forget all code: after the memory was replaced. */
  clear(): void {
    for (const page of this.#pages) if (page) this.#dropPage(page);
  }

  #addPage(physical: number): CodePage {
    const page = new CodePage((physical & ~0xfff) >>> 0);
    this.#pages[physical >>> 12] = page;
    this.#cpu.mmu.codePages[physical >>> 12] = 1;
    this.#cpu.mmu.protectCode(physical & ~0xfff);
    return page;
  }

  #decode(page: CodePage, start: number, codeSize: 2 | 4): Block {
    const insns: Insn[] = [];
    const base = this.#cpu.memory.base + page.physical;
    let at = start;
    while (insns.length < MAX_BLOCK && at < 4096) {
      let insn: Insn;
      try {
        insn = this.#decoder.decode(this.#cpu.u8, base + at, base + 4096, codeSize);
      } catch (reason) {
        if (reason !== NEED_MORE) throw reason;
        break;
      }
      insns.push(insn);
      at += insn.length;
      if (insn.ends !== END_NONE) break;
    }
    // A block that is empty because of the page's end still depends on the bytes there.
    page.covered |= granules(start, Math.max(at, insns.length === 0 ? 4096 : at) - 1);
    return new Block(page, codeSize === 4 ? start : start | 0x1000, at, insns);
  }

  /** A store: drop the page's code if it may have been overwritten. */
  #stored(physical: number, size: number): boolean {
    const page = this.#pages[physical >>> 12];
    if (!page || (page.covered & granules(physical & 0xfff, (physical & 0xfff) + size - 1)) === 0) return false;
    this.#dropPage(page);
    return true;
  }

  #dropPage(page: CodePage): void {
    page.dropped = true;
    for (const block of page.blocks.values()) block.known = false;
    for (const derived of page.derived) derived.drop();
    this.#pages[page.physical >>> 12] = undefined;
    this.#cpu.mmu.codePages[page.physical >>> 12] = 0;
  }
}
