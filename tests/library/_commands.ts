/** Commands that are hard to run in a shell through a terminal, and what must come of them. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { RunResult } from "../../lib/mod.ts";
import { GuestTimeoutError, type WaitOptions } from "../../lib/mod.ts";

/** For a failure only. */
const PATIENCE = { timeout: 120_000 };

/** Try them all in one shell. */
export async function checkCommands(
  run: (command: string, options?: WaitOptions) => Promise<RunResult>,
): Promise<void> {
  const check = async (command: string, stdout: string, status = 0) => {
    const result = await run(command, PATIENCE);
    assertEquals({ command, stdout: result.stdout, status: result.status }, { command, stdout, status });
  };
  await check("echo hello", "hello\n");
  await check("false", "", 1);
  await check("(exit 37)", "", 37);
  await check("", "");
  await check("# nothing", "");
  await check("printf 'no newline at the end'", "no newline at the end");
  await check("echo out; echo err >&2", "out\nerr\n");
  await check("printf '%s.' 'it'\\''s' \"$((1 + 1))\" '!' \\! % %s %% '\\n' -n", "it's.2.!.!.%.%s.%%.\\n.-n.");
  await check("printf '\\r\\n\\ttab\\r\\r\\n\\n'", "\r\n\ttab\r\r\n\n");
  await check("printf '\\033[31mred\\033[0m\\033[6n\\a\\001\\036'", "\x1b[31mred\x1b[0m\x1b[6n\x07\x01\x1e");
  await check("cat <<E\none\n\ttwo $((3))\nE\nfor i in 1 2\ndo\n  echo $i\ndone\n", "one\n\ttwo 3\n1\n2\n");
  await check("cd /tmp; here=yes; f() { echo $1; }", "");
  await check("pwd; f $here", "/tmp\nyes\n");
  await check("echo 'Grüße, 世界 🐧'", "Grüße, 世界 🐧\n");
  await check(`printf %s '${"x'\"'\"'ü".repeat(700)}' | wc -c | tr -d ' '`, "2800\n");
  await check("true\nfalse", "", 1);
  const numbers = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("");
  await check("seq 20000", numbers);

  const binary = await run(
    'for i in 0 1 2 3; do for j in 0 1 2 3 4 5 6 7; do for k in 0 1 2 3 4 5 6 7; do printf "\\\\$i$j$k"; done; done; done',
    PATIENCE,
  );
  assertEquals(binary.bytes, Uint8Array.from({ length: 256 }, (_, i) => i));

  const broken = await run("for", PATIENCE);
  assertEquals(broken.status === 0, false);
  assertStringIncludes(broken.stdout, "rror");
  const unset = await run("echo ${nobody?gone}", PATIENCE);
  assertEquals(unset.status === 0, false);
  assertStringIncludes(unset.stdout, "gone");

  await assertRejects(() => run("echo begun; sleep 1000", { timeout: 2000 }), GuestTimeoutError, "sleep 1000");
  await assertRejects(() => run("sleep 1000", { signal: AbortSignal.timeout(500) }), DOMException);
  await assertRejects(() => run("echo \0"), TypeError, "NUL");
  const several = await Promise.all([1, 2, 3].map((n) => run(`sleep 0.$((4 - ${n})) ; echo ${n}`, PATIENCE)));
  assertEquals(several.map(({ stdout }) => stdout), ["1\n", "2\n", "3\n"]);
}
