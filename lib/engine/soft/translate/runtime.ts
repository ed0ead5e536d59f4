/**
 * The functions of generated code that are written by hand, in a module of their own: `enter` (from JavaScript into a
 * table slot), `chain` (from one region to the next, by way of the jump cache) and `second` (the same by the other
 * entry of the cache's set). And what stands in table slots that belong to no region: `stub`, for code that was
 * dropped, returns to the dispatcher; `crossing`, for an instruction that reaches into a next page, has the interpreter
 * execute it and goes on.
 *
 * @module
 */
import { ATTENTION_AT } from "../../../memory.ts";
import { JUMP, JUMP_ENTRIES, JUMP_USER, STATE_BUDGET, STATE_EIP, STATE_TLB_OFFSET, TLB_USER } from "../state.ts";
import { Code, I32, VOID, W } from "./wasm.ts";
import { buildModule, type Func, type FuncType } from "./wasm_module.ts";

/** Function types, shared by all modules. */
export const TYPES: readonly FuncType[] = [
  { params: [I32, I32], results: [] },
  { params: [I32, I32], results: [I32] },
  { params: [I32, I32, I32], results: [] },
  { params: [I32, I32, I32], results: [I32] },
  { params: [I32, I32, I32, I32], results: [I32] },
  { params: [I32], results: [] },
  { params: [I32], results: [I32] },
];
/** Indices into {@link TYPES}. */
export const TYPE = { REGION: 0, READ: 1, WRITE: 2, FLAGS: 3, CONDITION: 4, CHAIN: 5, SYSTEM: 6 } as const;

/** What the runtime module exports. */
export interface Runtime {
  /** Run the region at `target` (slot | entry number << 16) and an address until something is to be done in JavaScript. */
  readonly enter: (target: number, address: number) => void;
  /** Go on at a virtual address: tail-called by regions. */
  readonly chain: (address: number) => void;
  /** {@link chain} did not find it, or the budget is used up: look into the set's other entry, or return. */
  readonly second: (address: number) => void;
  /** Returns at once. */
  readonly stub: (entry: number, address: number) => void;
  /** Executes one instruction and goes on behind it. */
  readonly crossing: (entry: number, address: number) => void;
}

/** Has the interpreter execute the instruction at an address; 1 if the dispatcher has to look before the next one. */
export type Execute = (address: number) => number;

/** Spreads addresses over the jump cache: 2^32 divided by the golden ratio, odd. */
const HASH = 0x9e37_79b1 | 0;
const HASH_SHIFT = 13;
const INDEX_MASK = (JUMP_ENTRIES - 1) << 3;
/** From the TLB's offset for user mode to the jump cache's. */
const USER_SHIFT = Math.log2(JUMP_USER / TLB_USER);
/** From an entry to the other one of its set, in bytes. */
export const OTHER_ENTRY = 8;

/** Where a virtual address is looked for first in the jump cache, in bytes from its start. */
export function jumpIndex(address: number): number {
  return Math.imul(address, HASH) >>> HASH_SHIFT & INDEX_MASK;
}

/** Make the runtime module. */
export function createRuntime(memory: WebAssembly.Memory, table: WebAssembly.Table, execute: Execute): Runtime {
  const bytes = buildModule({
    types: TYPES,
    imports: [{ name: "execute", type: TYPE.SYSTEM }],
    funcs: [
      { type: TYPE.REGION, locals: [], ...enterBody(), name: "enter" },
      { type: TYPE.CHAIN, locals: [I32], ...chainBody(), name: "chain" },
      { type: TYPE.CHAIN, locals: [I32], ...secondBody(), name: "second" },
      { type: TYPE.REGION, locals: [], ...stubBody(), name: "stub" },
      { type: TYPE.REGION, locals: [], ...crossingBody(), name: "crossing" },
    ],
    memoryPages: memory.buffer.byteLength / 65536,
    firstSlot: -1,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory, t: table, execute } });
  return instance.exports as unknown as Runtime;
}

/** Tail-call `table[target & 0xffff](target >>> 16, address)`. */
export function callTarget(c: Code, local: number, address: number): void {
  c.get(local);
  c.const(16);
  c.byte(W.SHR_U);
  c.get(address);
  c.get(local);
  c.const(0xffff);
  c.byte(W.AND);
  c.byte(W.RETURN_CALL_INDIRECT);
  c.unsigned(TYPE.REGION);
  c.unsigned(0);
}

function enterBody(): Pick<Func, "body" | "hints"> {
  const c = new Code();
  callTarget(c, 0, 1);
  return { body: c.toBytes(), hints: c.hints };
}

function stubBody(): Pick<Func, "body" | "hints"> {
  const c = new Code();
  c.const(0);
  c.get(1);
  c.memory(W.I32_STORE, STATE_EIP);
  return { body: c.toBytes(), hints: c.hints };
}

function crossingBody(): Pick<Func, "body" | "hints"> {
  const c = new Code();
  c.get(1);
  c.call(EXECUTE);
  c.expect(false);
  c.byte(W.IF);
  c.byte(VOID);
  c.byte(W.RETURN);
  c.byte(W.END);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_EIP);
  c.returnCall(CHAIN);
  return { body: c.toBytes(), hints: c.hints };
}

/** Numbers of functions in this module: the import comes first. */
const EXECUTE = 0, CHAIN = 2, SECOND = 3;

function chainBody(): Pick<Func, "body" | "hints"> {
  const c = new Code();
  emitChain(c, 0, 1, SECOND);
  return { body: c.toBytes(), hints: c.hints };
}

function secondBody(): Pick<Func, "body" | "hints"> {
  const c = new Code();
  c.byte(W.BLOCK);
  c.byte(VOID);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_BUDGET);
  pushInterrupted(c);
  c.expect(false);
  c.brIf(0);
  pushEntry(c, 0, OTHER_ENTRY);
  callIfFound(c, 0, 1);
  c.byte(W.END);
  c.const(0);
  c.get(0);
  c.memory(W.I32_STORE, STATE_EIP);
  return { body: c.toBytes(), hints: c.hints };
}

/**
 * Go on at a virtual address, or return to the dispatcher with it.
 *
 * @param c where code goes
 * @param address local that holds the address
 * @param at local to work with
 * @param second number of the function that goes on where this does not find it
 */
export function emitChain(c: Code, address: number, at: number, second: number): void {
  c.byte(W.BLOCK);
  c.byte(VOID);
  c.const(0);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_BUDGET);
  c.const(1);
  c.byte(W.SUB);
  c.tee(at);
  c.memory(W.I32_STORE, STATE_BUDGET);
  c.get(at);
  pushInterrupted(c);
  c.expect(false);
  c.brIf(0);
  pushEntry(c, address, 0);
  callIfFound(c, address, at);
  c.byte(W.END);
  c.get(address);
  c.returnCall(second);
}

/** Replace the budget on the stack by whether to leave: it is used up, or another thread asks for attention. */
export function pushInterrupted(c: Code): void {
  c.const(0);
  c.memory(W.I32_LOAD, ATTENTION_AT);
  c.byte(W.OR);
  c.const(0);
  c.byte(W.LT_S);
}

/** Push where an address's entry of the jump cache is, or (at `other` = {@link OTHER_ENTRY}) the set's other one. */
function pushEntry(c: Code, address: number, other: number): void {
  c.get(address);
  c.const(HASH);
  c.byte(W.MUL);
  c.const(HASH_SHIFT);
  c.byte(W.SHR_U);
  c.const(INDEX_MASK);
  c.byte(W.AND);
  if (other !== 0) {
    c.const(other);
    c.byte(W.XOR);
  }
  c.const(0);
  c.memory(W.I32_LOAD, STATE_TLB_OFFSET);
  c.const(USER_SHIFT);
  c.byte(W.SHL);
  c.byte(W.ADD);
}

/** If the entry on the stack is that of the address, go on there; else branch out of the block around. */
function callIfFound(c: Code, address: number, at: number): void {
  c.tee(at);
  c.memory(W.I32_LOAD, JUMP);
  c.get(address);
  c.byte(W.NE);
  c.expect(false);
  c.brIf(0);
  c.get(at);
  c.memory(W.I32_LOAD, JUMP + 4);
  c.set(at);
  callTarget(c, at, address);
}
