/**
 * Runs a case in a whole `SoftEngine`, interpreting or translating: fetch, faults and their delivery included. Enters:
 * a case and what is expected of it. Leaves: its outcome. Read first: `machine.ts`.
 *
 * Nothing single-steps here: behind the instruction stand HLTs, and what follows it raises a fault at another address
 * than the instruction's, which is how the end of a case is told from its fault.
 *
 * @module
 */
import type { StopReason } from "../../lib/engine/engine.ts";
import { SoftEngine, type SoftOptions } from "../../lib/engine/soft/engine.ts";
import { type Case, NO_FAULT, type Outcome } from "./case.ts";
import { PAGE, REGION_CODE } from "./layout.ts";
import { idleMachine, TestMachine } from "./machine.ts";

const POLLS = 64;
const INT3 = 3, INTO = 4;

/** An engine in the address space of the cases. */
export class EngineMachine {
  readonly #space: TestMachine;
  readonly #engine: SoftEngine;
  #stopped: StopReason | undefined;
  #polls = 0;

  /** @param options how the engine runs */
  constructor(options: SoftOptions) {
    const stop = () => this.#stopped;
    const machine = {
      ...idleMachine(),
      wait: () => this.#stop(),
      poll: () => {
        if (++this.#polls > POLLS) this.#stop();
      },
      get stopped() {
        return stop();
      },
    };
    let engine: SoftEngine | undefined;
    this.#space = new TestMachine({ pae: true }, (memory) => {
      engine = new SoftEngine(memory, machine, options);
      return engine.cpu;
    });
    this.#engine = engine!;
  }

  #stop(): void {
    this.#stopped = { kind: "terminated" };
  }

  /** Run a case a number of times, each from the same start: the last may be in generated code. */
  run(one: Case, times: number): Outcome {
    const { cpu } = this.#space;
    let outcome: Outcome | undefined;
    for (let i = 0; i < times; i++) {
      cpu.halted = false;
      cpu.inGenerated = false;
      this.#space.load(one, 0);
      if (i === 0) this.#forgetCode();
      this.#stopped = undefined;
      this.#polls = 0;
      const reason = this.#engine.run();
      if (reason.kind !== "terminated" || cpu.cpl !== 0 || !cpu.halted) {
        this.#space.takeChanges();
        throw new Error(`The engine ended with ${JSON.stringify(reason)} at ${(cpu.eip >>> 0).toString(16)}`);
      }
      cpu.eip = cpu.eip - 1 | 0; // the gate's target, not the HLT behind it
      outcome = this.#outcome(one);
    }
    return outcome!;
  }

  #outcome(one: Case): Outcome {
    const after = this.#space.delivered();
    const passed = after.eip !== one.eip && after.trap !== INT3 && after.trap !== INTO;
    return passed ? { ...after, trap: NO_FAULT } : after;
  }

  #forgetCode(): void {
    const { cpu } = this.#space;
    for (const page of [REGION_CODE + PAGE, REGION_CODE + 2 * PAGE]) {
      cpu.dropCode(cpu.mmu.translate(page, false), PAGE);
    }
  }
}

/** Whether a case ends when it is not single-stepped: not if it jumps to itself or into itself. */
export function canRunOn(one: Case, expected: Outcome): boolean {
  if (one.name === "PUSHF") return false; // the oracle's trap flag is pushed
  if (expected.trap !== NO_FAULT) return true;
  return (expected.eip - one.eip) >>> 0 >= one.code.length;
}
