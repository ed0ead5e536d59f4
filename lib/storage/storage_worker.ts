/**
 * The module of a disk's Worker: opens the file, says whether that went well, and serves the disk until it is closed.
 * Meanwhile it hears no messages. Read next: `disk.ts`, the other side; `disk_server.ts`.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { GuestError } from "../guest_error.ts";
import { GuestMemory } from "../memory.ts";
import { DiskRing } from "./disk_ring.ts";
import { DiskServer } from "./disk_server.ts";
import { RawImage } from "./raw_image.ts";

/** What is posted to the Worker, once. */
export interface DiskOrder {
  /** The file, as the user wrote it. */
  readonly path: string;
  /** Whether it must not be written. */
  readonly readOnly: boolean;
  /** The memory shared with the virtual CPU's thread. */
  readonly ring: SharedArrayBuffer;
  /** That thread's attention word. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** The shared memory with the Guest's RAM. */
  readonly memory: WebAssembly.Memory;
  /** Where in it RAM begins. */
  readonly base: number;
  /** Bytes of RAM. */
  readonly size: number;
}

/** What the Worker posts back. */
export type DiskReport =
  /** The file is open; requests are being served. */
  | { readonly kind: "opened"; readonly sectors: number; readonly readOnly: boolean }
  /** The file cannot be used. */
  | { readonly kind: "refused"; readonly message: string }
  /** All requests were done or given up, and the file is closed. */
  | { readonly kind: "closed" };

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
