/**
 * Which code is translated together: from a hot block, along direct branches, within its page and as far as it was
 * ever executed. Decoded blocks overlap where one jumps into the middle of another; here they are cut at every leader,
 * so that each instruction stands in one node.
 *
 * Enters: a {@link Block}. Leaves: a graph of {@link Node}s. Read next: `flow.ts` (how the graph becomes structured
 * control flow), `generator.ts` (how a node becomes code).
 *
 * @module
 */
import type { Block, CodePage } from "../code_cache.ts";
import { END_BRANCH, type Insn, K_MEM } from "../insn.ts";
import { CS } from "../state.ts";
import { OP } from "../opcodes.ts";

/** Most instructions in a region: what V8's baseline compiler takes in well under a millisecond. */
const MAX_INSNS = 400;

/**
 * A block that was interpreted less often is left out, as is one that can already be entered: each instruction that is
 * compiled in vain costs more than a jump from one region to another.
 */
const WARM = 4;

/** Calls inside a region whose return addresses a RET in it compares its own with. */
const MAX_RETURNS = 4;

const JCC = OP.JCC!, JMP = OP.JMP!, CALL = OP.CALL!, CALLI = OP.CALLI!, JMPI = OP.JMPI!, RET = OP.RET!, INT = OP.INT!;
const CONDITIONAL = new Set([JCC, OP.LOOP!, OP.LOOPE!, OP.LOOPNE!, OP.JCXZ!]);

/** A basic block of a region. */
export interface Node {
  /** Its number in the region. */
  readonly index: number;
  /** Offset of its first instruction in the page. */
  readonly start: number;
  /** Its instructions, the last of which may branch. */
  readonly insns: readonly Insn[];
  /** Offset behind its last instruction. */
  readonly end: number;
  /**
   * Nodes that control can pass to; -1 for an exit from the region. Of a conditional branch: taken, fall-through. Of a
   * RET or an indirect branch: those that it was seen, or is thought, to go to; it may leave the region as well.
   */
  readonly successors: number[];
  /** Nodes that come here. */
  readonly predecessors: number[];
  /** Entry number if the region can be entered here, else -1. */
  entry: number;
}

/** What is compiled to one function. */
export interface Region {
  readonly page: CodePage;
  readonly nodes: readonly Node[];
  /** Nodes that can be entered from outside, by entry number. */
  readonly entries: readonly Node[];
}

/** Offset in the page that a direct branch goes to, or -1 if it leaves the page. */
export function branchTarget(insn: Insn): number {
  const target = insn.offset + insn.length + insn.imm;
  return insn.size === 4 && target >= 0 && target < 4096 ? target : -1;
}

/**
 * Form a region.
 *
 * @param seed a block that was executed often
 * @returns the graph, whose node 0 is the seed; `undefined` if the block cannot be translated at all
 */
export function formRegion(seed: Block): Region | undefined {
  const page = seed.page;
  if (seed.insns.length === 0) return undefined;
  const starts = new Set<number>();
  const afterCalls = new Set<number>();
  const indirect = new Set<number>();
  const queue = [seed.start];
  let total = 0;
  while (queue.length > 0) {
    const start = queue.shift()!;
    const block = page.blocks.get(start);
    if (starts.has(start) || !block) continue;
    // What an indirect branch goes to is taken in even if it can be entered: to stay inside saves much more there.
    if (block !== seed && !indirect.has(start) && (block.count < WARM || block.target >= 0)) continue;
    if (block.insns.length === 0) continue;
    if (total + block.insns.length > MAX_INSNS) continue;
    total += block.insns.length;
    starts.add(start);
    const last = block.insns.at(-1)!;
    if (last.ends !== END_BRANCH) queue.push(block.end);
    else {
      const target = branchTarget(last);
      if (CONDITIONAL.has(last.op)) queue.push(block.end, target);
      else if (last.op === JMP) queue.push(target);
      else if (last.op === CALL) {
        afterCalls.add(block.end);
        queue.push(block.end, target);
      } else if (last.op === CALLI || last.op === INT) {
        afterCalls.add(block.end);
        queue.push(block.end);
      }
      for (const offset of block.targets ?? []) {
        indirect.add(offset);
        queue.push(offset);
      }
    }
  }
  if (!starts.has(seed.start)) return undefined; // forgotten meanwhile
  return connect(page, seed.start, starts, afterCalls);
}

/** Near branches, which the translator emits itself; the interpreter executes all others. */
export function isPlainBranch(insn: Insn): boolean {
  return insn.size === 4 && insn.addrSize === 4 && (insn.a !== K_MEM || insn.seg !== CS) &&
    (CONDITIONAL.has(insn.op) || insn.op === JMP || insn.op === CALL || insn.op === CALLI || insn.op === RET ||
      insn.op === JMPI);
}

/** Where indirect branches were seen to go to, by the branch's offset: blocks that overlap end in the same one. */
function learnedTargets(page: CodePage, starts: readonly number[]): Map<number, Set<number>> {
  const learned = new Map<number, Set<number>>();
  for (const start of starts) {
    const { targets, insns } = page.blocks.get(start)!;
    if (targets === undefined) continue;
    const at = insns.at(-1)!.offset;
    learned.set(at, new Set([...learned.get(at) ?? [], ...targets]));
  }
  return learned;
}

function connect(page: CodePage, seed: number, starts: Set<number>, afterCalls: Set<number>): Region {
  const order = [seed, ...[...starts].filter((start) => start !== seed)];
  const byStart = new Map(order.map((start, index) => [start, index]));
  const nodes: Node[] = order.map((start, index) => {
    const all = page.blocks.get(start)!.insns;
    let count = 1;
    while (count < all.length && !byStart.has(all[count]!.offset)) count++;
    const insns = all.slice(0, count);
    const last = insns.at(-1)!;
    return { index, start, insns, end: last.offset + last.length, successors: [], predecessors: [], entry: -1 };
  });
  const find = (offset: number) => byStart.get(offset) ?? -1;
  const learned = learnedTargets(page, order);
  const called = new Set<number>();
  for (const node of nodes) {
    const last = node.insns.at(-1)!;
    if (last.ends === END_BRANCH && !isPlainBranch(last)) continue;
    if (last.ends === END_BRANCH) {
      const target = find(branchTarget(last));
      if (CONDITIONAL.has(last.op)) node.successors.push(target, find(node.end));
      else if (last.op === JMP) node.successors.push(target);
      else if (last.op === CALL) {
        node.successors.push(target);
        if (target >= 0) called.add(node.index);
      } else if (last.op === CALLI || last.op === JMPI) {
        node.successors.push(...[...learned.get(last.offset)!].map(find).filter((n) => n >= 0));
        if (last.op === CALLI && node.successors.length > 0) called.add(node.index);
      }
    } else node.successors.push(find(node.end));
  }
  const returns = [...called].map((index) => find(nodes[index]!.end)).filter((after) => after >= 0);
  if (returns.length <= MAX_RETURNS) {
    for (const node of nodes) if (node.insns.at(-1)!.op === RET) node.successors.push(...returns);
  }
  for (const node of nodes) {
    for (const successor of new Set(node.successors)) {
      if (successor >= 0) nodes[successor]!.predecessors.push(node.index);
    }
  }
  const entries = nodes.filter((node) => node.index === 0 || afterCalls.has(node.start));
  entries.forEach((node, number) => node.entry = number);
  return { page, nodes, entries };
}
