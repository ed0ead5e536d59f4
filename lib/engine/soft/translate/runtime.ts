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
  { params: [I32], results: [] },
  { params: [I32, I32], results: [I32] },
  { params: [I32, I32, I32], results: [] },
  { params: [I32, I32, I32], results: [I32] },
  { params: [I32, I32, I32, I32], results: [I32] },
];
/** Indices into {@link TYPES}. */
export const TYPE = { REGION: 0, READ: 1, WRITE: 2, FLAGS: 3, CONDITION: 4 } as const;

/** What the runtime module exports. */
export interface Runtime {
  /** Run the region at `target` (slot | entry number << 16) until something has to be done in JavaScript. */
  readonly enter: (target: number) => void;
  /** Go on at a virtual address: tail-called by regions. */
  readonly chain: (address: number) => void;
  /** Returns at once. */
  readonly stub: () => void;
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
      { type: TYPE.REGION, locals: [I32], body: chainBody(), name: "chain" },
      { type: TYPE.REGION, locals: [], body: new Uint8Array(0), name: "stub" },
    ],
    memoryPages: memory.buffer.byteLength / 65536,
    firstSlot: -1,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory, t: table } });
  return instance.exports as unknown as Runtime;
}

/** `(target) → table[target & 0xffff](target >>> 16)`. */
function callTarget(c: Code, local: number): void {
  c.get(local);
  c.const(16);
  c.byte(W.SHR_U);
  c.get(local);
  c.const(0xffff);
  c.byte(W.AND);
  c.byte(W.RETURN_CALL_INDIRECT);
  c.unsigned(TYPE.REGION);
  c.unsigned(0);
}

function enterBody(): Uint8Array {
  const c = new Code();
  callTarget(c, 0);
  return c.toBytes();
}

function chainBody(): Uint8Array {
  const ADDRESS = 0, AT = 1;
  const c = new Code();
  c.const(0);
  c.get(ADDRESS);
  c.memory(W.I32_STORE, STATE_EIP);
  c.const(0);
  c.const(0);
  c.memory(W.I32_LOAD, STATE_BUDGET);
  c.const(1);
  c.byte(W.SUB);
  c.tee(AT);
  c.memory(W.I32_STORE, STATE_BUDGET);
  c.get(AT);
  c.const(0);
  c.byte(W.LT_S);
  returnIf(c);
  c.get(ADDRESS);
  c.get(ADDRESS);
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
  c.tee(AT);
  c.memory(W.I32_LOAD, JUMP);
  c.get(ADDRESS);
  c.byte(W.NE);
  returnIf(c);
  c.get(AT);
  c.memory(W.I32_LOAD, JUMP + 4);
  c.set(AT);
  callTarget(c, AT);
  return c.toBytes();
}

function returnIf(c: Code): void {
  c.byte(W.IF);
  c.byte(VOID);
  c.byte(W.RETURN);
  c.byte(W.END);
}
