/**
 * A virtio console (virtio 1.2 §5.3): one port, without MULTIPORT. What the driver puts into the output queue goes to a
 * {@link ConsolePort}, what is typed there into the buffers of the input queue.
 *
 * Nothing is lost or reordered: when the terminal is full the driver's buffer stays here until all of it has left, and
 * what is typed stays in the port until the driver gives a buffer. Neither waits; both go on in
 * {@link ConsoleDevice.attend}. Read next: `../platform/console_switch.ts`, `queue.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import type { ConsolePort, WindowSize } from "../platform/console.ts";
import { type Activation, DEVICE_TYPE, DriverError, type VirtioDevice } from "./device.ts";
import type { Chain, VirtQueue } from "./queue.ts";

/** Feature bits (§5.3.3). */
const F_SIZE = 0n;
const F_EMERG_WRITE = 2n;
/** Queues (§5.3.2). */
const INPUT = 0;
const OUTPUT = 1;
/** The configuration (§5.3.4): cols and rows, 16 bits each; max_nr_ports and emerg_wr, 32 bits each. */
const CONFIG_LENGTH = 12;
const CONFIG_EMERG_WRITE = 8;
/** Bytes written to emerg_wr that are kept for a full terminal; the Guest's CPU then stops until there is room. */
const EMERGENCY_LIMIT = 4096;

/** What a {@link ConsoleDevice} is made of. */
export interface ConsoleDeviceOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The terminal. */
  readonly port: ConsolePort;
}

/** An output request that has not left yet. */
interface Unsent {
  readonly chain: Chain;
  /** The segment that comes next, and how many of its bytes have left. */
  segment: number;
  offset: number;
}

/** A console with one port. */
export class ConsoleDevice implements VirtioDevice {
  /** What messages call it. */
  readonly name: string = "console";
  /** Its type. */
  readonly type: number = DEVICE_TYPE.CONSOLE;
  /** SIZE and EMERG_WRITE. */
  readonly features: bigint = 1n << F_SIZE | 1n << F_EMERG_WRITE;
  /** The port's two queues. */
  readonly queueNames: readonly string[] = ["input", "output"];
  /** cols, rows, max_nr_ports, emerg_wr. */
  readonly configLength: number = CONFIG_LENGTH;
  readonly #memory: GuestMemory;
  readonly #port: ConsolePort;
  #activation: Activation | undefined;
  /** What cols and rows are for the driver: they change only together with a notification. */
  #window: WindowSize;
  /** The driver was told to look at them. */
  #isWindowTold = false;
  /** An input request that was taken when nothing was typed. */
  #buffer: Chain | undefined;
  #unsent: Unsent | undefined;
  #emergency: number[] = [];

  /**
   * A console without a driver.
   *
   * @param options memory and terminal
   */
  constructor(options: ConsoleDeviceOptions) {
    this.#memory = options.memory;
    this.#port = options.port;
    this.#window = options.port.window;
  }

  /**
   * For a Guest that has stopped, whatever the reason: send what it wrote last, as far as there is room.
   *
   * @returns whether all has left; otherwise to be called again when there is room
   */
  drain(): boolean {
    try {
      this.#sendEmergency();
      this.#send();
    } catch (error) {
      // The Guest has stopped already, and what comes after a broken request is nobody's.
      if (!(error instanceof DriverError)) throw error;
    }
    return this.#unsent === undefined && this.#emergency.length === 0;
  }

  /** Read the configuration (§5.3.4); emerg_wr reads as 0. */
  readConfig(offset: number, width: 1 | 2 | 4): number {
    const { columns, rows } = this.#window;
    const words = [columns | rows << 16, 1, 0];
    const value = (words[offset >> 2] ?? 0) >>> 8 * (offset & 3);
    return width === 4 ? value : value & (width === 2 ? 0xffff : 0xff);
  }

  /**
   * Write emerg_wr: the lowest byte is sent, whether there is a driver or not (§5.3.5.1).
   *
   * @throws {DriverError} if anything else is written
   */
  writeConfig(offset: number, _width: 1 | 2 | 4, value: number): void {
    if (offset !== CONFIG_EMERG_WRITE) {
      throw new DriverError(this.name, `wrote configuration offset ${offset}, where nothing can be written`, "5.3.4");
    }
    while (this.#emergency.length >= EMERGENCY_LIMIT && this.#port.waitForRoom()) this.#sendEmergency();
    // A Guest that is to end is not stopped: what then finds no room is lost.
    if (this.#emergency.length < EMERGENCY_LIMIT) this.#emergency.push(value & 0xff);
    this.#sendEmergency();
  }

  /** The driver is ready: send what it has queued, and take what is typed from now on. */
  activate(activation: Activation): void {
    this.#activation = activation;
    this.#port.setReady(true);
    this.attend();
  }

  /** The driver has queued output, or buffers for input. */
  notify(queue: number): void {
    if (queue === OUTPUT) {
      this.#tellWindow();
      this.#send();
    } else if (queue === INPUT) this.#receive();
  }

  /** The terminal has room, something was typed, or its window has changed. */
  attend(): void {
    this.#sendEmergency();
    this.#resize();
    this.#send();
    this.#receive();
  }

  /** Forget the driver, and the output it has not waited for. */
  reset(): void {
    this.#activation = undefined;
    this.#buffer = undefined;
    this.#unsent = undefined;
    this.#window = this.#port.window;
    this.#isWindowTold = false;
    this.#port.setReady(false);
  }

  /**
   * Linux reads the size only when it is told of a change (drivers/char/virtio_console.c). With its first output the
   * driver is ready for that.
   */
  #tellWindow(): void {
    if (this.#isWindowTold) return;
    this.#isWindowTold = true;
    const activation = this.#activation;
    const isKnown = this.#window.columns > 0 && this.#window.rows > 0;
    if (activation && isKnown && (activation.features >> F_SIZE & 1n) !== 0n) activation.configChanged();
  }

  #resize(): void {
    const activation = this.#activation;
    if (!activation || (activation.features >> F_SIZE & 1n) === 0n) return;
    const { columns, rows } = this.#port.window;
    if (columns === this.#window.columns && rows === this.#window.rows) return;
    this.#window = { columns, rows };
    activation.configChanged();
  }

  #sendEmergency(): void {
    if (this.#emergency.length === 0) return;
    this.#emergency = this.#emergency.slice(this.#port.send(Uint8Array.from(this.#emergency)));
  }

  #send(): void {
    const queue = this.#activation?.queues[OUTPUT];
    if (!queue) return;
    for (;;) {
      this.#unsent ??= this.#nextOutput(queue);
      if (!this.#unsent || !this.#sendMore(this.#unsent)) break;
      queue.push({ chain: this.#unsent.chain, written: 0 });
      this.#unsent = undefined;
    }
    queue.flush();
  }

  #nextOutput(queue: VirtQueue): Unsent | undefined {
    const chain = queue.pop();
    if (!chain) return undefined;
    if (chain.writableLength > 0) throw new DriverError(queue.name, `queued a device-writable buffer`, "5.3.6.1");
    return { chain, segment: 0, offset: 0 };
  }

  /** Send what finds room; whether that was all. */
  #sendMore(unsent: Unsent): boolean {
    const segments = unsent.chain.readable;
    for (; unsent.segment < segments.length; unsent.segment++, unsent.offset = 0) {
      const { address, length } = segments[unsent.segment]!;
      unsent.offset += this.#port.send(this.#memory.slice(address + unsent.offset, length - unsent.offset));
      if (unsent.offset < length) return false;
    }
    return true;
  }

  #receive(): void {
    const queue = this.#activation?.queues[INPUT];
    if (!queue) return;
    for (;;) {
      this.#buffer ??= this.#nextInput(queue);
      if (!this.#buffer) break;
      const written = this.#fill(this.#buffer);
      // A buffer without room is of no use to anybody.
      if (written === 0 && this.#buffer.writableLength > 0) break;
      queue.push({ chain: this.#buffer, written });
      this.#buffer = undefined;
    }
    queue.flush();
  }

  #nextInput(queue: VirtQueue): Chain | undefined {
    const chain = queue.pop();
    if (chain && chain.readableLength > 0) {
      throw new DriverError(queue.name, `queued a device-readable buffer`, "5.3.6.1");
    }
    return chain;
  }

  /** Put what was typed into a buffer; returns how many bytes that was. */
  #fill(chain: Chain): number {
    let filled = 0;
    for (const { address, length } of chain.writable) {
      const count = this.#port.receive(this.#memory.slice(address, length));
      this.#memory.changed(address, count);
      filled += count;
      if (count < length) break;
    }
    return filled;
  }
}
