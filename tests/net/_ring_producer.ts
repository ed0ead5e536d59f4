/**
 * A Worker that fills a packet ring as fast as it can with packets of varying size; each holds its number in every
 * byte's place, so that any mix-up shows. Posted: the ring's memory, the attention word, how many packets.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { NET_HEADER } from "../../lib/net/backend.ts";
import { PacketRing } from "../../lib/net/packet_ring.ts";
import { ATTENTION_LOOK, signal } from "../../lib/platform/attention.ts";

/** How long packet `number` is: mostly short, now and then of the largest size. */
export function lengthOf(number: number): number {
  return number % 97 === 0 ? 65000 : NET_HEADER + number * 31 % 1500;
}

if (import.meta.main) {
  self.addEventListener("message", ({ data }: MessageEvent) => {
    const { buffer, attention, count } = data as {
      buffer: SharedArrayBuffer;
      attention: Int32Array<SharedArrayBuffer>;
      count: number;
    };
    const ring = new PacketRing(buffer);
    for (let number = 0; number < count; number++) {
      const place = ring.waitForPlace();
      if (!place) break;
      place.fill(number & 0xff, 0, lengthOf(number));
      if (ring.commit(lengthOf(number))) signal(attention, ATTENTION_LOOK);
    }
    ring.end();
    signal(attention, ATTENTION_LOOK);
    self.close();
  });
}
