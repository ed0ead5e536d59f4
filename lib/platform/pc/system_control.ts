/**
 * The PC's odd control ports: 61h (speaker, counter 2), 92h (A20 and a fast reset), 64h (what is left of the keyboard
 * controller) and CF9h (the chipset's reset register). Four ways to ask for the same reset, because kernels try them
 * in turn.
 *
 * There is no keyboard controller: status reads as 0xFF, which Linux's i8042 driver takes for "no controller" in a
 * millisecond, where one without devices would cost it seconds of time-outs (and with our ACPI tables it does not
 * even look, see `acpi.ts`). Only the command that pulses the CPU's reset pin works, as old programs rely on it.
 *
 * Sources: Intel 82371AB (PIIX4) data sheet §4.2.5 (port 61h), §4.2.6 (port 92h), §4.1.19 (CF9h); the IBM PC AT
 * Technical Reference, "Keyboard Controller". Read next: `pit.ts`, `pc.ts`.
 *
 * @module
 */
import { ByteDevice } from "../bus.ts";
import type { Clock } from "../interrupt.ts";
import type { Pit } from "./pit.ts";

/** The refresh request toggles at counter 1's usual rate: every 18 ticks of the timer. */
const REFRESH_TOGGLE = 15_085;

/** Port 61h, "system control port B". */
export class SystemControlB extends ByteDevice {
  readonly #pit: Pit;
  readonly #clock: Clock;
  #value = 0;

  /**
   * The port after power-on.
   *
   * @param pit whose counter 2 is gated and seen here
   * @param clock for the refresh bit
   */
  constructor(pit: Pit, clock: Clock) {
    super();
    this.#pit = pit;
    this.#clock = clock;
  }

  /** Back to power-on: the speaker is off. */
  reset(): void {
    this.#value = 0;
    this.#pit.setGate2(false);
  }

  /** Bits 3:0 as written, 4 the refresh toggle, 5 counter 2's output; no parity or channel error is ever seen. */
  readByte(): number {
    const refresh = Math.floor(this.#clock.now() / REFRESH_TOGGLE) & 1;
    return this.#value | (refresh << 4) | (this.#pit.output2 ? 0x20 : 0);
  }

  /** Bit 0 is counter 2's gate, bit 1 the speaker (which nobody hears), 2 and 3 disable error checks. */
  writeByte(_offset: number, value: number): void {
    this.#value = value & 0x0f;
    this.#pit.setGate2((value & 1) !== 0);
  }
}

/** Port 92h, "system control port A". A20 is never masked: bit 1 is only remembered. */
export class SystemControlA extends ByteDevice {
  readonly #requestReset: () => void;
  #value = 0x02;

  /**
   * The port after power-on.
   *
   * @param requestReset called when the Guest asks for a reset
   */
  constructor(requestReset: () => void) {
    super();
    this.#requestReset = requestReset;
  }

  /** Back to power-on. */
  reset(): void {
    this.#value = 0x02;
  }

  /** What was written last. */
  readByte(): number {
    return this.#value;
  }

  /** Bit 0 going from 0 to 1 resets the CPU. */
  writeByte(_offset: number, value: number): void {
    if ((value & ~this.#value & 0x01) !== 0) this.#requestReset();
    this.#value = value & 0x03;
  }
}

/** Port 64h of a PC without a keyboard controller: reads as nothing, but can still reset. */
export class KeyboardReset extends ByteDevice {
  readonly #requestReset: () => void;

  /**
   * The port after power-on.
   *
   * @param requestReset called when the Guest asks for a reset
   */
  constructor(requestReset: () => void) {
    super();
    this.#requestReset = requestReset;
  }

  /** Nothing answers. */
  readByte(): number {
    return 0xff;
  }

  /** Commands 0xF0 to 0xFF pulse the output lines whose bits are 0; bit 0 is the CPU's reset. */
  writeByte(_offset: number, value: number): void {
    if (value >= 0xf0 && (value & 1) === 0) this.#requestReset();
  }
}

/** The chipset's reset register, CF9h: within the PCI host bridge's address port, which passes byte accesses on. */
export class ResetControl extends ByteDevice {
  readonly #requestReset: () => void;
  #value = 0;

  /**
   * The port after power-on.
   *
   * @param requestReset called when the Guest asks for a reset
   */
  constructor(requestReset: () => void) {
    super();
    this.#requestReset = requestReset;
  }

  /** Back to power-on. */
  reset(): void {
    this.#value = 0;
  }

  /** What was written last. */
  readByte(): number {
    return this.#value;
  }

  /** Bit 2 going from 0 to 1 resets; bit 1 says whether only the CPU, which makes no difference here. */
  writeByte(_offset: number, value: number): void {
    if ((value & ~this.#value & 0x04) !== 0) this.#requestReset();
    this.#value = value & 0x0e;
  }
}
