/**
 * Where a Guest's console bytes go and come from. A UART (or, later, a virtio console) holds a {@link ConsoleBackend}
 * and knows nothing of terminals. Read next: `console_ring.ts`, the backend between two threads; `pc/uart.ts`.
 *
 * @module
 */

/** The host's end of a Guest's console. */
export interface ConsoleBackend {
  /**
   * Take one byte that the Guest sent, if there is room.
   *
   * @param byte 0 to 255
   * @returns whether it was taken; a byte that was not must be offered again later
   */
  write(byte: number): boolean;
  /**
   * Give the next byte typed for the Guest.
   *
   * @returns 0 to 255, or -1 if there is none now
   */
  read(): number;
  /**
   * Block this thread until {@link write} may succeed again: for a Guest that sends without asking first. A backend
   * that always has room leaves it out.
   *
   * @param milliseconds the longest time to block
   * @returns whether there may be room now; `false` also when there never will be again
   */
  waitForRoom?(milliseconds: number): boolean;
  /** Where its other end signals that {@link read} has something new (`attention.ts`), if that is in another thread. */
  readonly attention?: Int32Array<SharedArrayBuffer>;
}

/** A {@link ConsoleBackend} in memory, for tests and for programs that script a Guest. */
export class MemoryConsole implements ConsoleBackend {
  /** Every byte that the Guest sent. */
  readonly output: number[] = [];
  readonly #input: number[] = [];
  /** How many bytes {@link output} may hold before it takes no more. */
  capacity: number = Infinity;

  /** Type `text` (as UTF-8) or bytes for the Guest. */
  type(text: string | Uint8Array): void {
    this.#input.push(...(typeof text === "string" ? new TextEncoder().encode(text) : text));
  }

  /** What the Guest has sent, as text. */
  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.output));
  }

  /** Take one byte. */
  write(byte: number): boolean {
    if (this.output.length >= this.capacity) return false;
    this.output.push(byte);
    return true;
  }

  /** Give the next typed byte, or -1. */
  read(): number {
    return this.#input.shift() ?? -1;
  }
}
