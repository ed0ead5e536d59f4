/**
 * What a Host is behind the stand-in: a {@link LguestDevice}, made in the stand-in's Worker by a module whose URL it is
 * given, since functions cannot be sent to another thread. Read next: `mod.ts`, how to use the stand-in;
 * `scripted_host.ts` and `built_in_host.ts`, two such modules.
 *
 * @module
 */
import type { GuestMemory } from "../../../../lib/memory.ts";
import type { LguestDevice, LguestExit } from "../../../../lib/platform/lguest/device.ts";
import type { Generation } from "../../../../lib/platform/lguest/generation.ts";

/** What a Host may give, beside what every Host may. */
export type StandInExit =
  | LguestExit
  /** The Guest is dead, and its reason is no text. */
  | { readonly kind: "dead by error"; readonly errno: number }
  /** The read fails; the Guest does not die of it. */
  | { readonly kind: "error"; readonly errno: number }
  /** The read gives these bytes. */
  | { readonly kind: "raw"; readonly bytes: Uint8Array };

/** A Host. */
export interface StandInHost extends Omit<LguestDevice, "run"> {
  /** Comes back with "interrupted" soon after the memory's attention word was set. */
  run(): StandInExit;
  /** The reason, if the Guest has died outside of {@link run}. */
  readonly dead?: string | undefined;
}

/** With what a Host is made. */
export interface HostWorld {
  /** The Guest's memory, which both sides see; its attention word is the Host's. */
  readonly memory: GuestMemory;
  readonly generation: Generation;
  /** What the test said, as it arrived in the Worker: the same object for each Guest. */
  readonly options: unknown;
}

/** What a module of a Host exports. */
export interface HostModule {
  createHost(world: HostWorld): StandInHost;
}

/** What {@link LguestDevice.initialize} throws to have the write fail with an error number. */
export class HostRefusal extends Error {
  override name = "HostRefusal";
  constructor(readonly errno: number) {
    super(`Error ${errno}`);
  }
}
