/**
 * The virtual CPU's thread: the loop between what the main thread posts to it (`vcpu_messages.ts`) and gets back. It
 * runs the engine synchronously until the machine stops, so nothing is heard meanwhile but what lies in shared memory;
 * the main thread ends it with `terminate()`. Read next: `vcpu_worker.ts`, which machine and engine that are; `guest.ts`,
 * the other side.
 *
 * @module
 */
import { Backlog } from "./backlog.ts";
import type { DeviceSetup } from "./devices.ts";
import type { Engine, EntryState, Machine } from "./engine/engine.ts";
import { GuestError } from "./guest_error.ts";
import { GuestMemory } from "./memory.ts";
import type { PlatformSetup } from "./platform_choice.ts";
import { ConsoleRing } from "./platform/console_ring.ts";
import { ConsoleSwitch } from "./platform/console_switch.ts";
import { createHostClock } from "./platform/host_clock.ts";
import { Pausable } from "./platform/pause.ts";
import type { Statistics } from "./statistics.ts";
import type { VcpuReport, VcpuRequest, VcpuSetup } from "./vcpu_messages.ts";

/** What the thread makes its machine of. */
export interface VcpuWorld {
  /** Which machine that is. */
  readonly platform: PlatformSetup;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** The terminal, as each console's device sees it. */
  readonly console: ConsoleSwitch;
  /** Its time, and the way to make it stand still. */
  readonly pausable: Pausable;
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

/** A machine, what executes its Guest, and its consoles' last words. */
export interface VcpuMachine {
  readonly machine: ResettableMachine;
  readonly engine: Engine;
  /**
   * The Guest has stopped: send what it wrote last, as far as there is room.
   *
   * @returns whether all has left
   */
  drain(): boolean;
  /** What was counted since it was made, over all resets. */
  statistics?(): Statistics;
  /** It will not run again: give back what this thread has opened, which outlives the thread. */
  close?(): void;
}

/** How a thread makes its machine and its engine. */
export type VcpuFactory = (world: VcpuWorld) => VcpuMachine;

/** The longest time that a full terminal is slept on at the end, in milliseconds. */
const DRAIN_SLEEP = 100;

/** Serve the main thread; to be called once, when the Worker's module is evaluated. */
export function serveVcpu(create: VcpuFactory): void {
  let run: ((entry: EntryState) => VcpuReport) | undefined;
  self.addEventListener("message", ({ data }: MessageEvent<VcpuRequest>) => {
    try {
      if (data.kind === "setup") {
        run = setUp(create, data.setup);
        report({ kind: "ready" });
        return;
      }
      if (!run) throw new Error(`The virtual CPU was asked to run before it was set up`);
      report(run(data.entry));
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      const user = error instanceof GuestError;
      report({ kind: "failed", message, stack: stack ?? "", user });
    }
  });
}

/** Make everything; what returns lives one life of the Guest. */
function setUp(create: VcpuFactory, setup: VcpuSetup): (entry: EntryState) => VcpuReport {
  const memory = new GuestMemory(setup.memory, setup.base, setup.size);
  const console = new ConsoleSwitch(new ConsoleRing(setup.output), new ConsoleRing(setup.input, memory.attention));
  console.choose(setup.keyboard);
  const pausable = new Pausable(memory.pause, createHostClock());
  const backlog = new Backlog(setup.backlog);
  const tell = (warning: boolean) => (line: string) => {
    backlog.add();
    report({ kind: "log", line, warning });
  };
  const { machine, engine, drain, statistics: count, close } = create({
    memory,
    platform: setup.platform,
    console,
    pausable,
    devices: setup.devices,
    warn: tell(true),
    ...(setup.verbose && { log: tell(false) }),
  });
  return (entry) => {
    machine.reset();
    engine.reset(entry);
    report({ kind: "running" });
    pausable.hold();
    const reason = engine.run();
    // What the Guest wrote last must be seen, however slow its reader is.
    while (!drain()) {
      console.waitForRoom(DRAIN_SLEEP);
      machine.poll();
    }
    // The main thread may load another kernel now: no device may still write to memory.
    machine.reset();
    if (reason.kind !== "reset") close?.();
    const statistics = count?.();
    return { kind: "stopped", reason, ...(statistics && { statistics }) };
  };
}

function report(message: VcpuReport): void {
  self.postMessage(message);
}
