/**
 * The Host in TypeScript: `/dev/lguest` on the built-in CPU, for every machine that has no such device, which is every
 * machine.
 *
 * A Guest's memory enters, and what a Launcher asks; {@link LguestExit}s leave. The CPU runs the Guest's kernel at
 * privilege level 1, with the Host below it (`host/supervisor.ts`) where a processor has IDT, GDT and page tables. The
 * engine is left whenever the Launcher is needed, and enters the Guest again where it was. Read next:
 * `host/supervisor.ts`, and from there as in the original: hypercalls, interrupts and traps, page tables, segments.
 *
 * @module
 */
import type { Machine, StopReason } from "../../engine/engine.ts";
import { CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_OSFXSR, CR4_OSXMMEXCPT } from "../../engine/soft/control_bits.ts";
import { SoftEngine, type SoftOptions } from "../../engine/soft/engine.ts";
import { EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, IF } from "../../engine/soft/state.ts";
import { CS, DS, ES, FS, GS, SS } from "../../engine/soft/state.ts";
import { STOP } from "../../engine/soft/supervisor.ts";
import type { GuestMemory } from "../../memory.ts";
import { AddressSpace } from "../bus.ts";
import { createHostClock } from "../host_clock.ts";
import type { Clock, InterruptSource } from "../interrupt.ts";
import type { LguestDevice, LguestExit, LguestStart, RegisterName } from "./device.ts";
import type { Generation } from "./generation.ts";
import { doHypercalls, setupFirstPagetables } from "./host/hypercalls.ts";
import { canInterrupt, takeInterrupt } from "./host/interrupts_and_traps.ts";
import { Lguest } from "./host/lg.ts";
import type { HostCounts } from "./host/counts.ts";
import { instructionBytes } from "./host/ports.ts";
import { setupGdt, setupSegments } from "./host/segments.ts";
import { HostSupervisor, injectTrap } from "./host/supervisor.ts";
import { INSTRUCTION_BYTES, LGUEST_IRQS } from "./protocol.ts";

/** General registers by name, as the CPU numbers them. */
const GENERAL: Partial<Record<RegisterName, number>> = {
  eax: EAX,
  ebx: EBX,
  ecx: ECX,
  edx: EDX,
  esi: ESI,
  edi: EDI,
  ebp: EBP,
  esp: ESP,
};
const SEGMENTS: Partial<Record<RegisterName, number>> = { cs: CS, ds: DS, es: ES, fs: FS, gs: GS, ss: SS };

/** How a {@link SoftHost} runs; the defaults are what users want, tests want others. */
export interface SoftHostOptions extends SoftOptions {
  /** The Guest's time; by default the host's monotonic clock. */
  readonly clock?: Clock;
}

/** Below this an `Atomics.wait` would overshoot by more than it waits. */
const SHORTEST_SLEEP = 60_000;

/** A Host on the built-in CPU. */
export class SoftHost implements LguestDevice {
  readonly #memory: GuestMemory;
  readonly #lg: Lguest;
  readonly #engine: SoftEngine;
  /** Made once: a kernel that prints early causes tens of thousands of exits. */
  readonly #instruction = new Uint8Array(INSTRUCTION_BYTES);

  /**
   * A Host without a Guest.
   *
   * @param memory the Guest's memory, with what the Launcher's loader put into it by the time of {@link initialize}
   * @param generation the protocol that the Guest speaks
   * @param options how to run
   */
  constructor(memory: GuestMemory, generation: Generation, options: SoftHostOptions = {}) {
    const clock = options.clock ?? createHostClock();
    const lg = this.#lg = new Lguest({ memory, generation, now: () => clock.now() });
    this.#memory = memory;
    this.#engine = new SoftEngine(memory, new HostMachine(lg), options);
    lg.cpu = this.#engine.cpu;
    lg.cpu.supervisor = new HostSupervisor(lg);
  }

  /** How often the Guest came to the Host, since this was made. */
  get counts(): HostCounts {
    return this.#lg.counts;
  }

  initialize({ pfnLimit, start, deviceLimit }: LguestStart): void {
    const lg = this.#lg, { cpu } = lg;
    lg.reset();
    this.#engine.reset({ eip: start, esi: 0 });
    lg.setLimits(pfnLimit, deviceLimit);
    setupFirstPagetables(lg);
    cpu.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    cpu.cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    setupGdt(lg);
    setupSegments(lg);
    cpu.flags = IF | 2;
    cpu.mmu.flush(false);
  }

  run(): LguestExit {
    const lg = this.#lg;
    lg.pendingTrap = lg.pendingNotify = undefined; // the Launcher has dealt with it
    if (lg.hcall && lg.dead === undefined) doHypercalls(lg);
    while (!lg.mustStop) {
      try {
        const reason = this.#engine.run();
        if (reason === STOPPED) {
          if (!lg.mustStop) return INTERRUPTED;
        } else if (reason.kind === "died") lg.kill(reason.message);
        else lg.kill("triple fault"); // which cannot happen above a Host
      } catch (reason) {
        if (reason !== STOP) throw reason;
      }
    }
    return this.#exit();
  }

  #exit(): LguestExit {
    const lg = this.#lg;
    if (lg.restart) return { kind: "restart" };
    if (lg.dead !== undefined) return { kind: "died", reason: lg.dead };
    if (lg.pendingNotify !== undefined) return { kind: "notify", address: lg.pendingNotify };
    const instruction = instructionBytes(lg, this.#instruction);
    return { kind: "trap", trap: lg.pendingTrap!, instruction, address: lg.iomem ?? 0 };
  }

  getRegister(name: RegisterName): number {
    const { cpu } = this.#lg;
    if (name === "eip") return cpu.eip >>> 0;
    if (name === "eflags") return cpu.flags >>> 0;
    const general = GENERAL[name];
    return general === undefined ? cpu.selectors[SEGMENTS[name]!]! : cpu.reg(general) >>> 0;
  }

  setRegister(name: RegisterName, value: number): void {
    const { cpu } = this.#lg, general = GENERAL[name];
    if (name === "eip") cpu.eip = value | 0;
    else if (general !== undefined) cpu.setReg(general, value | 0);
    else throw new RangeError(`A Host sets no ${name}: only general registers and EIP can be set`);
  }

  injectTrap(vector: number): boolean {
    return injectTrap(this.#lg, vector);
  }

  raiseInterrupt(irq: number): void {
    if (!(irq >= 0 && irq < LGUEST_IRQS)) throw new RangeError(`There is no interrupt ${irq}: want 0 to 31`);
    this.#lg.irqsPending |= 1 << irq;
  }

  close(): void {
    this.#lg.reset();
    this.#memory.onChange = () => {};
  }
}

/** What the engine gives back where the Launcher has to do something. */
const STOPPED: StopReason = { kind: "terminated" };
const INTERRUPTED: LguestExit = { kind: "interrupted" };

/** What the engine sees of the Host: interrupts and a clock, and nothing at any port or address. */
class HostMachine implements Machine {
  readonly ports = new AddressSpace();
  readonly mmio = new AddressSpace();
  readonly interrupts: InterruptSource;
  readonly #lg: Lguest;
  readonly #attention: Int32Array<SharedArrayBuffer>;

  constructor(lg: Lguest) {
    this.#lg = lg;
    this.#attention = lg.memory.attention;
    this.interrupts = new HostInterrupts(lg);
  }

  now(): number {
    return this.#lg.now();
  }

  deadline(): number {
    return this.#lg.clockEvent;
  }

  /** The clock event; everything else is the Launcher's, who is told by {@link stopped}. */
  poll(): void {
    const lg = this.#lg;
    if (lg.clockEvent > lg.now()) return;
    lg.clockEvent = Infinity;
    lg.irqsPending |= 1;
  }

  /** An interrupt without a handler wakes the Guest too, and leaves nothing to wait for. */
  wait(): void {
    if (!this.#lg.cpu.halted) return;
    const remaining = this.#lg.clockEvent - this.#lg.now();
    if (remaining >= SHORTEST_SLEEP) Atomics.wait(this.#attention, 0, 0, remaining / 1e6);
  }

  /** Another thread wants the Launcher to look: it clears the word. Asked often, so that a plain read has to do. */
  get stopped(): StopReason | undefined {
    return this.#attention[0] !== 0 || this.#lg.mustStop ? STOPPED : undefined;
  }
}

/** Interrupts as the engine asks for them, between instructions. */
class HostInterrupts implements InterruptSource {
  readonly #lg: Lguest;

  constructor(lg: Lguest) {
    this.#lg = lg;
  }

  get pending(): boolean {
    return this.#lg.irqsPending !== 0 && canInterrupt(this.#lg);
  }

  acknowledge(): number {
    return takeInterrupt(this.#lg);
  }
}
