/**
 * `lguest man`: the manual page, made from the table of options and the sentences of `--help`. What leaves is roff with
 * the macros of man(7), no others, so that groff, mandoc and whatever else reads manuals take it.
 *
 * @module
 */
import { DESCRIPTION, longForm, STATUSES } from "./help.ts";
import { COMMANDS, OPTIONS } from "./option_table.ts";

const EXAMPLES: readonly (readonly [what: string, command: string])[] = [
  ["A kernel and its initial RAM disk", "lguest 64 bzImage --initrd=initramfs.cpio"],
  [
    "Two disks, the second one write-protected, and random numbers",
    "lguest 256 bzImage --initrd=initramfs.cpio --block=disk.img --block=cd.iso,readonly --rng root=/dev/vda",
  ],
  [
    "A network to the host, from a process that can do nothing else any more",
    "lguest 64 bzImage --initrd=initramfs.cpio --tunnet=192.168.19.1 --username=nobody --chroot=/var/empty",
  ],
  ["A word for the kernel that begins with a dash", "lguest 64 bzImage --initrd=initramfs.cpio rdinit=/bin/sh -- -s"],
];

const FILES: readonly (readonly [path: string, what: string])[] = [
  ["/dev/net/tun", "taps, for --tunnet"],
  ["/dev/lguest", "the real lguest device, where a kernel still has it"],
];

/**
 * The manual page.
 *
 * @param version the program's version
 */
export function manualPage(version: string): string {
  const lines = [
    `.TH LGUEST 1 "" "lguest ${roff(version)}" "User Commands"`,
    ".SH NAME",
    "lguest \\- boot a Linux kernel on a CPU of its own",
    ".SH SYNOPSIS",
    ".B lguest",
    "[\\fIoptions\\fR] \\fImem\\fR \\fIkernel\\fR [\\fIkernel arguments\\fR\\&.\\&.\\&.]",
    ...COMMANDS.flatMap(({ name, words }) => [
      ".br",
      `.B lguest ${roff(name)}`,
      ...words.length > 0 ? [words.map((word) => `\\fB${roff(word)}\\fR`).join("|")] : [],
    ]),
    ".SH DESCRIPTION",
    ...sentences(DESCRIPTION),
    ".SH OPTIONS",
    "Options stand anywhere before",
    ".BR \\-\\- ,",
    "which ends them.",
    "A value may also be the next word.",
  ];
  for (const { help, manual, ...spec } of OPTIONS) {
    const letter = spec.letter ? `\\-${roff(spec.letter)}\\fR, \\fB` : "";
    item(lines, `\\fB${letter}${roff(longForm({ ...spec, help }))}\\fR`, help, manual);
  }
  lines.push(".SH COMMANDS");
  for (const { name, words, help, manual } of COMMANDS) {
    item(lines, `\\fB${roff([name, words.join("|")].join(" ").trim())}\\fR`, help, manual);
  }
  lines.push(".SH EXIT STATUS");
  for (const [status, meaning] of STATUSES) item(lines, roff(status), meaning);
  lines.push(".SH ENVIRONMENT");
  item(lines, "NO_COLOR", "if it is set, messages are not coloured on a terminal either");
  lines.push(".SH FILES");
  for (const [path, what] of FILES) item(lines, `\\fI${roff(path)}\\fR`, what);
  lines.push(".SH EXAMPLES");
  for (const [at, [what, command]] of EXAMPLES.entries()) {
    if (at > 0) lines.push(".PP");
    lines.push(`${roff(what)}:`, ".PP", ".RS", ".nf", roff(command), ".fi", ".RE");
  }
  return lines.join("\n") + "\n";
}

/** A tagged paragraph: what it is about, and sentences. */
function item(lines: string[], tag: string, help: string, more?: string): void {
  lines.push(".TP", tag, ...sentences(`${capital(help)}.`), ...more ? sentences(more) : []);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A line for each sentence, so that roff sets its own space between them. */
function sentences(text: string): string[] {
  return text.split(/(?<=\.) (?=[A-Z<^])/).map(roff);
}

/**
 * A text that means itself. A minus is written so that it can be copied from the page; a line may begin with neither of
 * the control characters; other alphabets go by their numbers.
 */
function roff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("^", "\\(ha").replaceAll("~", "\\(ti")
    .replaceAll("'", "\\(aq").replaceAll("`", "\\(ga").replaceAll('"', "\\(dq")
    .replace(/[^\n -~]/gu, (char) => `\\[u${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`)
    .replace(/^\./, "\\&.");
}
