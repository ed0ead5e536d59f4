import { assert, assertEquals, assertThrows } from "@std/assert";
import { ATTENTION_LOOK } from "../../lib/platform/attention.ts";
import { ConsoleRing, RingConsole } from "../../lib/platform/console_ring.ts";

/** A promise of `Atomics.waitAsync` alone does not keep Deno's event loop going; a timer does. */
async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
  }
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

Deno.test("ConsoleRing gives bytes back in order across its end", () => {
  const writer = ConsoleRing.allocate(8);
  const reader = new ConsoleRing(writer.buffer);
  const into = new Uint8Array(8);
  const seen: number[] = [];
  for (let first = 0; first < 200; first += 5) {
    assertEquals(writer.write(bytes(first, first + 1, first + 2, first + 3, first + 4)), 5);
    seen.push(...into.subarray(0, reader.read(into)));
  }
  assertEquals(seen, Array.from({ length: 200 }, (_, index) => index));
});

Deno.test("ConsoleRing.write() takes what fits and no more", () => {
  const ring = ConsoleRing.allocate(4);
  assertEquals(ring.write(bytes(1, 2, 3, 4, 5, 6)), 4);
  assertEquals([ring.room, ring.available, ring.writeByte(9), ring.write(bytes(9))], [0, 4, false, 0]);
  assertEquals([ring.readByte(), ring.readByte(), ring.room], [1, 2, 2]);
  assertEquals(ring.write(bytes(7, 8, 9)), 2);
  const rest = new Uint8Array(10);
  assertEquals(ring.read(rest), 4);
  assertEquals([...rest.subarray(0, 4)], [3, 4, 7, 8]);
  assertEquals(ring.readByte(), -1);
});

Deno.test("ConsoleRing.close() ends it once everything was read", () => {
  const ring = ConsoleRing.allocate(4);
  ring.write(bytes(1));
  ring.close();
  assertEquals([ring.closed, ring.ended, ring.room, ring.writeByte(2)], [true, false, 0, false]);
  assertEquals([ring.readByte(), ring.ended, ring.waitForData(), ring.waitForRoom()], [1, true, false, false]);
});

Deno.test("ConsoleRing refuses memory of a size that is none of its own", () => {
  assertThrows(() => ConsoleRing.allocate(100), RangeError, "power of two");
  assertThrows(() => new ConsoleRing(new SharedArrayBuffer(8)), RangeError, "power of two");
});

Deno.test("ConsoleRing.dataReady() resolves when a byte comes, and with false at the end", async () => {
  const ring = ConsoleRing.allocate(4);
  const ready = ring.dataReady();
  setTimeout(() => ring.writeByte(1), 5);
  assertEquals(await alive(ready), true);
  ring.readByte();
  const end = ring.dataReady();
  setTimeout(() => ring.close(), 5);
  assertEquals(await alive(end), false);
});

Deno.test("ConsoleRing.roomReady() resolves when room is made, and with false once nobody reads", async () => {
  const ring = ConsoleRing.allocate(2);
  ring.write(bytes(1, 2));
  const ready = ring.roomReady();
  setTimeout(() => ring.readByte(), 5);
  assertEquals(await alive(ready), true);
  ring.close();
  assertEquals(await ring.roomReady(), false);
});

Deno.test("ConsoleRing.waitForData() gives up after its time", () => {
  assertEquals(ConsoleRing.allocate(2).waitForData(5), false);
});

const WORKERS = { ignore: Deno.permissions.querySync({ name: "read" }).state !== "granted" };

Deno.test("ConsoleRing loses and reorders nothing between two threads in a hurry", WORKERS, async () => {
  const [there, back] = [ConsoleRing.allocate(16), ConsoleRing.allocate(64)];
  // The Worker sends each byte back, one up; both sides sleep whenever they find nothing to do.
  const url = new URL("./console_echo_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  worker.postMessage([there.buffer, back.buffer]);
  const total = 50_000;
  const send = async () => {
    for (let sent = 0; sent < total;) {
      const chunk = Uint8Array.from({ length: Math.min(23, total - sent) }, (_, index) => sent + index);
      const count = there.write(chunk);
      sent += count;
      if (count === 0) await there.roomReady();
    }
    there.close();
  };
  let received = 0;
  let wrong = 0;
  const receive = async () => {
    const into = new Uint8Array(50);
    while (await back.dataReady()) {
      const count = back.read(into);
      for (const byte of into.subarray(0, count)) if (byte !== ((received++ + 1) & 0xff)) wrong++;
    }
  };
  await Promise.all([send(), receive()]);
  worker.terminate();
  assertEquals([received, wrong], [total, 0]);
});

Deno.test("ConsoleRing.writeOrAsk() has the reader signal the producer once there is room, and only then", () => {
  const writer = ConsoleRing.allocate(4);
  const reader = new ConsoleRing(writer.buffer);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  reader.signalRoomTo(attention);
  assertEquals(writer.writeOrAsk(bytes(1, 2, 3, 4)), 4);
  reader.readByte();
  assertEquals(Atomics.load(attention, 0), 0);
  assertEquals(writer.writeOrAsk(bytes(5, 6)), 1);
  reader.readByte();
  assertEquals(Atomics.exchange(attention, 0, 0) & ATTENTION_LOOK, ATTENTION_LOOK);
  reader.read(new Uint8Array(4));
  assertEquals(Atomics.load(attention, 0), 0);
  assertEquals(writer.writeOrAsk(bytes(6, 7, 8, 9, 10)), 4);
  reader.close();
  assertEquals(Atomics.load(attention, 0) & ATTENTION_LOOK, ATTENTION_LOOK);
});

Deno.test("ConsoleRing.window travels to the consumer and signals it", () => {
  const input = ConsoleRing.allocate(4);
  const other = new ConsoleRing(input.buffer);
  assertEquals(other.window, { columns: 0, rows: 0 });
  input.window = { columns: 80, rows: 25 };
  const attention = other.wantAttention();
  assertEquals([other.window, Atomics.load(attention, 0)], [{ columns: 80, rows: 25 }, 0]);
  input.window = { columns: 70_000, rows: -1.5 };
  assertEquals([other.window, Atomics.load(attention, 0) & ATTENTION_LOOK], [
    { columns: 0xffff, rows: 0 },
    ATTENTION_LOOK,
  ]);
  input.window = { columns: NaN, rows: 0xffff };
  assertEquals(other.window, { columns: 0, rows: 0xffff });
});

Deno.test("ConsoleRing.writeOrAsk() is always told of room by a reader in another thread", WORKERS, async () => {
  const ring = ConsoleRing.allocate(8);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL("./console_reader_worker.ts", import.meta.url), { type: "module" });
  const result = new Promise<number[]>((resolve) => worker.onmessage = ({ data }) => resolve(data));
  worker.postMessage([ring.buffer, attention]);
  const total = 50_000;
  const produce = async () => {
    for (let sent = 0; sent < total;) {
      const chunk = Uint8Array.from({ length: Math.min(13, total - sent) }, (_, index) => sent + index);
      const count = ring.writeOrAsk(chunk);
      sent += count;
      const signalled = count === chunk.length ||
        await Atomics.waitAsync(attention, 0, 0, 10_000).value !== "timed-out";
      assert(signalled, `The reader made room behind byte ${sent} and did not tell`);
      Atomics.store(attention, 0, 0);
    }
    ring.close();
  };
  try {
    await alive(produce());
    assertEquals(await result, [total, 0]);
  } finally {
    worker.terminate();
  }
});

Deno.test("RingConsole hands bytes between the Guest's side and the rings, and is signalled by input", () => {
  const [output, input] = [ConsoleRing.allocate(2), ConsoleRing.allocate(8)];
  const console = new RingConsole(output, input);
  new ConsoleRing(input.buffer).write(bytes(65, 66));
  assertEquals(Atomics.load(console.attention, 0) & ATTENTION_LOOK, ATTENTION_LOOK);
  assertEquals([console.read(), console.read(), console.read()], [65, 66, -1]);
  assertEquals([console.write(1), console.write(2), console.write(3)], [true, true, false]);
  output.close();
  assertEquals(console.write(3), true);
});
