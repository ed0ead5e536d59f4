/**
 * Compiles a C program for a Guest, and perhaps the same for the host: the name of a source under `scripts/` enters,
 * the path of a program leaves. For the tests and the benchmark. Read next: `guest/traffic.c`, `guest/recorder.c`.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { GuestError } from "../lib/guest_error.ts";

/** Where a program is to run. */
export type Target = "guest" | "host";

const COMMON = ["-O2", "-Wall", "-Wextra", "-Werror"];

const FLAGS: Readonly<Record<Target, readonly string[]>> = {
  // For a processor with SSE2 but without anything younger; plain doubles stay in the x87 unless the source says more.
  guest: ["-m32", "-march=i686", "-msse2", "-mfpmath=387", "-static", "-no-pie"],
  host: [],
};

/** What the compiler for each target needs. */
const NEEDS: Readonly<Record<Target, string>> = {
  guest: `"gcc -m32" with a static C library (Debian: gcc, libc6-dev-i386)`,
  host: "gcc with a C library (Debian: gcc, libc6-dev)",
};

/**
 * Compile.
 *
 * @param source the path of a C file, relative to this one
 * @param directory takes the program
 * @param target where it is to run
 * @returns the program's path
 * @throws {GuestError} if it does not compile
 */
export async function compileProgram(source: string, directory: string, target: Target = "guest"): Promise<string> {
  const program = join(directory, `${basename(source, ".c")}-${target}`);
  const args = [...COMMON, ...FLAGS[target], join(import.meta.dirname!, source), "-o", program];
  try {
    const { success, stderr } = await new Deno.Command("gcc", { args }).output();
    if (success) return program;
    const complaint = new TextDecoder().decode(stderr).trim().split("\n").at(0);
    throw new GuestError(`Cannot compile "${source}", which needs ${NEEDS[target]}: ${complaint}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new GuestError(`Cannot compile "${source}" without ${NEEDS[target]}`, { cause: error });
  }
}
