/**
 * A virtio entropy device (virtio 1.2 §5.4), the smallest device there is: one queue of buffers to be filled with
 * random bytes. The host's generator never lacks entropy and is fast, so each request is answered at once. Read next:
 * `queue.ts`, `console.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { type Activation, DEVICE_TYPE, DriverError, type VirtioDevice } from "./device.ts";
import { scatter } from "./segments.ts";

/**
 * The most bytes for one request: the driver must expect fewer than it asked for (§5.4.6), and a request of gigabytes
 * must not stop the Guest's CPU. 64 KiB take 0.03 ms (measured), and are what `crypto.getRandomValues` gives at once.
 */
export const RNG_REQUEST_LIMIT = 65536;

/** What an {@link RngDevice} is made of. */
export interface RngDeviceOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Fills bytes, up to {@link RNG_REQUEST_LIMIT}, with random ones; by default the host's generator. */
  readonly source?: (bytes: Uint8Array<ArrayBuffer>) => void;
}

/** A source of random bytes for the Guest. */
export class RngDevice implements VirtioDevice {
  /** What messages call it. */
  readonly name: string = "rng";
  /** Its type. */
  readonly type: number = DEVICE_TYPE.RNG;
  /** It has no features (§5.4.3). */
  readonly features: bigint = 0n;
  /** One queue (§5.4.2). */
  readonly queueNames: readonly string[] = ["request"];
  /** It has no configuration (§5.4.4). */
  readonly configLength: number = 0;
  readonly #memory: GuestMemory;
  readonly #source: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #bytes = new Uint8Array(RNG_REQUEST_LIMIT);
  #activation: Activation | undefined;

  /**
   * A device without a driver.
   *
   * @param options memory and source
   */
  constructor(options: RngDeviceOptions) {
    this.#memory = options.memory;
    this.#source = options.source ?? ((bytes) => void crypto.getRandomValues(bytes));
  }

  /** There is no configuration, so a transport lets no access come here; reads as 0. */
  readConfig(): number {
    return 0;
  }

  /** There is no configuration. */
  writeConfig(offset: number): void {
    throw new DriverError(this.name, `wrote configuration offset ${offset} of a device that has none`, "5.4.4");
  }

  /** The driver is ready. */
  activate(activation: Activation): void {
    this.#activation = activation;
    this.notify();
  }

  /** Answer what the driver has asked. */
  notify(): void {
    const queue = this.#activation?.queues[0];
    if (!queue) return;
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      if (chain.readableLength > 0) {
        throw new DriverError(queue.name, `queued a device-readable buffer`, "5.4.6.1");
      }
      const bytes = this.#bytes.subarray(0, Math.min(chain.writableLength, RNG_REQUEST_LIMIT));
      this.#source(bytes);
      queue.push({ chain, written: scatter(this.#memory, chain.writable, 0, bytes) });
    }
    queue.flush();
  }

  /** Nothing comes from elsewhere. */
  attend(): void {}

  /** Forget the driver. */
  reset(): void {
    this.#activation = undefined;
  }
}
