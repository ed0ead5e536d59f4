/**
 * The module of a tap's Worker: it reads packets into a {@link PacketRing} and wakes the machine if that waits for one.
 * While the ring is full it does not read. It ends when the ring is closed (an eventfd wakes it), or when the tap gives
 * nothing any more, as when somebody has deleted the interface. Read next: `tap_backend.ts`, the ring's other end.
 *
 * @module
 */
import { ERRNO, type Library, openLibrary } from "../../ffi/library.ts";
import { ATTENTION_LOOK, signal } from "../platform/attention.ts";
import { MAX_PACKET, NET_HEADER } from "./backend.ts";
import { PacketRing } from "./packet_ring.ts";
import type { TapReport, TapRequest } from "./tap_workers.ts";

const POLLIN = 1;
const POLLERR = 8;

self.addEventListener("message", ({ data }: MessageEvent<TapRequest>) => {
  try {
    const library = openLibrary(data.setup.library);
    report({ kind: "ready" });
    serve(library, data);
    report({ kind: "ended" });
  } catch (error) {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
  self.close();
});

/** Read packets until the end. */
function serve(library: Library, { setup, attention, event }: TapRequest): void {
  const ring = new PacketRing(setup.ring);
  // Two `struct pollfd`: descriptor, and events in the low half of a word with those that happened above.
  const waits = Int32Array.of(setup.fd, POLLIN, event, POLLIN);
  for (;;) {
    const place = ring.waitForPlace();
    if (!place) break;
    const length = library.lguest_read(setup.fd, place, MAX_PACKET);
    if (length >= NET_HEADER) {
      if (ring.commit(length)) signal(attention, ATTENTION_LOOK);
    } else if (length === -ERRNO.EAGAIN) {
      library.lguest_poll(waits, 2, -1);
      if ((waits[1]! >>> 16) & POLLERR) break;
    } else if (length < 0 && length !== -ERRNO.EINTR) {
      break;
    }
  }
  ring.end();
  signal(attention, ATTENTION_LOOK);
}

function report(message: TapReport): void {
  self.postMessage(message);
}
