/**
 * A Host that does what a script says, for tests of the way through the device's file. Its registers tell what it was
 * asked: after INITIALIZE ESP is the pfn limit, EBP the device limit, EIP the start; interrupts are bits of EDI.
 *
 * @module
 */
import type { LguestStart, RegisterName } from "../../../../lib/platform/lguest/device.ts";
import { type HostModule, HostRefusal, type HostWorld, type StandInExit, type StandInHost } from "./host.ts";

/** One step of a script; a step that comes back is done. */
export type ScriptStep =
  | StandInExit
  /** Wait for an interrupt, as a Guest that has nothing to do. */
  | { readonly kind: "halt" }
  /** Give the interrupts that were raised as a notification's address. */
  | { readonly kind: "notify interrupts" }
  /** Fail as a program does that has a fault. */
  | { readonly kind: "fault" };

/** What a test gives it. */
export interface ScriptedOptions {
  /** What its Guests do, one after the other. */
  readonly script: ScriptStep[];
  /** INITIALIZE fails with this. */
  readonly refusal?: number;
  /** The traps that the Guest has a handler for. */
  readonly handlers?: readonly number[];
  /** The reason for which the Guest dies when a trap is injected. */
  readonly deadlyTrap?: string;
}

class ScriptedHost implements StandInHost {
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #options: ScriptedOptions;
  readonly #registers = new Map<RegisterName, number>();
  #interrupts = 0;
  dead: string | undefined;

  constructor({ memory, options }: HostWorld) {
    this.#attention = memory.attention;
    this.#options = options as ScriptedOptions;
  }

  initialize({ start, pfnLimit, deviceLimit }: LguestStart): void {
    if (this.#options.refusal !== undefined) throw new HostRefusal(this.#options.refusal);
    this.#registers.set("eip", start).set("esp", pfnLimit).set("ebp", deviceLimit);
  }

  run(): StandInExit {
    const { script } = this.#options;
    for (;;) {
      const step = script[0];
      if (step?.kind === "halt") {
        while (this.#interrupts === 0) {
          if (Atomics.load(this.#attention, 0) !== 0) return { kind: "interrupted" };
          Atomics.wait(this.#attention, 0, 0);
        }
        script.shift();
        continue;
      }
      script.shift();
      if (step === undefined) throw new Error("The script has ended");
      if (step.kind === "fault") throw new Error("A fault of the Host");
      if (step.kind === "notify interrupts") return { kind: "notify", address: this.#interrupts >>> 0 };
      return step;
    }
  }

  getRegister(name: RegisterName): number {
    return this.#registers.get(name) ?? 0;
  }

  setRegister(name: RegisterName, value: number): void {
    this.#registers.set(name, value);
  }

  injectTrap(vector: number): boolean {
    this.dead = this.#options.deadlyTrap;
    return this.#options.handlers?.includes(vector) ?? false;
  }

  raiseInterrupt(irq: number): void {
    this.#interrupts |= 1 << irq;
    this.#registers.set("edi", this.#interrupts >>> 0);
  }

  close(): void {}
}

export const createHost: HostModule["createHost"] = (world) => new ScriptedHost(world);
