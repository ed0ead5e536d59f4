import { assertEquals } from "@std/assert";
import { Backlog, MOST_MESSAGES } from "../../lib/backlog.ts";
import type { SenderOrder } from "./_backlog_sender.ts";

const ignore = Deno.permissions.querySync({ name: "read" }).state !== "granted";

Deno.test({
  name: "a sender stops when so many messages are on their way, and goes on as they are dealt with",
  ignore,
  async fn() {
    const backlog = new Backlog();
    const sent = new Int32Array(new SharedArrayBuffer(4));
    const messages = 3 * MOST_MESSAGES;
    const worker = new Worker(new URL("./_backlog_sender.ts", import.meta.url), { type: "module" });
    const order: SenderOrder = { word: backlog.word, sent, messages };
    worker.postMessage(order);
    await reaches(sent, MOST_MESSAGES);
    await new Promise((done) => setTimeout(done, 50));
    assertEquals(sent[0], MOST_MESSAGES);
    for (let count = 0; count < messages; count++) {
      await reaches(sent, count + 1);
      backlog.remove();
    }
    assertEquals([sent[0], backlog.word[0]], [messages, 0]);
    worker.terminate();
  },
});

async function reaches(word: Int32Array<SharedArrayBuffer>, value: number): Promise<void> {
  while (Atomics.load(word, 0) < value) await new Promise((done) => setTimeout(done, 1));
}
