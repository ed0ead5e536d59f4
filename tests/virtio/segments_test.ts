import fc from "fast-check";
import { assertEquals, assertThrows } from "@std/assert";
import { GuestMemoryError } from "../../lib/memory.ts";
import type { Segment } from "../../lib/virtio/queue.ts";
import { gather, scatter, split } from "../../lib/virtio/segments.ts";
import { effort } from "./_effort.ts";
import { GuardedMemory } from "./_memory.ts";

const RAM = 65536;

/** Segments that do not overlap, of lengths as given, with a byte between them. */
function layOut(lengths: readonly number[]): Segment[] {
  let next = 100;
  return lengths.map((length) => {
    const address = next;
    next += length + 1;
    return { address, length };
  });
}

const lengths = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 8 });
const offset = fc.nat(260);

function total(segments: readonly Segment[]): number {
  return segments.reduce((sum, { length }) => sum + length, 0);
}

Deno.test("scatter() and gather() move the same bytes, whatever the cuts, and touch nothing else", () => {
  const memory = new GuardedMemory(RAM);
  const property = fc.property(
    lengths,
    lengths,
    offset,
    fc.uint8Array({ maxLength: 260 }),
    (first, second, skip, bytes) => {
      memory.bytes.fill(0);
      const [there, all] = [layOut(first), total(layOut(first))];
      const expected = Math.min(bytes.length, Math.max(0, all - skip));
      assertEquals(scatter(memory, there, skip, bytes), expected);
      // What stands in the segments, one after the other, and what stands in all of memory.
      const flat = there.flatMap(({ address, length }) => [...memory.copy(address, length)]);
      const wanted = new Uint8Array(all);
      wanted.set(bytes.subarray(0, expected), Math.min(skip, all));
      assertEquals(flat, [...wanted]);
      const sum = (of: Iterable<number>) => [...of].reduce((one, other) => one + other, 0);
      assertEquals(sum(memory.bytes.subarray(0, 1000)), sum(flat));
      const into = new Uint8Array(total(layOut(second)));
      assertEquals(gather(memory, there, skip, into), Math.min(into.length, Math.max(0, all - skip)));
      assertEquals([...into.subarray(0, expected)], [...bytes.subarray(0, Math.min(expected, into.length))]);
    },
  );
  fc.assert(property, effort(2000, 1));
  memory.assertGuards();
});

Deno.test("split() cuts at any place, keeps every byte in order, and makes no empty segment", () => {
  const property = fc.property(lengths, offset, (of, at) => {
    const segments = layOut(of);
    const [before, after] = split(segments, at);
    const addresses = (list: readonly Segment[]) =>
      list.flatMap(({ address, length }) => Array.from({ length }, (_, index) => address + index));
    const all = addresses(segments);
    assertEquals([addresses(before), addresses(after)], [all.slice(0, at), all.slice(at)]);
    assertEquals([...before, ...after].filter(({ length }) => length < 1), []);
  });
  fc.assert(property, effort(2000, 1));
});

Deno.test("scatter() tells the engine what it has changed", () => {
  const memory = new GuardedMemory(RAM);
  const changes: [number, number][] = [];
  memory.onChange = (address, length) => void changes.push([address, length]);
  scatter(memory, [{ address: 16, length: 4 }, { address: 64, length: 4 }], 2, Uint8Array.of(1, 2, 3));
  assertEquals(changes, [[18, 2], [64, 1]]);
});

Deno.test("gather() and scatter() refuse segments that are not in memory", () => {
  const memory = new GuardedMemory(RAM);
  const outside = [{ address: RAM - 1, length: 2 }];
  assertThrows(() => gather(memory, outside, 0, new Uint8Array(2)), GuestMemoryError);
  assertThrows(() => scatter(memory, outside, 0, new Uint8Array(2)), GuestMemoryError);
  memory.assertGuards();
});
