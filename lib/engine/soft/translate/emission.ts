/**
 * The function that is being written: its code, its labels, what is known at this point of registers and flags, and
 * the ways out of it. This is what emitters write to.
 *
 * Whatever can be seen from outside is exact whenever somebody can look: {@link Emission.spill} stores the registers
 * changed so far before anything that may fault, call the interpreter or leave.
 *
 * Enters: instructions, from `generator.ts` by way of the emitters. Leaves: bytes. Read next: `operands.ts`,
 * `memory_access.ts` and `flag_state.ts`, which are the emitters' vocabulary on top of this.
 *
 * @module
 */
import { END_NONE, type Insn } from "../insn.ts";
import {
  STATE_BUDGET,
  STATE_CC_OP,
  STATE_CC_RES,
  STATE_CC_SRC,
  STATE_EIP,
  STATE_SSE_READY,
  STATE_XMM,
} from "../state.ts";
import { IMPORT, L_BUDGET, L_OP, L_PAGE, L_REG, L_RES, L_SRC, L_TARGET, L_XMM, T0, T1 } from "./locals.ts";
import { emitChain } from "./runtime.ts";
import { changedByInterpreter, SLOT_FLAGS, SLOT_XMM } from "./slots.ts";
import { Code, VOID, W } from "./wasm.ts";

/** What is known at compile time of the lazy flags. */
export interface KnownFlags {
  /** Operation, or -1 if only {@link L_OP} knows. */
  op: number;
  /** Operation is universal with source 0. */
  logic: boolean;
  /** {@link L_DST} holds the first operand. */
  first: boolean;
}

/** Nothing is known. */
export const UNKNOWN: KnownFlags = { op: -1, logic: false, first: false };

/** What holds for the whole function. */
export interface Frame {
  /** Slots that its instructions use: only these have their locals loaded. */
  readonly used: number;
  /** It has loops, and so a budget in a local. */
  readonly hasLoops: boolean;
  /** Number of the first instruction left to the interpreter. */
  readonly interpretedBase: number;
}

/** One function in the making. */
export class Emission {
  /** Where code goes. */
  readonly code: Code = new Code();
  /** Instructions that the interpreter executes in place. */
  readonly interpreted: Insn[] = [];
  /** Flags must be right behind the instruction at hand. */
  flagsNeeded = true;
  /** The lazy flags at this point. */
  known: KnownFlags = UNKNOWN;
  /** The instruction that the code emitted now belongs to. */
  insn!: Insn;
  readonly #frame: Frame;
  /** Nodes that a branch to each open label leads to; none for labels that only emitters know. */
  readonly #labels: (readonly number[])[] = [];
  /** Slots that may differ from the state in memory. */
  #dirty = 0;
  #sseChecked = false;

  /** @param frame what holds for the whole function */
  constructor(frame: Frame) {
    this.#frame = frame;
  }

  /** Begin a node, given the slots that may differ from the state in memory. */
  begin(dirty: number): void {
    this.#dirty = dirty;
    this.known = UNKNOWN;
    this.#sseChecked = false;
  }

  // Registers.

  /** Local of a general register. */
  reg(n: number): number {
    return L_REG + n;
  }

  /** Local of an XMM register. */
  xmm(n: number): number {
    return L_XMM + n;
  }

  /** From here on these slots differ from the state in memory. */
  markDirty(slots: number): void {
    this.#dirty |= slots;
  }

  /** Load slots from memory. */
  reload(slots: number): void {
    const c = this.code;
    for (let n = 0; n < 8; n++) {
      if (slots & 1 << n) {
        c.const(0);
        c.memory(W.I32_LOAD, n * 8);
        c.set(L_REG + n);
      }
      if (slots & 1 << (SLOT_XMM + n)) {
        c.const(0);
        c.simdMemory(0, STATE_XMM + 16 * n);
        c.set(L_XMM + n);
      }
    }
    if (slots & 1 << SLOT_FLAGS) {
      for (const [local, at] of [[L_OP, STATE_CC_OP], [L_RES, STATE_CC_RES], [L_SRC, STATE_CC_SRC]] as const) {
        c.const(0);
        c.memory(W.I32_LOAD, at);
        c.set(local);
      }
    }
  }

  /** Store the slots that may differ from memory; they stay in their locals. */
  spill(): void {
    const c = this.code;
    for (let n = 0; n < 8; n++) {
      if (this.#dirty & 1 << n) {
        c.const(0);
        c.get(L_REG + n);
        c.memory(W.I32_STORE, n * 8);
      }
      if (this.#dirty & 1 << (SLOT_XMM + n)) {
        c.const(0);
        c.get(L_XMM + n);
        c.simdMemory(11, STATE_XMM + 16 * n);
      }
    }
    if (this.#dirty & 1 << SLOT_FLAGS) {
      c.const(0);
      if (this.known.op >= 0) c.const(this.known.op);
      else c.get(L_OP);
      c.memory(W.I32_STORE, STATE_CC_OP);
      c.const(0);
      c.get(L_RES);
      c.memory(W.I32_STORE, STATE_CC_RES);
      c.const(0);
      if (this.known.logic) c.const(0);
      else c.get(L_SRC);
      c.memory(W.I32_STORE, STATE_CC_SRC);
    }
  }

  // Labels.

  /** Open a block, loop or `if`; a branch to it leads to one of `heads`. */
  open(opcode: number, heads: readonly number[] = []): void {
    this.code.byte(opcode);
    this.code.byte(VOID);
    this.#labels.push(heads);
  }

  /** Close what was opened last. */
  close(): void {
    this.code.byte(W.END);
    this.#labels.pop();
  }

  /** Open an `if` on the value on the stack. */
  openIf(): void {
    this.open(W.IF);
  }

  /** As {@link openIf}, for what hardly ever happens: the compiler puts it out of the way. */
  openUnlikely(): void {
    this.code.expect(false);
    this.open(W.IF);
  }

  /** Close the `if`. */
  closeIf(): void {
    this.close();
  }

  /** Depth of a branch to a node. */
  depth(node: number): number {
    const at = this.#labels.findLastIndex((heads) => heads.includes(node));
    if (at < 0) throw new Error(`No label for node ${node}`);
    return this.#labels.length - 1 - at;
  }

  /** Before a branch to a node: say which head is meant, where a loop has several. */
  prepareBranch(node: number): void {
    const heads = this.#labels[this.#labels.length - 1 - this.depth(node)]!;
    if (heads.length > 1) {
      this.code.const(heads.indexOf(node));
      this.code.set(L_TARGET);
    }
  }

  // Leaving.

  /** Push the virtual address of an offset relative to the page. */
  pushAddress(offset: number): void {
    this.code.get(L_PAGE);
    this.code.const(offset);
    this.code.byte(W.ADD);
  }

  /** Return to the dispatcher with the instruction at `offset` to be executed next. */
  leaveAt(offset: number): void {
    this.spill();
    this.#storeBudget();
    this.code.const(0);
    this.pushAddress(offset);
    this.code.memory(W.I32_STORE, STATE_EIP);
    this.code.byte(W.RETURN);
  }

  /** Return to the dispatcher to let the interpreter execute the instruction at hand. */
  leaveHere(): void {
    this.leaveAt(this.insn.offset);
  }

  /** Go on at the virtual address that `push` puts on the stack, in generated code if there is any. */
  leaveTo(push: () => void): void {
    this.spill();
    this.#storeBudget();
    push();
    this.code.returnCall(IMPORT.CHAIN);
  }

  /** Go on at the address in {@link T1}, by a jump of its own: it is foreseen better than one that all code shares. */
  leaveToTarget(): void {
    this.spill();
    this.#storeBudget();
    emitChain(this.code, T1, T0, IMPORT.SECOND);
  }

  /** Let the interpreter execute a branch, then go on where it leads. */
  leaveByInterpreter(insn: Insn): void {
    this.spill();
    this.#callInterpreter(insn);
    this.#returnIf();
    this.#storeBudget();
    this.code.const(0);
    this.code.memory(W.I32_LOAD, STATE_EIP);
    this.code.returnCall(IMPORT.CHAIN);
  }

  #storeBudget(): void {
    if (!this.#frame.hasLoops) return;
    this.code.const(0);
    this.code.get(L_BUDGET);
    this.code.memory(W.I32_STORE, STATE_BUDGET);
  }

  // The interpreter.

  /** Let the interpreter execute the instruction at hand. */
  interpretInPlace(insn: Insn): void {
    this.spill();
    this.#callInterpreter(insn);
    if (insn.ends !== END_NONE) this.#returnIf();
    const changed = changedByInterpreter(insn);
    this.reload(changed & this.#frame.used);
    this.#dirty = 0;
    if (changed & 1 << SLOT_FLAGS) this.known = UNKNOWN;
  }

  /**
   * Try a quick way; where it gives up (`br_if` or `br` to the depth it is given) the interpreter executes the
   * instruction in place.
   *
   * @param insn the instruction
   * @param emit emits the quick way, which must not change anything before it is sure
   */
  tryQuick(insn: Insn, emit: (giveUp: () => void) => void): void {
    const c = this.code;
    this.open(W.BLOCK);
    this.open(W.BLOCK);
    const depth = this.#labels.length;
    emit(() => {
      c.expect(false);
      c.brIf(this.#labels.length - depth);
    });
    c.br(1);
    this.close();
    this.spill();
    this.#callInterpreter(insn);
    if (insn.ends !== END_NONE) this.#returnIf();
    this.reload(changedByInterpreter(insn) & this.#frame.used);
    this.close();
  }

  /** Before a SIMD instruction: the interpreter raises what must be raised where SSE is not available. */
  needSse(): void {
    if (this.#sseChecked) return;
    this.#sseChecked = true;
    this.code.const(0);
    this.code.memory(W.I32_LOAD, STATE_SSE_READY);
    this.code.byte(W.EQZ);
    this.openUnlikely();
    this.leaveHere();
    this.closeIf();
  }

  #callInterpreter(insn: Insn): void {
    this.code.const(this.#frame.interpretedBase + this.interpreted.length);
    this.code.call(insn.ends === END_NONE ? IMPORT.INTERPRET : IMPORT.SYSTEM);
    this.interpreted.push(insn);
  }

  /** Return to the dispatcher if the value on the stack says so; the state is stored already. */
  #returnIf(): void {
    this.openUnlikely();
    this.#storeBudget();
    this.code.byte(W.RETURN);
    this.closeIf();
  }
}
