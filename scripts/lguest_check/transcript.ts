/**
 * Two boots, line by line: what a kernel said on the original lguest and what it says here enter; what is the same, what
 * differs as it has to, and what differs otherwise leaves. Read next: `differences.ts`.
 *
 * @module
 */

/** How a line differs: it is in the transcript only, here only, in both with other numbers, or at another place. */
export type DifferenceKind = "missing" | "more" | "numbers" | "moved";

/** A difference that is expected. */
export interface ExpectedDifference {
  /** The lines it is about, without their times. */
  readonly pattern: RegExp;
  /** How they may differ. */
  readonly kinds: readonly DifferenceKind[];
  /** Why they differ. */
  readonly reason: string;
}

/** A line that is not the same in both. */
export interface Difference {
  /** How it differs. */
  readonly kind: DifferenceKind;
  /** The line here; in the transcript, if it is missing here. */
  readonly line: string;
  /** The line in the transcript, if only numbers differ. */
  readonly was?: string;
  /** Why that is as it should be; `undefined` if it is not. */
  readonly reason: string | undefined;
}

/** What a comparison found. */
export interface Comparison {
  /** Lines in the transcript. */
  readonly total: number;
  /** How many of them are the same here. */
  readonly same: number;
  /** The others, and those that are only here. */
  readonly differences: readonly Difference[];
}

/** `[    0.123456] `, which printk puts before a line. */
const TIME = /^\[ *(\d+\.\d+)\] ?/;
/** Another kernel's line in the middle of one. */
const TORN = /^(\[ *\d+\.\d+\] .*?)\[ *\d+\.\d+\] .*$/;
/** What the recorded init script said first. */
const INIT = /^GUEST: /;

/**
 * Compare.
 *
 * @param transcript what was recorded of the original
 * @param heard what the console showed here, up to the shell
 * @param expected the differences that are expected
 */
export function compareBoots(
  transcript: string,
  heard: string,
  expected: readonly ExpectedDifference[],
): Comparison {
  const before = bootLines(transcript), after = bootLines(heard);
  const differences: Difference[] = [];
  const add = (kind: DifferenceKind, line: string, was?: string) => {
    const reason = expected.find(({ pattern, kinds }) => kinds.includes(kind) && pattern.test(line))?.reason;
    differences.push({ kind, line, reason, ...(was !== undefined && { was }) });
  };
  const pairs = align(before, after);
  const gone = pairs.flatMap(([was, is]) => is === undefined ? [was!] : []);
  let same = 0;
  for (const [was, is] of pairs) {
    if (was === is) same++;
    else if (was !== undefined && is !== undefined) add("numbers", is, was);
    else if (is !== undefined) {
      const index = gone.indexOf(is);
      if (index >= 0) gone.splice(index, 1);
      add(index >= 0 ? "moved" : "more", is);
    }
  }
  for (const line of gone) add("missing", line);
  return { total: before.length, same, differences };
}

/**
 * The Guest's own lines, from the first one to init, without their times. In a transcript there are lines of the
 * machine around it, which had a console in common with it: such a line is later than what comes after it.
 */
export function bootLines(text: string): string[] {
  const lines = mend(text.replaceAll("\r", "").split("\n"));
  const first = lines.findIndex((line) => Number(TIME.exec(line)?.[1]) === 0);
  const end = lines.findIndex((line) => INIT.test(line));
  const between = lines.slice(Math.max(first, 0), end < 0 ? undefined : end);
  const last = between.findLastIndex((line) => TIME.test(line)); // what follows is the shell's
  const own: string[] = [];
  let earliest = Infinity;
  for (const line of between.slice(0, last + 1).reverse()) {
    const time = TIME.exec(line)?.[1];
    if (time !== undefined && Number(time) > earliest) continue;
    if (time !== undefined) earliest = Number(time);
    own.push(line.replace(TIME, "").trimEnd());
  }
  return own.reverse().filter((line) => line !== "");
}

/** Put lines together again that were torn apart by another. */
function mend(lines: readonly string[]): string[] {
  const mended: string[] = [];
  let begun = "";
  for (const line of lines) {
    const torn = TORN.exec(line);
    if (torn) {
      begun = torn[1]!;
      continue;
    }
    mended.push(begun + line);
    begun = "";
  }
  return mended;
}

/** Pairs of lines that are alike but for numbers, as many as there can be, and the others alone, in order. */
function align(before: readonly string[], after: readonly string[]): [string | undefined, string | undefined][] {
  const [left, right] = [before.map(mask), after.map(mask)];
  // lengths[i][j]: how many pairs there can be from i and j on. Equal lines count more than ones with other numbers.
  const lengths = left.map(() => new Array<number>(right.length + 1).fill(0));
  lengths.push(new Array<number>(right.length + 1).fill(0));
  const weight = (i: number, j: number) => left[i] !== right[j] ? 0 : before[i] === after[j] ? 1.01 : 1;
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      const apart = Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
      const pair = weight(i, j);
      lengths[i]![j] = pair === 0 ? apart : Math.max(apart, pair + lengths[i + 1]![j + 1]!);
    }
  }
  const pairs: [string | undefined, string | undefined][] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    const pair = i < left.length && j < right.length ? weight(i, j) : 0;
    if (pair > 0 && lengths[i]![j] === pair + lengths[i + 1]![j + 1]!) pairs.push([before[i++], after[j++]]);
    else if (j >= right.length || (i < left.length && lengths[i]![j] === lengths[i + 1]![j]!)) {
      pairs.push([before[i++], undefined]);
    } else pairs.push([undefined, after[j++]]);
  }
  return pairs;
}

/** A line with all of its numbers alike. */
function mask(line: string): string {
  return line.replace(/0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{5,}\b|-?\d+(\.\d+)*/gi, "#").replace(/ +/g, " ");
}
