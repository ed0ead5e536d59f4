/**
 * What the main thread and the virtual CPU's thread say to each other. It stands apart from what runs in that thread: a
 * program that imports the library has its types checked without those of Workers. Read next: `vcpu.ts`, `guest.ts`.
 *
 * @module
 */
import type { DeviceSetup } from "./devices.ts";
import type { EntryState, StopReason } from "./engine/engine.ts";
import type { PlatformSetup } from "./platform_choice.ts";
import type { ConsoleChoice } from "./platform/console_switch.ts";
import type { Statistics } from "./statistics.ts";

/** Everything that the two threads share; posted once. */
export interface VcpuSetup {
  /** Engine state and RAM. */
  readonly memory: WebAssembly.Memory;
  /** Where RAM begins in it. */
  readonly base: number;
  /** Bytes of the Guest's memory: its RAM, and what stands above that on some platforms. */
  readonly size: number;
  /** Which machine is made around it, and what executes it. */
  readonly platform: PlatformSetup;
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
  /** Counts the lines that are posted and were not dealt with yet: the word of a `Backlog`. */
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
  /** The machine stopped; another "run" may follow. What it counts goes on from one to the next. */
  | { readonly kind: "stopped"; readonly reason: StopReason; readonly statistics?: Statistics }
  /** It cannot go on: by something that a user can mend, or because this program is at fault. */
  | { readonly kind: "failed"; readonly message: string; readonly stack: string; readonly user: boolean };
