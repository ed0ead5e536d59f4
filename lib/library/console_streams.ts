/**
 * A console's two directions as Web streams: {@link OutputStream} takes what the Guest writes and gives it to a reader,
 * {@link InputStream} takes what a program types and gives it to the Guest. Both know when to make whom wait. Read
 * next: `console.ts`.
 *
 * @module
 */

/** What is kept while nobody reads, and what a slow reader may be behind, in bytes. */
const KEPT = 1 << 20;
/** How often it is seen that a slow reader has left, in milliseconds: a stream does not tell. */
const LOOK_MS = 100;

/** Something that happens again and again, and can be waited for. */
class Signal {
  readonly #waiting = new Set<() => void>();

  /** Wake all who wait. */
  notify(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Wait for the next {@link notify}, but no longer than some milliseconds if they are given. */
  async next(milliseconds?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
    await promise;
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }
}

/** What a Guest writes, for one reader. */
export class OutputStream {
  /** Its bytes; ends when {@link end} was called and all was read. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #unread: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #cancelled = false;
  /** How many want the Guest to get on, however slow the reader is. */
  #hurried = 0;
  #ended = false;
  #failure: Error | undefined;
  readonly #changed = new Signal();

  constructor() {
    const pull = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => this.#pull(controller);
    const cancel = () => {
      this.#cancelled = true;
      this.#unread.length = this.#bytes = 0;
      this.#changed.notify();
    };
    // Nothing is taken in advance: what is here can be dropped, what the stream holds cannot.
    this.readable = new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
  }

  /** The Guest wrote `bytes`, which are the stream's from now on; it may write more when the promise is done. */
  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#cancelled) return;
    this.#unread.push(bytes);
    this.#bytes += bytes.length;
    this.#changed.notify();
    while (this.#bytes > KEPT && this.readable.locked && !this.#ended && this.#hurried === 0) {
      await this.#changed.next(LOOK_MS);
    }
    if (this.readable.locked) return;
    while (this.#bytes - this.#unread[0]!.length >= KEPT) this.#bytes -= this.#unread.shift()!.length;
  }

  /** Let the Guest write on while an action is under way. */
  async hurry<T>(action: () => Promise<T>): Promise<T> {
    this.#hurried++;
    this.#changed.notify();
    try {
      return await action();
    } finally {
      this.#hurried--;
    }
  }

  /** No more comes; with an error, if there is one. */
  end(failure?: Error): void {
    this.#ended = true;
    this.#failure = failure;
    this.#changed.notify();
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> {
    while (this.#unread.length === 0 && !this.#ended && !this.#cancelled) await this.#changed.next();
    const bytes = this.#unread.shift();
    if (bytes) {
      this.#bytes -= bytes.length;
      controller.enqueue(bytes);
      this.#changed.notify();
    } else if (this.#failure) controller.error(this.#failure);
    else if (!this.#cancelled) controller.close();
  }
}

/** What is typed for a Guest. */
export class InputStream {
  /** Takes bytes; each chunk is done when the Guest's end has taken it. */
  readonly writable: WritableStream<Uint8Array> = new WritableStream({ write: (bytes) => this.type(bytes.slice()) });
  readonly #typed: { readonly bytes: Uint8Array; readonly taken: () => void }[] = [];
  readonly #changed = new Signal();
  #ended = false;

  /** Type bytes; once it has ended they are dropped. */
  async type(bytes: Uint8Array): Promise<void> {
    if (this.#ended || bytes.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#typed.push({ bytes, taken: resolve });
    this.#changed.notify();
    await promise;
  }

  /** The next bytes, or `undefined` at the end. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#typed.length === 0 && !this.#ended) await this.#changed.next();
    const next = this.#typed.shift();
    next?.taken();
    return next?.bytes;
  }

  /** The Guest takes no more. */
  end(): void {
    this.#ended = true;
    for (const { taken } of this.#typed.splice(0)) taken();
    this.#changed.notify();
  }
}
