/**
 * The module of the Worker that serves the stand-in's file and runs the Guests behind it: requests of FUSE come in,
 * `driver.ts` answers them. While a Guest runs nothing else is served; `watch_worker.ts` sees that something has come
 * and sets the Host's attention word, which interrupts the Guest for so long. Read next: `mod.ts`, who starts this.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { type Library, openLibrary } from "../../../../ffi/library.ts";
import { GuestMemory } from "../../../../lib/memory.ts";
import { LguestDriver } from "./driver.ts";
import { FuseConnection } from "./fuse.ts";
import type { HostModule, StandInExit, StandInHost } from "./host.ts";
import {
  ENDED,
  IDLE,
  keepFiles,
  RUNNING,
  sayReady,
  type StandInReport,
  type StandInRequest,
  STATE,
  takeChanges,
} from "./shared.ts";

/** What makes an attention word look at nothing in particular (`attention.ts`): only the watcher sets just that. */
const NOTHING_IN_PARTICULAR = 1 << 31;
const POLLIN = 1;

self.addEventListener("message", async ({ data }: MessageEvent<StandInRequest>) => {
  const library = openLibrary();
  const state = new Int32Array(data.state);
  let outcome: StandInReport = { kind: "ended" };
  try {
    const server = new Server(library, data, await import(data.host));
    keepFiles();
    sayReady(state);
    report({ kind: "ready" });
    server.serve();
  } catch (error) {
    outcome = { kind: "failed", message: error instanceof Error ? error.stack ?? error.message : String(error) };
  }
  // Whoever still waits for an answer gets an error, once the watcher has let go of the file as well.
  Atomics.store(state, STATE, ENDED);
  Atomics.notify(state, STATE);
  library.lguest_write(data.event, BigUint64Array.of(1n), 8);
  library.lguest_close(data.fuse);
  report(outcome);
  self.close();
});

class Server {
  readonly #calls: Library;
  readonly #request: StandInRequest;
  readonly #state: Int32Array<SharedArrayBuffer>;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #connection: FuseConnection;

  constructor(calls: Library, request: StandInRequest, { createHost }: HostModule) {
    this.#calls = calls;
    this.#request = request;
    this.#state = new Int32Array(request.state);
    const memory = new GuestMemory(request.memory.memory, request.memory.base, request.memory.size);
    this.#attention = memory.attention;
    const { generation, options, fuse: fd, mode } = request;
    const driver = new LguestDriver({
      memory,
      generation,
      beforeHost: () => takeChanges(request.changes, memory),
      base: BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory.bytes))),
      wordSize: calls.lguest_long_size(),
      createHost: () => createHost({ memory, generation, options }),
      runHost: (host, unique) => this.#run(host, unique),
    });
    this.#connection = new FuseConnection(calls, { fd, file: driver, mode });
  }

  /** Serve until the end. */
  serve(): void {
    // Two `struct pollfd`: descriptor, and events in the low half of a word with those that happened above.
    const waits = Int32Array.of(this.#request.fuse, POLLIN, this.#request.event, POLLIN);
    for (;;) {
      this.#calls.lguest_poll(waits, 2, -1);
      if (waits[3]! >>> 16 !== 0) return;
      while (this.#connection.serveOne() !== false);
    }
  }

  /** Run a Guest, and serve others whenever some have come. */
  #run(host: StandInHost, unique: bigint): StandInExit | undefined {
    this.#become(RUNNING);
    try {
      for (;;) {
        const exit = host.run();
        if (exit.kind !== "interrupted") return exit;
        // Where the Launcher has the same word its bits stay: it is told as by any Host, by a signal.
        Atomics.compareExchange(this.#attention, 0, NOTHING_IN_PARTICULAR, 0);
        let isInterrupted = false;
        for (let served = this.#connection.serveOne(); served !== false; served = this.#connection.serveOne()) {
          if (typeof served === "object" && served.interrupt === unique) isInterrupted = true;
        }
        if (isInterrupted) return undefined;
      }
    } finally {
      this.#become(IDLE);
    }
  }

  #become(state: number): void {
    Atomics.store(this.#state, STATE, state);
    Atomics.notify(this.#state, STATE);
  }
}

function report(message: StandInReport): void {
  self.postMessage(message);
}
