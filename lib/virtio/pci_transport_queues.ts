/**
 * The queue registers of the common configuration structure (virtio 1.2 §4.1.4.3): one set for each queue, of which the
 * driver sees the one it has selected. What leaves is a {@link VirtQueue} for each queue that was enabled, made of
 * checked addresses. Read next: `queue.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import { DriverError, QUEUE_SIZE, type VirtioDevice } from "./device.ts";
import { VirtQueue } from "./queue.ts";

/** A queue's three parts: the order of their registers, how each is aligned and how long it is (§2.7). */
const PARTS = [
  { name: "descriptor table", alignment: 16, bytes: (size: number) => 16 * size },
  { name: "available ring", alignment: 2, bytes: (size: number) => 6 + 2 * size },
  { name: "used ring", alignment: 4, bytes: (size: number) => 6 + 8 * size },
] as const;

/** What one queue is set to. */
interface QueueRegisters {
  size: number;
  isEnabled: boolean;
  /** Low and high half of each part's address. */
  readonly halves: Uint32Array;
}

/** The queue registers of a device. */
export class QueueSetup {
  /** The number that the driver has selected; there may be no such queue. */
  selected = 0;
  readonly #device: VirtioDevice;
  readonly #memory: GuestMemory;
  readonly #queues: readonly QueueRegisters[];

  /**
   * Queues that are not set up.
   *
   * @param device whose queues they are
   * @param memory where the driver puts them
   */
  constructor(device: VirtioDevice, memory: GuestMemory) {
    this.#device = device;
    this.#memory = memory;
    this.#queues = device.queueNames.map(() => ({
      size: QUEUE_SIZE,
      isEnabled: false,
      halves: new Uint32Array(2 * PARTS.length),
    }));
  }

  /** Back to what a driver finds first. */
  reset(): void {
    this.selected = 0;
    for (const queue of this.#queues) {
      queue.size = QUEUE_SIZE;
      queue.isEnabled = false;
      queue.halves.fill(0);
    }
  }

  /** The selected queue's size; 0 says that there is no such queue (§4.1.4.3.1). */
  get size(): number {
    return this.#current?.size ?? 0;
  }

  /** The driver makes the queue smaller. Without such a queue nothing happens. */
  set size(value: number) {
    const queue = this.#changeable("changed queue_size");
    if (value === 0 || (value & (value - 1)) !== 0) {
      throw this.#error(`wrote ${value} to queue_size, which is no power of two`, "4.1.4.3.2");
    }
    if (value > QUEUE_SIZE) throw this.#error(`wrote ${value} to queue_size, where ${QUEUE_SIZE} is most`, "4.1.4.3");
    if (queue) queue.size = value;
  }

  /** Whether the selected queue is enabled. */
  get isEnabled(): boolean {
    return this.#current?.isEnabled ?? false;
  }

  /** Half of an address of the selected queue: 0 and 1 are the descriptor table's, low half first. */
  half(register: number): number {
    return this.#current?.halves[register] ?? 0;
  }

  /** The driver sets half of an address. Without such a queue nothing happens. */
  setHalf(register: number, value: number): void {
    const queue = this.#changeable("moved its rings");
    if (queue) queue.halves[register] = value;
  }

  /**
   * The driver enables the selected queue: its addresses are fixed now, and judged.
   *
   * @throws {DriverError} if there is no such queue, or a part of it cannot be where the driver says
   */
  enable(): void {
    const queue = this.#current;
    if (!queue) throw this.#error("enabled a queue that does not exist", "4.1.5.1.3");
    for (const [part, { name, alignment, bytes }] of PARTS.entries()) {
      const address = addressOf(queue, part), length = bytes(queue.size);
      const where = `0x${address.toString(16)}`;
      if (address % alignment !== 0) {
        throw this.#error(`put the ${name} at ${where}, which is no multiple of ${alignment}`, "2.7.1");
      }
      if (!this.#memory.contains(address, length)) {
        throw this.#error(`put the ${name} of ${length} bytes at ${where}, which is not in memory`, "2.7");
      }
    }
    if (this.#memory.getUint16(addressOf(queue, 2)) !== 0) {
      throw this.#error("enabled it with flags in the used ring that are not 0", "2.7.10.1");
    }
    queue.isEnabled = true;
  }

  /**
   * The queues as the driver has set them up.
   *
   * @param features what was negotiated
   * @param interrupt tells the driver of used buffers
   * @returns by number; `undefined` for those that are not enabled
   */
  start(features: bigint, interrupt: () => void): (VirtQueue | undefined)[] {
    return this.#queues.map((queue, number) =>
      queue.isEnabled
        ? new VirtQueue({
          memory: this.#memory,
          name: this.#nameOf(number),
          size: queue.size,
          descriptors: addressOf(queue, 0),
          available: addressOf(queue, 1),
          used: addressOf(queue, 2),
          features,
          interrupt,
        })
        : undefined
    );
  }

  get #current(): QueueRegisters | undefined {
    return this.#queues[this.selected];
  }

  #changeable(deed: string): QueueRegisters | undefined {
    const queue = this.#current;
    if (queue?.isEnabled) throw this.#error(`${deed} after it was enabled`, "4.1.4.3.2");
    return queue;
  }

  #nameOf(number: number): string {
    return `${this.#device.name} ${this.#device.queueNames[number] ?? number} queue`;
  }

  #error(what: string, section: string): DriverError {
    return new DriverError(this.#nameOf(this.selected), what, section);
  }
}

/**
 * The address of a queue's part. From 2^53 on its low bits are lost, but then it is far outside of memory, and rounded
 * to a multiple of any alignment.
 */
function addressOf(queue: QueueRegisters, part: number): number {
  return queue.halves[2 * part + 1]! * 2 ** 32 + queue.halves[2 * part]!;
}
