/**
 * Starts the Worker that interrupts a Guest on the real Host: the virtual CPU's thread sits in a read of `/dev/lguest`
 * then (`char_device.ts`) and cannot see that its attention word (`../attention.ts`) was set. A signal ends the read.
 *
 * Two words are shared by three threads. The virtual CPU's thread writes its number into one before it reads, looks at
 * the attention word once more, and writes 0 there behind the read. The Worker sleeps until the attention word is set
 * and that number is not 0, then sends the signal to that thread each millisecond until one of them changes: a signal
 * that comes a moment before the read begins would be lost, the next one is not. No other system call of that thread
 * is disturbed. The signal is SIGUSR2, which neither Deno nor V8 uses (V8's profiler has SIGPROF).
 *
 * Read next: `kick_worker.ts`, the Worker's module.
 *
 * @module
 */
import { GuestError } from "../../guest_error.ts";

/** What the two words are. */
export const KICK = {
  /** The thread that is in a read, as Linux numbers threads; 0 if it is not. */
  THREAD: 0,
  /** Not 0 once the Worker must end. */
  ENDED: 1,
} as const;

/** A Worker that interrupts. */
export interface Kicker {
  /** The words, for the `CharDevice`. */
  readonly kick: SharedArrayBuffer;
  /**
   * Resolves once the Worker has loaded its modules and waits: only then may a Guest run, or the root be changed.
   *
   * @throws {GuestError} if it cannot
   */
  readonly ready: Promise<void>;
  /** End the Worker. The virtual CPU's thread must not run a Guest any more. */
  close(): Promise<void>;
}

/** With what {@link startKicker} works. */
export interface KickerOptions {
  /** The attention word of the virtual CPU's thread. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** The C library's file, if a user named it. */
  readonly library?: string;
  /** The Worker has failed since it was ready: nothing interrupts the Guest from now on. */
  readonly onFailure?: (message: string) => void;
}

/** What the main thread posts, once. */
export interface KickRequest {
  /** The attention word. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** The words of {@link KICK}. */
  readonly kick: SharedArrayBuffer;
  /** The C library's file, if a user named it. */
  readonly library: string | undefined;
}

/** What the Worker posts back. */
export type KickReport =
  /** Everything is loaded and it waits. */
  | { readonly kind: "ready" }
  /** It ends as it was told. */
  | { readonly kind: "ended" }
  /** It cannot interrupt anything. */
  | { readonly kind: "failed"; readonly message: string };

/** How often {@link Kicker.close} wakes the Worker, which may just be about to sleep, in milliseconds. */
const WAKE_MS = 5;
/** How many times it does so before the Worker is ended by force. */
const WAKE_TIMES = 400;

/** Start the Worker. */
export function startKicker({ attention, library, onFailure }: KickerOptions): Kicker {
  const kick = new SharedArrayBuffer(8);
  const words = new Int32Array(kick);
  const worker = new Worker(new URL("./kick_worker.ts", import.meta.url), { type: "module", name: "kicker" });
  const ready = Promise.withResolvers<void>();
  // Whoever does not look at it must not die of it.
  ready.promise.catch(() => {});
  let state: "starting" | "ready" | "ended" = "starting";
  const fail = (error: Error) => {
    ready.reject(error);
    if (state === "ready") onFailure?.(error.message);
    state = "ended";
  };
  worker.onmessage = ({ data }: MessageEvent<KickReport>) => {
    if (data.kind === "failed") return fail(new GuestError(data.message));
    state = data.kind;
    ready.resolve();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Error(`The Worker that interrupts the Guest failed: ${event.message}`));
  };
  const request: KickRequest = { attention, kick, library };
  worker.postMessage(request);

  return {
    kick,
    ready: ready.promise,
    async close() {
      Atomics.store(words, KICK.ENDED, 1);
      for (let times = 0; state !== "ended" && times < WAKE_TIMES; times++) {
        Atomics.notify(attention, 0);
        Atomics.notify(words, KICK.THREAD);
        await new Promise((resolve) => setTimeout(resolve, WAKE_MS));
      }
      worker.terminate();
    },
  };
}
