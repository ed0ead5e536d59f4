/**
 * Which of the programs that a test wants are there.
 *
 * @module
 */
import { MAY_RUN } from "./_run.ts";

/** Whether this test run may start programs, and this one is there. */
export function hasTool(name: string): boolean {
  if (!MAY_RUN) return false;
  return new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null", stderr: "null" }).outputSync()
    .success;
}
