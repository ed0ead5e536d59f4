/**
 * The disk's side of the ring over an image in memory, in one thread: the order of writes and flushes, and failures of
 * the host.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { GuestMemory } from "../../lib/memory.ts";
import { ATTENTION_LOOK } from "../../lib/platform/attention.ts";
import { BLOCK_OP, type BlockRequest } from "../../lib/storage/backend.ts";
import { DiskRing, WORD } from "../../lib/storage/disk_ring.ts";
import { type DiskImage, DiskServer } from "../../lib/storage/disk_server.ts";
import { RingBlockBackend } from "../../lib/storage/ring_backend.ts";

const DISK = 8 << 20;

/** A disk in memory that notes what was asked of it, and fails on demand. */
class NotedImage implements DiskImage {
  readonly sectors: number = DISK / 512;
  readonly bytes = new Uint8Array(DISK);
  readonly notes: string[] = [];
  /** Called before each operation; may throw. */
  before: (note: string) => void = () => {};

  read(position: number, into: Uint8Array): void {
    this.#note(`read ${position} ${into.length}`);
    into.set(this.bytes.subarray(position, position + into.length));
  }

  write(position: number, bytes: Uint8Array): void {
    this.#note(`write ${position} ${bytes.length}`);
    this.bytes.set(bytes, position);
  }

  flush(): void {
    this.#note("flush");
  }

  #note(note: string): void {
    this.before(note);
    this.notes.push(note);
  }
}

function workbench() {
  const memory = GuestMemory.allocate(8 << 20);
  const image = new NotedImage();
  const buffer = DiskRing.allocate();
  const ring = new DiskRing(buffer);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const server = new DiskServer({ image, ring, memory, attention });
  const backend = new RingBlockBackend({ ring: buffer, sectors: image.sectors, readOnly: false, id: "" }, memory);
  // A ring that is closed is served until it is empty, and then no more.
  Atomics.store(ring.words, WORD.CLOSED, 1);
  const results: boolean[] = [];
  function submit(request: Partial<BlockRequest>): void {
    backend.submit({
      op: BLOCK_OP.READ,
      sector: 0,
      sectors: 0,
      ranges: [],
      durable: false,
      done: (ok) => void results.push(ok),
      ...request,
    });
  }
  function write(sector: number, durable = false): void {
    submit({ op: BLOCK_OP.WRITE, sector, sectors: 1, ranges: [{ address: 0, length: 512 }], durable });
  }
  function serve(): boolean[] {
    server.serve();
    backend.poll();
    return results.splice(0);
  }
  return { memory, image, ring, attention, backend, submit, write, serve };
}

Deno.test("a flush comes after the writes that were submitted before it", () => {
  const { image, submit, write, serve } = workbench();
  write(1);
  write(2);
  submit({ op: BLOCK_OP.FLUSH });
  write(3);
  assertEquals(serve(), [true, true, true, true]);
  assertEquals(image.notes, ["write 512 512", "write 1024 512", "flush", "write 1536 512"]);
});

Deno.test("what must be durable is flushed before it is done", () => {
  const { image, submit, write, serve } = workbench();
  write(1, true);
  image.bytes[1024] = 1;
  submit({ op: BLOCK_OP.ZERO, sector: 2, sectors: 1, durable: true });
  assertEquals(serve(), [true, true]);
  assertEquals(image.notes, ["write 512 512", "flush", "read 1024 512", "write 1024 512", "flush"]);
});

Deno.test("a request that the host fails is done without success, and the next ones go on", () => {
  const { image, submit, write, serve } = workbench();
  image.before = (note) => {
    if (note !== "write 1024 512") throw new Error("No space left on device (os error 28)");
  };
  write(1);
  write(2);
  submit({ op: BLOCK_OP.FLUSH });
  submit({ sectors: 1, ranges: [{ address: 0, length: 512 }] });
  write(2, true);
  assertEquals(serve(), [false, true, false, false, false]);
});

Deno.test("what lies beyond the disk is refused by the disk's side too", () => {
  const { image, submit, serve } = workbench();
  const ranges = [{ address: 0, length: 1024 }];
  for (const op of [BLOCK_OP.READ, BLOCK_OP.WRITE, BLOCK_OP.ZERO]) {
    for (const sector of [DISK / 512 - 1, DISK / 512, 2 ** 32 - 1, 2 ** 44]) submit({ op, sector, sectors: 2, ranges });
  }
  submit({ op: 5 as typeof BLOCK_OP.READ });
  assertEquals(serve(), new Array(13).fill(false));
  assertEquals(image.notes, []);
});

Deno.test("a request that is larger than the buffer goes through it in parts", () => {
  const { memory, image, submit, serve } = workbench();
  const length = 3 * (1 << 20) - 512;
  for (let at = 0; at < length; at += 4) memory.setUint32(at, at * 2654435761 >>> 0);
  const ranges = [{ address: 0, length: 1_500_001 }, { address: 1_500_001, length: length - 1_500_001 }];
  submit({ op: BLOCK_OP.WRITE, sector: 3, sectors: length / 512, ranges });
  submit({ sector: 3, sectors: length / 512, ranges: [{ address: 4 << 20, length }] });
  submit({ op: BLOCK_OP.ZERO, sector: 0, sectors: 4096 });
  assertEquals(serve(), [true, true, true]);
  assertEquals(memory.copy(4 << 20, length), memory.copy(0, length));
  assertEquals(image.bytes.indexOf(1), image.bytes.subarray(4096 * 512).indexOf(1) + 4096 * 512);
});

Deno.test("zeroing writes only where there is something else, so that holes stay holes", () => {
  const { image, submit, serve } = workbench();
  image.bytes[(1 << 20) + 5] = 1;
  image.bytes[(4 << 20) - 1] = 1;
  image.bytes[4 << 20] = 1;
  submit({ op: BLOCK_OP.ZERO, sector: 0, sectors: 8192 });
  assertEquals(serve(), [true]);
  assertEquals(image.notes.filter((note) => note.startsWith("write")), [
    "write 1048576 1048576",
    "write 3145728 1048576",
  ]);
  assertEquals(image.bytes.indexOf(1), 4 << 20);
});

Deno.test("sectors that cannot be read can be zeroed", () => {
  const { image, submit, serve } = workbench();
  image.bytes.fill(1, 0, 1024);
  image.before = (note) => {
    if (note.startsWith("read")) throw new Error("Input/output error (os error 5)");
  };
  submit({ op: BLOCK_OP.ZERO, sector: 0, sectors: 1 });
  assertEquals(serve(), [true]);
  assertEquals(image.bytes.indexOf(1), 512);
});

Deno.test("one signal stands for all results that are not taken yet", () => {
  const { attention, write, serve } = workbench();
  write(1);
  write(2);
  assertEquals(serve(), [true, true]);
  assertEquals(Atomics.exchange(attention, 0, 0) & ATTENTION_LOOK, ATTENTION_LOOK);
  assertEquals(serve(), []);
  assertEquals(Atomics.load(attention, 0), 0);
  write(3);
  assertEquals(serve(), [true]);
  assertEquals(Atomics.load(attention, 0) & ATTENTION_LOOK, ATTENTION_LOOK);
});

Deno.test("requests from before a reset are not carried out, and their slots come back", () => {
  const { image, backend, write, serve } = workbench();
  const room = backend.room;
  write(1);
  write(2);
  assertEquals(backend.room, room - 2);
  backend.reset();
  write(3);
  assertEquals(serve(), [true]);
  assertEquals(image.notes, ["write 1536 512"]);
  assertEquals(backend.room, room);
});

Deno.test("a request that a reset overtakes ends between two parts", () => {
  const { image, backend, submit, serve } = workbench();
  image.before = () => backend.reset();
  submit({ op: BLOCK_OP.ZERO, sector: 0, sectors: 8192 });
  assertEquals(serve(), []);
  assertEquals(image.notes, ["read 0 1048576"]);
});
