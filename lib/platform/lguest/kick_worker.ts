/**
 * The module of the Worker that interrupts a Guest on the real Host: while somebody wants the attention of a thread
 * that is in a read of `/dev/lguest`, it sends signals to that thread. It sleeps otherwise. Read next: `kicker.ts`,
 * which starts it and explains the words.
 *
 * @module
 */
import { ERRNO, type Library, openLibrary, strerror } from "../../../ffi/library.ts";
import { GuestError } from "../../guest_error.ts";
import { KICK, type KickReport, type KickRequest } from "./kicker.ts";

/** The same on x86-64 and arm64. */
const SIGUSR2 = 12;
/** Between two signals, in milliseconds. */
const PAUSE_MS = 1;

self.addEventListener("message", ({ data }: MessageEvent<KickRequest>) => {
  try {
    const library = openLibrary(data.library);
    const result = library.lguest_catch_signal(SIGUSR2);
    if (result < 0) throw new GuestError(`Signal SIGUSR2 cannot be caught: ${strerror(library, result)}`);
    report({ kind: "ready" });
    serve(library, data);
    report({ kind: "ended" });
  } catch (error) {
    report({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
  self.close();
});

/** Interrupt until the end. */
function serve(library: Library, { attention, kick }: KickRequest): void {
  const words = new Int32Array(kick);
  while (Atomics.load(words, KICK.ENDED) === 0) {
    const wanted = Atomics.load(attention, 0);
    const thread = Atomics.load(words, KICK.THREAD);
    if (wanted === 0) {
      Atomics.wait(attention, 0, 0);
    } else if (thread === 0) {
      Atomics.wait(words, KICK.THREAD, 0);
    } else {
      const result = library.lguest_tgkill(thread, SIGUSR2);
      // The thread is gone, in the middle of a read: its Worker was terminated.
      if (result === -ERRNO.ESRCH) Atomics.compareExchange(words, KICK.THREAD, thread, 0);
      else if (result < 0) throw new GuestError(`Thread ${thread} cannot be interrupted: ${strerror(library, result)}`);
      Atomics.wait(attention, 0, wanted, PAUSE_MS);
    }
  }
}

function report(message: KickReport): void {
  self.postMessage(message);
}
