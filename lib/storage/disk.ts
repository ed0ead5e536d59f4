/**
 * Makes a disk of a file: starts the Worker that opens it and does the reading and writing. What leaves is plain data
 * for the virtual CPU's thread, which makes a `RingBlockBackend` of it. Read next: `storage_worker.ts`,
 * `ring_backend.ts`.
 *
 * @module
 */
import { GuestError, requireDeno } from "../guest_error.ts";
import type { GuestMemory } from "../memory.ts";
import { DiskRing, WORD } from "./disk_ring.ts";
import type { DiskSetup } from "./ring_backend.ts";

/** What {@link openDisk} needs. */
export interface DiskOptions {
  /** A file or a block device, as the user wrote it. */
  readonly path: string;
  /** Whether it must not be written; by default it is, if the host allows it. */
  readonly readOnly?: boolean;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The attention word of the virtual CPU's thread (`../platform/attention.ts`). */
  readonly attention: Int32Array<SharedArrayBuffer>;
}

/** A disk that is open, with its Worker. */
export interface OpenDisk {
  /** To be posted to the virtual CPU's thread. */
  readonly setup: DiskSetup;
  /**
   * Let requests that are under way be done, but not for longer than {@link PATIENCE}, since a Guest may have asked for
   * minutes of work; then close the file and end the Worker. What no flush has brought to stable storage is left to the
   * host, as with any program's files.
   */
  close(): Promise<void>;
}

/** What is posted to the Worker, once. */
export interface DiskOrder {
  /** The file, as the user wrote it. */
  readonly path: string;
  /** Whether it must not be written. */
  readonly readOnly: boolean;
  /** The memory shared with the virtual CPU's thread. */
  readonly ring: SharedArrayBuffer;
  /** That thread's attention word. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** The shared memory with the Guest's RAM. */
  readonly memory: WebAssembly.Memory;
  /** Where in it RAM begins. */
  readonly base: number;
  /** Bytes of RAM. */
  readonly size: number;
}

/** What the Worker posts back. */
export type DiskReport =
  /** The file is open; requests are being served. */
  | { readonly kind: "opened"; readonly sectors: number; readonly readOnly: boolean }
  /** The file cannot be used. */
  | { readonly kind: "refused"; readonly message: string }
  /** All requests were done or given up, and the file is closed. */
  | { readonly kind: "closed" };

/** How long {@link OpenDisk.close} waits before requests that are under way are given up, in milliseconds. */
const PATIENCE = 1000;

/**
 * Open a disk; on the main thread, before the root directory or the user is changed.
 *
 * @throws {GuestError} if the file cannot be used: it is missing, a directory, locked by another program
 */
export async function openDisk({ path, readOnly = false, memory, attention }: DiskOptions): Promise<OpenDisk> {
  requireDeno(`Disk "${path}"`);
  const worker = new Worker(new URL("./storage_worker.ts", import.meta.url), { type: "module", name: `disk ${path}` });
  const buffer = DiskRing.allocate();
  const ring = new DiskRing(buffer);
  const order: DiskOrder = {
    path,
    readOnly,
    ring: buffer,
    attention,
    memory: memory.memory,
    base: memory.base,
    size: memory.size,
  };
  worker.postMessage(order);
  const opened = await nextReport(worker);
  if (opened.kind !== "opened") {
    worker.terminate();
    throw new GuestError(opened.kind === "refused" ? opened.message : `Disk "${path}" was closed`);
  }
  // From here on a failure is a defect of this program, and ends it.
  worker.onerror = null;
  const { sectors, readOnly: protectedFile } = opened;
  const id = path.slice(path.lastIndexOf("/") + 1);
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    const closed = nextReport(worker);
    Atomics.store(ring.words, WORD.CLOSED, 1);
    ring.wake();
    const timer = setTimeout(() => Atomics.add(ring.words, WORD.EPOCH, 1), PATIENCE);
    await closed;
    clearTimeout(timer);
    worker.terminate();
  }
  return { setup: { ring: buffer, sectors, readOnly: protectedFile, id }, close: () => closing ??= close() };
}

/** The next message of a Worker, or the error that it died of. */
function nextReport(worker: Worker): Promise<DiskReport> {
  const { promise, resolve, reject } = Promise.withResolvers<DiskReport>();
  worker.onmessage = ({ data }: MessageEvent<DiskReport>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`A disk's Worker failed: ${event.message}`));
  };
  return promise;
}
