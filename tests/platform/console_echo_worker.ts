/**
 * For `console_ring_test.ts`: sends back what comes, one up.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { ConsoleRing } from "../../lib/platform/console_ring.ts";

self.onmessage = ({ data }: MessageEvent<[SharedArrayBuffer, SharedArrayBuffer]>) => {
  const [input, output] = [new ConsoleRing(data[0]), new ConsoleRing(data[1])];
  const chunk = new Uint8Array(7);
  while (!input.ended) {
    input.waitForData();
    const count = input.read(chunk);
    for (const byte of chunk.subarray(0, count)) while (!output.writeByte((byte + 1) & 0xff)) output.waitForRoom();
  }
  output.close();
};
