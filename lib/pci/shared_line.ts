/**
 * One interrupt wire with several devices on it: INTx pins are open-drain outputs, so the wire is asserted as long as
 * any of them asserts it (PCI 3.0 §2.2.6). Read next: `function.ts`, which drives one input.
 *
 * @module
 */
import type { InterruptLine } from "../platform/interrupt.ts";

/** A wire that several devices share. */
export class SharedLine {
  readonly #line: InterruptLine;
  #asserted = 0;

  /**
   * A wire without devices.
   *
   * @param line where the wire ends
   */
  constructor(line: InterruptLine) {
    this.#line = line;
  }

  /** Solder another device to it. */
  input(): InterruptLine {
    let high = false;
    return {
      raise: () => {
        if (high) return;
        high = true;
        if (this.#asserted++ === 0) this.#line.raise();
      },
      lower: () => {
        if (!high) return;
        high = false;
        if (--this.#asserted === 0) this.#line.lower();
      },
    };
  }
}
