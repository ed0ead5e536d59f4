/**
 * What a decompressor says when its input is bad. `mod.ts` turns it into a line that names the file.
 *
 * @module
 */
import { BootError } from "../error.ts";

/** Compressed data is corrupt, truncated, or would unpack to more than it may. The message is a clause, not a line. */
export class PayloadError extends BootError {
  override name = "PayloadError";
}

/** The clause for input that ends too early. */
export const TRUNCATED = "ends too early";

/** The clause for output that would pass the bound. */
export const TOO_LONG = "unpacks to more than it may";

/**
 * The buffer for a decompressor's output. The host commits its pages only as they are written, so a bound far above
 * the true size costs address space, not memory.
 *
 * @param size bytes
 * @returns zeroed bytes
 * @throws {PayloadError} if the host refuses
 */
export function allocateOutput(size: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(size);
  } catch {
    throw new PayloadError(`needs ${size} bytes of host memory, which cannot be had`);
  }
}
