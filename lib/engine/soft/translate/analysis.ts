/**
 * What is known of a region before any code is emitted: where the flags must be right, which registers may differ from
 * the state in memory, which nodes are heads of loops.
 *
 * Enters: a region, or its nesting. Leaves: facts for each node. Read next: `effects.ts` (what a single instruction
 * touches), `generator.ts` (who uses the facts).
 *
 * @module
 */
import { END_BRANCH, type Insn } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { effectsOf } from "./effects.ts";
import type { Item } from "./flow.ts";
import type { Node, Region } from "./region.ts";
import { type Effects, FLAGS_KEEP, FLAGS_SET, SLOT_FLAGS } from "./slots.ts";

/** What {@link analyse} finds out; arrays go by node, then by instruction. */
export interface Analysis {
  readonly effects: readonly (readonly Effects[])[];
  /** Slots that are used anywhere. */
  readonly used: number;
  /** Slots that must be in their locals when the region is entered. */
  readonly wanted: number;
  /** Whether the flags must be right behind an instruction. */
  readonly flagsNeeded: readonly (readonly boolean[])[];
  /** Whether the flags must be right at the start of a node. */
  readonly flagsIn: readonly boolean[];
  /** Slots that may differ from the state in memory at the start of a node. */
  readonly dirtyIn: readonly number[];
}

/** Find out what {@link Analysis} says. */
export function analyse(region: Region): Analysis {
  const effects = region.nodes.map((node) => node.insns.map(effectsOf));
  let used = 0;
  for (const list of effects) for (const e of list) used |= e.uses;
  const { flagsNeeded, flagsIn } = flowFlags(region.nodes, effects);
  const dirtyIn = flowDirty(region.nodes, effects);
  const wanted = flagsWanted(region, effects, dirtyIn) ? used : used & ~(1 << SLOT_FLAGS);
  return { effects, used, wanted, flagsNeeded, flagsIn, dirtyIn };
}

/** Backward: where the flags must be right. */
function flowFlags(
  nodes: readonly Node[],
  effects: readonly (readonly Effects[])[],
): Pick<Analysis, "flagsNeeded" | "flagsIn"> {
  const needed: boolean[][] = [];
  const live = nodes.map(() => false);
  for (let changed = true; changed;) {
    changed = false;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i]!;
      const out = leavesRegion(node) || node.successors.some((s) => s < 0 || live[s]!);
      const [inside, before] = neededInside(node.insns, effects[i]!, out);
      needed[i] = inside;
      if (before !== live[i]) {
        live[i] = before;
        changed = true;
      }
    }
  }
  return { flagsNeeded: needed, flagsIn: live };
}

/** Whether the flags must be right after each instruction of a node, given whether they must be behind it. */
function neededInside(
  insns: readonly Insn[],
  effects: readonly Effects[],
  liveOut: boolean,
): [boolean[], boolean] {
  const needed = new Array<boolean>(insns.length);
  let live = liveOut;
  for (let i = insns.length - 1; i >= 0; i--) {
    const e = effects[i]!;
    needed[i] = live;
    if (e.flags === FLAGS_SET) live = false;
    if (e.readsFlags || e.observes) live = true;
  }
  return [needed, live];
}

/** Whether a node's last instruction always or possibly leaves the region. */
function leavesRegion(node: Node): boolean {
  const last = node.insns.at(-1)!;
  return last.ends === END_BRANCH &&
    (last.op === OP.RET || last.op === OP.JMPI || last.op === OP.CALLI || last.op === OP.CALL);
}

/** Forward: which slots may differ from the state in memory. */
function flowDirty(nodes: readonly Node[], effects: readonly (readonly Effects[])[]): number[] {
  const dirty = nodes.map(() => 0);
  for (let changed = true; changed;) {
    changed = false;
    for (const node of nodes) {
      let out = dirty[node.index]!;
      for (const e of effects[node.index]!) out = e.interpreted ? 0 : out | e.writes;
      for (const s of node.successors) {
        if (s >= 0 && (dirty[s]! | out) !== dirty[s]) {
          dirty[s]! |= out;
          changed = true;
        }
      }
    }
  }
  return dirty;
}

/**
 * Whether the flags must be in their locals at the start. While they are as in memory nothing stores them, so that
 * only reading them, or changing a part of them, before they are set matters.
 */
function flagsWanted(
  region: Region,
  effects: readonly (readonly Effects[])[],
  dirtyIn: readonly number[],
): boolean {
  return region.entries.some(({ index }) => {
    if (dirtyIn[index]! & 1 << SLOT_FLAGS) return true;
    const first = effects[index]!.find((e) => e.flags !== FLAGS_KEEP || e.readsFlags);
    return first === undefined || first.flags !== FLAGS_SET || first.readsFlags;
  });
}

/** Heads of loops. */
export interface LoopHeads {
  /** Of any loop. */
  readonly all: ReadonlySet<number>;
  /** Of loops with several heads, which are entered by a table jump. */
  readonly dispatched: ReadonlySet<number>;
}

/** Find the heads of all loops in a nesting. */
export function findLoops(items: readonly Item[]): LoopHeads {
  const all = new Set<number>(), dispatched = new Set<number>();
  const visit = (item: Item) => {
    if (typeof item === "number") return;
    for (const head of item.heads) {
      all.add(head);
      if (item.heads.length > 1) dispatched.add(head);
    }
    item.body.forEach(visit);
  };
  items.forEach(visit);
  return { all, dispatched };
}
