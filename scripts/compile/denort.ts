/**
 * The executable by `deno compile`, where that has the base it builds on: `denort`, which Deno fetches from the network,
 * or finds by the variable DENORT_BIN or in its cache (`$DENO_DIR/dl`).
 *
 * @module
 */
import { LIBRARY_NAME } from "../../ffi/library.ts";
import { runDeno } from "./run.ts";
import { MAIN, ROOT } from "./sources.ts";

/**
 * Build it.
 *
 * @param target where to
 * @param workers the modules that Workers begin with, which `deno compile` does not find by itself
 * @throws {Error} what `deno compile` says
 */
export async function compileByDeno(target: string, workers: readonly string[]): Promise<void> {
  const included = [...workers, `ffi/${LIBRARY_NAME}`].map((path) => `--include=${path}`);
  // It leaves nothing on the machine that it runs on.
  const options = ["--allow-all", "--no-check", "--no-code-cache"];
  await runDeno(["compile", ...options, "--output", target, ...included, MAIN], ROOT);
}
