/**
 * The two functions of generated code that are written by hand, in a module of their own: `enter` (from JavaScript
 * into a table slot) and `chain` (from one region to the next, by way of the jump cache). And the stub that stands in
 * the table slots of code that was dropped: it returns to the dispatcher.
 *
 * @module
 */
import { JUMP, JUMP_ENTRIES, STATE_BUDGET, STATE_EIP, STATE_TLB_OFFSET } from "../state.ts";
import { buildModule, Code, type FuncType, I32, VOID, W } from "./wasm.ts";

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
  /** Returns at once. */
  readonly stub: (entry: number, address: number) => void;
}

/** Where a virtual address stands in the jump cache, in bytes from its start. */
export function jumpIndex(address: number): number {
  return ((address ^ (address >>> 12)) & (JUMP_ENTRIES - 1)) << 3;
}

/** Make the runtime module. */
export function createRuntime(memory: WebAssembly.Memory, table: WebAssembly.Table): Runtime {
  const bytes = buildModule({
    types: TYPES,
    imports: [],
    funcs: [
      { type: TYPE.REGION, locals: [], body: enterBody(), name: "enter" },
      { type: TYPE.CHAIN, locals: [I32], body: chainBody(), name: "chain" },
      { type: TYPE.REGION, locals: [], body: stubBody(), name: "stub" },
    ],
    memoryPages: memory.buffer.byteLength / 65536,
    firstSlot: -1,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory, t: table } });
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

function enterBody(): Uint8Array {
  const c = new Code();
  callTarget(c, 0, 1);
  return c.toBytes();
}

function stubBody(): Uint8Array {
  const c = new Code();
  c.const(0);
  c.get(1);
  c.memory(W.I32_STORE, STATE_EIP);
  return c.toBytes();
}

function chainBody(): Uint8Array {
  const c = new Code();
  emitChain(c, 0, 1);
  return c.toBytes();
}

/**
 * Go on at a virtual address, or return to the dispatcher with it.
 *
 * @param c where code goes
 * @param address local that holds the address
 * @param at local to work with
 */
export function emitChain(c: Code, address: number, at: number): void {
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
  c.const(0);
  c.byte(W.LT_S);
  c.brIf(0);
  c.get(address);
  c.get(address);
  c.const(12);
  c.byte(W.SHR_U);
  c.byte(W.XOR);
  c.const(JUMP_ENTRIES - 1);
  c.byte(W.AND);
  c.const(3);
  c.byte(W.SHL);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_TLB_OFFSET);
  c.const(13); // TLB_USER to JUMP_USER
  c.byte(W.SHL);
  c.byte(W.ADD);
  c.tee(at);
  c.memory(W.I32_LOAD, JUMP);
  c.get(address);
  c.byte(W.NE);
  c.brIf(0);
  c.get(at);
  c.memory(W.I32_LOAD, JUMP + 4);
  c.set(at);
  callTarget(c, at, address);
  c.byte(W.END);
  c.const(0);
  c.get(address);
  c.memory(W.I32_STORE, STATE_EIP);
  c.byte(W.RETURN);
}
