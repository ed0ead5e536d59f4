/**
 * Keeps one thread from posting messages faster than another deals with them: messages wait in memory without bound,
 * and a Guest can cause a line of `--verbose` in less time than a terminal takes to show it.
 *
 * What is shared is one word, the number of messages that are on their way; the sender sleeps while there are too many.
 * Read next: `vcpu.ts`, whose lines are counted here; `guest.ts`, the other end.
 *
 * @module
 */

/** How many messages may be on their way. */
export const MOST_MESSAGES = 1024;

/** One sender's messages to one receiver. */
export class Backlog {
  /** The shared word: post it to the other thread and make a second `Backlog` of it there. */
  readonly word: Int32Array<SharedArrayBuffer>;

  /** The backlog that another thread has too, or a new one that is empty. */
  constructor(word: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4))) {
    this.word = word;
  }

  /** Sender, in a Worker, before it posts: sleep until there is room for a message, and take it. */
  add(): void {
    while (Atomics.load(this.word, 0) >= MOST_MESSAGES) Atomics.wait(this.word, 0, MOST_MESSAGES);
    Atomics.add(this.word, 0, 1);
  }

  /** Receiver: a message was dealt with. */
  remove(): void {
    if (Atomics.sub(this.word, 0, 1) === MOST_MESSAGES) Atomics.notify(this.word, 0);
  }
}
