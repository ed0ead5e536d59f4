/**
 * Builds what is native: so far only the programs by which the tests ask the processor underneath. lguest itself needs
 * none of them; the tests build them on their own. This tells in one place whether the tools are there.
 *
 * ```sh
 * deno task build
 * ```
 *
 * Enters: C and assembly under `tests/engine/native/`. Leaves: a line each; status 1 if one cannot be built.
 *
 * @module
 */
import { oracleMissing } from "../tests/engine/native/oracle.ts";
import { buildNative, canRunNative } from "../tests/engine/simd_native.ts";

const directory = Deno.makeTempDirSync({ prefix: "lguest_build_" });
try {
  report("integer oracle (i386)", oracleMissing());
  report("SIMD oracle", simdMissing());
} finally {
  Deno.removeSync(directory, { recursive: true });
}

/** Why the SIMD oracle cannot be built, or `undefined`. */
function simdMissing(): string | undefined {
  if (!canRunNative()) return "needs Linux on x86-64 and gcc";
  try {
    buildNative(directory);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Say how it went. */
function report(name: string, missing: string | undefined): void {
  console.log(`${name}: ${missing ?? "builds"}`);
  if (missing !== undefined) Deno.exitCode = 1;
}
