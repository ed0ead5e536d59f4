/**
 * The module of a disk's Worker: opens the file, says whether that went well, and serves the disk until it is closed.
 * Meanwhile it hears no messages. Read next: `disk.ts`, the other side; `disk_server.ts`.
 *
 * @module
 */
import { GuestError } from "../guest_error.ts";
import { GuestMemory } from "../memory.ts";
import type { DiskOrder, DiskReport } from "./disk.ts";
import { DiskRing } from "./disk_ring.ts";
import { DiskServer } from "./disk_server.ts";
import { RawImage } from "./raw_image.ts";

self.addEventListener("message", ({ data }: MessageEvent<DiskOrder>) => {
  try {
    serve(data);
    report({ kind: "closed" });
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    report({ kind: "refused", message: error.message });
  }
}, { once: true });

function serve(order: DiskOrder): void {
  using image = new RawImage(order);
  const ring = new DiskRing(order.ring);
  const memory = new GuestMemory(order.memory, order.base, order.size);
  report({ kind: "opened", sectors: image.sectors, readOnly: image.readOnly });
  new DiskServer({ image, ring, memory, attention: order.attention }).serve();
}

function report(message: DiskReport): void {
  self.postMessage(message);
}
