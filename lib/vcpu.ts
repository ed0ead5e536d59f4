/**
 * The virtual CPU's thread: what the main thread posts to it and gets back, and the loop between. It runs the engine
 * synchronously until the machine stops, so nothing is heard meanwhile but what lies in shared memory; the main thread
 * ends it with `terminate()`. Read next: `vcpu_worker.ts`, which machine and engine that are; `guest.ts`, the other
 * side.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { Backlog } from "./backlog.ts";
import type { DeviceSetup } from "./devices.ts";
import type { Engine, EntryState, Machine, StopReason } from "./engine/engine.ts";
import { GuestError } from "./guest_error.ts";
import { GuestMemory } from "./memory.ts";
import { ConsoleRing } from "./platform/console_ring.ts";
import { type ConsoleChoice, ConsoleSwitch } from "./platform/console_switch.ts";

/** Everything that the two threads share; posted once. */
export interface VcpuSetup {
  /** Engine state and RAM. */
  readonly memory: WebAssembly.Memory;
  /** Where RAM begins in it. */
  readonly base: number;
  /** Bytes of RAM. */
  readonly size: number;
  /** The ring that takes what the Guest writes to its consoles. */
  readonly output: SharedArrayBuffer;
  /** The ring that holds what was typed for it. */
  readonly input: SharedArrayBuffer;
  /** Which console gets what is typed. */
  readonly keyboard: ConsoleChoice;
  /** What was opened for it on the host. */
  readonly devices: readonly DeviceSetup[];
  /** Whether somebody wants to know what its devices do. */
  readonly verbose: boolean;
  /** Counts the lines that are posted and were not dealt with yet: the word of a {@link Backlog}. */
  readonly backlog: Int32Array<SharedArrayBuffer>;
}

/** What the main thread posts: first the setup, then the start state each time a kernel was loaded. */
export type VcpuRequest =
  | { readonly kind: "setup"; readonly setup: VcpuSetup }
  | { readonly kind: "run"; readonly entry: EntryState };

/** What the thread posts back. */
export type VcpuReport =
  /** It is set up, and has loaded all that it needs. */
  | { readonly kind: "ready" }
  /** A line for the user: about what is done, or (a warning) about what does not work. */
  | { readonly kind: "log"; readonly line: string; readonly warning: boolean }
  /** The first instruction is about to run. */
  | { readonly kind: "running" }
  /** The machine stopped; another "run" may follow. */
  | { readonly kind: "stopped"; readonly reason: StopReason }
  /** It cannot go on: by something that a user can mend, or because this program is at fault. */
  | { readonly kind: "failed"; readonly message: string; readonly stack: string; readonly user: boolean };

/** What the thread makes its machine of. */
export interface VcpuWorld {
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The terminal, as each console's device sees it. */
  readonly console: ConsoleSwitch;
  /** What was opened on the host. */
  readonly devices: readonly DeviceSetup[];
  /** Takes a line about what is done; absent if nobody wants to know. */
  readonly log?: (line: string) => void;
  /** Takes a line about what does not work. */
  readonly warn: (line: string) => void;
}

/** A machine that can be switched on again. */
export interface ResettableMachine extends Machine {
  /** Put every device into its state after power-on; nothing touches the Guest's memory behind this. */
  reset(): void;
}

/** A machine, and its consoles' last words. */
export interface VcpuMachine {
  readonly machine: ResettableMachine;
  /**
   * The Guest has stopped: send what it wrote last, as far as there is room.
   *
   * @returns whether all has left
   */
  drain(): boolean;
}

/** How a thread makes its machine and its engine. */
export interface VcpuParts {
  /** Make the platform around the engine. */
  machine(world: VcpuWorld): VcpuMachine;
  /** Make the engine. */
  engine(memory: GuestMemory, machine: Machine): Engine;
}

/** The longest time that a full terminal is slept on at the end, in milliseconds. */
const DRAIN_SLEEP = 100;

/** Serve the main thread; to be called once, when the Worker's module is evaluated. */
export function serveVcpu(parts: VcpuParts): void {
  let run: ((entry: EntryState) => StopReason) | undefined;
  self.addEventListener("message", ({ data }: MessageEvent<VcpuRequest>) => {
    try {
      if (data.kind === "setup") {
        run = setUp(parts, data.setup);
        report({ kind: "ready" });
        return;
      }
      if (!run) throw new Error(`The virtual CPU was asked to run before it was set up`);
      report({ kind: "stopped", reason: run(data.entry) });
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const user = error instanceof GuestError;
      report({ kind: "failed", message, stack: stack ?? "", user });
    }
  });
}

/** Make everything; what returns lives one life of the Guest. */
function setUp(parts: VcpuParts, setup: VcpuSetup): (entry: EntryState) => StopReason {
  const memory = new GuestMemory(setup.memory, setup.base, setup.size);
  const console = new ConsoleSwitch(new ConsoleRing(setup.output), new ConsoleRing(setup.input, memory.attention));
  console.choose(setup.keyboard);
  const backlog = new Backlog(setup.backlog);
  const tell = (warning: boolean) => (line: string) => {
    backlog.add();
    report({ kind: "log", line, warning });
  };
  const { machine, drain } = parts.machine({
    memory,
    console,
    devices: setup.devices,
    warn: tell(true),
    ...(setup.verbose && { log: tell(false) }),
  });
  const engine = parts.engine(memory, machine);
  return (entry) => {
    machine.reset();
    engine.reset(entry);
    report({ kind: "running" });
    const reason = engine.run();
    // What the Guest wrote last must be seen, however slow its reader is.
    while (!drain()) {
      console.waitForRoom(DRAIN_SLEEP);
      machine.poll();
    }
    // The main thread may load another kernel now: no device may still write to memory.
    machine.reset();
    return reason;
  };
}

function report(message: VcpuReport): void {
  self.postMessage(message);
}
