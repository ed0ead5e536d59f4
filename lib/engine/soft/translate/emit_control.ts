/**
 * Branches: how a node ends.
 *
 * Enters: a node and what stands behind it. Leaves: code that goes on in the region, or leaves it. Read next:
 * `emit_condition.ts`, `runtime.ts` (what happens to those that leave).
 *
 * @module
 */
import { END_BRANCH, type Insn, K_IMM } from "../insn.ts";
import { OP } from "../opcodes.ts";
import { ECX } from "../state.ts";
import { emitCondition } from "./emit_condition.ts";
import { pop, push } from "./emit_stack.ts";
import type { Emission } from "./emission.ts";
import { T1 } from "./locals.ts";
import { destination } from "./operands.ts";
import { isPlainBranch, type Node } from "./region.ts";
import { W } from "./wasm.ts";

/** Go to a successor: fall through, branch inside the region, or leave it for `offset`. */
function goTo(g: Emission, node: number, offset: number, next: number): void {
  if (node < 0) g.leaveTo(() => g.pushAddress(offset));
  else if (node !== next) {
    g.prepareBranch(node);
    g.code.br(g.depth(node));
  }
}

/** What a node's end must know of its surroundings. */
export interface Surroundings {
  /** The node that stands right behind it, so that it can be fallen into, or -1. */
  readonly next: number;
  /** All nodes of the region. */
  readonly nodes: readonly Node[];
}

/** End a node. */
export function emitTerminator(g: Emission, node: Node, { next, nodes }: Surroundings): void {
  const insn = node.insns.at(-1)!;
  if (insn.ends !== END_BRANCH) return goTo(g, node.successors[0]!, node.end, next);
  if (!isPlainBranch(insn)) return g.leaveByInterpreter(insn);
  switch (insn.op) {
    case OP.JMP:
      return goTo(g, node.successors[0]!, node.end + insn.imm, next);
    case OP.JCC:
      return conditional(g, node, insn, next, () => emitCondition(g, insn.code));
    case OP.JCXZ:
      return conditional(g, node, insn, next, () => {
        g.code.get(g.reg(ECX));
        g.code.byte(W.EQZ);
      });
    case OP.LOOP:
    case OP.LOOPE:
    case OP.LOOPNE:
      return loopBranch(g, node, insn, next);
    case OP.CALL:
      push(g, () => g.pushAddress(node.end));
      return goTo(g, node.successors[0]!, node.end + insn.imm, next);
    case OP.CALLI:
      target(g, insn);
      push(g, () => g.pushAddress(node.end));
      return toTarget(g, node, nodes);
    case OP.JMPI:
      target(g, insn);
      return toTarget(g, node, nodes);
    case OP.RET:
      pop(g, T1, insn.a === K_IMM ? insn.imm : 0);
      return toTarget(g, node, nodes);
    default:
      throw new Error(`Operation ${insn.op} does not end a node`);
  }
}

function conditional(g: Emission, node: Node, insn: Insn, next: number, push: () => void): void {
  const [taken, fall] = node.successors as [number, number];
  if (taken >= 0) {
    g.prepareBranch(taken);
    push();
    g.code.brIf(g.depth(taken));
  } else {
    push();
    g.openIf();
    g.leaveTo(() => g.pushAddress(node.end + insn.imm));
    g.closeIf();
  }
  goTo(g, fall, node.end, next);
}

function loopBranch(g: Emission, node: Node, insn: Insn, next: number): void {
  const c = g.code;
  c.get(g.reg(ECX));
  c.const(1);
  c.byte(W.SUB);
  c.set(g.reg(ECX));
  g.markDirty(1 << ECX);
  conditional(g, node, insn, next, () => {
    c.get(g.reg(ECX));
    c.const(0);
    c.byte(W.NE);
    if (insn.op === OP.LOOP) return;
    emitCondition(g, insn.op === OP.LOOPE ? 4 : 5);
    c.byte(W.AND);
  });
}

/** Put the operand of an indirect branch into T1. */
function target(g: Emission, insn: Insn): void {
  const local = destination(g, insn, T1);
  if (local === T1) return;
  g.code.get(local);
  g.code.set(T1);
}

/** Go to the address in T1: to one of the node's successors if it is theirs, else out of the region. */
function toTarget(g: Emission, from: Node, nodes: readonly Node[]): void {
  const c = g.code;
  for (const successor of from.successors) {
    g.prepareBranch(successor);
    c.get(T1);
    g.pushAddress(nodes[successor]!.start);
    c.byte(W.EQ);
    c.brIf(g.depth(successor));
  }
  g.leaveToTarget();
}
