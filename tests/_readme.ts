/**
 * What the README says that can be tried: its text enters, commands, code, tables and names of files leave. Read next:
 * `_readme_commands.ts`, how each command is tried.
 *
 * @module
 */

/** A block of code. */
export interface Block {
  /** What stands behind the three backticks. */
  readonly language: string;
  /** The heading above it. */
  readonly heading: string;
  readonly text: string;
}

/** Programs that a command may begin with, to tell commands from other code in the middle of a sentence. */
const INLINE_COMMAND = /^(?:deno|lguest|npm|npx|sudo|dist\/lguest) [^\s…]/;

/** The blocks of a Markdown text, in order. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let heading = "", open: { language: string; heading: string; lines: string[] } | undefined;
  for (const line of markdown.split("\n")) {
    if (open) {
      if (line === "```") {
        blocks.push({ language: open.language, heading: open.heading, text: open.lines.join("\n") });
        open = undefined;
      } else open.lines.push(line);
    } else if (line.startsWith("```")) open = { language: line.slice(3), heading, lines: [] };
    else if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  }
  return blocks;
}

/** The commands of a block for a shell: a line each, unless a backslash says that the next belongs to it. */
export function commandsOf(text: string): string[] {
  return text.replaceAll(/\s*\\\n\s*/g, " ").split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
}

/** Commands in the middle of sentences. */
export function inlineCommands(markdown: string): string[] {
  return inlineCode(markdown).filter((code) => INLINE_COMMAND.test(code));
}

/** Names of files and directories in the middle of sentences. */
export function fileNames(markdown: string): string[] {
  return inlineCode(markdown).filter((code) => /^[\w./-]+(\.(ts|c|json)|\/)$/.test(code) && !code.startsWith("/"));
}

/** What links point to, but for other places and this text itself. */
export function linkTargets(markdown: string): string[] {
  return [...markdown.matchAll(/\]\(([^)#]+)\)/g)].map(([, target]) => target!).filter((target) =>
    !/^\w+:/.test(target)
  );
}

/** Headings that links within this text point to, and those that there are. */
export function anchors(markdown: string): { readonly wanted: readonly string[]; readonly there: readonly string[] } {
  const headings = [...prose(markdown).matchAll(/^#+ (.*)$/gm)];
  return {
    wanted: [...markdown.matchAll(/\]\(#([^)]+)\)/g)].map(([, name]) => name!),
    there: headings.map(([, title]) => title!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")),
  };
}

/** The rows of the table whose first column has this title. */
export function tableOf(markdown: string, title: string): string[][] {
  const lines = markdown.split("\n"), cells = (line: string) => line.split("|").slice(1, -1).map((cell) => cell.trim());
  const start = lines.findIndex((line) => line.startsWith("|") && cells(line)[0] === title);
  const length = lines.slice(start).findIndex((line) => !line.startsWith("|"));
  return start < 0 ? [] : lines.slice(start + 2, start + length).map(cells);
}

function inlineCode(markdown: string): string[] {
  return [...prose(markdown).matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replaceAll(/\s+/g, " "));
}

/** The text without its blocks of code. */
function prose(markdown: string): string {
  return markdown.replaceAll(/^```.*?^```$/gms, "");
}
