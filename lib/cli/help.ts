/**
 * What `--help` prints, and the sentences that it shares with the manual (`manual.ts`). The lists are made from the
 * table (`option_table.ts`).
 *
 * @module
 */
import { COMMANDS, OPTIONS, type OptionSpec } from "./option_table.ts";

/** How to call the program for its main purpose. */
export const SYNOPSIS = "lguest [options] <mem> <kernel> [kernel arguments…]";

/** What the program is for, in a paragraph. */
export const DESCRIPTION =
  "Boots a Linux kernel (bzImage or ELF vmlinux, i386) and connects its consoles to this terminal: the serial port " +
  "ttyS0, and hvc0 of virtio, which also gets what is typed if the kernel's words have console=hvc0. Without a " +
  "console= among them the kernel is told console=ttyS0. <mem> is in MiB, or has a unit: 64m, 1g. Words for the " +
  "kernel that begin with a dash go behind --. ^C goes to the Guest; ^C three times within a second ends this program.";

/** What each exit status means. */
export const STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ["0", "the Guest powered itself off"],
  ["1", "an error or the Guest died"],
  ["130", "ended by ^C"],
  ["129, 130, 143", "ended by SIGHUP, SIGINT, SIGTERM"],
  ["141", "nobody reads stdout any more"],
];

const LINE_WIDTH = 118;

/** The text that `--help` prints. */
export function usage(): string {
  const options = OPTIONS.map((spec) =>
    [spec.letter ? `-${spec.letter}, ${longForm(spec)}` : `    ${longForm(spec)}`, spec.help] as const
  );
  const commands = COMMANDS.map(({ name, words, help }) => [[name, words.join("|")].join(" ").trim(), help] as const);
  return [
    `Usage: ${SYNOPSIS}`,
    `       lguest ${COMMANDS.map(({ name }) => name).join("|")}`,
    "",
    wrap(DESCRIPTION),
    "",
    "Options:",
    ...columns(options),
    "",
    "Commands, in place of <mem>:",
    ...columns(commands),
    "",
    "Exit status:",
    ...columns(STATUSES),
  ].join("\n");
}

/** `--name=VALUE`, as lists of options show it. */
export function longForm({ name, value }: OptionSpec): string {
  return `--${name}${value ? `=${value.name}` : ""}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function wrap(text: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > LINE_WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join("\n");
}
