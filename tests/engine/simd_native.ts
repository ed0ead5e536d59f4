/**
 * The processor underneath as oracle for SIMD: builds `native/simd.c` and hands it batches of records. A record is one
 * instruction and the state before it; it comes back as the state after it.
 *
 * Read next: `simd_cases.ts` (who fills records), `simd_machine.ts` (who does the same with our CPU).
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";

/** Bytes of a record: `struct record` in `native/simd.c`. */
export const RECORD = 416;
/** Offsets in it: instruction bytes (16), their number, offset of EDI in the memory. */
export const R_CODE = 0, R_LENGTH = 16, R_OFFSET = 20;
/** MXCSR, EFLAGS, eight general registers. */
export const R_MXCSR = 24, R_FLAGS = 28, R_GENERAL = 32;
/** x87 control, status and tags (as FXSAVE has them; 2 bytes each); vector of the exception raised, or 0. */
export const R_CONTROL = 64, R_STATUS = 66, R_TAGS = 68, R_TRAP = 72;
/** x87 registers by distance from TOP and XMM0 to XMM7, 16 bytes each; 64 bytes of memory. */
export const R_STACK = 96, R_XMM = 224, R_MEMORY = 352;

/** Whether programs may be run and built here. */
export function canRunNative(): boolean {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return false;
  for (const name of ["run", "read", "write"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return false;
  }
  try {
    return new Deno.Command("gcc", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/**
 * Build the oracle.
 *
 * @param directory where to put the executable
 * @returns its path
 */
export function buildNative(directory: string): string {
  const source = fromFileUrl(new URL("native/simd.c", import.meta.url));
  const path = join(directory, "simd");
  const args = ["-O1", "-Wall", "-Werror", "-no-pie", "-o", path, source];
  const { success, stderr } = new Deno.Command("gcc", { args }).outputSync();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return path;
}

/**
 * Execute records.
 *
 * @param path what {@link buildNative} returned
 * @param records any number of them, one after the other
 * @returns the same records after execution
 */
export async function runNative(path: string, records: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const child = new Deno.Command(path, { stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(records);
  await writer.close();
  const { code, stdout } = await output;
  if (code !== 0 || stdout.length !== records.length) {
    throw new Error(`The oracle ended with ${code} after ${stdout.length} of ${records.length} bytes`);
  }
  return stdout;
}
