/**
 * What the threads of the stand-in share: what is posted between them, and words in shared memory. Read next: `mod.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../../../../lib/memory.ts";
import type { Generation } from "../../../../lib/platform/lguest/generation.ts";

/** What is posted to both Workers of the stand-in, once. */
export interface StandInRequest {
  readonly memory: { readonly memory: WebAssembly.Memory; readonly base: number; readonly size: number };
  readonly generation: Generation;
  /** The module of the Host. */
  readonly host: string;
  readonly options: unknown;
  /** `/dev/fuse`; each Worker closes its own, see {@link keepFiles}. */
  readonly fuse: number;
  /** An eventfd that is written when all must end. */
  readonly event: number;
  /** Who may open the file. */
  readonly mode: number;
  /** What the other side has changed in RAM: see {@link noteChange}. */
  readonly changes: SharedArrayBuffer;
  /** The words {@link STATE} and {@link READY}. */
  readonly state: SharedArrayBuffer;
}

/** What the Workers post back. */
export type StandInReport =
  | { readonly kind: "ready" }
  | { readonly kind: "ended" }
  | { readonly kind: "failed"; readonly message: string };

/** The words of {@link StandInRequest.state}: what is going on, and how many Workers have started. */
export const STATE = 0, READY = 1;

/** What may be going on: nothing, a Guest runs, all must end. */
export const IDLE = 0, RUNNING = 1, ENDED = 2;

/** A Worker is about to serve. */
export function sayReady(state: Int32Array<SharedArrayBuffer>): void {
  Atomics.add(state, READY, 1);
  Atomics.notify(state, READY);
}

/** `unshare()`: this thread has descriptors of its own. */
const CLONE_FILES = 0x400;

/**
 * From now on this thread keeps the files that are open, whatever the others open or close. Without that a process that
 * is killed while it reads the file would wait for ever: for an answer of its own threads, which have ended, by a
 * descriptor that closes when the last thread has.
 */
export function keepFiles(): void {
  const libc = Deno.dlopen("libc.so.6", { unshare: { parameters: ["i32"], result: "i32" } });
  const result = libc.symbols.unshare(CLONE_FILES);
  libc.close();
  if (result !== 0) throw new Error("A thread gets no files of its own");
}

/** Changes that are told one by one; after more of them all of RAM counts as changed. */
const MOST_CHANGES = 512;

/** A list of changes, empty. */
export function createChanges(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (1 + 2 * MOST_CHANGES));
}

/**
 * The Launcher has changed RAM. A processor sees that, but not the built-in CPU of a Host in another thread, whose
 * `GuestMemory` is another object; so the Host is told before it does anything for the Launcher, who waits meanwhile.
 */
export function noteChange(changes: SharedArrayBuffer, address: number, length: number): void {
  const words = new Uint32Array(changes);
  const count = words[0]!;
  if (count < MOST_CHANGES) words.set([address, length], 1 + 2 * count);
  words[0] = Math.min(count, MOST_CHANGES) + 1;
}

/** Tell the Host's memory what was changed. */
export function takeChanges(changes: SharedArrayBuffer, memory: GuestMemory): void {
  const words = new Uint32Array(changes);
  const count = words[0]!;
  if (count > MOST_CHANGES) memory.changed(0, memory.size);
  else for (let i = 1; i < 1 + 2 * count; i += 2) memory.changed(words[i]!, words[i + 1]!);
  words[0] = 0;
}
