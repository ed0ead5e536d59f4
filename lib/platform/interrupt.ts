/**
 * How a device asks for attention and how time reaches it. Devices hold an {@link InterruptLine}; an engine holds an
 * {@link InterruptSource}; the platform stands between them with its interrupt controller.
 *
 * @module
 */

/** A device's wire to the interrupt controller. */
export interface InterruptLine {
  /** Assert the line. */
  raise(): void;
  /** Deassert the line. */
  lower(): void;
}

/** The wire from the interrupt controller to the CPU. */
export interface InterruptSource {
  /** Whether an interrupt waits to be taken. */
  readonly pending: boolean;
  /** The CPU takes it: its vector, 0 to 255. */
  acknowledge(): number;
}

/** The Guest's only notion of time: the host's monotonic clock. */
export interface Clock {
  /** Nanoseconds since the Guest was started; never goes back. */
  now(): number;
}

/** Something in a platform that wants to act at a certain time. */
export interface Timed {
  /** When it next wants {@link expire} called, in the clock's nanoseconds; `Infinity` for never. */
  readonly deadline: number;
  /** The time has come (or passed); sets a later {@link deadline}. */
  expire(now: number): void;
}
