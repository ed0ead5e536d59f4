import { assertEquals } from "@std/assert";
import { COLOR, paint, wantsColor } from "../../lib/cli/color.ts";

for (
  const [isTerminal, noColor, term, wanted] of [
    [true, undefined, "xterm", true],
    [true, undefined, undefined, true],
    [true, "", "xterm", true],
    [true, "1", "xterm", false],
    [true, undefined, "dumb", false],
    [false, undefined, "xterm", false],
  ] as const
) {
  Deno.test(`wantsColor() is ${wanted} with terminal ${isTerminal}, NO_COLOR ${noColor}, TERM ${term}`, () => {
    assertEquals(wantsColor({ isTerminal, noColor, term }), wanted);
  });
}

Deno.test("paint() puts a text between a colour and its end, or leaves it", () => {
  assertEquals(paint("x", COLOR.red), "\x1b[1;31mx\x1b[0m");
  assertEquals(paint("x", undefined), "x");
});
