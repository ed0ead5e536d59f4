import { assertEquals, assertThrows } from "@std/assert";
import { DriverError } from "../../lib/virtio/device.ts";
import type { Chain, VirtQueue } from "../../lib/virtio/queue.ts";
import { EVENT_IDX, INDIRECT, INDIRECT_DESC, NEXT, RingDriver, type RingOptions, WRITE } from "./_driver.ts";
import { GuardedMemory } from "./_memory.ts";

const RAM = 1 << 20;

function setUp(options: RingOptions = {}): { driver: RingDriver; queue: VirtQueue; memory: GuardedMemory } {
  const memory = new GuardedMemory(RAM);
  const driver = new RingDriver(memory, { size: 8, ...options });
  return { driver, queue: driver.queue(), memory };
}

function popped(queue: VirtQueue): Chain {
  const chain = queue.pop();
  if (!chain) throw new Error("There was no request");
  return chain;
}

/** What `pop()` says to a queue that `prepare` has spoilt. */
function complaint(prepare: (driver: RingDriver) => void, options: RingOptions = {}): string {
  const { driver, queue } = setUp(options);
  prepare(driver);
  return assertThrows(() => queue.pop(), DriverError).message;
}

Deno.test("VirtQueue.pop() gives the chains in the order in which they were made available", () => {
  const { driver, queue } = setUp();
  const first = driver.offer([{ bytes: "abc", address: 0x8000 }, { bytes: "de", address: 0x9000 }, {
    room: 7,
    address: 0xa000,
  }]);
  const second = driver.offer([{ room: 1, address: 0xb000 }]);
  assertEquals(queue.pop(), {
    head: first,
    readable: [{ address: 0x8000, length: 3 }, { address: 0x9000, length: 2 }],
    writable: [{ address: 0xa000, length: 7 }],
    readableLength: 5,
    writableLength: 7,
  });
  assertEquals(queue.pop(), {
    head: second,
    readable: [],
    writable: [{ address: 0xb000, length: 1 }],
    readableLength: 0,
    writableLength: 1,
  });
  assertEquals(queue.pop(), undefined);
});

Deno.test("VirtQueue.pop() follows an indirect table, alone and behind direct descriptors", () => {
  const { driver, queue, memory } = setUp({ features: INDIRECT_DESC });
  driver.offer([{ bytes: "ab", address: 0x8000 }, { room: 3, address: 0x9000 }], true);
  assertEquals(popped(queue).readable, [{ address: 0x8000, length: 2 }]);
  const table = 0x4000;
  driver.setDescriptor(5, { address: 0xa000, length: 4, flags: NEXT, next: 6 });
  // The WRITE flag of the referring descriptor is to be ignored; the table's first entry begins, not the lowest.
  driver.setDescriptor(6, { address: table, length: 64, flags: INDIRECT | WRITE, next: 0 });
  driver.setDescriptor(0, { address: 0xb000, length: 5, flags: NEXT, next: 3 }, table);
  driver.setDescriptor(3, { address: 0xc000, length: 6, flags: WRITE, next: 9 }, table);
  driver.makeAvailable(5);
  const chain = popped(queue);
  assertEquals([chain.readable, chain.writable], [
    [{ address: 0xa000, length: 4 }, { address: 0xb000, length: 5 }],
    [{ address: 0xc000, length: 6 }],
  ]);
  memory.assertGuards();
});

Deno.test("VirtQueue.pop() drops empty buffers, wherever they lie", () => {
  const { driver, queue } = setUp();
  driver.setDescriptor(0, { address: 0xffff_ffff_ffff_ffffn, length: 0, flags: NEXT, next: 1 });
  driver.setDescriptor(1, { address: 0x8000, length: 2, flags: NEXT, next: 2 });
  driver.setDescriptor(2, { address: 0, length: 0, flags: WRITE, next: 0 });
  driver.makeAvailable(0);
  assertEquals(queue.pop(), {
    head: 0,
    readable: [{ address: 0x8000, length: 2 }],
    writable: [],
    readableLength: 2,
    writableLength: 0,
  });
});

Deno.test("VirtQueue.pop() takes a chain of every descriptor there is, and a table as long as the largest queue", () => {
  const { driver, queue } = setUp({ features: INDIRECT_DESC });
  driver.offer(Array.from({ length: 8 }, () => ({ room: 16 })));
  assertEquals(popped(queue).writable.length, 8);
  const other = setUp({ features: INDIRECT_DESC });
  other.driver.offer(Array.from({ length: 256 }, () => ({ room: 16 })), true);
  assertEquals(popped(other.queue).writable.length, 256);
});

Deno.test("VirtQueue.pop() refuses a chain that loops, at once or later", () => {
  const message =
    "Virtio test queue: the driver made a chain that loops or has more than 8 descriptors (virtio 1.2 §2.7.5.3.1)";
  assertEquals(
    complaint((driver) => {
      driver.setDescriptor(3, { address: 0, length: 1, flags: NEXT, next: 3 });
      driver.makeAvailable(3);
    }),
    message,
  );
  assertEquals(
    complaint((driver) => {
      for (let index = 0; index < 8; index++) {
        driver.setDescriptor(index, { address: 0, length: 0, flags: NEXT, next: index < 7 ? index + 1 : 4 });
      }
      driver.makeAvailable(0);
    }),
    message,
  );
});

Deno.test("VirtQueue.pop() refuses a table that loops or is too long", () => {
  const spoil = (entries: number) => (driver: RingDriver) => {
    for (let index = 0; index < entries; index++) {
      const flags = NEXT | WRITE;
      driver.setDescriptor(index, { address: 0, length: 1, flags, next: (index + 1) % entries }, 0x4000);
    }
    driver.setDescriptor(0, { address: 0x4000, length: 16 * entries, flags: INDIRECT, next: 0 });
    driver.makeAvailable(0);
  };
  const message =
    "Virtio test queue: the driver made a chain that loops or has more than 256 descriptors (virtio 1.2 §2.7.5.3.1)";
  const tooLong = (driver: RingDriver) => void driver.offer(Array.from({ length: 257 }, () => ({ room: 1 })), true);
  assertEquals(complaint(tooLong, { features: INDIRECT_DESC }), message);
  for (const entries of [1, 2, 257, 1000]) {
    assertEquals(complaint(spoil(entries), { features: INDIRECT_DESC }), message);
  }
});

Deno.test("VirtQueue.pop() refuses numbers of descriptors that the queue does not have", () => {
  assertEquals(
    complaint((driver) => driver.makeAvailable(8)),
    "Virtio test queue: the driver made descriptor 8 available in a queue of 8 (virtio 1.2 §2.7.6)",
  );
  assertEquals(
    complaint((driver) => {
      driver.setDescriptor(0, { address: 0, length: 1, flags: NEXT, next: 0xffff });
      driver.makeAvailable(0);
    }),
    "Virtio test queue: the driver chained descriptor 65535 in a table of 8 (virtio 1.2 §2.7.5)",
  );
  assertEquals(
    complaint((driver) => {
      driver.setDescriptor(0, { address: 0, length: 1, flags: NEXT, next: 2 }, 0x4000);
      driver.setDescriptor(0, { address: 0x4000, length: 32, flags: INDIRECT, next: 0 });
      driver.makeAvailable(0);
    }, { features: INDIRECT_DESC }),
    "Virtio test queue: the driver chained descriptor 2 in a table of 2 (virtio 1.2 §2.7.5)",
  );
});

Deno.test("VirtQueue.pop() refuses a chain that the device still has, and takes it again once it was given back", () => {
  const { driver, queue } = setUp();
  driver.setDescriptor(2, { address: 0, length: 1, flags: 0, next: 0 });
  driver.makeAvailable(2);
  const chain = popped(queue);
  queue.push({ chain, written: 0 });
  driver.makeAvailable(2);
  assertEquals(popped(queue).head, 2);
  driver.makeAvailable(2);
  assertThrows(
    () => queue.pop(),
    DriverError,
    "descriptor 2 available while the device still had it (virtio 1.2 §2.7.13)",
  );
});

Deno.test("VirtQueue.pop() refuses readable behind writable", () => {
  const message =
    "Virtio test queue: the driver put a device-readable descriptor behind a device-writable one (virtio 1.2 §2.7.4.2)";
  assertEquals(complaint((driver) => driver.offer([{ room: 1 }, { bytes: "a" }])), message);
  assertEquals(complaint((driver) => driver.offer([{ room: 0 }, { bytes: "" }])), message);
});

Deno.test("VirtQueue.pop() refuses buffers that are not wholly in memory, with 64 bits", () => {
  const at = (address: bigint, length: number) =>
    complaint((driver) => {
      driver.setDescriptor(0, { address, length, flags: 0, next: 0 });
      driver.makeAvailable(0);
    });
  const message = (address: string, length: number) =>
    `Virtio test queue: the driver named a buffer of ${length} bytes at 0x${address}, which is not in memory ` +
    `(virtio 1.2 §2.7.5)`;
  assertEquals(at(BigInt(RAM), 1), message("100000", 1));
  assertEquals(at(BigInt(RAM) - 1n, 2), message("fffff", 2));
  assertEquals(at(1n << 32n, 1), message("100000000", 1));
  assertEquals(at((1n << 64n) - 1n, 2), message("ffffffffffffffff", 2));
  assertEquals(at(0n, 0xffff_ffff), message("0", 0xffff_ffff));
});

Deno.test("VirtQueue.pop() refuses a chain of more than 2^32 bytes", () => {
  // 129 times all of a RAM of 32 MiB, each descriptor of which is good.
  const large = new GuardedMemory(32 << 20);
  const driver = new RingDriver(large, { size: 8, features: INDIRECT_DESC });
  const queue = driver.queue();
  for (let index = 0; index < 129; index++) {
    const flags = index < 128 ? NEXT : 0;
    driver.setDescriptor(index, { address: 0, length: large.size, flags, next: index + 1 }, 0x4000);
  }
  driver.setDescriptor(0, { address: 0x4000, length: 16 * 129, flags: INDIRECT, next: 0 });
  driver.makeAvailable(0);
  assertThrows(() => queue.pop(), DriverError, "made a chain of more than 2^32 bytes (virtio 1.2 §2.7.5.2)");
  // Exactly as much is allowed.
  driver.setDescriptor(127, { address: 0, length: large.size, flags: 0, next: 0 }, 0x4000);
  assertEquals(popped(queue).readableLength, 2 ** 32);
});

Deno.test("VirtQueue.pop() refuses indirect tables that are not negotiated, nested, chained, odd or outside", () => {
  const refer = (length: number, flags = INDIRECT, address: bigint | number = 0x4000) => (driver: RingDriver) => {
    driver.setDescriptor(0, { address, length, flags, next: 1 });
    driver.setDescriptor(0, { address: 0x4000, length: 16, flags: INDIRECT, next: 0 }, 0x4000);
    driver.makeAvailable(0);
  };
  const says = (prepare: (driver: RingDriver) => void, features = INDIRECT_DESC) =>
    complaint(prepare, { features }).replace("Virtio test queue: the driver ", "");
  assertEquals(
    says(refer(16), 0n),
    "used an indirect descriptor without VIRTIO_F_INDIRECT_DESC (virtio 1.2 §2.7.5.3.1)",
  );
  assertEquals(says(refer(16)), "put an indirect descriptor into an indirect table (virtio 1.2 §2.7.5.3.1)");
  assertEquals(says(refer(16, INDIRECT | NEXT)), "set both INDIRECT and NEXT in a descriptor (virtio 1.2 §2.7.5.3.1)");
  for (const length of [0, 15, 17]) {
    assertEquals(
      says(refer(length)),
      `made an indirect table of ${length} bytes, which is no multiple of 16 (virtio 1.2 §2.7.5.3)`,
    );
  }
  assertEquals(
    says(refer(16, INDIRECT, (1n << 32n) + 0x4000n)),
    "named an indirect table of 16 bytes at 0x100004000, which is not in memory (virtio 1.2 §2.7.5)",
  );
  assertEquals(
    says(refer(32, INDIRECT, RAM - 16)),
    "named an indirect table of 32 bytes at 0xffff0, which is not in memory (virtio 1.2 §2.7.5)",
  );
});

Deno.test("VirtQueue.pop() refuses an available index that jumps ahead or goes back", () => {
  assertEquals(
    complaint((driver) => driver.memory.setUint16(driver.available + 2, 9)),
    "Virtio test queue: the driver moved the available index to 9 when 0 entries were taken of a queue of 8 " +
      "(virtio 1.2 §2.7.6.1)",
  );
  assertEquals(
    complaint((driver) => driver.memory.setUint16(driver.available + 2, 0xffff)),
    "Virtio test queue: the driver moved the available index to 65535 when 0 entries were taken of a queue of 8 " +
      "(virtio 1.2 §2.7.6.1)",
  );
});

Deno.test("VirtQueue.push() makes several requests visible with one write of the index", () => {
  const { driver, queue, memory } = setUp();
  const heads = [1, 2, 3].map(() => driver.offer([{ room: 4 }]));
  const chains = [popped(queue), popped(queue), popped(queue)];
  const indices: number[] = [];
  memory.onChange = (address) => {
    if (address === driver.usedRing + 2) indices.push(driver.usedIndex);
  };
  queue.push(...chains.reverse().map((chain, index) => ({ chain, written: index })));
  assertEquals(indices, [3]);
  assertEquals(driver.used().map(({ head, written }) => [head, written]), [[heads[2], 0], [heads[1], 1], [
    heads[0],
    2,
  ]]);
});

Deno.test("VirtQueue.push() refuses what the device does not have, and more than there was room", () => {
  const { driver, queue } = setUp();
  driver.offer([{ bytes: "a" }, { room: 4 }]);
  const chain = popped(queue);
  assertThrows(() => queue.push({ chain, written: 5 }), RangeError, "5 bytes written");
  queue.push({ chain, written: 4 });
  assertThrows(() => queue.push({ chain, written: 0 }), RangeError, "cannot give back");
});

Deno.test("VirtQueue.flush() interrupts once for a batch, unless NO_INTERRUPT is set", () => {
  const { driver, queue } = setUp();
  for (let count = 0; count < 4; count++) driver.offer([{ room: 4 }]);
  queue.flush();
  assertEquals(driver.interrupts, 0);
  queue.push({ chain: popped(queue), written: 0 });
  queue.push({ chain: popped(queue), written: 0 });
  queue.flush();
  queue.flush();
  assertEquals(driver.interrupts, 1);
  driver.setNoInterrupt(true);
  queue.push({ chain: popped(queue), written: 0 });
  queue.flush();
  assertEquals(driver.interrupts, 1);
  driver.setNoInterrupt(false);
  queue.push({ chain: popped(queue), written: 0 });
  queue.flush();
  assertEquals(driver.interrupts, 2);
});

Deno.test("VirtQueue.flush() with EVENT_IDX interrupts exactly when used_event is passed, around all indices", () => {
  const { driver, queue } = setUp({ features: EVENT_IDX });
  driver.setDescriptor(0, { address: 0, length: 1, flags: 0, next: 0 });
  let wrong = 0;
  for (let round = 0; round < 66_000; round++) {
    // The event lies from 3 behind to 3 ahead of the index that is to be used.
    const distance = round % 7 - 3;
    driver.setUsedEvent(round + distance);
    driver.makeAvailable(0);
    const before = driver.interrupts;
    queue.push({ chain: popped(queue), written: 0 });
    queue.flush();
    if (driver.interrupts - before !== (distance === 0 ? 1 : 0)) wrong++;
  }
  assertEquals(wrong, 0);
});

Deno.test("VirtQueue.flush() with EVENT_IDX interrupts for a batch that passes used_event in its midst", () => {
  for (const [event, expected] of [[-1, 0], [0, 1], [1, 1], [2, 1], [3, 0]] as const) {
    const { driver, queue } = setUp({ features: EVENT_IDX });
    for (let count = 0; count < 3; count++) driver.offer([{ room: 1 }]);
    driver.setUsedEvent(event);
    queue.push(...[1, 2, 3].map(() => ({ chain: popped(queue), written: 0 })));
    queue.flush();
    assertEquals(driver.interrupts, expected, `used_event ${event}`);
  }
});

Deno.test("VirtQueue asks for kicks only when it is drained", () => {
  for (const features of [0n, EVENT_IDX]) {
    const { driver, queue } = setUp({ features });
    driver.setDescriptor(0, { address: 0, length: 1, flags: 0, next: 0 });
    driver.setDescriptor(1, { address: 0, length: 1, flags: 0, next: 0 });
    driver.setDescriptor(2, { address: 0, length: 1, flags: 0, next: 0 });
    let wrong = 0;
    for (let round = 0; round < 30_000; round++) {
      if (queue.pop() !== undefined) wrong++;
      let before = driver.availableIndex;
      driver.makeAvailable(0, 1);
      if (!driver.wantsKick(before)) wrong++;
      const first = popped(queue);
      before = driver.availableIndex;
      driver.makeAvailable(2);
      if (driver.wantsKick(before)) wrong++;
      queue.push({ chain: first, written: 0 }, { chain: popped(queue), written: 0 });
      queue.push({ chain: popped(queue), written: 0 });
    }
    assertEquals(wrong, 0);
  }
});

Deno.test("VirtQueue.pop() looks once more after it has asked for kicks", () => {
  for (const features of [0n, EVENT_IDX]) {
    const { driver, queue, memory } = setUp({ features });
    const asked = features === 0n ? driver.usedRing : driver.usedRing + 4 + 8 * driver.size;
    // The driver makes a request available in the moment before it can see the wish to be heard.
    let offered = false;
    memory.onChange = (address) => {
      if (address !== asked || offered) return;
      offered = true;
      driver.offer([{ room: 1 }]);
    };
    assertEquals(popped(queue).writableLength, 1);
  }
});
