/** The README's picture: a terminal that understands what shells write, its drawing, and the session that is in it. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { PICTURE, SESSION } from "../scripts/picture.ts";
import { Screen, ScreenError } from "../scripts/picture/screen.ts";
import { drawTerminal } from "../scripts/picture/svg.ts";
import { CANNOT_BOOT, hasProgram } from "./boots/_needs.ts";

/** What is on a screen after something was written to it. */
function screenOf(text: string, columns = 10): Screen {
  const screen = new Screen(columns);
  screen.write(text);
  return screen;
}

/** The lines of a picture, without its looks. */
function textOf(svg: string): string[] {
  return [...svg.matchAll(/<text [^>]*>(.*)<\/text>/g)].map(([, spans]) =>
    [...spans!.matchAll(/<tspan[^>]*>([^<]*)<\/tspan>/g)].map(([, text]) => unescape(text!)).join(" ")
  );
}

function unescape(text: string): string {
  return text.replaceAll("&quot;", '"').replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

/** Fail unless each element is closed in its turn, each attribute quoted, and each entity one that XML knows. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const rest = xml.replaceAll(/<(\/?)([a-z]+)((?: [\w:]+="[^"<]*")*)(\/?)>/g, (_, end, name, _attributes, empty) => {
    if (end !== "") assertEquals(open.pop(), name);
    else if (empty === "") open.push(name);
    return "";
  });
  assertEquals(open, []);
  assert(!/[<>]/.test(rest), `What is left of the tags: ${/.{0,20}[<>].{0,20}/.exec(rest)?.[0]}`);
  assertEquals(xml.match(/&(?!(amp|lt|gt|quot);)/g), null);
}

Deno.test("Screen puts text where a terminal has it", () => {
  assertEquals(screenOf("one\r\ntwo").text, "one\ntwo");
  assertEquals(screenOf("0123456789abc").text, "0123456789\nabc", "a line that is full goes on in the next");
  assertEquals(screenOf("0123456789\r\nabc").text, "0123456789\nabc", "but only if there is more");
  assertEquals(screenOf("abc\rX\b\bY\tZ").text, "Ybc     Z");
  assertEquals(screenOf("progress\x1b[0G\x1b[2Kdone\x1b[K\x1b[J").text, "done");
  assertEquals(screenOf("a\r\nb\r\nc\x1b[2A\x1b[5Gd\x1b[2D\x1b[Ce").text, "a   e\nb\nc");
  assertEquals(screenOf("left\r\nright\x1b[A\r\x1b[J").text, "");
  assertEquals(screenOf("\x1b]0;title\x07\x1b[?2004h\x1b(Btext   \r\n\r\n").text, "text");
});

Deno.test("Screen.write() waits for the end of a sequence, and answers where the cursor is", () => {
  const screen = new Screen(10);
  assertEquals(screen.write("ab\r\ncd\x1b"), "");
  assertEquals(screen.write("[6"), "");
  assertEquals(screen.write("n"), "\x1b[2;3R");
  assertEquals(screen.text, "ab\ncd");
});

Deno.test("Screen keeps how each character looks", () => {
  const [line] = screenOf("\x1b[1;34md\x1b[22mi\x1b[0mr\x1b[97;41m!\x1b[39;49m \x1b[7mx\x1b[27my").lines;
  assertEquals(line!.map(({ style }) => style), [
    { foreground: 4, bold: true },
    { foreground: 4 },
    {},
    { foreground: 15, background: 1 },
    {},
    { foreground: 0, background: 7 },
    {},
  ]);
});

for (const [what, text] of [["a sequence", "\x1b[5;7r"], ["a style", "\x1b[9m"], ["a character", "\x05"]] as const) {
  Deno.test(`Screen refuses ${what} that it does not know`, () => {
    assertThrows(() => screenOf(text), ScreenError);
  });
}

Deno.test("drawTerminal() draws each line at its place, with its colours, as XML that is well-formed", () => {
  const { lines } = screenOf('a <b> & "c"\r\n\r\n  \x1b[1;32mgreen\x1b[0m  \x1b[41m! \x1b[0m', 20);
  const svg = drawTerminal(lines, 20, "<title>");
  assertWellFormed(svg);
  assertEquals(textOf(svg), ['a <b> & "c"', "green ! "]);
  const [first, second] = [...svg.matchAll(/<text [^>]*y="(\d+)"/g)].map(([, y]) => Number(y));
  assertEquals(second! - first!, 2 * 18);
  assertStringIncludes(svg, '<tspan class="c2 b" x="30.8" textLength="42">green</tspan>');
  assertStringIncludes(svg, '<rect class="c1" x="89.6" y="50" width="16.8" height="18"/>');
  assertStringIncludes(svg, ".c1{fill:#ff7b72}.c2{fill:#3fb950}");
});

Deno.test({
  name: "the picture script has the session again that the README shows",
  ignore: CANNOT_BOOT || !await hasProgram("script") || !await hasProgram("bash"),
  fn: async () => {
    const path = await Deno.makeTempFile({ prefix: "lguest-picture-", suffix: ".svg" });
    try {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--no-lock",
          "-A",
          new URL("../scripts/picture.ts", import.meta.url).pathname,
          `--output=${path}`,
        ],
        stdin: "null",
        env: { DENO_NO_UPDATE_CHECK: "1" },
      }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      const made = await Deno.readTextFile(path), kept = await Deno.readTextFile(PICTURE);
      for (const svg of [made, kept]) {
        assertWellFormed(svg);
        const lines = textOf(svg);
        const commands = SESSION.map(([prompt, command]) => `${prompt}${command}`);
        assertEquals(lines.filter((line) => commands.includes(line)), commands);
        assert(lines.some((line) => /^Linux \d+\.\d+\.\S+ i686$/.test(line)), lines.join("\n"));
        assert(lines.some((line) => /^model name\s+: lguest built-in CPU$/.test(line)), lines.join("\n"));
        assertEquals(lines.at(-1), "0");
      }
      const shape = (svg: string) => /<svg [^>]*width="(\d+)"/.exec(svg)![1];
      assertEquals(shape(made), shape(kept));
    } finally {
      await Deno.remove(path);
    }
  },
});
