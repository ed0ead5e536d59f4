/**
 * How another thread makes the virtual CPU stand still, and its clock with it. The *pause word* is shared memory, the
 * one of `GuestMemory`: another thread sets it by {@link PauseControl} and signals the attention word
 * (`attention.ts`); the machine, when it looks at that, calls {@link Pausable.hold}, which sleeps until the word is
 * cleared. What it slept is taken out of {@link Pausable.clock}, which a platform gives to its devices and its CPU: the
 * Guest sees no gap, so its watchdogs stay quiet and a `sleep` sleeps what is left of it. Only the host's wall clock
 * goes on, which a Guest reads once, when it boots.
 *
 * @module
 */
import { ATTENTION_LOOK, signal } from "./attention.ts";
import type { Clock } from "./interrupt.ts";

/** Nobody wants a pause. */
const GOING = 0;
/** Somebody wants one; the virtual CPU may still be running. */
const WANTED = 1;
/** The virtual CPU stands still. */
const HELD = 2;

/** The two words by which a virtual CPU is reached; `GuestMemory` has both. */
export interface PauseWords {
  /** Tells it to look. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** Tells it to stand still. */
  readonly pause: Int32Array<SharedArrayBuffer>;
}

/** The end of whoever asks for a pause. */
export class PauseControl {
  readonly #words: PauseWords;

  /** @param words those of the machine to be paused */
  constructor(words: PauseWords) {
    this.#words = words;
  }

  /** Whether the virtual CPU is to stand still. */
  get isWanted(): boolean {
    return Atomics.load(this.#words.pause, 0) !== GOING;
  }

  /** Ask for a pause; it begins within microseconds, or with the Guest's next life if it lives none now. */
  request(): void {
    Atomics.compareExchange(this.#words.pause, 0, GOING, WANTED);
    signal(this.#words.attention, ATTENTION_LOOK);
  }

  /** Let the virtual CPU go on. */
  release(): void {
    Atomics.store(this.#words.pause, 0, GOING);
    Atomics.notify(this.#words.pause, 0);
  }

  /** Resolves when the virtual CPU stands still, or the pause was given up. */
  async settled(): Promise<void> {
    while (Atomics.load(this.#words.pause, 0) === WANTED) {
      const result = Atomics.waitAsync(this.#words.pause, 0, WANTED);
      if (result.async) await result.value;
    }
  }
}

/** The end of the virtual CPU's thread. */
export class Pausable {
  /** Nanoseconds since this was made, less those that {@link hold} slept. */
  readonly clock: Clock;
  readonly #word: Int32Array<SharedArrayBuffer>;
  readonly #host: Clock;
  #slept = 0;

  /**
   * @param word the pause word
   * @param host a clock that goes on
   */
  constructor(word: Int32Array<SharedArrayBuffer>, host: Clock) {
    this.#word = word;
    this.#host = host;
    this.clock = { now: () => host.now() - this.#slept };
  }

  /** Sleep while a pause is wanted. */
  hold(): void {
    if (Atomics.load(this.#word, 0) === GOING) return;
    const began = this.#host.now();
    while (Atomics.load(this.#word, 0) !== GOING) {
      // A pause that was ended and asked for again in between is one of its own to whoever waits for it.
      if (Atomics.compareExchange(this.#word, 0, WANTED, HELD) === WANTED) Atomics.notify(this.#word, 0);
      Atomics.wait(this.#word, 0, HELD);
    }
    this.#slept += this.#host.now() - began;
  }
}
