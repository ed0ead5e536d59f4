/**
 * Lines of a terminal enter, a picture of it leaves, as SVG. Its text is text: it can be searched, and is small.
 *
 * @module
 */
import type { Cell, Line, Style } from "./screen.ts";

/** Pixels of a character, of the text's size, and around all. */
const WIDTH = 8.4, HEIGHT = 18, SIZE = 14, MARGIN = 14;
/** What the terminal's colours 0 to 15 are; then paper and ink. */
const COLORS = [
  ...["#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4"],
  ...["#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#f0f6fc"],
];
const PAPER = "#0d1117", INK = "#e6edf3";

/** Some characters that look alike, beside each other. */
interface Run {
  readonly column: number;
  readonly style: Style;
  text: string;
  length: number;
}

/**
 * Draw a terminal.
 *
 * @param lines what is on it
 * @param columns how wide it is, in characters
 * @param title what the picture shows, for whoever does not see it
 * @returns the SVG file's text
 */
export function drawTerminal(lines: readonly Line[], columns: number, title: string): string {
  const width = Math.ceil(columns * WIDTH + 2 * MARGIN), height = lines.length * HEIGHT + 2 * MARGIN;
  const used = new Set<number>();
  const body = lines.flatMap((line, row) => drawLine(line, row, used));
  const rules = [...used].sort((a, b) => a - b).map((color) => `.c${color}{fill:${COLORS[color]}}`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escape(title)}</title>`,
    `<style>text{font:${SIZE}px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${INK};` +
    `white-space:pre}.b{font-weight:bold}${rules.join("")}</style>`,
    `<rect width="${width}" height="${height}" rx="8" fill="${PAPER}"/>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

function drawLine(line: Line, row: number, used: Set<number>): string[] {
  const y = MARGIN + row * HEIGHT;
  const runs = findRuns(line);
  const boxes = runs.filter(({ style }) => style.background !== undefined).map(({ column, length, style }) => {
    used.add(style.background!);
    return `<rect class="c${style.background}" x="${x(column)}" y="${y}" width="${round(length * WIDTH)}" ` +
      `height="${HEIGHT}"/>`;
  });
  const spans = runs.filter(({ text }) => text.trim() !== "").map(({ column, length, style, text }) => {
    if (style.foreground !== undefined) used.add(style.foreground);
    const names = [style.foreground !== undefined && `c${style.foreground}`, style.bold && "b"].filter(Boolean);
    const looks = names.length > 0 ? ` class="${names.join(" ")}"` : "";
    // The reader's font may be wider than ours: its characters are put where a terminal would have them.
    return `<tspan${looks} x="${x(column)}" textLength="${round(length * WIDTH)}">${escape(text)}</tspan>`;
  });
  if (spans.length === 0) return boxes;
  return [...boxes, `<text xml:space="preserve" y="${y + SIZE}">${spans.join("")}</text>`];
}

/** Pieces of a line with one style; a piece neither begins nor ends with spaces that would not be seen. */
function findRuns(line: Line): Run[] {
  const runs: Run[] = [];
  for (const [column, cell] of line.entries()) {
    const last = runs.at(-1);
    if (last && isAlike(last.style, cell)) {
      last.text += cell.text;
      last.length++;
    } else {
      runs.push({ column, style: cell.style, text: cell.text, length: 1 });
    }
  }
  return runs.map(trim);
}

function isAlike(style: Style, cell: Cell): boolean {
  const other = cell.style;
  return style.foreground === other.foreground && style.background === other.background && style.bold === other.bold;
}

function trim(run: Run): Run {
  if (run.style.background !== undefined) return run;
  const text = run.text.trimStart(), column = run.column + run.text.length - text.length;
  return { ...run, column, text: text.trimEnd(), length: text.trimEnd().length };
}

function x(column: number): number {
  return round(MARGIN + column * WIDTH);
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
