/**
 * The Launcher's loop: run the Guest, answer what it came back for, run it again. The same for every Host: the built-in
 * one and the one behind `/dev/lguest`. Read next: `device.ts` (the Host), `emulate.ts` (instructions that trap),
 * `machine.ts` (ports, registers, notifications).
 *
 * @module
 */
import type { Engine, EntryState, StopReason } from "../../engine/engine.ts";
import type { GuestMemory } from "../../memory.ts";
import type { LguestDevice } from "./device.ts";
import { Emulator } from "./emulate.ts";
import type { LguestMachine } from "./machine.ts";

/** The last words of a Guest that powers itself off; before them stands what the Host says of all last words. */
const POWER_DOWN = "CRASH: Power down";

/** The trap of an instruction at a port. */
const PROTECTION = 13;

/** What a {@link LguestEngine} works with. */
export interface LguestEngineParts {
  /** The Host. */
  readonly device: LguestDevice;
  /** What is around the Guest. */
  readonly machine: LguestMachine;
  /** The Guest's memory. */
  readonly memory: GuestMemory;
  /** Hears of each trap that is left to the Guest. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Runs a Guest on a Host. */
export class LguestEngine implements Engine {
  /** How often the Guest came back, by reason, and how many interrupts the Host was told of: all that is seen from here. */
  readonly counts: { port: number; mmio: number; notify: number; interrupt: number } = {
    port: 0,
    mmio: 0,
    notify: 0,
    interrupt: 0,
  };
  readonly #device: LguestDevice;
  readonly #machine: LguestMachine;
  readonly #emulator: Emulator;

  /** @param parts the Host, and what is around the Guest */
  constructor({ device, machine, memory, log = () => {} }: LguestEngineParts) {
    this.#device = device;
    this.#machine = machine;
    this.#emulator = new Emulator({ device, ports: machine.ports, mmio: machine.mmio, memory, warn: log });
  }

  /** Begin a Guest; its memory is filled and its devices are there. */
  reset(entry: EntryState): void {
    const { pfnLimit, deviceLimit } = this.#machine;
    this.#device.initialize({ pfnLimit: pfnLimit(), start: entry.eip, deviceLimit: deviceLimit() });
  }

  run(): StopReason {
    const device = this.#device, machine = this.#machine, { interrupts } = machine;
    for (;;) {
      machine.poll();
      if (machine.stopped) return machine.stopped;
      while (interrupts.pending) {
        this.counts.interrupt++;
        device.raiseInterrupt(interrupts.acknowledge());
      }
      const exit = device.run();
      switch (exit.kind) {
        case "trap": {
          this.counts[exit.trap === PROTECTION ? "port" : "mmio"]++;
          const death = this.#emulator.handle(exit);
          if (death !== undefined) return { kind: "crashed", message: death };
          break;
        }
        case "notify":
          this.counts.notify++;
          machine.notify(exit.address);
          break;
        case "restart":
          return { kind: "reset" };
        case "died":
          return exit.reason === POWER_DOWN ? { kind: "poweroff" } : { kind: "crashed", message: exit.reason };
      }
    }
  }
}
