/** The examples in the documentation of the code run. */
import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";

const permitted = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

Deno.test({
  name: "the examples in the documentation do what they say",
  ignore: !permitted,
  fn: async () => {
    // Without a check of types: each example is given all names of its module, most of which it does not use.
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-lock", "--no-check", "--doc", "lib"],
      cwd: fromFileUrl(new URL("../..", import.meta.url)),
      stdin: "null",
      env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    const output = decoder.decode(stdout) + decoder.decode(stderr);
    assertEquals(code, 0, output);
    for (const name of ["library/guest.ts", "parts.ts", "net/tunnet.ts"]) {
      assertMatch(output, new RegExp(`lib/${name}#[-\\d]+\\.ts \\.\\.\\. ok`));
    }
  },
});
