/**
 * A clock that stands until it is told, and a wire that remembers.
 *
 * @module
 */
import type { Clock, InterruptLine } from "../../../lib/platform/interrupt.ts";

/** Time in the test's hands. */
export class FakeClock implements Clock {
  /** Nanoseconds. */
  time = 0;

  now(): number {
    return this.time;
  }
}

/** An interrupt line. */
export class FakeLine implements InterruptLine {
  /** Whether it is asserted. */
  high = false;
  /** How often it went from low to high. */
  rises = 0;

  raise(): void {
    if (!this.high) this.rises++;
    this.high = true;
  }

  lower(): void {
    this.high = false;
  }
}
