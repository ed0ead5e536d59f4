/**
 * Interrupts of a queue whose driver does not wait for them, so that Linux does not take the line for broken.
 *
 * The console drivers of Linux look at the output queue until it is done, with interrupts off; some of them (3.8 and
 * later) have a handler all the same, which then finds nothing and says so. When 99,900 of 100,000 interrupts were for
 * nothing, no two of them more than a tenth of a second apart, Linux prints "nobody cared" with a backtrace and
 * disables the line (`kernel/irq/spurious.c`). A quarter of a second without one, now and then in a long burst, keeps
 * it from counting that far. The interrupt that falls into such a pause is not lost: it comes behind it. Read next:
 * `transport.ts`.
 *
 * @module
 */

/** Interrupts in a burst before there is a pause. */
export const PACER_BURST = 50_000;
/** How long it is, in milliseconds; longer than Linux's tenth of a second on a clock that lags. */
export const PACER_PAUSE = 250;

/** Passes interrupts on, with pauses. */
export class InterruptPacer {
  readonly #raise: () => void;
  readonly #now: () => number;
  #count = 0;
  #last = -Infinity;
  #pausedUntil = -Infinity;
  #isOwed = false;

  /**
   * @param raise interrupts the driver
   * @param now milliseconds from any start, never going back
   */
  constructor(raise: () => void, now: () => number) {
    this.#raise = raise;
    this.#now = now;
  }

  /** The queue wants to interrupt. */
  request(): void {
    const now = this.#now();
    if (now < this.#pausedUntil) {
      this.#isOwed = true;
      return;
    }
    if (now - this.#last >= PACER_PAUSE) this.#count = 0;
    this.#last = now;
    if (++this.#count < PACER_BURST) {
      this.#isOwed = false;
      this.#raise();
    } else {
      this.#count = 0;
      this.#pausedUntil = now + PACER_PAUSE;
      this.#isOwed = true;
    }
  }

  /** To be called whenever there is an occasion: raise the interrupt that fell into a pause, if that is over. */
  settle(): void {
    if (!this.#isOwed || this.#now() < this.#pausedUntil) return;
    this.#isOwed = false;
    this.#last = this.#now();
    this.#raise();
  }
}
