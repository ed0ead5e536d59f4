/**
 * The rules of the original `/dev/lguest` (Linux's `drivers/lguest/lguest_user.c`), by system calls on the stand-in that
 * the other tests are made with: it must not be more lenient than the original was.
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { AT_FDCWD, cString, ERRNO, O_RDWR, openLibrary } from "../../../ffi/library.ts";
import { GuestMemory } from "../../../lib/memory.ts";
import { type Generation, GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { LHREQ, REGISTER_OFFSET } from "../../../lib/platform/lguest/protocol.ts";
import type { OtherTaskRequest } from "./_other_task_worker.ts";
import { type StandIn, standInMissing, startStandIn } from "./_standin/mod.ts";
import type { ScriptedOptions } from "./_standin/scripted_host.ts";

const missing = standInMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

const PCI = GENERATIONS.findLast(({ transport }) => transport === "pci")!;
const BUS = GENERATIONS.findLast(({ transport }) => transport === "bus")!;
const ENOMEM = 12, EFAULT = 14, EBUSY = 16;
const TRAP = { kind: "trap", trap: 14, instruction: Uint8Array.of(1, 2, 3, 4, 5, 6, 7), address: 0x1000 } as const;
const TRAP_BYTES = [14, 1, 2, 3, 4, 5, 6, 7, 0, 0x10, 0, 0];
/** How long a process that was killed may take to end, in milliseconds. */
const PATIENCE = 60_000;

/** A file that is open, and its words. */
class RawFile implements AsyncDisposable {
  readonly #calls = openLibrary();
  readonly size: number = this.#calls.lguest_long_size();
  readonly base: bigint;
  readonly fd: number;

  private constructor(readonly standIn: StandIn, readonly memory: GuestMemory) {
    this.base = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory.bytes)));
    this.fd = this.#calls.lguest_openat(AT_FDCWD, cString(standIn.path), O_RDWR);
  }

  static async open(generation: Generation, options: ScriptedOptions): Promise<RawFile> {
    const memory = GuestMemory.allocate(1 << 20);
    const host = new URL("./_standin/scripted_host.ts", import.meta.url);
    return new RawFile(await startStandIn({ memory, generation, host, options }), memory);
  }

  /** With a Guest begun. */
  static async begin(generation: Generation, options: ScriptedOptions): Promise<RawFile> {
    const file = await RawFile.open(generation, options);
    file.write(LHREQ.INITIALIZE, file.base, 256, 0, 256);
    return file;
  }

  bytes(...words: (number | bigint)[]): Uint8Array<ArrayBuffer> {
    return this.size === 8
      ? new Uint8Array(BigUint64Array.from(words, BigInt).buffer)
      : new Uint8Array(Uint32Array.from(words, Number).buffer);
  }

  write(...words: (number | bigint)[]): number {
    return this.writeAt(0, ...words);
  }

  writeAt(cpu: number, ...words: (number | bigint)[]): number {
    const bytes = this.bytes(...words);
    return this.#calls.lguest_pwrite(this.fd, bytes, bytes.length, cpu);
  }

  read(size = 64, cpu = 0): number[] | number {
    const bytes = new Uint8Array(2048);
    const count = this.#calls.lguest_pread(this.fd, bytes, size, cpu);
    return count < 0 ? count : [...bytes.subarray(0, count)];
  }

  text(size?: number): string | number {
    const bytes = this.read(size);
    return typeof bytes === "number" ? bytes : new TextDecoder().decode(Uint8Array.from(bytes));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calls.lguest_close(this.fd);
    await this.standIn[Symbol.asyncDispose]();
  }
}

Deno.test(`nothing is possible before INITIALIZE, nor for another CPU than number 0${needs}`, { ignore }, async () => {
  await using file = await RawFile.open(PCI, { script: [] });
  for (const request of [LHREQ.IRQ, LHREQ.GETREG, LHREQ.SETREG, LHREQ.TRAP, 99]) {
    assertEquals(file.write(request, 0, 0), -ERRNO.EINVAL, `request ${request}`);
  }
  assertEquals(file.read(), -ERRNO.EINVAL);
  assertEquals(file.write(LHREQ.INITIALIZE, file.base, 256, 0, 256), 4 * file.size);
  assertEquals(file.writeAt(1, LHREQ.IRQ, 0), -ERRNO.EINVAL);
  assertEquals(file.read(64, 1), -ERRNO.EINVAL);
});

Deno.test(`INITIALIZE wants all its words and the Guest's memory, and works once${needs}`, { ignore }, async () => {
  for (const [generation, count] of [[PCI, 4], [BUS, 3]] as const) {
    await using file = await RawFile.open(generation, { script: [{ kind: "died", reason: "" }] });
    const words = [LHREQ.INITIALIZE, file.base, 256, 0, 256].slice(0, 1 + count);
    assertEquals(file.write(...words.slice(0, -1)), -EFAULT);
    assertEquals(file.write(words[0]!, file.base + 4096n, ...words.slice(2)), -EFAULT);
    assertEquals(file.write(...words), count * file.size);
    assertEquals(file.write(...words), -EBUSY);
    assertEquals(file.read(), -ERRNO.ENOENT);
    assertEquals(file.write(...words), -EBUSY);
  }
});

Deno.test(`requests return what the original returns${needs}`, { ignore }, async () => {
  await using file = await RawFile.begin(PCI, { script: [TRAP, TRAP], handlers: [13] });
  assertEquals(file.write(LHREQ.IRQ, 31), 0);
  assertEquals(file.write(LHREQ.IRQ, 32), -ERRNO.EINVAL);
  assertEquals(file.write(LHREQ.IRQ), -EFAULT);
  assertEquals(file.write(LHREQ.SETREG, REGISTER_OFFSET.ecx, 0x1234), 3 * file.size);
  assertEquals(file.write(LHREQ.SETREG, REGISTER_OFFSET.ecx), -EFAULT);
  assertEquals(file.write(LHREQ.SETREG, REGISTER_OFFSET.cs, 0x61), -ERRNO.ENOENT);
  assertEquals(file.write(LHREQ.SETREG, 44, 0), -ERRNO.ENOENT);
  assertEquals(file.write(LHREQ.GETREG, 44), -ERRNO.ENOENT);
  assertEquals(file.write(LHREQ.TRAP, 13), 0);
  assertEquals(file.write(LHREQ.TRAP, 14), -ERRNO.EINVAL);
  assertEquals(file.write(LHREQ.TRAP, 256 + 13), -ERRNO.EINVAL);
  assertEquals(file.write(LHREQ.EVENTFD, 0x1000, 0), -ERRNO.EINVAL);
  // The register is given once, then the Guest runs.
  assertEquals(file.write(LHREQ.GETREG, REGISTER_OFFSET.ecx), 2 * file.size);
  assertEquals(file.read(), [...file.bytes(0x1234)]);
  assertEquals(file.read(), TRAP_BYTES);
  assertEquals(file.read(12), TRAP_BYTES);
});

Deno.test(`before Linux 4.0 there are words for notifications, and no registers${needs}`, { ignore }, async () => {
  await using file = await RawFile.begin(BUS, { script: [{ kind: "notify", address: 0xc000_1000 }] });
  for (const request of [LHREQ.GETREG, LHREQ.SETREG, LHREQ.TRAP]) {
    assertEquals(file.write(request, 13, 0), -ERRNO.EINVAL, `request ${request}`);
  }
  assertEquals(file.write(LHREQ.IRQ, 0), 0);
  assertEquals(file.read(file.size), [...file.bytes(0xc000_1000)]);
});

Deno.test(`a dead Guest takes nothing, and tells its reason as far as there is room${needs}`, { ignore }, async () => {
  await using file = await RawFile.begin(PCI, { script: [{ kind: "died", reason: "bad address" }] });
  assertEquals(file.read(), -ERRNO.ENOENT);
  assertEquals(file.write(LHREQ.IRQ, 1), -ERRNO.ENOENT);
  assertEquals(file.write(99), -ERRNO.ENOENT);
  assertEquals([file.text(4), file.text(), file.text(1023)], ["bad ", "bad address\0", "bad address\0"]);
});

Deno.test(`a Guest that is dead by an error number, or wants a restart, gives that again${needs}`, {
  ignore,
}, async () => {
  await using dead = await RawFile.begin(BUS, { script: [{ kind: "dead by error", errno: ENOMEM }] });
  assertEquals([dead.read(), dead.read(), dead.read()], [-ERRNO.ENOENT, -ENOMEM, -ENOMEM]);
  await using restart = await RawFile.begin(PCI, { script: [{ kind: "restart" }] });
  assertEquals([restart.read(), restart.read()], [-ERRNO.ERESTART, -ERRNO.ERESTART]);
  assertEquals(restart.write(LHREQ.IRQ, 1), -ERRNO.ENOENT);
});

Deno.test(`another thread may not run a Guest, but wakes it by an interrupt${needs}`, { ignore }, async () => {
  await using file = await RawFile.begin(PCI, { script: [{ kind: "halt" }, TRAP] });
  const worker = new Worker(new URL("./_other_task_worker.ts", import.meta.url), { type: "module" });
  const results: number[] = [];
  const both = new Promise<void>((resolve) => {
    worker.onmessage = ({ data }) => {
      if (results.push(data) === 2) resolve();
    };
  });
  const request: OtherTaskRequest = { fd: file.fd, interrupt: file.bytes(LHREQ.IRQ, 2) };
  worker.postMessage(request);
  // The Guest waits for the interrupt, however the two threads meet.
  assertEquals(file.read(), TRAP_BYTES);
  await both;
  assertEquals(results, [-ERRNO.EPERM, 0]);
});

Deno.test(`a process that is killed in a read ends${needs}`, { ignore }, async () => {
  const program = fromFileUrl(new URL("./_blocked_program.ts", import.meta.url));
  const args = ["run", "-A", program];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assertEquals(new TextDecoder().decode(value), "reading\n");
  child.kill("SIGKILL");
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("late"), PATIENCE);
  const ended = await Promise.race([child.status.then(({ signal }) => signal), late.promise]);
  clearTimeout(timer);
  assertEquals(ended, "SIGKILL");
  await reader.cancel();
});
