/**
 * The block device over a disk in memory: what each request does, what is refused, and what the driver sees of it.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { BLOCK_OP } from "../../lib/storage/backend.ts";
import {
  BLOCK_FEATURE,
  BLOCK_STATUS,
  BLOCK_TYPE,
  blockConfig,
  MAX_ZERO_SECTORS,
} from "../../lib/virtio/block_config.ts";
import { DriverError, FEATURE } from "../../lib/virtio/device.ts";
import { BlockDriver, type BlockDriverOptions, type Ended, header, range } from "./_block_driver.ts";
import type { Part } from "./_driver.ts";
import { GuardedMemory } from "./_memory.ts";
import { MemoryBackend, type MemoryBackendOptions } from "./_memory_backend.ts";

const { OK, IOERR, UNSUPP } = BLOCK_STATUS;

function setUp(disk: MemoryBackendOptions = {}, ring: BlockDriverOptions = {}) {
  const memory = new GuardedMemory(4 << 20);
  const backend = new MemoryBackend(memory, disk);
  const driver = new BlockDriver(memory, backend, { size: 64, ...ring });
  /** One request from beginning to end. */
  function request(type: number, sector: number | bigint, data: Uint8Array | number): Ended & { data: Uint8Array } {
    const offered = driver.offer(type, sector, data);
    driver.kick();
    while (backend.waiting.length > 0) backend.carryOut();
    driver.device.attend();
    const ended = driver.ended().get(offered.status)!;
    return { ...ended, data: memory.copy(offered.data, typeof data === "number" ? data : 0) };
  }
  return { memory, backend, driver, request };
}

/** A mask of feature bits. */
function mask(...bits: number[]): bigint {
  return bits.reduce((sum, bit) => sum | 1n << BigInt(bit), 0n);
}

Deno.test("a block device says what it is", () => {
  const { driver: { device } } = setUp();
  const { SEG_MAX, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES, RO } = BLOCK_FEATURE;
  assertEquals([device.type, device.queueNames], [2, ["request"]]);
  assertEquals(device.features, mask(SEG_MAX, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES));
  assertEquals([device.readConfig(0, 4), device.readConfig(4, 4)], [64, 0]);
  assertEquals([device.readConfig(12, 4), device.readConfig(20, 4)], [254, 512]);
  assertEquals([device.readConfig(12, 1), device.readConfig(12, 2), device.readConfig(13, 1)], [254, 254, 0]);
  assertEquals([device.readConfig(40, 4), device.readConfig(52, 4)], [1, 1]);
  assertEquals([device.configLength, device.readConfig(56, 4)], [60, 0]);
  assertEquals(setUp({ readOnly: true }).driver.device.features, mask(SEG_MAX, BLK_SIZE, FLUSH, RO));
});

Deno.test("blockConfig() holds a capacity of more than 2^32 sectors, and nothing of features that are not offered", () => {
  const view = blockConfig({ sectors: 0x12_3456_789a, readOnly: true });
  assertEquals(view.getBigUint64(0, true), 0x12_3456_789an);
  const others = Array.from({ length: 60 }, (_, offset) => view.getUint8(offset)).slice(24);
  assertEquals(others, new Array(36).fill(0));
});

Deno.test("nothing of its configuration can be written", () => {
  const { driver } = setUp();
  assertEquals(
    assertThrows(() => driver.device.writeConfig(32), DriverError).message,
    "Virtio block vda: the driver wrote configuration offset 32, where nothing can be written (virtio 1.2 §5.2.4)",
  );
});

Deno.test("a legacy driver may call any request a barrier, and only such a driver", () => {
  const barrier = 0x8000_0000;
  const legacy = setUp();
  assertEquals(legacy.request(barrier + BLOCK_TYPE.OUT, 4, new Uint8Array(512).fill(0xab)).status, OK);
  assertEquals(legacy.request(barrier + BLOCK_TYPE.FLUSH, 0, 0).status, OK);
  assertEquals(legacy.request(barrier + BLOCK_TYPE.IN, 4, 512), {
    status: OK,
    written: 513,
    data: new Uint8Array(512).fill(0xab),
  });
  const { FLUSH } = BLOCK_FEATURE;
  const modern = setUp({}, { features: mask(FLUSH, FEATURE.VERSION_1) });
  assertEquals(modern.request(barrier + BLOCK_TYPE.IN, 4, 512).status, UNSUPP);
});

Deno.test("IN reads sectors, OUT writes them", () => {
  const { backend, request } = setUp();
  const before = backend.bytes.slice(512 * 3, 512 * 5);
  assertEquals(request(BLOCK_TYPE.IN, 3, 1024), { status: OK, written: 1025, data: before });
  const { status, written } = request(BLOCK_TYPE.OUT, 4, new Uint8Array(512).fill(0xab));
  assertEquals([status, written], [OK, 1]);
  before.fill(0xab, 512);
  assertEquals(backend.bytes.slice(512 * 3, 512 * 5), before);
});

Deno.test("header, data and status may be cut into descriptors anywhere", () => {
  const { memory, backend, driver } = setUp();
  const { ring } = driver;
  const bytes = Uint8Array.from({ length: 1024 }, (_, index) => index);
  const whole = new Uint8Array([...header(BLOCK_TYPE.OUT, 2), ...bytes]);
  const cuts = [[1040], [1, 1039], [15, 2, 1023], [16, 1, 1, 1022], [20, 1020], [7, 3, 0, 600, 430]];
  for (const lengths of cuts) {
    backend.bytes.fill(0);
    let at = 0;
    const parts = lengths.map((length): Part => ({ bytes: whole.slice(at, at += length) }));
    const { status } = driver.offerParts(parts, 0, lengths.length > 3);
    driver.kick();
    backend.carryOut();
    driver.device.attend();
    assertEquals(driver.ended().get(status), { status: OK, written: 1 });
    assertEquals(backend.bytes.slice(1024, 2048), bytes);
  }
  for (const lengths of [[513], [1, 512], [511, 2], [512, 1], [512, 0, 1], [512, 1, 0], [100, 0, 413]]) {
    const at = ring.allocate(8192);
    memory.fill(at, 8192, 0xee);
    let room = at;
    const rooms = lengths.map((length): Part => ({ room: length, address: (room += length + 100) - length - 100 }));
    ring.offer([{ bytes: header(BLOCK_TYPE.IN, 2) }, ...rooms]);
    driver.kick();
    backend.carryOut();
    driver.device.attend();
    assertEquals([...ring.used()[0]!.bytes], [...bytes.slice(0, 512), OK]);
  }
});

Deno.test("GET_ID gives the name, padded to 20 bytes", () => {
  const { request } = setUp();
  const name = [...new TextEncoder().encode("disk.img"), ...new Array(12).fill(0)];
  const { status, written, data } = request(BLOCK_TYPE.GET_ID, 0, 20);
  assertEquals([status, written, [...data]], [OK, 21, name]);
  const short = request(BLOCK_TYPE.GET_ID, 0, 4);
  assertEquals([short.status, short.written, [...short.data]], [OK, 5, name.slice(0, 4)]);
  const long = request(BLOCK_TYPE.GET_ID, 0, 30);
  assertEquals([long.status, long.written, [...long.data]], [OK, 21, [...name, ...new Array(10).fill(0)]]);
});

Deno.test("GET_ID gives at most 20 characters, all of them ASCII", () => {
  const { driver } = setUp({}, { id: "Größe 10\u{1f4be}: a name that is long" });
  const offered = driver.offer(BLOCK_TYPE.GET_ID, 0, 20);
  driver.kick();
  assertEquals(new TextDecoder().decode(driver.memory.copy(offered.data, 20)), "Gr__e 10__: a name t");
});

Deno.test("WRITE_ZEROES zeroes, and DISCARD is allowed to do nothing", () => {
  const { backend, request } = setUp();
  for (const flags of [0, 1]) {
    backend.bytes.fill(1);
    assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(62, 2, flags)).status, OK);
    assertEquals([backend.bytes[62 * 512 - 1], backend.bytes[62 * 512], backend.bytes.at(-1)], [1, 0, 0]);
  }
  assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(0, 64)).status, OK);
});

Deno.test("DISCARD and WRITE_ZEROES with flags that are not known are not supported", () => {
  const { request, backend } = setUp();
  const before = backend.bytes.slice();
  for (const flags of [2, 3, 0x8000_0000]) {
    assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(0, 1, flags)).status, UNSUPP);
  }
  for (const flags of [1, 2, 0x8000_0000]) {
    assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(0, 1, flags)).status, UNSUPP);
  }
  assertEquals(backend.bytes, before);
});

Deno.test("DISCARD and WRITE_ZEROES with another number of ranges than one, or one too large, fail", () => {
  const { request, backend } = setUp({ sectors: MAX_ZERO_SECTORS + 8 });
  const before = backend.bytes.slice();
  for (const type of [BLOCK_TYPE.DISCARD, BLOCK_TYPE.WRITE_ZEROES]) {
    for (const bytes of [new Uint8Array(0), new Uint8Array(15), new Uint8Array(32)]) {
      assertEquals(request(type, 0, bytes).status, IOERR);
    }
  }
  assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(0, MAX_ZERO_SECTORS + 1)).status, IOERR);
  assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(0, 0xffff_ffff)).status, IOERR);
  assertEquals(backend.bytes, before);
});

Deno.test("a request beyond the end fails, also where sums of 64 bits would wrap", () => {
  const { request, backend } = setUp();
  const before = backend.bytes.slice();
  const places = [
    63n,
    64n,
    1n << 32n,
    (1n << 53n) + 1n,
    1n << 55n,
    (1n << 63n) - 1n,
    (1n << 64n) - 2n,
    (1n << 64n) - 1n,
  ];
  for (const sector of places) {
    assertEquals(request(BLOCK_TYPE.OUT, sector, new Uint8Array(1024)).status, IOERR);
    const read = request(BLOCK_TYPE.IN, sector, 1024);
    assertEquals([read.status, read.written, read.data], [IOERR, 1, new Uint8Array(1024)]);
    assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(sector, 2)).status, IOERR);
    assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(sector, 2)).status, IOERR);
  }
  assertEquals(backend.bytes, before);
  assertEquals(request(BLOCK_TYPE.OUT, 63, new Uint8Array(512)).status, OK);
});

Deno.test("data that is no multiple of 512 bytes fails", () => {
  const { request, backend } = setUp();
  const before = backend.bytes.slice();
  for (const length of [1, 511, 513]) {
    assertEquals(request(BLOCK_TYPE.OUT, 0, new Uint8Array(length)).status, IOERR);
    assertEquals(request(BLOCK_TYPE.IN, 0, length).status, IOERR);
  }
  assertEquals(backend.bytes, before);
});

Deno.test("requests of other types are not supported", () => {
  const { request } = setUp({}, { features: mask(FEATURE.VERSION_1) });
  for (const type of [2, 3, 5, 9, 10, 14, 0x8000_0000, 0xffff_ffff]) {
    assertEquals(request(type, 0, 512), { status: UNSUPP, written: 1, data: new Uint8Array(512) });
  }
});

Deno.test("a read-only disk is read, and whatever would change it fails", () => {
  const { request, backend } = setUp({ readOnly: true });
  const before = backend.bytes.slice();
  assertEquals(request(BLOCK_TYPE.OUT, 0, new Uint8Array(512)).status, IOERR);
  assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(0, 1)).status, IOERR);
  assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(0, 1)).status, IOERR);
  assertEquals(request(BLOCK_TYPE.IN, 0, 512), { status: OK, written: 513, data: before.slice(0, 512) });
  assertEquals(request(BLOCK_TYPE.FLUSH, 0, 0).status, OK);
  assertEquals(backend.bytes, before);
});

Deno.test("what the host fails is an input/output error", () => {
  const { backend, driver } = setUp();
  const offered = [driver.offer(BLOCK_TYPE.IN, 0, 512), driver.offer(BLOCK_TYPE.OUT, 0, new Uint8Array(512))];
  offered.push(driver.offer(BLOCK_TYPE.FLUSH, 0, 0));
  driver.kick();
  for (const _ of offered) backend.carryOut(0, false);
  driver.device.attend();
  const ended = driver.ended();
  for (const { status } of offered) assertEquals(ended.get(status), { status: IOERR, written: 1 });
});

Deno.test("many requests are under way at once, end in any order, and one interrupt tells of a batch", () => {
  const { backend, driver } = setUp();
  const offered = [1, 2, 3, 4].map((sector) => driver.offer(BLOCK_TYPE.IN, sector, 512));
  driver.kick();
  assertEquals([backend.waiting.length, backend.kicks, driver.ring.interrupts], [4, 1, 0]);
  backend.carryOut(3);
  backend.carryOut(1);
  driver.device.attend();
  assertEquals([...driver.ended().keys()], [offered[3]!.status, offered[1]!.status]);
  assertEquals(driver.ring.interrupts, 1);
  driver.device.attend();
  assertEquals(driver.ring.interrupts, 1);
  backend.carryOut(1);
  backend.carryOut(0);
  driver.device.attend();
  assertEquals([...driver.ended().keys()], [offered[2]!.status, offered[0]!.status]);
  assertEquals(driver.ring.interrupts, 2);
});

Deno.test("requests that the backend has no room for wait, and none is lost", () => {
  const { backend, driver } = setUp({ limit: 2 });
  const offered = [1, 2, 3, 4, 5].map((sector) => driver.offer(BLOCK_TYPE.IN, sector, 512).status);
  driver.kick();
  const ended: number[] = [];
  for (let i = 0; i < 5; i++) {
    assertEquals(backend.waiting.length, Math.min(2, 5 - i));
    backend.carryOut();
    driver.device.attend();
    ended.push(...driver.ended().keys());
  }
  assertEquals(ended, offered);
});

Deno.test("without FLUSH what is written must be durable before it is done", () => {
  const types = [BLOCK_TYPE.OUT, BLOCK_TYPE.IN, BLOCK_TYPE.FLUSH] as const;
  for (const [features, durable] of [[0n, true], [1n << BigInt(BLOCK_FEATURE.FLUSH), false]] as const) {
    const { backend, driver } = setUp({}, { features });
    for (const type of types) driver.offer(type, 0, type === BLOCK_TYPE.OUT ? new Uint8Array(512) : 0);
    driver.kick();
    assertEquals(backend.waiting.map(({ op }) => op), [BLOCK_OP.WRITE, BLOCK_OP.READ, BLOCK_OP.FLUSH]);
    assertEquals(backend.waiting.map((request) => request.durable), [durable, false, false]);
  }
});

Deno.test("DISCARD and WRITE_ZEROES are not supported where they were not negotiated", () => {
  const { request } = setUp({}, { features: 0n });
  assertEquals(request(BLOCK_TYPE.DISCARD, 0, range(0, 1)).status, UNSUPP);
  assertEquals(request(BLOCK_TYPE.WRITE_ZEROES, 0, range(0, 1)).status, UNSUPP);
});

Deno.test("a request without a whole header or without room for the status is the driver's error", () => {
  const first = setUp().driver;
  first.ring.offer([{ bytes: new Uint8Array(15) }, { room: 513 }]);
  assertEquals(
    assertThrows(() => first.kick(), DriverError).message,
    "Virtio block vda request queue: the driver sent a request of 15 device-readable bytes: a header has 16 " +
      "(virtio 1.2 §5.2.6)",
  );
  for (const parts of [[{ bytes: header(0) }], [{ bytes: header(0) }, { room: 0 }]]) {
    const { driver } = setUp();
    driver.ring.offer(parts);
    assertEquals(
      assertThrows(() => driver.kick(), DriverError).message,
      "Virtio block vda request queue: the driver left no room for the status of a request (virtio 1.2 §5.2.6)",
    );
  }
});

Deno.test("reset() forgets what is under way, and the next driver finds a fresh device", () => {
  const { memory, backend, driver } = setUp();
  const { status } = driver.offer(BLOCK_TYPE.IN, 1, 512);
  driver.kick();
  backend.carryOut();
  driver.device.reset();
  driver.device.attend();
  driver.device.notify();
  assertEquals([backend.resets, driver.ring.usedIndex, memory.getUint8(status)], [1, 0, 0xff]);
  const again = new BlockDriver(memory, backend, { at: 0x10_0000 });
  const next = again.offer(BLOCK_TYPE.IN, 1, 512);
  again.kick();
  backend.carryOut();
  again.device.attend();
  assertEquals(again.ended().get(next.status), { status: OK, written: 513 });
});

Deno.test("each request makes a line in the log when it is done", () => {
  const lines: string[] = [];
  const { request } = setUp({}, { log: (line) => lines.push(line) });
  request(BLOCK_TYPE.OUT, 3, new Uint8Array(1024));
  request(BLOCK_TYPE.IN, 64, 512);
  request(BLOCK_TYPE.FLUSH, 0, 0);
  request(BLOCK_TYPE.GET_ID, 0, 20);
  request(BLOCK_TYPE.WRITE_ZEROES, 0, range(5, 2));
  request(99, 0, 0);
  assertEquals(lines, [
    "block vda: WRITE to sector 3: 1024 bytes, OK",
    "block vda: READ from sector 64: 512 bytes, IOERR",
    "block vda: FLUSH: OK",
    "block vda: GET_ID: OK",
    "block vda: WRITE_ZEROES at sector 5: 1024 bytes, OK",
    "block vda: request of type 99: UNSUPP",
  ]);
  assert(lines.every((line) => !line.includes("\n")));
});

Deno.test("traffic counts the bytes that were read and written, and none of what failed or moves nothing", () => {
  const { driver: { device }, request } = setUp();
  request(BLOCK_TYPE.IN, 0, 1024);
  request(BLOCK_TYPE.OUT, 2, new Uint8Array(512));
  request(BLOCK_TYPE.FLUSH, 0, 0);
  request(BLOCK_TYPE.GET_ID, 0, 20);
  request(BLOCK_TYPE.WRITE_ZEROES, 0, range(0, 8));
  request(BLOCK_TYPE.IN, 64, 512);
  assertEquals(device.traffic, { kind: "block", in: 1024, out: 512 });
});
