/**
 * A thread that wants another's attention: it waits until that is in a read of its device, then sets the attention
 * word. What it is posted is the word, the words of the kicker, and how often. Posts "ready" before, "done" behind it.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { ATTENTION_LOOK, signal } from "../../../lib/platform/attention.ts";
import { KICK } from "../../../lib/platform/lguest/kicker.ts";

/** What is posted to it. */
export interface AttentionRequest {
  readonly attention: Int32Array<SharedArrayBuffer>;
  readonly kick: SharedArrayBuffer;
  readonly times: number;
}

self.addEventListener("message", ({ data: { attention, kick, times } }: MessageEvent<AttentionRequest>) => {
  const words = new Int32Array(kick);
  self.postMessage("ready");
  for (let i = 0; i < times; i++) {
    // The other thread takes the attention and is in a read once more, or is about to.
    for (let value = Atomics.load(attention, 0); value !== 0; value = Atomics.load(attention, 0)) {
      Atomics.wait(attention, 0, value, 1);
    }
    Atomics.wait(words, KICK.THREAD, 0);
    signal(attention, ATTENTION_LOOK);
  }
  self.postMessage("done");
  self.close();
});
