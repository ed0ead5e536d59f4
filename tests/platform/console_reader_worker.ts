/**
 * For `console_ring_test.ts`: reads a ring at its own pace, signalling its producer's attention word when that asked for
 * it, and tells at the end how many bytes came and how many of them were wrong.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { ConsoleRing } from "../../lib/platform/console_ring.ts";

self.onmessage = ({ data }: MessageEvent<[ring: SharedArrayBuffer, attention: Int32Array<SharedArrayBuffer>]>) => {
  const ring = new ConsoleRing(data[0]);
  ring.signalRoomTo(data[1]);
  let [count, wrong] = [0, 0];
  for (let chunk = 1; !ring.ended; chunk = chunk % 11 + 1) {
    ring.waitForData();
    const into = new Uint8Array(chunk);
    for (const byte of into.subarray(0, ring.read(into))) if (byte !== (count++ & 0xff)) wrong++;
  }
  self.postMessage([count, wrong]);
};
