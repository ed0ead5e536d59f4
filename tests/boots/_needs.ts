/**
 * Whether Debian's packages can be had and programs may be started here; where not, the tests that need them are
 * ignored, which the test runner shows.
 */
import { hasApt } from "../../scripts/debian.ts";

const permitted = (["run", "read", "write", "env"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

/** Why a test that boots stock kernels is ignored: not permitted, or no apt. */
export const CANNOT_BOOT = !permitted || !await hasApt();

/** Whether a program can be found. */
export async function hasProgram(name: string): Promise<boolean> {
  if (!permitted) return false;
  const found = await new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdin: "null" }).output();
  return found.success;
}
