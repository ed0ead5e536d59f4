/**
 * Assembles a WebAssembly module: functions whose bodies were written with `wasm.ts` come in, the module's bytes leave
 * (WebAssembly specification 2.0, §5.5, and the branch hinting proposal). Read next: `runtime.ts` and `translator.ts`,
 * who have modules made.
 *
 * @module
 */
import { type BranchHint, Code, W } from "./wasm.ts";

/** A function type. */
export interface FuncType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

/** A function to import from module `e`. */
export interface Import {
  readonly name: string;
  readonly type: number;
}

/** A function to define. */
export interface Func {
  readonly type: number;
  /** Local variables beside the parameters: value types in order. */
  readonly locals: readonly number[];
  /** Its body without the final END. */
  readonly body: Uint8Array;
  /** Hints on the branches in it. */
  readonly hints?: readonly BranchHint[];
  /** Export name, if it is exported. */
  readonly name?: string;
}

/** What {@link buildModule} assembles. */
export interface ModuleParts {
  readonly types: readonly FuncType[];
  readonly imports: readonly Import[];
  readonly funcs: readonly Func[];
  /** Pages of the imported shared memory `e.m`. */
  readonly memoryPages: number;
  /** First slot of the imported table `e.t` to fill with the functions, in order; -1 for none. */
  readonly firstSlot: number;
}

function section(out: Code, id: number, fill: (body: Code) => void): void {
  const body = new Code();
  fill(body);
  out.byte(id);
  out.unsigned(body.length);
  out.raw(body.view());
}

function name(out: Code, text: string): void {
  out.unsigned(text.length);
  for (let i = 0; i < text.length; i++) out.byte(text.charCodeAt(i));
}

/** A module that imports memory `e.m`, table `e.t` and functions, and puts its own functions into the table. */
export function buildModule(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const out = new Code();
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
  section(out, 1, (s) => {
    s.unsigned(parts.types.length);
    for (const type of parts.types) {
      s.byte(0x60);
      s.unsigned(type.params.length);
      for (const param of type.params) s.byte(param);
      s.unsigned(type.results.length);
      for (const result of type.results) s.byte(result);
    }
  });
  section(out, 2, (s) => {
    s.unsigned(parts.imports.length + 2);
    name(s, "e");
    name(s, "m");
    s.byte(2);
    s.byte(3); // shared, with maximum
    s.unsigned(parts.memoryPages);
    s.unsigned(parts.memoryPages);
    name(s, "e");
    name(s, "t");
    s.byte(1);
    s.byte(0x70);
    s.byte(0);
    s.unsigned(0);
    for (const item of parts.imports) {
      name(s, "e");
      name(s, item.name);
      s.byte(0);
      s.unsigned(item.type);
    }
  });
  section(out, 3, (s) => {
    s.unsigned(parts.funcs.length);
    for (const func of parts.funcs) s.unsigned(func.type);
  });
  const exported = parts.funcs.map((func, i) => [func.name, i + parts.imports.length] as const).filter(([n]) => n);
  section(out, 7, (s) => {
    s.unsigned(exported.length);
    for (const [label, index] of exported) {
      name(s, label!);
      s.byte(0);
      s.unsigned(index);
    }
  });
  if (parts.firstSlot >= 0) {
    section(out, 9, (s) => {
      s.unsigned(1);
      s.unsigned(0);
      s.const(parts.firstSlot);
      s.byte(W.END);
      s.unsigned(parts.funcs.length);
      for (let i = 0; i < parts.funcs.length; i++) s.unsigned(i + parts.imports.length);
    });
  }
  const locals = parts.funcs.map(localsOf);
  section(out, 0, (s) => hintSection(s, parts, locals));
  section(out, 10, (s) => {
    s.unsigned(parts.funcs.length);
    parts.funcs.forEach((func, i) => {
      s.unsigned(locals[i]!.length + func.body.length + 1);
      s.raw(locals[i]!);
      s.raw(func.body);
      s.byte(W.END);
    });
  });
  return new Uint8Array(out.toBytes());
}

/** The declaration of a function's locals (§5.5.13). */
function localsOf(func: Func): Uint8Array {
  const out = new Code();
  const runs: [count: number, type: number][] = [];
  for (const type of func.locals) {
    const last = runs.at(-1);
    if (last && last[1] === type) last[0]++;
    else runs.push([1, type]);
  }
  out.unsigned(runs.length);
  for (const [count, type] of runs) {
    out.unsigned(count);
    out.byte(type);
  }
  return out.view();
}

/** The custom section of branch hints (the proposal's text, "metadata.code.branch_hint"); offsets count the locals. */
function hintSection(s: Code, parts: ModuleParts, locals: readonly Uint8Array[]): void {
  name(s, "metadata.code.branch_hint");
  const hinted = parts.funcs.map((func, i) => [func, i] as const).filter(([{ hints }]) => hints && hints.length > 0);
  s.unsigned(hinted.length);
  for (const [{ hints = [] }, i] of hinted) {
    s.unsigned(i + parts.imports.length);
    s.unsigned(hints.length);
    for (const { at, taken } of hints) {
      s.unsigned(at + locals[i]!.length);
      s.unsigned(1);
      s.byte(taken ? 1 : 0);
    }
  }
}
