/**
 * Disks with their Worker: requests through shared memory, many at once, against a model of the contents; resets,
 * closing, and the end of the whole program by force.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { GuestError } from "../../lib/guest_error.ts";
import { BLOCK_OP } from "../../lib/storage/backend.ts";
import { DiskRing, SLOTS, WORD } from "../../lib/storage/disk_ring.ts";
import { casesOf, Random, seedOf } from "../engine/random.ts";
import { DiskUser, Folder, MAY_RUN, MAY_USE_FILES } from "./_disk.ts";

const ignore = !MAY_USE_FILES;

Deno.test({
  name: "openDisk() says in one line why a file is refused",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = `${folder.path}/none.img`;
    await assertRejects(() => DiskUser.open({ path }), GuestError, `Disk "${path}" does not exist`);
  },
});

Deno.test({
  name: "a disk is read, written, zeroed and flushed by its Worker, and closed with everything done",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", 1 << 20);
    const user = await DiskUser.open({ path });
    const { setup } = user.disk;
    assertEquals([setup.sectors, setup.readOnly, setup.id], [2048, false, "disk.img"]);
    assertEquals(user.read(3, 2), Deno.readFileSync(path).slice(3 * 512, 5 * 512));
    assert(user.write(7, new Uint8Array(1024).fill(1)));
    assert(user.do(BLOCK_OP.ZERO, 8, 1));
    assert(user.do(BLOCK_OP.DISCARD, 0, 1));
    assert(user.do(BLOCK_OP.FLUSH, 0, 0));
    assertEquals(
      Deno.readFileSync(path).slice(7 * 512, 9 * 512),
      Uint8Array.from({ length: 1024 }, (_, i) => +(i < 512)),
    );
    // Submitted and never kicked: closing does it.
    user.memory.fill(0, 512, 9);
    user.submit(BLOCK_OP.WRITE, 0, [{ address: 0, length: 512 }], () => {});
    await user.disk.close();
    await user.disk.close();
    assertEquals(Deno.readFileSync(path).slice(0, 512), new Uint8Array(512).fill(9));
    const again = await DiskUser.open({ path });
    await again.disk.close();
  },
});

Deno.test({
  name: "closing gives up what a Guest has asked for in excess",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = `${folder.path}/disk.img`;
    Deno.writeFileSync(path, new Uint8Array());
    Deno.truncateSync(path, 1 << 30);
    const length = 16 << 20;
    const user = await DiskUser.open({ path }, length);
    // Each reads a whole gibibyte into the same memory; together they take much longer than closing waits.
    const ranges = new Array(64).fill({ address: 0, length });
    const results: boolean[] = [];
    for (let count = 0; count < SLOTS; count++) user.submit(BLOCK_OP.READ, 0, ranges, (ok) => results.push(ok));
    user.backend.kick();
    await user.disk.close();
    user.backend.poll();
    assertEquals([results.length, results.at(-1)], [SLOTS, false]);
  },
});

Deno.test({
  name: "a second Guest is refused while the first has the disk",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", 4096);
    const first = await DiskUser.open({ path });
    await assertRejects(() => DiskUser.open({ path }), GuestError, "is already in use");
    await first.disk.close();
  },
});

Deno.test({
  name: "what the host cannot do ends as a failure: beyond the end, a shorter file, a write to a read-only disk",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", 65536);
    const user = await DiskUser.open({ path });
    const page = [{ address: 0, length: 4096 }];
    for (const op of [BLOCK_OP.READ, BLOCK_OP.WRITE]) assertEquals(user.do(op, 121, page), false);
    assertEquals(user.do(BLOCK_OP.ZERO, 2 ** 40, 1), false);
    assertEquals(Deno.statSync(path).size, 65536);
    Deno.truncateSync(path, 8192);
    assert(user.do(BLOCK_OP.READ, 8, page));
    assertEquals(user.do(BLOCK_OP.READ, 9, page), false);
    await user.disk.close();
    const reader = await DiskUser.open({ path, readOnly: true });
    assert(reader.backend.readOnly);
    assertEquals(reader.do(BLOCK_OP.WRITE, 0, page), false);
    assert(reader.do(BLOCK_OP.READ, 0, page));
    assert(reader.do(BLOCK_OP.FLUSH, 0, 0));
    await reader.disk.close();
  },
});

Deno.test({
  name: "what a read puts into memory is told to the engine before the read is done",
  ignore,
  async fn() {
    using folder = new Folder();
    const user = await DiskUser.open({ path: folder.file("disk.img", 65536) });
    const told: number[][] = [];
    user.memory.onChange = (address, length) => told.push([address, length]);
    let toldThen: number[][] = [];
    user.submit(
      BLOCK_OP.READ,
      0,
      [{ address: 4096, length: 512 }, { address: 100, length: 512 }],
      () => toldThen = [...told],
    );
    user.finish();
    assertEquals(toldThen, [[4096, 512], [100, 512]]);
    user.do(BLOCK_OP.WRITE, 0, [{ address: 4096, length: 512 }]);
    assertEquals(told.length, 2);
    await user.disk.close();
  },
});

Deno.test({
  name: "as many requests as there are slots are taken, one more is refused, and all are done",
  ignore,
  async fn() {
    using folder = new Folder();
    const user = await DiskUser.open({ path: folder.file("disk.img", 65536) });
    const { backend } = user;
    let done = 0;
    for (let i = 0; i < 3; i++) {
      while (backend.room > 0) user.submit(BLOCK_OP.READ, 0, [{ address: 0, length: 512 }], (ok) => done += Number(ok));
      const request = { op: BLOCK_OP.FLUSH, sector: 0, sectors: 0, ranges: [], durable: false, done: () => {} };
      assertThrows(() => backend.submit(request), RangeError);
      user.finish();
    }
    assertEquals([done, backend.room], [3 * SLOTS, SLOTS]);
    await user.disk.close();
  },
});

Deno.test({
  name: "after reset() nothing is heard of earlier requests, memory stays as it is, and the disk goes on",
  ignore,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", 4 << 20);
    const random = new Random(seedOf(5));
    const user = await DiskUser.open({ path }, 8 << 20);
    const { backend, memory } = user;
    for (let round = 0; round < 60; round++) {
      const requests = 1 + random.below(20);
      for (let i = 0; i < requests; i++) {
        const length = 512 * (1 + random.below(1024));
        user.submit(BLOCK_OP.READ, 0, [{ address: 4 << 20, length }], () => {});
        if (random.chance(0.5)) backend.kick();
      }
      backend.kick();
      for (let spin = random.below(20_000); spin > 0; spin--) Atomics.load(user.attention, 0);
      backend.reset();
      memory.fill(4 << 20, 1 << 19, 0xcc);
      backend.submit({
        op: BLOCK_OP.READ,
        sector: 1,
        sectors: 1,
        ranges: [{ address: 0, length: 512 }],
        durable: false,
        done: () => user.pending = -1,
      });
      user.pending = 1;
      backend.kick();
      while (user.pending > 0) user.look();
      assert(memory.slice(4 << 20, 1 << 19).every((byte) => byte === 0xcc), `Memory was written after reset ${round}`);
      assertEquals(user.pending, -1);
      user.pending = 0;
    }
    assertEquals(backend.room, SLOTS);
    await user.disk.close();
  },
});

Deno.test({
  name: "reset() waits for the end of a copy that has begun",
  ignore,
  async fn() {
    using folder = new Folder();
    const user = await DiskUser.open({ path: folder.file("disk.img", 1 << 20) }, 8 << 20);
    const { backend, memory } = user;
    const { words } = new DiskRing(user.disk.setup.ring);
    const start = 4 << 20, end = start + (1 << 20);
    let copies = 0;
    for (let round = 0; round < 50; round++) {
      memory.fill(start, end - start, 0xcc);
      const completed = Atomics.load(words, WORD.COMPLETED);
      user.submit(BLOCK_OP.READ, 0, [{ address: start, length: end - start }], () => {});
      backend.kick();
      while (Atomics.load(words, WORD.COPYING) === 0 && Atomics.load(words, WORD.COMPLETED) === completed);
      backend.reset();
      const first = memory.getUint8(start), last = memory.getUint8(end - 1);
      if (first !== 0xcc) copies++;
      while (Atomics.load(words, WORD.COMPLETED) === completed);
      assertEquals([memory.getUint8(start), memory.getUint8(end - 1)], [first, last], `Written after reset ${round}`);
      backend.poll();
    }
    assert(copies > 0);
    await user.disk.close();
  },
});

Deno.test({
  name: "random requests, many at once, leave what a model says in memory and file",
  ignore,
  async fn() {
    using folder = new Folder();
    const size = 1 << 20, sectors = size / 512;
    const path = folder.file("disk.img", size);
    const seed = seedOf(11), cases = casesOf(10_000);
    const random = new Random(seed);
    const model = Deno.readFileSync(path);
    const user = await DiskUser.open({ path }, 16 << 20);
    const { memory } = user;
    for (let count = 0; count < cases;) {
      // A batch in which each request has its own 64 KiB of memory; a request waits for nothing, as they are done in order.
      const batch = 1 + random.below(64);
      const checks: (() => void)[] = [];
      for (let i = 0; i < batch; i++, count++) {
        const op = random.below(5) as 0 | 1 | 2 | 3 | 4;
        const length = op === BLOCK_OP.FLUSH || random.chance(0.1) ? 0 : 1 + random.below(64);
        const sector = random.below(sectors - length + 1);
        const label = `LGUEST_SEED=${seed}, request ${count}: ${op} of ${length} sectors at ${sector}`;
        const base = (1 << 20) + i * 131072;
        const ranges = cut(random, base, length * 512);
        const checkOk = (ok: boolean) => assert(ok, label);
        const place = model.subarray(sector * 512, (sector + length) * 512);
        if (op === BLOCK_OP.READ) {
          const expected = place.slice();
          user.submit(op, sector, ranges, checkOk);
          checks.push(() => assertEquals(collect(user, ranges), expected, label));
        } else if (op === BLOCK_OP.WRITE) {
          const bytes = new Uint8Array(length * 512).fill(random.bits() & 0xff);
          for (let at = 0; at < bytes.length; at += 509) bytes[at] = random.bits();
          let at = 0;
          for (const { address, length } of ranges) memory.write(address, bytes.subarray(at, at += length));
          place.set(bytes);
          user.submit(op, sector, ranges, checkOk);
        } else {
          if (op === BLOCK_OP.ZERO) place.fill(0);
          // What was discarded has no contents that could be compared: it is zeroed as well.
          if (op === BLOCK_OP.DISCARD) place.fill(0);
          user.submit(op, sector, length, checkOk);
          if (op === BLOCK_OP.DISCARD) user.submit(BLOCK_OP.ZERO, sector, length, checkOk);
        }
        if (random.chance(0.3)) user.backend.kick();
      }
      user.finish();
      for (const check of checks) check();
    }
    await user.disk.close();
    assertEquals(Deno.readFileSync(path), model, `LGUEST_SEED=${seed}`);
  },
});

/** Cut `length` bytes of memory from `base` into up to 8 ranges with gaps between them. */
function cut(random: Random, base: number, length: number): { address: number; length: number }[] {
  const ranges: { address: number; length: number }[] = [];
  let address = base;
  for (let left = length; left > 0;) {
    const piece: number = ranges.length === 7 ? left : 1 + random.below(left);
    ranges.push({ address, length: piece });
    address += piece + random.below(4096);
    left -= piece;
  }
  return ranges;
}

function collect(user: DiskUser, ranges: readonly { address: number; length: number }[]): Uint8Array {
  const bytes = new Uint8Array(ranges.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const { address, length } of ranges) {
    bytes.set(user.memory.slice(address, length), at);
    at += length;
  }
  return bytes;
}

Deno.test({
  name: "what was flushed is in the file after the program was killed",
  ignore: !MAY_RUN,
  async fn() {
    using folder = new Folder();
    const path = folder.file("disk.img", 1 << 20);
    const random = new Random(seedOf(3));
    for (let round = 0; round < 3; round++) {
      const writer = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-A",
          new URL("./_flushing_writer.ts", import.meta.url).pathname,
          path,
          String(random.below(1000)),
        ],
        stdin: "null",
        stdout: "piped",
      }).spawn();
      const lines: string[] = [];
      let text = "";
      let killed = false;
      const killAfter = 5 + random.below(100);
      for await (const part of writer.stdout.pipeThrough(new TextDecoderStream())) {
        text += part;
        lines.push(...text.split("\n").slice(0, -1));
        text = text.slice(text.lastIndexOf("\n") + 1);
        if (lines.length >= killAfter && !killed) {
          killed = true;
          writer.kill("SIGKILL");
        }
      }
      assertEquals((await writer.status).signal, "SIGKILL");
      // Each line is "sector value" of a sector that was written and then flushed; it is written no more.
      const file = Deno.readFileSync(path);
      const words = new Uint32Array(file.buffer);
      for (const line of lines) {
        const [sector, value] = line.split(" ").map(Number) as [number, number];
        const contents = words.subarray(sector * 128, sector * 128 + 128);
        assert(contents.every((word) => word === value), `Round ${round}: sector ${sector} is not what was flushed`);
      }
      assert(lines.length >= killAfter);
    }
  },
});
