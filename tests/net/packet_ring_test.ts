import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { casesOf, seedOf } from "../engine/random.ts";
import { MAX_PACKET, NET_HEADER } from "../../lib/net/backend.ts";
import { PacketRing } from "../../lib/net/packet_ring.ts";
import { lengthOf } from "./_ring_producer.ts";

const granted = Deno.permissions.querySync({ name: "env" }).state === "granted";
const SMALLEST = 131072;

/** A packet whose bytes tell its number. */
function packet(number: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (number * 31 + index) & 0xff);
}

/** Put a packet in if there is room, without blocking. */
function put(ring: PacketRing, bytes: Uint8Array): boolean | undefined {
  const place = ring.tryPlace();
  if (!place) return undefined;
  place.set(bytes);
  return ring.commit(bytes.length);
}

Deno.test("packets come out of a ring in order and whole, however they wrap", () => {
  const lengths = fc.oneof(
    fc.integer({ min: NET_HEADER, max: 200 }),
    fc.integer({ min: NET_HEADER, max: 1600 }),
    fc.integer({ min: MAX_PACKET - 40, max: MAX_PACKET }),
  );
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: lengths }, { weight: 2, arbitrary: fc.constant(0) }), {
    maxLength: 120,
  });
  fc.assert(
    fc.property(steps, (sequence) => {
      const ring = PacketRing.allocate(SMALLEST);
      const expected: Uint8Array[] = [];
      for (const [number, length] of sequence.entries()) {
        if (length > 0) {
          const bytes = packet(number, length);
          if (put(ring, bytes) === undefined) assert(expected.length > 0, "an empty ring has room");
          else expected.push(bytes);
        } else {
          const first = expected.shift();
          const got = ring.peek();
          assertEquals(got === undefined, first === undefined);
          if (got && first) assertEquals(Array.from(got), Array.from(first));
          if (got) ring.release();
        }
      }
      for (const bytes of expected) {
        assertEquals(Array.from(ring.peek()!), Array.from(bytes));
        ring.release();
      }
      assertEquals(ring.peek(), undefined);
    }),
    { seed: granted ? seedOf(502) : 502, numRuns: granted ? casesOf(150) : 150 },
  );
});

Deno.test("a full ring gives no place, and gives one again after packets were taken", () => {
  const ring = PacketRing.allocate(SMALLEST);
  let count = 0;
  while (put(ring, packet(count, 1500)) !== undefined) count++;
  // Each takes 4 bytes more; the last one stretches into the margin.
  assertEquals(count, Math.ceil(SMALLEST / 1504));
  for (let taken = 0; taken < count; taken++) {
    assertEquals(ring.peek()?.length, 1500);
    ring.release();
  }
  assertEquals(put(ring, packet(0, 1500)) !== undefined, true);
});

Deno.test("the producer is told to wake the consumer only if that found the ring empty", () => {
  const ring = PacketRing.allocate(SMALLEST);
  assertEquals(put(ring, packet(0, 60)), false);
  assertEquals(ring.peek()?.length, 60);
  ring.release();
  assertEquals(ring.peek(), undefined);
  assertEquals(put(ring, packet(1, 60)), true);
  assertEquals(put(ring, packet(2, 60)), false);
});

Deno.test("a closed ring ends the producer's wait at once", () => {
  const ring = PacketRing.allocate(SMALLEST);
  ring.close();
  assertEquals(new PacketRing(ring.buffer).waitForPlace(), undefined);
});

Deno.test("packets that were in the ring when the producer ended can still be read", () => {
  const ring = PacketRing.allocate(SMALLEST);
  put(ring, packet(7, 100));
  ring.end();
  const consumer = new PacketRing(ring.buffer);
  assertEquals(consumer.ended, true);
  assertEquals(Array.from(consumer.peek()!), Array.from(packet(7, 100)));
});

Deno.test("a ring refuses sizes that are none", () => {
  assertThrows(() => PacketRing.allocate(65536), RangeError, "power of two");
  assertThrows(() => PacketRing.allocate(200_000), RangeError, "power of two");
  assertThrows(() => new PacketRing(new SharedArrayBuffer(16)), RangeError, "power of two");
});

Deno.test({
  name: "a producer and a consumer in two threads lose nothing, with either of them the slower one",
  ignore: Deno.permissions.querySync({ name: "read" }).state !== "granted",
  fn: () => {
    const count = granted ? casesOf(20_000) : 20_000;
    const ring = PacketRing.allocate(SMALLEST);
    const attention = new Int32Array(new SharedArrayBuffer(4));
    const producer = new Worker(new URL("./_ring_producer.ts", import.meta.url), { type: "module" });
    producer.postMessage({ buffer: ring.buffer, attention, count });
    let number = 0;
    let sleeps = 0;
    for (;;) {
      const { ended } = ring;
      for (let got = ring.peek(); got; got = ring.peek()) {
        assertEquals(got.length, lengthOf(number));
        assert(got[0] === (number & 0xff) && got.every((byte) => byte === got![0]), `packet ${number} is damaged`);
        ring.release();
        number++;
        // Now and then nothing is taken for a while, so that the ring gets full.
        if (number % 1000 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      }
      if (ended) break;
      sleeps++;
      assert(Atomics.wait(attention, 0, 0, 20_000) !== "timed-out", `packet ${number} was not told of`);
      Atomics.store(attention, 0, 0);
    }
    producer.terminate();
    assertEquals(number, count);
    assert(sleeps > 0);
  },
});
