/**
 * Figures to text: lists of numbers enter, their best and median and tables in Markdown leave.
 *
 * @module
 */

/** Best and median of some figures. */
export interface Summary {
  readonly best: number;
  readonly median: number;
}

/** Best and median; nothing of nothing. */
export function summarize(values: readonly number[]): Summary | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  const best = sorted[0];
  if (best === undefined || low === undefined || high === undefined) return undefined;
  return { best, median: (low + high) / 2 };
}

/** A table in Markdown, columns aligned. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${
      widths.map((width, i) => i === 0 ? (row[i] ?? "").padEnd(width) : (row[i] ?? "").padStart(width)).join(" | ")
    } |`;
  const rule = `| ${widths.map((width, i) => i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
