/**
 * One region becomes one WebAssembly function: registers live in locals while it runs, flags as operands of the last
 * operation, memory is reached through the software TLB.
 *
 * Code does not know at which virtual address its page is mapped, nor the privilege level: both are read at entry, so
 * that processes share it.
 *
 * Enters: a region. Leaves: a function body and its locals. Read next: `analysis.ts` (what is known beforehand),
 * `emission.ts` (the function that is being written), `emitters.ts` (what each instruction becomes), `translator.ts`
 * (who calls this, and the helpers that are imported).
 *
 * @module
 */
import { END_BRANCH, type Insn } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { STATE_BUDGET, STATE_PAGE, STATE_TLB_OFFSET } from "../state.ts";
import { analyse, type Analysis, findLoops, type LoopHeads } from "./analysis.ts";
import { Emission, type KnownFlags } from "./emission.ts";
import { emitTerminator } from "./emit_control.ts";
import { emitSimd } from "./emit_simd.ts";
import { EMITTERS } from "./emitters.ts";
import { syncFlags } from "./flag_state.ts";
import { type Item, type Loop, structure } from "./flow.ts";
import { L_BUDGET, L_ENTRY, L_PAGE, L_TARGET, L_TLB, LOCALS } from "./locals.ts";
import type { Node, Region } from "./region.ts";
import { pushInterrupted } from "./runtime.ts";
import { type BranchHint, W } from "./wasm.ts";

const SIMD = OP.SIMD!;
/** They compare an address with each successor's, and leave the region behind that. */
const TO_ADDRESS = new Set([OP.RET, OP.CALLI, OP.JMPI]);

/** A function, ready for a module. */
export interface Generated {
  readonly body: Uint8Array;
  readonly hints: readonly BranchHint[];
  readonly locals: readonly number[];
  /** Instructions that the interpreter executes in place; number i was emitted as `firstInterpreted + i`. */
  readonly interpreted: readonly Insn[];
}

/**
 * Emit one region.
 *
 * @param region what to compile
 * @param interpretedBase number of the first instruction left to the interpreter
 */
export function generate(region: Region, interpretedBase: number): Generated {
  return new Generator(region, interpretedBase).generate();
}

/** Walks a region. */
class Generator {
  readonly #region: Region;
  readonly #analysis: Analysis;
  readonly #nesting: readonly Item[];
  readonly #loops: LoopHeads;
  readonly #emission: Emission;
  /** What is known of the flags at the end of a node. */
  readonly #knownOut: (KnownFlags | undefined)[] = [];

  constructor(region: Region, interpretedBase: number) {
    const { nodes, entries } = region;
    this.#region = region;
    this.#analysis = analyse(region);
    this.#nesting = structure({
      count: nodes.length,
      successors: (n) => nodes[n]!.successors,
      entries: entries.map((node) => node.index),
    });
    this.#loops = findLoops(this.#nesting);
    this.#emission = new Emission({
      used: this.#analysis.used,
      hasLoops: this.#loops.all.size > 0,
      interpretedBase,
    });
  }

  /** Emit everything. */
  generate(): Generated {
    const g = this.#emission;
    this.#prologue();
    const heads = this.#region.entries.map((node) => node.index);
    const direct = heads.length === 1 && soleHead(this.#nesting[0]!) === heads[0] &&
      !this.#loops.dispatched.has(heads[0]!);
    this.#items(this.#nesting, direct ? undefined : { local: L_ENTRY, heads });
    g.code.byte(W.UNREACHABLE);
    return { body: g.code.toBytes(), hints: g.code.hints, locals: LOCALS, interpreted: g.interpreted };
  }

  #prologue(): void {
    const c = this.#emission.code;
    c.const(0);
    c.get(L_PAGE);
    c.const(~0xfff);
    c.byte(W.AND);
    c.tee(L_PAGE);
    c.memory(W.I32_STORE, STATE_PAGE);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_TLB_OFFSET);
    c.set(L_TLB);
    if (this.#loops.all.size > 0) {
      c.const(0);
      c.memory(W.I32_LOAD, STATE_BUDGET);
      c.set(L_BUDGET);
    }
    this.#emission.reload(this.#analysis.wanted);
  }

  #items(items: readonly Item[], dispatch: { local: number; heads: readonly number[] } | undefined): void {
    const wanted = items.map((item, i) => this.#needsLabel(items, i, item, dispatch?.heads));
    for (let i = items.length - 1; i >= 0; i--) {
      if (wanted[i]) this.#emission.open(W.BLOCK, headsOf(items[i]!));
    }
    if (dispatch) this.#dispatch(dispatch.local, dispatch.heads);
    items.forEach((item, i) => {
      if (wanted[i]) this.#emission.close();
      const next = items[i + 1];
      if (typeof item === "number") this.#node(this.#region.nodes[item]!, next === undefined ? -1 : soleHead(next));
      else this.#loop(item);
    });
  }

  #needsLabel(items: readonly Item[], i: number, item: Item, dispatched: readonly number[] | undefined): boolean {
    const heads = headsOf(item);
    if (dispatched && heads.some((head) => dispatched.includes(head))) return true;
    for (const head of heads) {
      for (const from of this.#region.nodes[head]!.predecessors) {
        const at = items.findIndex((other) => contains(other, from));
        if (at < 0 || at >= i) continue; // from around this list, or a branch back
        if (at < i - 1 || typeof items[at] !== "number" || this.#branchesNotLast(from, head) || heads.length > 1) {
          return true;
        }
      }
    }
    return false;
  }

  /** Whether a node reaches `to` other than by falling out of its end. */
  #branchesNotLast(from: number, to: number): boolean {
    const { successors, insns } = this.#region.nodes[from]!;
    if (TO_ADDRESS.has(insns.at(-1)!.op)) return true;
    return successors.length !== 1 && successors.indexOf(to) !== successors.length - 1 || successors.length > 2 ||
      successors[0] === successors[1];
  }

  #loop(loop: Loop): void {
    this.#emission.open(W.LOOP, loop.heads);
    this.#items(loop.body, loop.heads.length > 1 ? { local: L_TARGET, heads: loop.heads } : undefined);
    this.#emission.code.byte(W.UNREACHABLE);
    this.#emission.close();
  }

  /** Jump to one of several heads by number; those of a loop with several go by way of setting its target. */
  #dispatch(local: number, heads: readonly number[]): void {
    const g = this.#emission, c = g.code;
    const indirect = heads.filter((head) => local !== L_TARGET && this.#loops.dispatched.has(head));
    for (const _ of indirect) g.open(W.BLOCK);
    c.get(local);
    const depths = heads.map((head) => {
      const at = indirect.indexOf(head);
      return at >= 0 ? indirect.length - 1 - at : g.depth(head);
    });
    c.brTable([...depths, depths[0]!]);
    for (const head of [...indirect].reverse()) {
      g.close();
      g.prepareBranch(head);
      c.br(g.depth(head));
    }
  }

  #node(node: Node, next: number): void {
    const g = this.#emission, i = node.index;
    g.begin(this.#analysis.dirtyIn[i]!);
    if (node.predecessors.length === 1 && node.entry < 0) {
      const from = this.#knownOut[node.predecessors[0]!];
      if (from) g.known = from;
    }
    if (this.#loops.all.has(i)) this.#checkBudget(node);
    const effects = this.#analysis.effects[i]!, needed = this.#analysis.flagsNeeded[i]!;
    const last = node.insns.length - 1;
    for (let k = 0; k <= last; k++) {
      const insn = node.insns[k]!;
      g.insn = insn;
      g.flagsNeeded = needed[k]!;
      if (k === last && insn.ends === END_BRANCH) break;
      if (effects[k]!.interpreted) g.interpretInPlace(insn);
      else {
        if (insn.op === SIMD) emitSimd(g, insn);
        else EMITTERS.get(insn.op)!.emit(g, insn);
        g.markDirty(effects[k]!.writes);
      }
    }
    const out = node.successors.some((s) => s >= 0 && this.#analysis.flagsIn[s]);
    if (out) syncFlags(g);
    this.#knownOut[i] = g.known;
    emitTerminator(g, node, { next, nodes: this.#region.nodes });
  }

  /** At a loop head: leave if the budget is used up, or another thread asks for attention. */
  #checkBudget(node: Node): void {
    const g = this.#emission, c = g.code;
    c.get(L_BUDGET);
    c.const(1);
    c.byte(W.SUB);
    c.tee(L_BUDGET);
    pushInterrupted(c);
    g.openUnlikely();
    g.leaveAt(node.start);
    g.closeIf();
  }
}

function headsOf(item: Item): readonly number[] {
  return typeof item === "number" ? [item] : item.heads;
}

function soleHead(item: Item): number {
  return typeof item === "number" ? item : item.heads.length === 1 ? item.heads[0]! : -1;
}

function contains(item: Item, node: number): boolean {
  return typeof item === "number" ? item === node : item.body.some((inner) => contains(inner, node));
}
