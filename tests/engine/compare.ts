/**
 * Whether two outcomes of a case are the same, as far as the manual defines them; and a report if not that can be read
 * and run again. Read first: `case.ts`.
 *
 * @module
 */
import { type Case, codeText, hex, type Outcome, WITH_CODE } from "./case.ts";
import { LDT } from "./layout.ts";
import { undefinedFlags } from "./undefined_flags.ts";

/** EFLAGS that user mode can see and that mean something here: not TF and RF, which the single-stepping uses. */
const COMPARED_FLAGS = 0x24_7ed5 & ~0x200 & ~0x100;
const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
/** These may write below the stack pointer before they fault; the pointer stays, so no program can tell. */
const PUSHES_FIRST = new Set(["CALL", "CALLI", "CALLF", "JCALLF", "PUSHA"]);
const PAGE_FAULT = 14, CODE_FETCH = 0x10;

/** What one side of a comparison can do. */
export interface Ability {
  /** Pages can be marked as data (and a fetch says so in the error code). */
  readonly noExecute: boolean;
}

/**
 * Compare.
 *
 * @returns what differs, a line each: name, expected, actual; empty if nothing does
 */
export function differences(one: Case, expected: Outcome, actual: Outcome, ability: Ability): string[] {
  const found: string[] = [];
  const check = (name: string, want: number, got: number) => {
    if (want !== got) found.push(`${name}: expected ${hex(want)}, got ${hex(got)}`);
  };
  check("trap", expected.trap, actual.trap);
  NAMES.forEach((name, i) => check(name, expected.regs[i]!, actual.regs[i]!));
  check("eip", expected.eip, actual.eip);
  const faulted = expected.trap !== 1;
  const mask = COMPARED_FLAGS & ~(faulted ? 0 : undefinedFlags(one));
  check("eflags", (expected.eflags & mask) >>> 0, (actual.eflags & mask) >>> 0);
  SEGMENTS.forEach((name, i) => check(name, expected.segments[i]!, actual.segments[i]!));
  if (WITH_CODE.has(expected.trap)) {
    const keep = expected.trap === PAGE_FAULT && !ability.noExecute ? ~CODE_FETCH : -1;
    check("error code", (expected.error & keep) >>> 0, (actual.error & keep) >>> 0);
  }
  if (expected.trap === PAGE_FAULT) check("cr2", expected.cr2, actual.cr2);
  const below = faulted && PUSHES_FIRST.has(one.name) ? stackTop(one) : 0;
  found.push(...memoryDifferences(expected.changes, actual.changes, below));
  return found;
}

/** Linear address of the stack pointer, rounded up to a word. */
function stackTop(one: Case): number {
  const selector = one.segments[2]!;
  const segment = selector & 4 ? LDT[selector >> 3]! : { base: 0, big: true };
  const esp = segment.big ? one.regs[4]! : one.regs[4]! & 0xffff;
  return (segment.base + esp + 3 & ~3) >>> 0;
}

/** Words that differ; up to 32 bytes below `stack` are a faulting instruction's own business. */
function memoryDifferences(expected: Uint32Array, actual: Uint32Array, stack: number): string[] {
  if (expected.length === actual.length && expected.every((word, i) => word === actual[i])) return [];
  const want = words(expected), got = words(actual);
  const addresses = new Set([...want.keys(), ...got.keys()]);
  const show = (value: number | undefined) => value === undefined ? "unchanged" : hex(value);
  return [...addresses].filter((address) => !(address < stack && address >= stack - 36))
    .filter((address) => want.get(address) !== got.get(address)).slice(0, 8)
    .map((address) => `[${hex(address)}]: expected ${show(want.get(address))}, got ${show(got.get(address))}`);
}

function words(changes: Uint32Array): Map<number, number> {
  const map = new Map<number, number>();
  for (let i = 0; i < changes.length; i += 2) map.set(changes[i]!, changes[i + 1]!);
  return map;
}

/** A case in words. */
export function describe(one: Case): string {
  const regs = NAMES.map((name, i) => `${name}=${hex(one.regs[i]!)}`).join(" ");
  const pokes = one.pokes.map(([address, value]) => `[${hex(address)}]=${hex(value)}`).join(" ");
  const segments = one.segments.map((selector, i) => `${SEGMENTS[i]}=${hex(selector)}`).join(" ");
  return `${one.key}: ${codeText(one)} at ${hex(one.eip)}\n  ${regs} eflags=${
    hex(one.eflags)
  }\n  ${segments}\n  ${pokes}`;
}
