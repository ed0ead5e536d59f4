/** A thread that sends as fast as it may. */
/// <reference lib="deno.worker" />
import { Backlog } from "../../lib/backlog.ts";

/** What is posted to it, once. */
export interface SenderOrder {
  /** The backlog's word. */
  readonly word: Int32Array<SharedArrayBuffer>;
  /** Takes how many messages were sent so far. */
  readonly sent: Int32Array<SharedArrayBuffer>;
  /** How many to send. */
  readonly messages: number;
}

self.addEventListener("message", ({ data: { word, sent, messages } }: MessageEvent<SenderOrder>) => {
  const backlog = new Backlog(word);
  for (let count = 0; count < messages; count++) {
    backlog.add();
    Atomics.add(sent, 0, 1);
  }
});
