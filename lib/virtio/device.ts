/**
 * What a virtio device is to the transport that a driver finds it by, and what a driver may do wrong.
 *
 * A device knows its requests and nothing of a bus; a transport (`pci_transport.ts`, or that of the lguest bus,
 * `../platform/lguest/bus/transport.ts`) knows registers and features and nothing of requests; between them stand
 * virtqueues (`queue.ts`). All of it runs in the virtual CPU's thread: a device that has to wait for the host hands the
 * work to its backend, and goes on in {@link VirtioDevice.attend}.
 *
 * Sections are those of the Virtual I/O Device specification, version 1.2. Read next: `queue.ts`, `rng.ts` (the
 * smallest device).
 *
 * @module
 */
import type { Traffic } from "../statistics.ts";
import type { VirtQueue } from "./queue.ts";

/** Device types (§5). */
export const DEVICE_TYPE = { NET: 1, BLOCK: 2, CONSOLE: 3, RNG: 4 } as const;

/** Feature bits that belong to queues and transport, by number (§6); a transport offers them for every device. */
export const FEATURE = { INDIRECT_DESC: 28, EVENT_IDX: 29, VERSION_1: 32 } as const;

/** Bits of the device status field (§2.1). */
export const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, FAILED: 128 } as const;

/** The largest queue that any device here has, in descriptors; a power of two (§2.7). */
export const QUEUE_SIZE = 256;

/** A driver broke the specification: the Guest stops. The message names the device, the queue, the deed, the section. */
export class DriverError extends Error {
  override name = "DriverError";

  /**
   * @param where the device, and the queue if it was there: `console output queue`
   * @param what what the driver did, in words that follow "the driver"
   * @param section the section it broke, as "2.7.5"
   */
  constructor(where: string, what: string, section: string) {
    super(`Virtio ${where}: the driver ${what} (virtio 1.2 §${section})`);
  }
}

/** What a device gets once its driver is ready (DRIVER_OK). */
export interface Activation {
  /** The feature bits that were negotiated. */
  readonly features: bigint;
  /** Its queues, by number; `undefined` for those that the driver did not enable. */
  readonly queues: readonly (VirtQueue | undefined)[];
  /** Tell the driver that the configuration has changed (§2.5, §4.1.5.4). */
  configChanged(): void;
}

/** A virtio device: everything but how it is found. */
export interface VirtioDevice {
  /** What messages call it: "console", "block vda", "net eth0". */
  readonly name: string;
  /** Its type, of {@link DEVICE_TYPE}. */
  readonly type: number;
  /** The feature bits of its own type that it offers; without those of {@link FEATURE}. */
  readonly features: bigint;
  /** What its queues are called in messages, by number: "input", "output". Each has {@link QUEUE_SIZE} entries. */
  readonly queueNames: readonly string[];
  /** The bytes that it has moved, if it counts them: those of files and networks, without virtio's own. */
  readonly traffic?: Traffic;
  /** Bytes of its configuration space; 0 if it has none. */
  readonly configLength: number;
  /**
   * Read its configuration space; the transport has checked that the access lies within it. Little-endian.
   *
   * @param offset bytes from its start
   * @param width bytes
   */
  readConfig(offset: number, width: 1 | 2 | 4): number;
  /**
   * Write its configuration space, at any time, before the driver is ready too.
   *
   * @throws {DriverError} if there is nothing to be written at that place
   */
  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void;
  /** The driver is ready. Buffers may wait in the queues already: the device looks at once, as after a kick. */
  activate(activation: Activation): void;
  /** The driver has kicked an enabled queue; only between {@link activate} and {@link reset}. May throw DriverError. */
  notify(queue: number): void;
  /**
   * Whether activated or not: a backend, in another thread, may have something new. Called whenever the attention word
   * was signalled; cheap if there is nothing. May throw DriverError.
   */
  attend(): void;
  /**
   * Back to the state before the driver came, at any time. No buffer of the driver is touched after this returns,
   * whatever a backend was doing; backends keep their files.
   */
  reset(): void;
}
