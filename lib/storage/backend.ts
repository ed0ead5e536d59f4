/**
 * Where the bytes of a disk are: what a block device (`../virtio/block.ts`) asks for, and how it hears that it was
 * done. Requests come in, callbacks go out; between them may be another thread and a slow host. Read next:
 * `ring_backend.ts`, the backend that the program uses; `disk.ts`, how a file becomes one.
 *
 * @module
 */

/** Bytes in a sector, the unit of positions and lengths (virtio 1.2 §5.2.4). */
export const SECTOR_SIZE = 512;

/** What a disk can be asked for. */
export const BLOCK_OP = {
  /** Move sectors from the disk into Guest memory. */
  READ: 0,
  /** Move Guest memory into sectors. */
  WRITE: 1,
  /** Have everything that was completed before on stable storage. */
  FLUSH: 2,
  /** The contents of sectors matter to nobody any more. */
  DISCARD: 3,
  /** Have sectors read as zeroes. */
  ZERO: 4,
} as const;

/** One of {@link BLOCK_OP}. */
export type BlockOp = typeof BLOCK_OP[keyof typeof BLOCK_OP];

/** A range of Guest memory; whoever asks has checked that it lies in RAM. */
export interface MemoryRange {
  /** Guest-physical address of its first byte. */
  readonly address: number;
  /** Bytes, at least one. */
  readonly length: number;
}

/** Something to be done; whoever asks has checked that the sectors lie on the disk. */
export interface BlockRequest {
  /** What is to be done. */
  readonly op: BlockOp;
  /** The first sector; 0 for a flush. */
  readonly sector: number;
  /** How many sectors; 0 for a flush. */
  readonly sectors: number;
  /** The Guest's memory for READ and WRITE, `sectors` × 512 bytes together; at most `QUEUE_SIZE` of them. */
  readonly ranges: readonly MemoryRange[];
  /** Whether what a WRITE, DISCARD or ZERO changes must be on stable storage before it is done. */
  readonly durable: boolean;
  /**
   * Called in {@link BlockBackend.poll}, once, unless the backend was reset before.
   *
   * @param ok whether it was done; if not, sectors or memory may have changed in part
   */
  done(ok: boolean): void;
}

/** A disk's contents, as seen by the thread of the virtual CPU; no method but {@link reset} ever waits. */
export interface BlockBackend {
  /** Its size in sectors; constant. */
  readonly sectors: number;
  /** Whether it cannot be written. */
  readonly readOnly: boolean;
  /** How many requests {@link submit} would take now. */
  readonly room: number;
  /**
   * Hand a request over, in the order in which it is to be carried out where two touch the same sectors.
   *
   * @throws {RangeError} if there is no room, or too many ranges
   */
  submit(request: BlockRequest): void;
  /** Have the work begin: after one or several {@link submit}. */
  kick(): void;
  /**
   * Call `done` of every request that has been carried out. By then the engine knows of the memory that changed
   * (`GuestMemory.changed`).
   */
  poll(): void;
  /**
   * Forget all requests. After this returns nothing of them touches Guest memory, and none of their `done` is called;
   * a write among them may be carried out wholly, in part or not at all.
   */
  reset(): void;
}
