/**
 * Starts the Worker that reads a tap: an open {@link Tap} comes in, what the virtual CPU's thread needs leaves as plain
 * data, for `new TapBackend(setup, memory)` there. Packets to the host need no Worker: see `tap_backend.ts`. Read next:
 * `tap_worker.ts`, the Worker's module.
 *
 * @module
 */
import { openLibrary, strerror } from "../../ffi/library.ts";
import { GuestError } from "../guest_error.ts";
import { ATTENTION_LOOK, signal } from "../platform/attention.ts";
import { PacketRing } from "./packet_ring.ts";
import type { Tap } from "./tap.ts";

/** What a `TapBackend` is made of; it can be posted to another thread. */
export interface TapSetup {
  /** The tap's name on the host. */
  readonly name: string;
  /** Its file. */
  readonly fd: number;
  /** The packets that came: the memory of a {@link PacketRing}. */
  readonly ring: SharedArrayBuffer;
  /** The C library's file, if a user named it. */
  readonly library: string | undefined;
}

/** A tap with its Worker. */
export interface TapWorkers {
  /** For the virtual CPU's thread. */
  readonly setup: TapSetup;
  /**
   * Resolves once the Worker has loaded its modules and reads: only then may the root be changed.
   *
   * @throws {GuestError} if it cannot
   */
  readonly ready: Promise<void>;
  /** End the Worker, then close the tap. The virtual CPU's thread must not use the setup any more. */
  close(): Promise<void>;
}

/** What {@link startTapWorkers} needs besides the tap. */
export interface TapWorkersOptions {
  /** The machine's attention word, signalled when a packet comes that is waited for. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** The C library's file, if a user named it. */
  readonly library?: string;
}

/** What the main thread posts, once. */
export interface TapRequest {
  /** The tap and the ring. */
  readonly setup: TapSetup;
  /** The machine's attention word. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** An eventfd that is written once the ring was closed. */
  readonly event: number;
}

/** What the Worker posts back. */
export type TapReport =
  /** Everything is loaded and it reads. */
  | { readonly kind: "ready" }
  /** It reads no more. */
  | { readonly kind: "ended" }
  /** It never began. */
  | { readonly kind: "failed"; readonly message: string };

/** How long {@link TapWorkers.close} waits for the Worker before it is ended by force, in milliseconds. */
const PATIENCE = 2000;

/**
 * Start the Worker of a tap, which from now on is closed by {@link TapWorkers.close}.
 *
 * @throws {GuestError} if the host refuses; the tap is closed then
 */
export function startTapWorkers(tap: Tap, { attention, library }: TapWorkersOptions): TapWorkers {
  const calls = openLibrary(library);
  const ring = PacketRing.allocate();
  const event = calls.lguest_eventfd();
  if (event < 0) {
    tap.close();
    throw new GuestError(`Tap ${tap.name} gets no eventfd: ${strerror(calls, event)}`);
  }
  const setup: TapSetup = { name: tap.name, fd: tap.fd, ring: ring.buffer, library };

  const worker = new Worker(new URL("./tap_worker.ts", import.meta.url), { type: "module", name: tap.name });
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  // Whoever does not look at it must not die of it.
  ready.promise.catch(() => {});
  worker.onmessage = ({ data }: MessageEvent<TapReport>) => {
    if (data.kind === "ready") ready.resolve();
    if (data.kind === "failed") ready.reject(new GuestError(data.message));
    if (data.kind !== "ready") ended.resolve();
  };
  worker.onerror = (error) => {
    error.preventDefault();
    ready.reject(new Error(`The Worker of tap ${tap.name} failed: ${error.message}`));
    ended.resolve();
    // No more packets come: the Guest sees that its cable is out.
    ring.close();
    signal(attention, ATTENTION_LOOK);
  };
  const request: TapRequest = { setup, attention, event };
  worker.postMessage(request);

  return {
    setup,
    ready: ready.promise,
    async close() {
      ring.close();
      calls.lguest_write(event, BigUint64Array.of(1n), 8);
      const timer = setTimeout(ended.resolve, PATIENCE);
      await ended.promise;
      clearTimeout(timer);
      worker.terminate();
      calls.lguest_close(event);
      tap.close();
    },
  };
}
