/** @module */
import { PayloadError } from "./error.ts";
export function unpackLzma(_data: Uint8Array, _limit: number): Uint8Array<ArrayBuffer> {
  throw new PayloadError("cannot be unpacked yet");
}
