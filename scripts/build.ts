/**
 * Builds what is native: the C library, which taps, `--chroot`, `--username` and `/dev/lguest` need. Then it tries the
 * programs by which the tests ask the processor underneath; the tests build those on their own, so this only tells in
 * one place whether the tools are there.
 *
 * ```sh
 * deno task build
 * ```
 *
 * Enters: `ffi/lguest.c`, and C and assembly under `tests/engine/native/`. Leaves: `ffi/liblguest.so` and a line each;
 * status 1 if the library cannot be built. Read next: `ffi/build.ts`.
 *
 * @module
 */
import { buildLibrary } from "../ffi/build.ts";
import { oracleMissing } from "../tests/engine/native/oracle.ts";
import { buildNative, canRunNative } from "../tests/engine/simd_native.ts";

console.log(`C library: ${library()}`);
console.log(`integer oracle of the tests (i386): ${oracleMissing() ?? "builds"}`);
console.log(`SIMD oracle of the tests: ${simdMissing() ?? "builds"}`);

/** Build the library, and say how it went. */
function library(): string {
  try {
    const { path, made } = buildLibrary();
    return made ? `built: ${path}` : `up to date: ${path}`;
  } catch (error) {
    Deno.exitCode = 1;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Why the SIMD oracle cannot be built, or `undefined`. */
function simdMissing(): string | undefined {
  if (!canRunNative()) return "needs Linux on x86-64 and gcc";
  const directory = Deno.makeTempDirSync({ prefix: "lguest_build_" });
  try {
    buildNative(directory);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
