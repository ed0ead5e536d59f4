/**
 * stress-ng: each of its methods to load a processor, verifying its own results.
 */
import { assert, assertEquals } from "@std/assert";
import type { Workbench } from "./_workbench.ts";

/** The packages that {@link checkStress} needs. */
export const STRESS = ["stress-ng"] as const;

/** How long one method may take, by the Guest's clock; stress-ng ends itself then, which is no error. */
const SECONDS = 60;

/** The names of its methods. */
export async function stressMethods({ shell }: Workbench): Promise<string[]> {
  const { output } = await shell.run("stress-ng --cpu 1 --cpu-method which");
  const methods = (output.split("must be one of:")[1] ?? "").trim().split(/\s+/);
  assert(methods.length > 30, `stress-ng lists no methods: ${output}`);
  return methods.filter((method) => method !== "all");
}

/**
 * Run every method.
 *
 * @param bench where
 * @param turns how often each
 */
export async function checkStress(bench: Workbench, turns: number): Promise<void> {
  for (const method of await stressMethods(bench)) {
    await runStress(bench, `--cpu 1 --cpu-method ${method} --cpu-ops ${turns}`);
  }
}

/** Run a stressor; it ends with 0 and says nothing, or only that it ran too shortly, if it finds its results right. */
export async function runStress({ shell }: Workbench, words: string): Promise<void> {
  const { output, status } = await shell.run(`stress-ng -q --verify -t ${SECONDS} ${words}`, 4 * SECONDS);
  const complaints = output.split("\n").filter((line) => line && !line.startsWith("stress-ng: warn:"));
  assertEquals({ complaints, status }, { complaints: [], status: 0 }, `stress-ng ${words}`);
}
