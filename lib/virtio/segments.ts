/**
 * Bytes in and out of the segments of a {@link Chain}, wherever the driver has cut them: a device says "the first 16
 * bytes" and "the last byte" (virtio 1.2 §2.7.4.1: it makes no assumptions about the arrangement of descriptors).
 * Segments were checked by `queue.ts`; that they lie in RAM is checked again where bytes move. Read next: `rng.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../memory.ts";
import type { Segment } from "./queue.ts";

/**
 * Copy bytes out of segments.
 *
 * @param memory the Guest's memory
 * @param segments where the bytes are, in order
 * @param offset bytes to skip from their start
 * @param into takes as many bytes as it has room for
 * @returns how many bytes there were: less than `into.length` only at the end of the segments
 */
export function gather(
  memory: GuestMemory,
  segments: readonly Segment[],
  offset: number,
  into: Uint8Array,
): number {
  let filled = 0;
  for (const { address, length } of segments) {
    if (filled === into.length) break;
    if (offset >= length) {
      offset -= length;
      continue;
    }
    const count = Math.min(length - offset, into.length - filled);
    into.set(memory.slice(address + offset, count), filled);
    filled += count;
    offset = 0;
  }
  return filled;
}

/**
 * Copy bytes into segments; {@link GuestMemory.changed} is told.
 *
 * @param memory the Guest's memory
 * @param segments where the bytes go, in order
 * @param offset bytes to skip from their start
 * @param bytes what goes there
 * @returns how many bytes found room: less than `bytes.length` only if the segments end before
 */
export function scatter(
  memory: GuestMemory,
  segments: readonly Segment[],
  offset: number,
  bytes: Uint8Array,
): number {
  let taken = 0;
  for (const { address, length } of segments) {
    if (taken === bytes.length) break;
    if (offset >= length) {
      offset -= length;
      continue;
    }
    const count = Math.min(length - offset, bytes.length - taken);
    memory.write(address + offset, bytes.subarray(taken, taken + count));
    taken += count;
    offset = 0;
  }
  return taken;
}

/**
 * Cut segments in two.
 *
 * @param segments what is cut
 * @param offset where: bytes from their start
 * @returns the segments of the first `offset` bytes, and those of the rest; neither has empty ones
 */
export function split(
  segments: readonly Segment[],
  offset: number,
): [before: readonly Segment[], after: readonly Segment[]] {
  for (let index = 0; index < segments.length; index++) {
    const segment = segments[index]!;
    if (offset < segment.length) {
      if (offset === 0) return [segments.slice(0, index), segments.slice(index)];
      const { address, length } = segment;
      return [
        [...segments.slice(0, index), { address, length: offset }],
        [{ address: address + offset, length: length - offset }, ...segments.slice(index + 1)],
      ];
    }
    offset -= segment.length;
  }
  return [segments, []];
}
