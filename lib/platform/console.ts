/**
 * Where a Guest's console bytes go and come from. A UART holds a {@link ConsoleBackend} and moves single bytes, a virtio
 * console holds a {@link ConsolePort} and moves many; neither knows of terminals. Read next: `console_ring.ts`, how the
 * bytes get to another thread; `pc/uart.ts`, `../virtio/console.ts`.
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

/** A terminal's size in characters; 0 where it is unknown. */
export interface WindowSize {
  /** Characters in a line, up to 65535. */
  readonly columns: number;
  /** Lines, up to 65535. */
  readonly rows: number;
}

/** The host's end of a console that moves many bytes at a time and never waits. */
export interface ConsolePort {
  /**
   * Take bytes that the Guest sent, as many as there is room for; the rest must be offered again when the device is told
   * to look, which happens once there is room.
   *
   * @returns how many were taken, from the start of `bytes`
   */
  send(bytes: Uint8Array): number;
  /**
   * Give the next bytes typed for the Guest; the device is told to look when there are new ones.
   *
   * @returns how many were put at the start of `into`
   */
  receive(into: Uint8Array): number;
  /** The terminal's size now; the device is told to look when it changes. */
  readonly window: WindowSize;
  /** The Guest's driver has come, or has gone: what is typed may depend on it. */
  setReady(ready: boolean): void;
  /**
   * Block this thread until {@link send} may succeed again, or the Guest is to end: only for bytes that a device cannot
   * leave with the Guest.
   *
   * @returns whether it is worth while to try again
   */
  waitForRoom(): boolean;
}

/** Both kinds of console in memory, for tests and for programs that script a Guest. */
export class MemoryConsole implements ConsoleBackend, ConsolePort {
  /** Every byte that the Guest sent. */
  readonly output: number[] = [];
  /** What a device is told. */
  window: WindowSize = { columns: 0, rows: 0 };
  /** What a device has told: whether it has a driver. */
  ready = false;
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

  /** Take bytes, up to {@link capacity}. */
  send(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, Math.max(0, this.capacity - this.output.length));
    for (let index = 0; index < count; index++) this.output.push(bytes[index]!);
    return count;
  }

  /** Give typed bytes. */
  receive(into: Uint8Array): number {
    const bytes = this.#input.splice(0, into.length);
    into.set(bytes);
    return bytes.length;
  }

  /** Note whether there is a driver. */
  setReady(ready: boolean): void {
    this.ready = ready;
  }

  /** Nobody else makes room: a full console stays full. */
  waitForRoom(): boolean {
    return this.output.length < this.capacity;
  }
}
