/**
 * One counter of an 8254, as a function of time: nothing ticks. What a program wrote and when enters; the count and
 * the output at any later tick leave, exactly as the clocked circuit would have them.
 *
 * Modes and timing as in the Intel 8254 data sheet (order 231164), "Mode Definitions": a count written becomes the
 * counting element's at the clock pulse after the write, and that pulse does not count. Read next: `pit.ts`.
 *
 * @module
 */

/** One counter; all times are ticks of its clock since the Guest was started, whole numbers that never go back. */
export class PitCounter {
  /** 0 to 5. */
  #mode = 0;
  #bcd = false;
  /** Which bytes are read and written: 1 the low one, 2 the high one, 3 both in turn. */
  #access = 3;
  #gate: boolean;
  /** The count last written, 1 to 65536 (or 10000); 0 before any. */
  #reload = 0;
  /** The count being counted down. */
  #period = 0;
  /** The tick at which the counting element held {@link #period}; `Infinity` while it has none to count. */
  #start = Infinity;
  /** While counting stands still (gate low, or half a count written in mode 0): the elapsed ticks there. */
  #frozen: number | undefined;
  /** A count that replaces the current one when its cycle ends (modes 2 and 3). */
  #next: { readonly tick: number; readonly period: number; readonly start: number } | undefined;
  /** Mode 1: triggered again while OUT was low, so that it stays low until the count is loaded. */
  #retriggered = false;
  #writeHigh = false;
  #readHigh = false;
  #writtenLow = 0;
  #latchedCount: number | undefined;
  #latchedStatus: number | undefined;

  /**
   * A counter after power-on.
   *
   * @param gate the state of its gate input
   */
  constructor(gate: boolean) {
    this.#gate = gate;
  }

  /** The mode, 0 to 5. */
  get mode(): number {
    return this.#mode;
  }

  /** A control word for this counter that is not a latch command. */
  control(word: number): void {
    this.#access = (word >> 4) & 3;
    const mode = (word >> 1) & 7;
    this.#mode = mode > 5 ? mode - 4 : mode;
    this.#bcd = (word & 1) !== 0;
    this.#reload = 0;
    this.#period = 0;
    this.#start = Infinity;
    this.#frozen = undefined;
    this.#next = undefined;
    this.#writeHigh = false;
    this.#readHigh = false;
    this.#latchedCount = undefined;
    this.#latchedStatus = undefined;
  }

  /** Write one byte of the count at `tick`. */
  write(value: number, tick: number): void {
    this.#advance(tick);
    if (this.#access === 1) this.#load(value, tick);
    else if (this.#access === 2) this.#load(value << 8, tick);
    else if (this.#writeHigh) {
      this.#writeHigh = false;
      this.#load(this.#writtenLow | (value << 8), tick);
    } else {
      this.#writeHigh = true;
      this.#writtenLow = value;
      // Mode 0: "writing the first byte disables counting; OUT is set low immediately".
      if (this.#mode === 0 && this.#start !== Infinity) {
        this.#freeze(tick);
        this.#period = Infinity;
      }
    }
  }

  /** Read one byte: a latched status, a latched count, or the count as it is at `tick`. */
  read(tick: number): number {
    if (this.#latchedStatus !== undefined) {
      const status = this.#latchedStatus;
      this.#latchedStatus = undefined;
      return status;
    }
    const count = this.#latchedCount ?? this.#encoded(tick);
    const high = this.#access === 2 || (this.#access === 3 && this.#readHigh);
    if (this.#access === 3) this.#readHigh = !this.#readHigh;
    // A latched count is held until all the bytes that the access mode asks for were read.
    if (this.#access !== 3 || high) this.#latchedCount = undefined;
    return high ? count >> 8 : count & 0xff;
  }

  /** Hold the count of `tick` for reading; a count that is already held stays. */
  latchCount(tick: number): void {
    this.#latchedCount ??= this.#encoded(tick);
  }

  /** Hold the status of `tick` for reading (data sheet, "Read-Back Command"). */
  latchStatus(tick: number): void {
    const nullCount = this.#isNull(tick);
    this.#latchedStatus ??= (this.output(tick) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (this.#access << 4) |
      (this.#mode << 1) | (this.#bcd ? 1 : 0);
  }

  /** The gate input changes at `tick`. */
  setGate(gate: boolean, tick: number): void {
    if (gate === this.#gate) return;
    this.#advance(tick);
    if (gate && this.#reload > 0) {
      if (this.#mode === 0 || this.#mode === 4) this.#thaw(tick);
      else {
        this.#retriggered = !this.output(tick);
        this.#begin(this.#reload, tick);
      }
    } else if (!gate && this.#mode !== 1 && this.#mode !== 5) {
      this.#freeze(tick);
    }
    this.#gate = gate;
  }

  /** The OUT pin at `tick`. */
  output(tick: number): boolean {
    this.#advance(tick);
    const elapsed = this.#elapsed(tick);
    switch (this.#mode) {
      case 0:
        return elapsed !== undefined && elapsed >= this.#period;
      case 1:
        if (elapsed !== undefined && elapsed < 0) return !this.#retriggered;
        return elapsed === undefined || elapsed >= this.#period;
      case 2:
        return !this.#gate || elapsed === undefined || elapsed < 0 ||
          elapsed % this.#period !== this.#period - 1;
      case 3:
        return !this.#gate || elapsed === undefined || elapsed < 0 ||
          elapsed % this.#period < this.#highTicks(this.#period);
      default:
        return elapsed !== this.#period;
    }
  }

  /** The first tick after `tick` at which OUT goes from low to high, if nobody writes; `Infinity` if none. */
  nextRise(tick: number): number {
    this.#advance(tick);
    if (this.#start === Infinity || this.#frozen !== undefined) return Infinity;
    const period = this.#period;
    switch (this.#mode) {
      case 0:
      case 1:
        return this.#start + period > tick ? this.#start + period : Infinity;
      case 2:
      case 3: {
        // The cycle that runs ends when another count was written to follow it; either way OUT rises at its end.
        const cycles = Math.max(1, Math.floor((tick - this.#start) / period) + 1);
        const rise = this.#start + cycles * period;
        const next = this.#next;
        if (next === undefined || rise <= next.tick) return rise;
        return next.start + next.period;
      }
      default:
        return this.#start + period + 1 > tick ? this.#start + period + 1 : Infinity;
    }
  }

  #load(raw: number, tick: number): void {
    const count = this.#bcd ? fromBcd(raw) : raw;
    const period = count === 0 ? this.#modulus() : count;
    const first = this.#reload === 0;
    this.#reload = period;
    switch (this.#mode) {
      case 1:
      case 5:
        // Waits for a trigger.
        break;
      case 0:
      case 4:
        this.#begin(period, tick);
        if (!this.#gate) this.#freezeLoaded();
        break;
      default:
        if (!this.#gate) break;
        if (first || this.#start === Infinity) this.#begin(period, tick);
        else this.#replaceAtEnd(period, tick);
    }
  }

  /** The counting element takes `period` at the clock pulse after `tick`. */
  #begin(period: number, tick: number): void {
    this.#period = period;
    this.#start = tick + 1;
    this.#frozen = undefined;
    this.#next = undefined;
  }

  #replaceAtEnd(period: number, tick: number): void {
    const into = (tick - this.#start) % this.#period;
    const high = this.#highTicks(this.#period);
    if (this.#mode === 3 && into >= 0 && into < high) {
      // At the end of the high half; the low half that follows is already the new count's.
      const end = tick - into + high;
      this.#next = { tick: end, period, start: end - this.#highTicks(period) };
    } else {
      const end = into < 0 ? this.#start + this.#period : tick - into + this.#period;
      this.#next = { tick: end, period, start: end };
    }
  }

  #advance(tick: number): void {
    const next = this.#next;
    if (next === undefined || tick < next.tick) return;
    this.#period = next.period;
    this.#start = next.start;
    this.#next = undefined;
  }

  #freeze(tick: number): void {
    if (this.#start !== Infinity) this.#frozen ??= tick - this.#start;
  }

  /** Gate low: the count is still loaded by the next clock pulse, but not counted. */
  #freezeLoaded(): void {
    this.#frozen = 0;
  }

  #thaw(tick: number): void {
    if (this.#frozen === undefined) return;
    this.#start = tick - this.#frozen;
    this.#frozen = undefined;
  }

  /** Ticks counted since the count was loaded (negative just before); `undefined` if none was. */
  #elapsed(tick: number): number | undefined {
    if (this.#start === Infinity) return undefined;
    return this.#frozen ?? tick - this.#start;
  }

  #isNull(tick: number): boolean {
    if (this.#reload === 0 || this.#start === Infinity || this.#next !== undefined) return true;
    return this.#frozen === undefined && tick < this.#start;
  }

  #highTicks(period: number): number {
    return (period + 1) >> 1;
  }

  #modulus(): number {
    return this.#bcd ? 10_000 : 0x1_0000;
  }

  /** The counting element as it reads, in binary or BCD. */
  #encoded(tick: number): number {
    const count = this.#count(tick) & 0xffff;
    return this.#bcd ? toBcd(count) : count;
  }

  #count(tick: number): number {
    this.#advance(tick);
    const elapsed = this.#elapsed(tick);
    const modulus = this.#modulus();
    if (elapsed === undefined) return this.#reload % modulus;
    const period = this.#period === Infinity ? this.#reload : this.#period;
    const counted = Math.max(0, elapsed);
    if (this.#mode === 2) return (period - counted % period) % modulus;
    if (this.#mode === 3) {
      const into = counted % period;
      const high = this.#highTicks(period);
      // Counts down by two from an even number, twice a period (data sheet, "Mode 3, odd counts").
      return ((period & ~1) - 2 * (into < high ? into : into - high)) % modulus;
    }
    return (((period - counted) % modulus) + modulus) % modulus;
  }
}

function fromBcd(value: number): number {
  return (value >> 12 & 15) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  return (Math.floor(value / 1000) % 10 << 12) | (Math.floor(value / 100) % 10 << 8) |
    (Math.floor(value / 10) % 10 << 4) | value % 10;
}
