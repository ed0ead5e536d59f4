/** The examples run; `kernel_test.ts` among them is a test itself. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { CANNOT_BOOT } from "../boots/_needs.ts";

async function runExample(name: string): Promise<string> {
  const path = fromFileUrl(new URL(`../../examples/${name}`, import.meta.url));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "-A", path],
    stdin: "null",
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, `${name} failed:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

Deno.test({
  name: "examples/build.ts brings a program out of a Guest that was built and tried in it",
  ignore: CANNOT_BOOT,
  fn: async () => {
    const output = await runExample("build.ts");
    assertStringIncludes(output, "Hello from a program that was built in a Guest\n");
    assertMatch(output, /The result has \d+ bytes and is an ELF program\n$/);
  },
});

Deno.test({
  name: "examples/two_guests.ts has one Guest guess what the other thinks of",
  ignore: CANNOT_BOOT,
  fn: async () => {
    const output = await runExample("two_guests.ts");
    assertMatch(output, /Is it 500\? (higher|lower|right)\n/);
    assertMatch(output, /It took \d+ guesses; both ended by poweroff and poweroff\n$/);
  },
});
