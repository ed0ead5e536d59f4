/**
 * One terminal, two devices: the serial port and the virtio console each get a view of the same pair of rings. What
 * both send reaches the terminal in the order in which they sent it; what is typed goes to the virtio console while
 * that is chosen and has a driver, else to the serial port, so that it can be typed before and behind the driver's
 * time. Everything here is of the virtual CPU's thread. Read next: `../virtio/console.ts`, `pc/uart.ts`.
 *
 * @module
 */
import { ATTENTION_LOOK, ATTENTION_TERMINATE, signal } from "./attention.ts";
import type { ConsoleBackend, ConsolePort, WindowSize } from "./console.ts";
import { type ConsoleRing, RingConsole } from "./console_ring.ts";

/** A device that may get what is typed. */
export type ConsoleChoice = "serial" | "virtio";

/** The longest time that a full terminal is slept on before it is seen that the Guest is to end. */
const WAIT_MILLISECONDS = 100;

/** Gives two devices one terminal. */
export class ConsoleSwitch {
  /** The serial port's view. */
  readonly serial: ConsoleBackend;
  /** The virtio console's view. */
  readonly virtio: ConsolePort;
  /** The word that input and room signal: the virtual CPU's. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  readonly #output: ConsoleRing;
  readonly #serial: SerialView;
  #choice: ConsoleChoice = "serial";
  #ready = false;

  /**
   * The terminal that two rings lead to. Its thread calls {@link ConsoleRing.signalRoomTo} of the output ring with the
   * input ring's attention word.
   *
   * @param output what the Guest sends
   * @param input what is typed, and the window's size
   */
  constructor(output: ConsoleRing, input: ConsoleRing) {
    this.#output = output;
    this.#serial = new SerialView(output, input, () => !this.#toVirtio);
    this.serial = this.#serial;
    this.attention = this.#serial.attention;
    this.virtio = new VirtioView(output, input, () => this.#toVirtio, (ready) => {
      this.#ready = ready;
      this.#look();
    });
  }

  /** Choose who gets what is typed; the serial port has it at first. Bytes that a device has taken stay with it. */
  choose(choice: ConsoleChoice): void {
    this.#choice = choice;
    this.#look();
  }

  /**
   * Whether the serial port has bytes that found no room; it offers them again until the last is taken. (Of the virtio
   * console's, `ConsoleDevice.drain` tells.)
   */
  get pendingOutput(): boolean {
    return this.#serial.refused;
  }

  /** Block this thread, for a Guest that has stopped, until the terminal may have room for what is pending. */
  waitForRoom(milliseconds: number): void {
    this.#output.waitForRoom(milliseconds);
  }

  get #toVirtio(): boolean {
    return this.#choice === "virtio" && this.#ready;
  }

  /** What waits in the ring may be somebody else's now. */
  #look(): void {
    signal(this.attention, ATTENTION_LOOK);
  }
}

/** A serial port's end: it gets what is typed while it has its turn. */
class SerialView extends RingConsole {
  /** Whether the byte offered last was not taken. */
  refused = false;
  readonly #turn: () => boolean;

  constructor(output: ConsoleRing, input: ConsoleRing, turn: () => boolean) {
    super(output, input);
    this.#turn = turn;
  }

  override write(byte: number): boolean {
    const taken = super.write(byte);
    this.refused = !taken;
    return taken;
  }

  override read(): number {
    return this.#turn() ? super.read() : -1;
  }
}

/** A virtio console's end. */
class VirtioView implements ConsolePort {
  readonly #output: ConsoleRing;
  readonly #input: ConsoleRing;
  readonly #turn: () => boolean;
  readonly setReady: (ready: boolean) => void;

  constructor(output: ConsoleRing, input: ConsoleRing, turn: () => boolean, setReady: (ready: boolean) => void) {
    this.#output = output;
    this.#input = input;
    this.#turn = turn;
    this.setReady = setReady;
  }

  get window(): WindowSize {
    return this.#input.window;
  }

  /** Once the reader closed the ring, bytes are taken and forgotten. */
  send(bytes: Uint8Array): number {
    const taken = this.#output.writeOrAsk(bytes);
    return this.#output.closed ? bytes.length : taken;
  }

  receive(into: Uint8Array): number {
    return this.#turn() ? this.#input.read(into) : 0;
  }

  waitForRoom(): boolean {
    while ((Atomics.load(this.#input.attention, 0) & ATTENTION_TERMINATE) === 0) {
      if (this.#output.waitForRoom(WAIT_MILLISECONDS) || this.#output.closed) return true;
    }
    return false;
  }
}
