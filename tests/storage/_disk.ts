/**
 * For the tests of disks: files that go away by themselves, and a thread that waits for requests as a virtual CPU does.
 *
 * @module
 */
import { ATTENTION_LOOK } from "../../lib/platform/attention.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { BLOCK_OP, type BlockOp, type MemoryRange } from "../../lib/storage/backend.ts";
import { type DiskOptions, type OpenDisk, openDisk } from "../../lib/storage/disk.ts";
import { RingBlockBackend } from "../../lib/storage/ring_backend.ts";

/** Whether tests may make files. */
export const MAY_USE_FILES = granted("read") && granted("write");
/** Whether tests may start programs too. */
export const MAY_RUN = MAY_USE_FILES && granted("run");

function granted(name: "read" | "write" | "run"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

/** A folder that is removed with everything in it. */
export class Folder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "lguest-disk-" });

  /** Make a file of `bytes` bytes; byte n is n × 7 + 3 modulo 251. */
  file(name: string, bytes: number): string {
    const path = `${this.path}/${name}`;
    Deno.writeFileSync(path, Uint8Array.from({ length: bytes }, (_, index) => (index * 7 + 3) % 251));
    return path;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** A thread that has a disk. */
export class DiskUser {
  readonly memory: GuestMemory;
  readonly attention: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));
  disk!: OpenDisk;
  backend!: RingBlockBackend;
  /** Requests submitted whose end has not been heard of. */
  pending = 0;

  private constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  /** Open a disk with a Worker. */
  static async open(options: Omit<DiskOptions, "memory" | "attention">, ram = 4 << 20): Promise<DiskUser> {
    const user = new DiskUser(GuestMemory.allocate(ram));
    user.disk = await openDisk({ ...options, memory: user.memory, attention: user.attention });
    user.backend = new RingBlockBackend(user.disk.setup, user.memory);
    return user;
  }

  /** Hand a request over, without waking the Worker. */
  submit(op: BlockOp, sector: number, ranges: readonly MemoryRange[] | number, done: (ok: boolean) => void): void {
    const sectors = typeof ranges === "number" ? ranges : ranges.reduce((sum, { length }) => sum + length, 0) / 512;
    this.pending++;
    this.backend.submit({
      op,
      sector,
      sectors,
      ranges: typeof ranges === "number" ? [] : ranges,
      durable: false,
      done: (ok) => {
        this.pending--;
        done(ok);
      },
    });
  }

  /** Do one request. */
  do(op: BlockOp, sector: number, ranges: readonly MemoryRange[] | number): boolean {
    let result = false;
    this.submit(op, sector, ranges, (ok) => result = ok);
    this.finish();
    return result;
  }

  /** Sleep until every request was done. */
  finish(): void {
    this.backend.kick();
    while (this.pending > 0) this.look();
  }

  /** Sleep until the Worker asks to look, and look. */
  look(): void {
    if (Atomics.wait(this.attention, 0, 0, 30_000) === "timed-out") {
      throw new Error("The disk's Worker does not answer");
    }
    if ((Atomics.exchange(this.attention, 0, 0) & ATTENTION_LOOK) !== 0) this.backend.poll();
  }

  /** Read sectors by way of the start of memory. */
  read(sector: number, sectors: number): Uint8Array {
    if (!this.do(BLOCK_OP.READ, sector, [{ address: 0, length: sectors * 512 }])) throw new Error("Cannot read");
    return this.memory.copy(0, sectors * 512);
  }

  /** Write sectors by way of the start of memory. */
  write(sector: number, bytes: Uint8Array): boolean {
    this.memory.write(0, bytes);
    return this.do(BLOCK_OP.WRITE, sector, [{ address: 0, length: bytes.length }]);
  }
}
