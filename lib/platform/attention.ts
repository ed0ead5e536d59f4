/**
 * How another thread gets the virtual CPU to look: the *attention word*, element 0 of an `Int32Array` over shared
 * memory, usually that of `GuestMemory`. 0 means nothing; {@link signal} sets bits and wakes a CPU that waits on the
 * word because its Guest is idle; an engine looks at it now and then, and generated code leaves at once when it is
 * negative; the platform takes the bits and looks at what they stand for. The word carries no data: that is in a ring
 * somewhere (`console_ring.ts`), written before the bit is set. Read next: `pc/pc.ts`, `wait()` and `poll()`.
 *
 * @module
 */

/** A backend has something new, such as typed bytes. */
export const ATTENTION_LOOK = 1;
/** The machine must stop, "terminated". */
export const ATTENTION_TERMINATE = 2;
/** Makes the word negative; beside every other bit, so that one comparison finds any. */
const ATTENTION_ANY = 1 << 31;

/**
 * From any thread: ask the machine whose attention word this is to look, and wake its CPU.
 *
 * @param attention the machine's word
 * @param bits {@link ATTENTION_LOOK}, {@link ATTENTION_TERMINATE} or both
 */
export function signal(attention: Int32Array<SharedArrayBuffer>, bits: number): void {
  Atomics.or(attention, 0, bits | ATTENTION_ANY);
  Atomics.notify(attention, 0);
}
