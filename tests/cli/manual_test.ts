import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DESCRIPTION } from "../../lib/cli/help.ts";
import { manualPage } from "../../lib/cli/manual.ts";
import { COMMANDS, OPTIONS } from "../../lib/cli/option_table.ts";
import { hasTool } from "./_tools.ts";

/** Run a formatter with the page on its stdin. */
async function format(program: string, ...args: string[]): Promise<{ text: string; complaints: string }> {
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C.UTF-8", MANPAGER: "cat", MANWIDTH: "100", GROFF_NO_SGR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(manualPage("1.2.3")));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  // Bold is a letter, a backspace and the letter again.
  // deno-lint-ignore no-control-regex
  return { text: decoder.decode(stdout).replace(/.\x08/g, ""), complaints: decoder.decode(stderr) };
}

/** What a reader must find, wherever lines end and words are spaced or hyphenated. */
function assertReadable(text: string): void {
  const plain = (words: string) => words.replaceAll(/[‐­]\s*\n\s*/g, "").replaceAll(/\s+/g, " ");
  const page = plain(text);
  assertStringIncludes(page, "lguest - boot a Linux kernel");
  assertStringIncludes(page, plain(DESCRIPTION));
  assertStringIncludes(page, "rdinit=/bin/sh -- -s");
  for (const { name, value, manual } of OPTIONS) {
    assertStringIncludes(page, ` --${name}${value ? `=${value.name}` : ""} `);
    if (manual) assertStringIncludes(page, plain(manual));
  }
  for (const { name, manual } of COMMANDS) {
    assertStringIncludes(page, `lguest ${name}`);
    assertStringIncludes(page, plain(manual));
  }
}

Deno.test("manualPage() uses macros of man(7) only, in pairs where they are pairs", () => {
  const macros = manualPage("1.2.3").split("\n").filter((line) => /^[.']/.test(line)).map((line) =>
    line.split(" ")[0]!
  );
  const known = [".TH", ".SH", ".TP", ".PP", ".B", ".BR", ".br", ".nf", ".fi", ".RS", ".RE"];
  assertEquals(macros.filter((macro) => !known.includes(macro)), []);
  const depths: number[] = [];
  let depth = 0;
  for (const macro of macros) {
    if (macro === ".RS" || macro === ".nf") depth++;
    if (macro === ".RE" || macro === ".fi") depth--;
    depths.push(depth);
  }
  assertEquals([Math.min(...depths), Math.max(...depths), depths.at(-1)], [0, 2, 0]);
  assertEquals(macros[0], ".TH");
});

Deno.test("manualPage() is plain ASCII, opens fonts and closes them", () => {
  const page = manualPage("1.2.3");
  assertMatch(page, /^[\n -~]*$/);
  for (const line of page.split("\n")) {
    const opened = line.match(/\\f[BI]/g)?.length ?? 0, closed = line.match(/\\fR/g)?.length ?? 0;
    assertEquals(opened, closed, line);
  }
});

Deno.test("manualPage() names the version and every option", () => {
  const page = manualPage("1.2.3");
  assertStringIncludes(page, '"lguest 1.2.3"');
  for (const { name } of OPTIONS) assertStringIncludes(page, `\\-\\-${name}`);
});

Deno.test({
  name: "manualPage() is readable as groff sets it, without a warning",
  ignore: !hasTool("groff"),
  fn: async () => {
    const { text, complaints } = await format("groff", "-man", "-Tutf8", "-ww", "-P-c");
    assertEquals(complaints, "");
    assertReadable(text);
  },
});

Deno.test({
  name: "manualPage() is readable in man",
  ignore: !hasTool("man") || !hasTool("groff"),
  fn: async () => assertReadable((await format("man", "-l", "-")).text),
});

Deno.test({
  name: "manualPage() is readable as mandoc sets it, without an error or a warning but of the date that it lacks",
  ignore: !hasTool("mandoc"),
  fn: async () => {
    const { text } = await format("mandoc", "-Tutf8", "-Owidth=100");
    assertReadable(text);
    const lint = await format("mandoc", "-Tlint", "-Wwarning");
    assertEquals(lint.text.split("\n").filter((line) => line !== "" && !line.includes("missing date")), []);
  },
});
