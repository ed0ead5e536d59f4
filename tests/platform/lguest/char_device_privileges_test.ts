/**
 * A Guest on the real Host that restarts after privileges were dropped: see `_restart_program.ts`, which is run here
 * for each case.
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { standInMissing } from "./_standin/mod.ts";

const missing = standInMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

interface Report {
  readonly first: unknown;
  readonly second: unknown;
  readonly found: readonly number[];
}

/** Run the program with a device in the directory that anybody may open as `mode` says. */
async function restart(directory: string, mode: string, ...words: string[]): Promise<Report> {
  const program = fromFileUrl(new URL("./_restart_program.ts", import.meta.url));
  const args = ["-m", Deno.execPath(), "run", "-A", program, directory, mode, ...words];
  const { stdout, stderr } = await new Deno.Command("unshare", { args }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

function withDirectory(deed: (directory: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync({ prefix: "lguest_device_" });
    try {
      Deno.chmodSync(directory, 0o755);
      await deed(directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

Deno.test(
  `a Guest restarts under another root directory, which nothing leads out of${needs}`,
  { ignore },
  withDirectory(async (directory) => {
    const [device, root] = ["device", "root"].map((name) => join(directory, name)) as [string, string];
    for (const path of [device, root]) Deno.mkdirSync(path);
    const { first, second, found } = await restart(device, "666", "nobody", root);
    assertEquals([first, second], [{ kind: "restart" }, { kind: "died", reason: "the second one" }]);
    assertEquals(found, []);
  }),
);

Deno.test(
  `a user who may not open the device restarts no Guest, and reads what to do${needs}`,
  { ignore },
  withDirectory(async (directory) => {
    const { first, second } = await restart(directory, "600", "nobody");
    assertEquals(first, { kind: "restart" });
    assertEquals(
      second,
      `GuestError: "${directory}/lguest" cannot be opened again to restart the Guest: Permission denied; ` +
        "let the user that --username names open it, or start without --username",
    );
  }),
);
