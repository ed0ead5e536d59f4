/**
 * One region becomes one WebAssembly function: registers live in locals while it runs, flags as operands of the last
 * operation, memory is reached through the software TLB.
 *
 * Whatever can be seen from outside is exact whenever somebody can look: before the slow path of a memory access, the
 * registers changed so far are stored (in the branch that is hardly ever taken). Code does not know at which virtual
 * address its page is mapped, nor the privilege level: both are read at entry, so that processes share it.
 *
 * Enters: a region. Leaves: a function body and its locals. Read next: `emitters.ts` (what each instruction becomes),
 * `translator.ts` (who calls this, and the helpers that are imported).
 *
 * @module
 */
import { CC_ADD32, CC_SUB32, CC_UNIVERSAL } from "../flags.ts";
import { END_BRANCH, END_NONE, type Insn, K_HIGH, K_IMM, K_MEM, K_REG } from "../insn.ts";
import { OP } from "../opcodes.ts";
import {
  FS,
  STATE_BUDGET,
  STATE_CC_OP,
  STATE_CC_RES,
  STATE_CC_SRC,
  STATE_EIP,
  STATE_PAGE,
  STATE_SEG_BASE,
  STATE_SEG_OPEN,
  STATE_SSE_READY,
  STATE_TLB_OFFSET,
  STATE_XMM,
  TLB,
  TLB_ADDEND,
  TLB_READ,
  TLB_WRITE,
} from "../state.ts";
import { emitCondition, emitTerminator } from "./emit_control.ts";
import { emitSimd } from "./emit_simd.ts";
import {
  changedByInterpreter,
  type Effects,
  effectsOf,
  FLAGS_KEEP,
  FLAGS_SET,
  flagsNeeded,
  SLOT_FLAGS,
  SLOT_XMM,
} from "./effects.ts";
import { EMITTERS } from "./emitters.ts";
import { type Item, structure } from "./flow.ts";
import type { Node, Region } from "./region.ts";
import {
  IMPORT,
  L_ADDRESS,
  L_BUDGET,
  L_DST,
  L_ENTRY,
  L_ENTRY_AT,
  L_HOST,
  L_OP,
  L_PAGE,
  L_REG,
  L_RES,
  L_SRC,
  L_TARGET,
  L_TLB,
  L_XMM,
  LOCALS,
  T0,
  T1,
  T3,
} from "./locals.ts";
import { emitChain } from "./runtime.ts";
import { Code, I32, VOID, W } from "./wasm.ts";

const TLB_MASK = 0x1_ffe0;
const SIMD = OP.SIMD!;

/** What is known at compile time of the lazy flags. */
export interface KnownFlags {
  /** Operation, or -1 if only {@link L_OP} knows. */
  op: number;
  /** Operation is universal with source 0. */
  logic: boolean;
  /** {@link L_DST} holds the first operand. */
  first: boolean;
}

const UNKNOWN: KnownFlags = { op: -1, logic: false, first: false };

type Label =
  | { readonly kind: "plain" }
  | { readonly kind: "forward"; readonly heads: readonly number[] }
  | { readonly kind: "loop"; readonly heads: readonly number[] };

/** A function, ready for a module. */
export interface Generated {
  readonly body: Uint8Array;
  readonly locals: readonly number[];
  /** Instructions that the interpreter executes in place; number i was emitted as `firstInterpreted + i`. */
  readonly interpreted: readonly Insn[];
}

/** Emits one region. */
export class Generator {
  /** Where code goes. */
  readonly code: Code = new Code();
  /** Flags must be right behind the instruction at hand. */
  flagsNeeded = true;
  /** The lazy flags at this point. */
  known: KnownFlags = UNKNOWN;
  readonly #region: Region;
  readonly #effects: Effects[][];
  readonly #needed: boolean[][] = [];
  readonly #flagsIn: boolean[];
  readonly #dirtyIn: number[];
  readonly #knownOut: (KnownFlags | undefined)[] = [];
  readonly #labels: Label[] = [];
  readonly #interpretedBase: number;
  readonly #interpreted: Insn[] = [];
  readonly #used: number;
  readonly #loopHeads = new Set<number>();
  readonly #dispatched = new Set<number>();
  #hasLoops = false;
  #dirty = 0;
  #insn!: Insn;

  /**
   * @param region what to compile
   * @param interpretedBase number of the first instruction left to the interpreter
   */
  constructor(region: Region, interpretedBase: number) {
    this.#region = region;
    this.#interpretedBase = interpretedBase;
    this.#effects = region.nodes.map((node) => node.insns.map(effectsOf));
    let used = 0;
    for (const list of this.#effects) for (const e of list) used |= e.uses;
    this.#used = used;
    this.#flagsIn = this.#flowFlags();
    this.#dirtyIn = this.#flowDirty();
  }

  /** Backward: where the flags must be right. */
  #flowFlags(): boolean[] {
    const nodes = this.#region.nodes;
    const live = nodes.map(() => false);
    for (let changed = true; changed;) {
      changed = false;
      for (let i = nodes.length - 1; i >= 0; i--) {
        const node = nodes[i]!;
        const out = leavesRegion(node) || node.successors.some((s) => s < 0 || live[s]!);
        const [needed, before] = flagsNeeded(node.insns, this.#effects[i]!, out);
        this.#needed[i] = needed;
        if (before !== live[i]) {
          live[i] = before;
          changed = true;
        }
      }
    }
    return live;
  }

  /** Forward: which slots may differ from the state in memory. */
  #flowDirty(): number[] {
    const nodes = this.#region.nodes;
    const dirty = nodes.map(() => 0);
    for (let changed = true; changed;) {
      changed = false;
      for (const node of nodes) {
        let out = dirty[node.index]!;
        for (const e of this.#effects[node.index]!) out = e.interpreted ? 0 : out | e.writes;
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

  /** Emit everything. */
  generate(): Generated {
    const { nodes, entries } = this.#region;
    const items = structure({
      count: nodes.length,
      successors: (n) => nodes[n]!.successors,
      entries: entries.map((node) => node.index),
    });
    this.#findLoops(items);
    this.#hasLoops = this.#loopHeads.size > 0;
    this.#prologue();
    const heads = entries.map((node) => node.index);
    const direct = heads.length === 1 && firstNode(items[0]!) === heads[0] && !this.#dispatched.has(heads[0]!);
    this.#items(items, direct ? undefined : { local: L_ENTRY, heads });
    this.code.byte(W.UNREACHABLE);
    return { body: this.code.toBytes(), locals: LOCALS, interpreted: this.#interpreted };
  }

  #findLoops(items: readonly Item[]): void {
    for (const item of items) {
      if (typeof item === "number") continue;
      for (const head of item.heads) this.#loopHeads.add(head);
      if (item.heads.length > 1) { for (const head of item.heads) this.#dispatched.add(head); }
      this.#findLoops(item.body);
    }
  }

  #prologue(): void {
    const c = this.code;
    c.const(0);
    c.get(L_PAGE);
    c.const(~0xfff);
    c.byte(W.AND);
    c.tee(L_PAGE);
    c.memory(W.I32_STORE, STATE_PAGE);
    c.const(0);
    c.memory(W.I32_LOAD, STATE_TLB_OFFSET);
    c.set(L_TLB);
    if (this.#hasLoops) {
      c.const(0);
      c.memory(W.I32_LOAD, STATE_BUDGET);
      c.set(L_BUDGET);
    }
    this.#reload(this.#flagsWanted() ? this.#used : this.#used & ~(1 << SLOT_FLAGS));
  }

  /**
   * Whether the flags must be in their locals at the start. While they are as in memory nothing stores them, so that
   * only reading them, or changing a part of them, before they are set matters.
   */
  #flagsWanted(): boolean {
    return this.#region.entries.some(({ index }) => {
      if (this.#dirtyIn[index]! & 1 << SLOT_FLAGS) return true;
      const first = this.#effects[index]!.find((e) => e.flags !== FLAGS_KEEP || e.readsFlags);
      return first === undefined || first.flags !== FLAGS_SET || first.readsFlags;
    });
  }

  /** Load slots from memory. */
  #reload(slots: number): void {
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

  // Control flow.

  #items(items: readonly Item[], dispatch: { local: number; heads: readonly number[] } | undefined): void {
    const c = this.code;
    const wanted = items.map((item, i) => this.#needsLabel(items, i, item, dispatch?.heads));
    for (let i = items.length - 1; i >= 0; i--) {
      if (!wanted[i]) continue;
      c.byte(W.BLOCK);
      c.byte(VOID);
      this.#labels.push({ kind: "forward", heads: headsOf(items[i]!) });
    }
    if (dispatch) {
      this.#dispatch(dispatch.local, dispatch.heads);
    }
    items.forEach((item, i) => {
      if (wanted[i]) {
        c.byte(W.END);
        this.#labels.pop();
      }
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
    if (insns.at(-1)!.op === OP.RET) return true;
    return successors.length !== 1 && successors.indexOf(to) !== successors.length - 1 || successors.length > 2 ||
      successors[0] === successors[1];
  }

  #loop(loop: Exclude<Item, number>): void {
    this.code.byte(W.LOOP);
    this.code.byte(VOID);
    this.#labels.push({ kind: "loop", heads: loop.heads });
    this.#items(loop.body, loop.heads.length > 1 ? { local: L_TARGET, heads: loop.heads } : undefined);
    this.#labels.pop();
    this.code.byte(W.UNREACHABLE);
    this.code.byte(W.END);
  }

  /** Jump to one of several heads by number; those of a loop with several go by way of setting its target. */
  #dispatch(local: number, heads: readonly number[]): void {
    const c = this.code;
    const indirect = heads.filter((head) => local !== L_TARGET && this.#dispatched.has(head));
    for (const _ of indirect) {
      c.byte(W.BLOCK);
      c.byte(VOID);
      this.#labels.push({ kind: "plain" });
    }
    c.get(local);
    const depths = heads.map((head) => {
      const at = indirect.indexOf(head);
      return at >= 0 ? indirect.length - 1 - at : this.#find(head);
    });
    c.brTable([...depths, depths[0]!]);
    for (const head of [...indirect].reverse()) {
      c.byte(W.END);
      this.#labels.pop();
      this.prepareBranch(head);
      c.br(this.#find(head));
    }
  }

  #find(node: number): number {
    for (let i = this.#labels.length - 1; i >= 0; i--) {
      const label = this.#labels[i]!;
      if (label.kind !== "plain" && label.heads.includes(node)) return this.#labels.length - 1 - i;
    }
    throw new Error(`No label for node ${node}`);
  }

  /** Before a branch to a node: say which head is meant, where a loop has several. */
  prepareBranch(node: number): void {
    const label = this.#labels[this.#labels.length - 1 - this.#find(node)] as Exclude<Label, { kind: "plain" }>;
    if (label.heads.length > 1) {
      this.code.const(label.heads.indexOf(node));
      this.code.set(L_TARGET);
    }
  }

  /** Depth of a branch to a node. */
  depth(node: number): number {
    return this.#find(node);
  }

  /** Open an `if` on the value on the stack. */
  openIf(): void {
    this.code.byte(W.IF);
    this.code.byte(VOID);
    this.#labels.push({ kind: "plain" });
  }

  /** Close the `if`. */
  closeIf(): void {
    this.code.byte(W.END);
    this.#labels.pop();
  }

  #node(node: Node, next: number): void {
    const i = node.index;
    this.#dirty = this.#dirtyIn[i]!;
    this.known = UNKNOWN;
    this.#sseChecked = false;
    if (node.predecessors.length === 1 && node.entry < 0) {
      const from = this.#knownOut[node.predecessors[0]!];
      if (from) this.known = from;
    }
    if (this.#loopHeads.has(i)) this.#checkBudget(node);
    const effects = this.#effects[i]!, needed = this.#needed[i]!;
    const last = node.insns.length - 1;
    for (let k = 0; k <= last; k++) {
      const insn = node.insns[k]!;
      this.#insn = insn;
      this.flagsNeeded = needed[k]!;
      if (k === last && insn.ends === END_BRANCH) break;
      if (effects[k]!.interpreted) this.#interpretInPlace(insn);
      else {
        if (insn.op === SIMD) emitSimd(this, insn);
        else EMITTERS.get(insn.op)!.emit(this, insn);
        this.#dirty |= effects[k]!.writes;
      }
    }
    const out = node.successors.some((s) => s >= 0 && this.#flagsIn[s]);
    if (out) this.syncFlags();
    this.#knownOut[i] = this.known;
    emitTerminator(this, node, next);
  }

  /** Let {@link L_OP} hold what is known at compile time, for code that is reached from several places. */
  syncFlags(): void {
    if (this.known.op < 0) return;
    this.code.const(this.known.op);
    this.code.set(L_OP);
    if (this.known.logic) {
      this.code.const(0);
      this.code.set(L_SRC);
    }
  }

  /** At a loop head: leave if the budget is used up. */
  #checkBudget(node: Node): void {
    const c = this.code;
    c.get(L_BUDGET);
    c.const(1);
    c.byte(W.SUB);
    c.tee(L_BUDGET);
    c.const(0);
    c.byte(W.LT_S);
    this.openIf();
    this.leaveAt(node.start);
    this.closeIf();
  }

  // Leaving.

  #storeBudget(): void {
    if (!this.#hasLoops) return;
    this.code.const(0);
    this.code.get(L_BUDGET);
    this.code.memory(W.I32_STORE, STATE_BUDGET);
  }

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
    this.leaveAt(this.#insn.offset);
  }

  /** Go on at the virtual address that `push` puts on the stack, in generated code if there is any. */
  leaveTo(push: () => void): void {
    this.spill();
    this.#storeBudget();
    push();
    this.code.returnCall(IMPORT.CHAIN);
  }

  #callInterpreter(insn: Insn): void {
    this.code.const(this.#interpretedBase + this.#interpreted.length);
    this.code.call(insn.ends === END_NONE ? IMPORT.INTERPRET : IMPORT.SYSTEM);
    this.#interpreted.push(insn);
  }

  #interpretInPlace(insn: Insn): void {
    this.spill();
    this.#callInterpreter(insn);
    if (insn.ends !== END_NONE) this.#returnIf();
    const changed = changedByInterpreter(insn);
    this.#reload(changed & this.#used);
    this.#dirty = 0;
    if (changed & 1 << SLOT_FLAGS) this.known = UNKNOWN;
  }

  /** Return to the dispatcher if the value on the stack says so; the state is stored already. */
  #returnIf(): void {
    this.openIf();
    this.#storeBudget();
    this.code.byte(W.RETURN);
    this.closeIf();
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

  /** Go on at the address in {@link T1}, by a jump of its own: it is foreseen better than one that all code shares. */
  leaveToTarget(): void {
    this.spill();
    this.#storeBudget();
    emitChain(this.code, T1, T0);
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
    for (let i = 0; i < 2; i++) {
      c.byte(W.BLOCK);
      c.byte(VOID);
      this.#labels.push({ kind: "plain" });
    }
    const depth = this.#labels.length;
    emit(() => c.brIf(this.#labels.length - depth));
    c.br(1);
    c.byte(W.END);
    this.#labels.pop();
    this.spill();
    this.#callInterpreter(insn);
    if (insn.ends !== END_NONE) this.#returnIf();
    this.#reload(changedByInterpreter(insn) & this.#used);
    c.byte(W.END);
    this.#labels.pop();
  }

  /** Before a SIMD instruction: the interpreter raises what must be raised where SSE is not available. */
  needSse(): void {
    if (this.#sseChecked) return;
    this.#sseChecked = true;
    this.code.const(0);
    this.code.memory(W.I32_LOAD, STATE_SSE_READY);
    this.code.byte(W.EQZ);
    this.openIf();
    this.leaveHere();
    this.closeIf();
  }
  #sseChecked = false;

  // Registers.

  /** Local of a general register. */
  reg(n: number): number {
    return L_REG + n;
  }

  /** Local of an XMM register. */
  xmm(n: number): number {
    return L_XMM + n;
  }

  /** Push a register operand, zero-extended. */
  pushRegister(kind: number, n: number, size: number): void {
    const c = this.code;
    c.get(L_REG + n);
    if (kind === K_HIGH) {
      c.const(8);
      c.byte(W.SHR_U);
    }
    if (size < 4) {
      c.const(size === 2 ? 0xffff : 0xff);
      c.byte(W.AND);
    }
  }

  /** Set a register operand from a local, whose higher bits do not matter. */
  setRegister(kind: number, n: number, size: number, value: number): void {
    const c = this.code;
    if (size < 4) {
      c.get(L_REG + n);
      c.const(size === 2 ? ~0xffff : kind === K_HIGH ? ~0xff00 : ~0xff);
      c.byte(W.AND);
      c.get(value);
      c.const(size === 2 ? 0xffff : 0xff);
      c.byte(W.AND);
      if (kind === K_HIGH) {
        c.const(8);
        c.byte(W.SHL);
      }
      c.byte(W.OR);
    } else c.get(value);
    c.set(L_REG + n);
  }

  /** Put the source operand, zero-extended, into a local: the register's own or `scratch`. */
  source(insn: Insn, scratch: number): number {
    return this.#operand(insn, insn.b, insn.br, insn.srcSize, scratch);
  }

  /** As {@link source} for the destination operand, if it is only read. */
  destination(insn: Insn, scratch: number): number {
    return this.#operand(insn, insn.a, insn.ar, insn.size, scratch);
  }

  #operand(insn: Insn, kind: number, n: number, size: number, scratch: number): number {
    if (kind === K_REG && size === 4) return L_REG + n;
    if (kind === K_IMM) this.code.const(size === 4 ? insn.imm : size === 2 ? insn.imm & 0xffff : insn.imm & 0xff);
    else if (kind === K_MEM) {
      this.pushLinear(insn);
      this.load(size);
    } else this.pushRegister(kind, n, size);
    this.code.set(scratch);
    return scratch;
  }

  /** Put the destination operand, which will be written by {@link store}, into a local. */
  modify(insn: Insn, scratch: number): number {
    if (insn.a !== K_MEM) return this.#operand(insn, insn.a, insn.ar, insn.size, scratch);
    this.pushLinear(insn);
    this.#modifyMemory(insn.size);
    this.code.set(scratch);
    return scratch;
  }

  /** Write the destination operand that {@link modify} read. */
  store(insn: Insn, value: number): void {
    if (insn.a === K_MEM) this.#storeModified(insn.size, value);
    else this.setRegister(insn.a, insn.ar, insn.size, value);
  }

  /** Write the destination operand. */
  assign(insn: Insn, value: number): void {
    if (insn.a === K_MEM) {
      this.pushLinear(insn);
      this.storeMemory(insn.size, value);
    } else this.setRegister(insn.a, insn.ar, insn.size, value);
  }

  // Memory.

  /** Push the memory operand's offset in its segment. */
  pushOffset(insn: Insn): void {
    const c = this.code;
    let pushed = false;
    if (insn.base >= 0) {
      c.get(L_REG + insn.base);
      pushed = true;
    }
    if (insn.index >= 0) {
      c.get(L_REG + insn.index);
      if (insn.scale > 0) {
        c.const(insn.scale);
        c.byte(W.SHL);
      }
      if (pushed) c.byte(W.ADD);
      pushed = true;
    }
    if (insn.disp !== 0 || !pushed) {
      c.const(insn.disp);
      if (pushed) c.byte(W.ADD);
    }
  }

  /** Push the memory operand's linear address; a segment that is not flat sends the instruction to the interpreter. */
  pushLinear(insn: Insn): void {
    const c = this.code;
    if (insn.seg >= FS) {
      c.const(0);
      c.memory(W.I32_LOAD, STATE_SEG_OPEN + 4 * insn.seg);
      c.byte(W.EQZ);
      this.openIf();
      this.leaveHere();
      this.closeIf();
    }
    this.pushOffset(insn);
    if (insn.seg >= FS) {
      c.const(0);
      c.memory(W.I32_LOAD, STATE_SEG_BASE + 8 * insn.seg);
      c.byte(W.ADD);
    }
  }

  /** With an address on the stack: leave 1 on it if the TLB misses. */
  #missesTlb(size: number, tag: number): void {
    const c = this.code;
    c.tee(L_ADDRESS);
    c.const(7);
    c.byte(W.SHR_U);
    c.const(TLB_MASK);
    c.byte(W.AND);
    c.get(L_TLB);
    c.byte(W.ADD);
    c.tee(L_ENTRY_AT);
    c.memory(W.I32_LOAD, TLB + tag);
    c.get(L_ADDRESS);
    if (size > 1) {
      c.const(size - 1);
      c.byte(W.ADD);
    }
    c.const(~0xfff);
    c.byte(W.AND);
    c.byte(W.NE);
  }

  /** With an address on the stack: leave 1 on it if the TLB misses. */
  pushMiss(size: number, write: boolean): void {
    this.#missesTlb(size, write ? TLB_WRITE : TLB_READ);
  }

  /** After {@link pushMiss} has found a page: push the host address. */
  pushHost(): void {
    const c = this.code;
    c.get(L_ENTRY_AT);
    c.memory(W.I32_LOAD, TLB + TLB_ADDEND);
    c.get(L_ADDRESS);
    c.byte(W.ADD);
  }

  /** Replace the address on the stack by the 1, 2 or 4 bytes there, zero-extended. */
  load(size: number): void {
    const c = this.code;
    this.#missesTlb(size, TLB_READ);
    c.byte(W.IF);
    c.byte(I32);
    this.spill();
    c.get(L_ADDRESS);
    c.const(this.#insn.offset);
    c.call(size === 4 ? IMPORT.READ32 : size === 2 ? IMPORT.READ16 : IMPORT.READ8);
    c.byte(W.ELSE);
    this.pushHost();
    c.memory(size === 4 ? W.I32_LOAD : size === 2 ? W.I32_LOAD16_U : W.I32_LOAD8_U, 0);
    c.byte(W.END);
  }

  /**
   * With an address on the stack, read 8 or 16 bytes that lie on one page with `fast` (host address on the stack); a
   * miss sends the instruction to the interpreter, which fills the TLB.
   */
  loadWide(size: number, fast: () => void): void {
    this.#missesTlb(size, TLB_READ);
    this.openIf();
    this.leaveHere();
    this.closeIf();
    this.pushHost();
    fast();
  }

  /** As {@link loadWide}, leaving the host address of a place that can be written. */
  pushHostForStore(size: number): void {
    this.#missesTlb(size, TLB_WRITE);
    this.openIf();
    this.leaveHere();
    this.closeIf();
    this.pushHost();
  }

  /** With an address on the stack: store a local's 1, 2 or 4 bytes there. */
  storeMemory(size: number, value: number): void {
    const c = this.code;
    this.#missesTlb(size, TLB_WRITE);
    c.byte(W.IF);
    c.byte(VOID);
    this.spill();
    this.#callWrite(size, value);
    c.byte(W.ELSE);
    this.pushHost();
    c.get(value);
    c.memory(size === 4 ? W.I32_STORE : size === 2 ? W.I32_STORE16 : W.I32_STORE8, 0);
    c.byte(W.END);
  }

  #callWrite(size: number, value: number): void {
    this.code.get(L_ADDRESS);
    this.code.const(this.#insn.offset);
    this.code.get(value);
    this.code.call(size === 4 ? IMPORT.WRITE32 : size === 2 ? IMPORT.WRITE16 : IMPORT.WRITE8);
  }

  /** Replace the address on the stack by what is there, ready for {@link #storeModified}. */
  #modifyMemory(size: number): void {
    const c = this.code;
    this.#missesTlb(size, TLB_WRITE);
    c.byte(W.IF);
    c.byte(I32);
    this.spill();
    c.const(0);
    c.set(L_HOST);
    c.get(L_ADDRESS);
    c.const(this.#insn.offset);
    c.call(size === 4 ? IMPORT.MODIFY32 : size === 2 ? IMPORT.MODIFY16 : IMPORT.MODIFY8);
    c.byte(W.ELSE);
    this.pushHost();
    c.tee(L_HOST);
    c.memory(size === 4 ? W.I32_LOAD : size === 2 ? W.I32_LOAD16_U : W.I32_LOAD8_U, 0);
    c.byte(W.END);
  }

  /** The slow path stored the state as it was before the instruction, so that a second one needs nothing more. */
  #storeModified(size: number, value: number): void {
    const c = this.code;
    c.get(L_HOST);
    c.byte(W.IF);
    c.byte(VOID);
    c.get(L_HOST);
    c.get(value);
    c.memory(size === 4 ? W.I32_STORE : size === 2 ? W.I32_STORE16 : W.I32_STORE8, 0);
    c.byte(W.ELSE);
    this.#callWrite(size, value);
    c.byte(W.END);
  }

  // Flags.

  /** Record the operation that sets the flags, from locals; does nothing if nobody will look. */
  setFlags(op: number, result: number, source: number, first = -1): void {
    if (!this.flagsNeeded) return;
    const c = this.code;
    const size = op === CC_UNIVERSAL ? 4 : 1 << ((op - 1) % 3);
    this.setResult(result, size);
    c.get(source);
    c.set(L_SRC);
    if (first >= 0) {
      c.get(first);
      c.set(L_DST);
    }
    this.known = { op, logic: false, first: first >= 0 };
  }

  /** Flags of a logical operation. */
  setLogicFlags(result: number, size: number): void {
    if (!this.flagsNeeded) return;
    this.setResult(result, size);
    this.known = { op: CC_UNIVERSAL, logic: true, first: false };
  }

  /** Flags in the universal form, with the auxiliary word on the stack. */
  setUniversalFlags(result: number, size: number): void {
    this.code.set(L_SRC);
    this.setResult(result, size);
    this.known = { op: CC_UNIVERSAL, logic: false, first: false };
  }

  /** The auxiliary word is on the stack; the result that the other flags come from stays. */
  setAuxiliary(): void {
    this.code.set(L_SRC);
    this.known = { op: CC_UNIVERSAL, logic: false, first: false };
  }

  /** From here on only {@link L_OP} knows which operation set the flags. */
  forgetFlags(): void {
    this.known = UNKNOWN;
  }

  /** Set the result from a local, sign-extended. */
  setResult(result: number, size: number): void {
    const c = this.code;
    c.get(result);
    if (size === 1) c.byte(W.EXTEND8_S);
    else if (size === 2) c.byte(W.EXTEND16_S);
    c.set(L_RES);
  }

  /** Push CF, 0 or 1. */
  pushCarry(): void {
    emitCondition(this, 2);
  }

  /** Push the auxiliary word of the flags as they are. */
  pushAuxiliary(): void {
    const c = this.code;
    const { op, logic } = this.known;
    if (logic) return c.const(0);
    if (op === CC_UNIVERSAL) return c.get(L_SRC);
    if (op === CC_ADD32 || op === CC_SUB32) return this.#pushCarryVector(op);
    this.pushLazyFlags();
    c.call(IMPORT.AUXILIARY);
  }

  /** Inline {@link auxiliary} for the two commonest operations. */
  #pushCarryVector(op: number): void {
    const c = this.code;
    c.get(L_RES);
    c.get(L_SRC);
    c.byte(op === CC_ADD32 ? W.SUB : W.ADD);
    c.set(T3);
    if (op === CC_ADD32) { // (a & b) | ((a | b) & ~res)
      c.get(T3);
      c.get(L_SRC);
      c.byte(W.AND);
      c.get(T3);
      c.get(L_SRC);
      c.byte(W.OR);
      c.get(L_RES);
      c.const(-1);
      c.byte(W.XOR);
    } else { // (~a & b) | (~(a ^ b) & res)
      c.get(T3);
      c.const(-1);
      c.byte(W.XOR);
      c.get(L_SRC);
      c.byte(W.AND);
      c.get(T3);
      c.get(L_SRC);
      c.byte(W.XOR);
      c.const(-1);
      c.byte(W.XOR);
      c.get(L_RES);
    }
    c.byte(W.AND);
    c.byte(W.OR);
    c.const(0xc000_0008 | 0);
    c.byte(W.AND);
  }

  /** Push operation, result and source. */
  pushLazyFlags(): void {
    const c = this.code;
    if (this.known.op >= 0) c.const(this.known.op);
    else c.get(L_OP);
    c.get(L_RES);
    if (this.known.logic) c.const(0);
    else c.get(L_SRC);
  }

  /** Set {@link L_OP} to an operation, where flags change under a condition. */
  setOperation(op: number): void {
    this.code.const(op);
    this.code.set(L_OP);
  }

  /** Make {@link L_OP} and {@link L_SRC} hold what is known, then forget it. */
  unfoldFlags(): void {
    if (this.known.op >= 0) {
      this.setOperation(this.known.op);
      if (this.known.logic) {
        this.code.const(0);
        this.code.set(L_SRC);
      }
    }
    this.known = UNKNOWN;
  }

  /** Slots written by the terminator become dirty before its exits. */
  markDirty(slots: number): void {
    this.#dirty |= slots;
  }

  /** The instruction that the code emitted now belongs to. */
  set current(insn: Insn) {
    this.#insn = insn;
  }

  /** Nodes that a RET may stay in the region for. */
  get returns(): readonly Node[] {
    return this.#region.returns;
  }
}

/** Whether a node's last instruction always or possibly leaves the region. */
function leavesRegion(node: Node): boolean {
  const last = node.insns.at(-1)!;
  return last.ends === END_BRANCH &&
    (last.op === OP.RET || last.op === OP.JMPI || last.op === OP.CALLI || last.op === OP.CALL);
}

function headsOf(item: Item): readonly number[] {
  return typeof item === "number" ? [item] : item.heads;
}

function soleHead(item: Item): number {
  return typeof item === "number" ? item : item.heads.length === 1 ? item.heads[0]! : -1;
}

function firstNode(item: Item): number {
  return soleHead(item);
}

function contains(item: Item, node: number): boolean {
  return typeof item === "number" ? item === node : item.body.some((inner) => contains(inner, node));
}
