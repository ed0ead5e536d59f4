/**
 * The PC's 8254 timer: counter 0 interrupts (IRQ 0), counter 1 once refreshed memory, counter 2 beeps and, with its
 * gate and output at port 61h, is what Linux measures the processor's clock against.
 *
 * Time is the host's; counts are computed when asked for (`pit_counter.ts`). If the host was too busy to deliver a
 * periodic interrupt in time, one edge stands for all that were missed: Linux reads a clock source to learn how much
 * time has passed, and would only drown in stale ticks.
 *
 * Intel 8254 data sheet (order 231164). Read next: `pit_counter.ts`, `system_control.ts`.
 *
 * @module
 */
import { ByteDevice } from "../bus.ts";
import type { Clock, InterruptLine, Timed } from "../interrupt.ts";
import { PitCounter } from "./pit_counter.ts";

/** Ticks per second of all three counters: a third of the colour television subcarrier's, as in the PC of 1981. */
export const PIT_HZ = 1_193_182;

/** The three counters, ports 0x40 to 0x43. */
export class Pit extends ByteDevice implements Timed {
  readonly #clock: Clock;
  readonly #line: InterruptLine;
  #counters: readonly PitCounter[] = createCounters();
  /** The tick of counter 0's next rising edge, and the same in nanoseconds. */
  #nextRise = Infinity;
  #deadline = Infinity;

  /**
   * A timer after power-on.
   *
   * @param clock the Guest's time
   * @param line IRQ 0
   */
  constructor(clock: Clock, line: InterruptLine) {
    super();
    this.#clock = clock;
    this.#line = line;
  }

  /** When counter 0's output rises next. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Back to power-on: no counter counts. */
  reset(): void {
    this.#counters = createCounters();
    this.#line.lower();
    this.#schedule(this.#tick());
  }

  /** Deliver counter 0's edge if it is due: one, however many were missed. */
  expire(now: number): void {
    const tick = ticksAt(now);
    if (tick < this.#nextRise) return;
    // Where OUT was low before the edge it may still have been high from the one before: make it an edge again.
    this.#line.lower();
    this.#line.raise();
    this.#schedule(tick);
  }

  /** Read a counter; the control register cannot be read. */
  readByte(offset: number): number {
    return this.#counters[offset]?.read(this.#tick()) ?? 0xff;
  }

  /** Write a counter or the control register. */
  writeByte(offset: number, value: number): void {
    const tick = this.#tick();
    if (offset === 3) {
      this.#control(value, tick);
      return;
    }
    this.#deliverDue(tick);
    this.#counters[offset]?.write(value, tick);
    if (offset === 0) this.#follow(tick);
  }

  /** Counter 2's gate: bit 0 of port 61h. */
  setGate2(gate: boolean): void {
    this.#counters[2]?.setGate(gate, this.#tick());
  }

  /** Counter 2's output: bit 5 of port 61h. */
  get output2(): boolean {
    return this.#counters[2]?.output(this.#tick()) ?? false;
  }

  #control(word: number, tick: number): void {
    const select = word >> 6;
    if (select === 3) {
      this.#readBack(word, tick);
      return;
    }
    const counter = this.#counters[select];
    if ((word & 0x30) === 0) {
      counter?.latchCount(tick);
      return;
    }
    this.#deliverDue(tick);
    counter?.control(word);
    if (select === 0) this.#follow(tick);
  }

  /** Read-back: bits 1 to 3 select counters, bit 5 clear latches their counts, bit 4 clear their status. */
  #readBack(word: number, tick: number): void {
    this.#counters.forEach((counter, index) => {
      if ((word & (2 << index)) === 0) return;
      if ((word & 0x20) === 0) counter.latchCount(tick);
      if ((word & 0x10) === 0) counter.latchStatus(tick);
    });
  }

  /** An edge that has passed must not be lost because the counter is written before the platform came to it. */
  #deliverDue(tick: number): void {
    if (tick >= this.#nextRise) this.expire(this.#clock.now());
  }

  #follow(tick: number): void {
    if (this.#counters[0]?.output(tick)) this.#line.raise();
    else this.#line.lower();
    this.#schedule(tick);
  }

  #schedule(tick: number): void {
    this.#nextRise = this.#counters[0]?.nextRise(tick) ?? Infinity;
    this.#deadline = timeOfTick(this.#nextRise);
  }

  #tick(): number {
    return ticksAt(this.#clock.now());
  }
}

/** Gates 0 and 1 are wired high; gate 2 is low after power-on. */
function createCounters(): readonly PitCounter[] {
  return [new PitCounter(true), new PitCounter(true), new PitCounter(false)];
}

/** Whole ticks that have passed at `time` nanoseconds; exact for weeks, a double's 53 bits being what they are. */
function ticksAt(time: number): number {
  return Math.floor((time * PIT_HZ) / 1e9);
}

/** The first nanosecond at which `tick` ticks have passed. */
function timeOfTick(tick: number): number {
  if (tick === Infinity) return Infinity;
  let time = Math.ceil((tick * 1e9) / PIT_HZ);
  while (ticksAt(time) < tick) time++;
  return time;
}
