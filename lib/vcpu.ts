/**
 * The virtual CPU's thread: what the main thread posts to it and gets back, and the loop between. It runs the engine
 * synchronously until the machine stops, so nothing is heard meanwhile but what lies in shared memory; the main thread
 * ends it with `terminate()`. Read next: `vcpu_worker.ts`, which machine and engine that are; `guest.ts`, the other
 * side.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { GuestMemory } from "./memory.ts";
import { ConsoleRing, RingConsole } from "./platform/console_ring.ts";
import type { Engine, EntryState, Machine, StopReason } from "./engine/engine.ts";
import type { ConsoleBackend } from "./platform/console.ts";

/** Everything that the two threads share; posted once, before the kernel is loaded. */
export interface VcpuSetup {
  /** Engine state and RAM. */
  readonly memory: WebAssembly.Memory;
  /** Where RAM begins in it. */
  readonly base: number;
  /** Bytes of RAM. */
  readonly size: number;
  /** The ring that takes what the Guest writes to its console. */
  readonly output: SharedArrayBuffer;
  /** The ring that holds what was typed for it. */
  readonly input: SharedArrayBuffer;
}

/** What the main thread posts: first the setup, then the start state each time a kernel was loaded. */
export type VcpuRequest =
  | { readonly kind: "setup"; readonly setup: VcpuSetup }
  | { readonly kind: "run"; readonly entry: EntryState };

/** What the thread posts back. */
export type VcpuReport =
  /** The first instruction is about to run. */
  | { readonly kind: "running" }
  /** The machine stopped; another "run" may follow. */
  | { readonly kind: "stopped"; readonly reason: StopReason }
  /** This program is at fault. */
  | { readonly kind: "failed"; readonly message: string; readonly stack: string };

/** A machine that can be switched on again. */
export interface ResettableMachine extends Machine {
  /** Put every device into its state after power-on. */
  reset(): void;
}

/** How a thread makes its machine and its engine. */
export interface VcpuParts {
  /** Make the platform around the engine. */
  machine(memory: GuestMemory, console: ConsoleBackend): ResettableMachine;
  /** Make the engine. */
  engine(memory: GuestMemory, machine: Machine): Engine;
}

/**
 * A console that knows whether the Guest has sent bytes that found no room: a serial port keeps such bytes and offers
 * them again, until the last is taken.
 */
class WatchfulConsole extends RingConsole {
  /** Whether the byte offered last was not taken. */
  refused = false;

  override write(byte: number): boolean {
    const taken = super.write(byte);
    this.refused = !taken;
    return taken;
  }
}

/** Serve the main thread; to be called once, when the Worker's module is evaluated. */
export function serveVcpu(parts: VcpuParts): void {
  let machine: ResettableMachine | undefined;
  let engine: Engine | undefined;
  let console: WatchfulConsole | undefined;
  self.addEventListener("message", ({ data }: MessageEvent<VcpuRequest>) => {
    try {
      if (data.kind === "setup") {
        const { memory, base, size, output, input } = data.setup;
        const ram = new GuestMemory(memory, base, size);
        console = new WatchfulConsole(new ConsoleRing(output), new ConsoleRing(input));
        machine = parts.machine(ram, console);
        engine = parts.engine(ram, machine);
        return;
      }
      if (!machine || !engine || !console) throw new Error(`The virtual CPU was asked to run before it was set up`);
      machine.reset();
      engine.reset(data.entry);
      report({ kind: "running" });
      const reason = engine.run();
      // What the Guest wrote last must be seen, however slow its reader is.
      while (console.refused) {
        console.waitForRoom(100);
        machine.poll();
      }
      report({ kind: "stopped", reason });
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      report({ kind: "failed", message, stack: stack ?? "" });
    }
  });
}

function report(message: VcpuReport): void {
  self.postMessage(message);
}
