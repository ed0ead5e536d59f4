/**
 * A stand-in for `/dev/lguest`: a real file under real `pread()` and `pwrite()` with the rules of the original driver,
 * and any Host behind it. It is a FUSE file that is served by two Workers of the test's own process, which share the
 * Guest's memory with it.
 *
 * Over a whole Guest, for whoever has a test Guest and a loop around `LguestDevice.run()`:
 *
 * ```ts ignore
 * const missing = standInMissing();
 * Deno.test("…", { ignore: missing !== undefined }, async () => {
 *   const memory = GuestMemory.allocate(16 << 20); // with the Guest in it, now or before initialize()
 *   await using run = await createCharDeviceOverStandIn({ memory, generation });
 *   run.device.initialize({ pfnLimit, start, deviceLimit });
 *   const exit = run.device.run();
 * });
 * ```
 *
 * `run.device` is a `CharDevice` that belongs to the thread which made it. Whoever wants that thread's attention while
 * it is in `run()` signals `run.attention` (`lib/platform/attention.ts`); the memory's own attention word is the Host's.
 * What the test changes in RAM must go through `memory`, or be told to `memory.changed()`, as everywhere. The Host is
 * `SoftHost` unless another module is given: see `host.ts`. A fault in the Host fails `run()` with EIO, and closing
 * throws what it was.
 *
 * Read next: `driver.ts`, the rules; `fuse.ts`, the file; `server_worker.ts`, who runs it.
 *
 * @module
 */
import { buildLibrary } from "../../../../ffi/build.ts";
import { openLibrary } from "../../../../ffi/library.ts";
import type { GuestMemory } from "../../../../lib/memory.ts";
import { CharDevice } from "../../../../lib/platform/lguest/char_device.ts";
import type { Generation } from "../../../../lib/platform/lguest/generation.ts";
import { type Kicker, startKicker } from "../../../../lib/platform/lguest/kicker.ts";
import { FILE_NAME } from "./fuse.ts";
import { mountFuse } from "./mount.ts";
import { createChanges, ENDED, noteChange, READY, type StandInReport, type StandInRequest, STATE } from "./shared.ts";

/** What a stand-in is made of. */
export interface StandInOptions {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The protocol that the driver and the Host speak. */
  readonly generation: Generation;
  /** The module of the Host, see `host.ts`; `SoftHost` unless given. */
  readonly host?: URL;
  /** What the Host's module gets; it must be possible to post it. */
  readonly options?: unknown;
  /** Who may open the file, as `chmod` has it; 0600 unless given. */
  readonly mode?: number;
}

/** A stand-in that is served. */
export interface StandIn extends AsyncDisposable {
  /** The file's path, in this process only. */
  readonly path: string;
}

/** A device over a stand-in. */
export interface CharDeviceRun extends AsyncDisposable {
  readonly device: CharDevice;
  /** The attention word of the thread that runs the Guest. */
  readonly attention: Int32Array<SharedArrayBuffer>;
  /** What interrupts the device. */
  readonly kicker: Kicker;
  /** The device's file. */
  readonly path: string;
  /** Close the device and end everything; throws what went wrong in the Host, if anything did. */
  close(): Promise<void>;
}

/** How many Workers serve a stand-in. */
const WORKERS = 2;
/** How long they may take to start or to end, in milliseconds. */
const PATIENCE = 60_000;

/** Why there can be no stand-in here, or `undefined` if there can: needs root, `/dev/fuse`, `cc` and permissions. */
export function standInMissing(): string | undefined {
  for (const name of ["run", "read", "write", "env", "ffi", "sys"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "needs root on Linux";
  try {
    buildLibrary();
    const calls = openLibrary();
    const { fuse, root } = mountFuse(calls);
    // In this order: with nobody to serve it whoever looks at the root would wait.
    calls.lguest_close(fuse);
    calls.lguest_close(root);
    return undefined;
  } catch (error) {
    return `needs "cc", and /dev/fuse of Linux 5.2: ${error instanceof Error ? error.message : error}`;
  }
}

/** Start a stand-in. */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const { standIn, ready, allReady } = begin(options);
  try {
    await ready;
  } catch (error) {
    await Promise.resolve(standIn[Symbol.asyncDispose]()).catch(() => {});
    throw error;
  } finally {
    allReady();
  }
  return standIn;
}

/** The same in a thread that cannot wait for promises: the virtual CPU's. It ends with the process. */
export function startStandInNow(options: StandInOptions): StandIn {
  const { standIn, state, allReady } = begin(options);
  for (let count = 0; count < WORKERS; count = Atomics.load(state, READY)) {
    if (Atomics.wait(state, READY, count, PATIENCE) === "timed-out") throw new Error("The stand-in does not start");
  }
  allReady();
  return standIn;
}

/** Start the Workers. */
function begin({ memory, generation, host, options, mode = 0o600 }: StandInOptions) {
  const calls = openLibrary();
  const { fuse, root } = mountFuse(calls);
  const event = calls.lguest_eventfd();
  const request: StandInRequest = {
    memory: { memory: memory.memory, base: memory.base, size: memory.size },
    generation,
    host: (host ?? new URL("./built_in_host.ts", import.meta.url)).href,
    options,
    fuse,
    event,
    mode,
    changes: createChanges(),
    state: new SharedArrayBuffer(8),
  };
  const state = new Int32Array(request.state);
  const before = memory.onChange;
  memory.onChange = (address, length) => {
    before(address, length);
    noteChange(request.changes, address, length);
  };
  // Whatever the Guest's memory holds by now, the Host has not been told.
  noteChange(request.changes, 0, memory.size);
  const server = serve(new Worker(new URL("./server_worker.ts", import.meta.url), { type: "module" }), request);
  const watcher = serve(new Worker(new URL("./watch_worker.ts", import.meta.url), { type: "module" }), request);
  const end = async () => {
    memory.onChange = before;
    Atomics.store(state, STATE, ENDED);
    Atomics.notify(state, STATE);
    calls.lguest_write(event, BigUint64Array.of(1n), 8);
    const timer = setTimeout(() => [server, watcher].forEach((worker) => worker.giveUp()), PATIENCE);
    const outcomes = await Promise.allSettled([server.ended, watcher.ended]);
    clearTimeout(timer);
    calls.lguest_close(event);
    calls.lguest_close(root);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure) throw failure.reason;
  };
  const standIn: StandIn = { path: `/proc/self/fd/${root}/${FILE_NAME}`, [Symbol.asyncDispose]: end };
  return {
    standIn,
    state,
    /** Both Workers have started. */
    ready: Promise.all([server.ready, watcher.ready]),
    /** Both Workers have files of their own by now. */
    allReady: () => calls.lguest_close(fuse),
  };
}

/** Post a Worker what it needs and hear how it goes. */
function serve(worker: Worker, request: StandInRequest) {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const fail = (error: Error) => {
    ready.reject(error);
    ended.reject(error);
  };
  ready.promise.catch(() => {});
  worker.onmessage = ({ data }: MessageEvent<StandInReport>) => {
    if (data.kind === "failed") fail(new Error(data.message));
    else (data.kind === "ready" ? ready : ended).resolve();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Error(`A Worker of the stand-in failed: ${event.message}`));
  };
  worker.postMessage(request);
  const over = ended.promise.finally(() => worker.terminate());
  over.catch(() => {});
  return {
    ready: ready.promise,
    ended: over,
    giveUp: () => fail(new Error("A Worker of the stand-in did not end")),
  };
}

/** Open a `CharDevice` on a new stand-in, with a Worker that interrupts it. */
export async function createCharDeviceOverStandIn(options: StandInOptions): Promise<CharDeviceRun> {
  const { memory, generation } = options;
  const standIn = await startStandIn(options);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const kicker = startKicker({ attention });
  const endAll = async () => {
    await kicker.close();
    await standIn[Symbol.asyncDispose]();
  };
  let device: CharDevice;
  try {
    await kicker.ready;
    device = new CharDevice({ memory, generation, path: standIn.path, attention, kick: kicker.kick });
  } catch (error) {
    await endAll();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = () => {
    device.close();
    return closing ??= endAll();
  };
  return { device, attention, kicker, path: standIn.path, close, [Symbol.asyncDispose]: close };
}
