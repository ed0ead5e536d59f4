/**
 * The PC that a stock kernel believes it runs on: port and memory maps, interrupt controllers, timers, the serial
 * console, the clock, and the ways to turn it all off. An engine sees it as a {@link Machine}. Its firmware is no
 * program: {@link PcMachine.reset} leaves in memory the tables that a firmware would (`acpi.ts`).
 *
 * It lives in the virtual CPU's thread. Other threads reach it through its attention word (`../attention.ts`), which
 * {@link PcMachine.wait} sleeps on and {@link PcMachine.poll} looks at. Typed bytes are in a shared ring by then
 * (`../console_ring.ts`).
 *
 * Each device is a small file beside this one; read `uart.ts` or `pic.ts` next. What comes by PCI is put onto the bus
 * by {@link PcMachine.attachVirtio}: read `../../pci/bus.ts`, `../../virtio/pci_transport.ts`.
 *
 * @module
 */
import type { Machine, StopReason } from "../../engine/engine.ts";
import type { GuestMemory } from "../../memory.ts";
import { PciBus } from "../../pci/bus.ts";
import { ECAM_BUS_SIZE, EcamRegion } from "../../pci/ecam.ts";
import { assignResources } from "../../pci/firmware.ts";
import { CONFIG_PORT_COUNT, CONFIG_PORTS, ConfigPorts, createHostBridge } from "../../pci/host_bridge.ts";
import { SharedLine } from "../../pci/shared_line.ts";
import { type Statistics, sumTraffic } from "../../statistics.ts";
import type { VirtioDevice } from "../../virtio/device.ts";
import { VirtioPciTransport } from "../../virtio/pci_transport.ts";
import { ATTENTION_TERMINATE } from "../attention.ts";
import { AddressSpace, type BusDevice } from "../bus.ts";
import type { ConsoleBackend } from "../console.ts";
import { createHostClock } from "../host_clock.ts";
import type { Clock, Timed } from "../interrupt.ts";
import { writeAcpiTables } from "./acpi.ts";
import { Pic } from "./pic.ts";
import { Pit } from "./pit.ts";
import { PowerManagement } from "./pm.ts";
import { ECAM_BASE, PCI_HOLE, PCI_IRQS, pciIrq, PM_BASE, PORT_SPACE, SCI_IRQ } from "./layout.ts";
import { Rtc } from "./rtc.ts";
import { KeyboardReset, ResetControl, SystemControlA, SystemControlB } from "./system_control.ts";
import { Uart } from "./uart.ts";

/** What a {@link PcMachine} is made of. */
export interface PcOptions {
  /** The Guest's memory: how large it is, and where the firmware's tables go. */
  readonly memory: GuestMemory;
  /** The terminal at the serial port. */
  readonly console: ConsoleBackend;
  /** The word by which other threads ask for attention; by default the console's, or one that nobody knows. */
  readonly attention?: Int32Array<SharedArrayBuffer>;
  /** The Guest's time; by default the host's monotonic clock. */
  readonly clock?: Clock;
  /** The host's wall clock in milliseconds since 1970, UTC; by default `Date.now`. */
  readonly wallClock?: () => number;
  /** Called when another thread wants attention: may block for as long as the CPU is to stand still (`../pause.ts`). */
  readonly hold?: () => void;
  /** Hears what `--verbose` prints of PCI and its devices; without it there is nothing to do for that. */
  readonly log?: (line: string) => void;
}

/** Below this an `Atomics.wait` would overshoot by more than it waits (measured: 0.05 to 0.1 ms late at any length). */
const SHORTEST_SLEEP = 60_000;

/** A PC without its CPU and memory. */
export class PcMachine implements Machine {
  /** The port space; another room may register its devices here. */
  readonly ports: AddressSpace = new AddressSpace(PORT_SPACE);
  /** The physical addresses that are not RAM; another room may register its devices here. */
  readonly mmio: AddressSpace = new AddressSpace();
  /** The interrupt controllers. */
  readonly interrupts: Pic = new Pic();
  readonly #clock: Clock;
  readonly #memory: GuestMemory;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #uart: Uart;
  readonly #timed: Timed[] = [];
  readonly #resettable: { reset(): void }[] = [];
  readonly #log: PcOptions["log"];
  readonly #hold: PcOptions["hold"];
  readonly #pci: PciBus;
  readonly #pciLines: ReadonlyMap<number, SharedLine>;
  readonly #transports: VirtioPciTransport[] = [];
  readonly #devices: VirtioDevice[] = [];
  #halts = 0;
  #stopped: StopReason | undefined;

  /**
   * A PC that is switched off: {@link reset} switches it on.
   *
   * @param options memory, terminal and clocks
   */
  constructor(options: PcOptions) {
    const clock = options.clock ?? createHostClock();
    this.#clock = clock;
    this.#log = options.log;
    this.#hold = options.hold;
    this.#memory = options.memory;
    this.#attention = options.attention ?? options.console.attention ??
      new Int32Array(new SharedArrayBuffer(4));
    const pic = this.interrupts;
    const requestReset = () => this.stop({ kind: "reset" });
    const pit = new Pit(clock, pic.line(0));
    const rtc = new Rtc({
      clock,
      line: pic.line(8),
      memorySize: options.memory.size,
      wallClock: options.wallClock ?? Date.now,
    });
    const pm = new PowerManagement({
      clock,
      line: pic.line(SCI_IRQ),
      powerOff: () => this.stop({ kind: "poweroff" }),
    });
    this.#uart = new Uart({
      clock,
      line: pic.line(4),
      console: options.console,
      abandoned: () => (Atomics.load(this.#attention, 0) & ATTENTION_TERMINATE) !== 0,
    });
    const controlB = new SystemControlB(pit, clock);
    const controlA = new SystemControlA(requestReset);
    const resetControl = new ResetControl(requestReset);
    this.#pci = new PciBus(this.mmio, options.memory.size);
    this.#pci.add(createHostBridge());
    this.mmio.register(ECAM_BASE, ECAM_BUS_SIZE, new EcamRegion(this.#pci), "PCI configuration space");
    this.#pciLines = new Map(PCI_IRQS.map((irq) => [irq, new SharedLine(pic.line(irq))]));
    const configPorts = new ConfigPorts(this.#pci, resetControl, options.log);
    const places: [number, number, BusDevice, string][] = [
      [0x20, 2, pic.master, "first interrupt controller"],
      [0x40, 4, pit, "timer"],
      [0x61, 1, controlB, "system control port B"],
      [0x64, 1, new KeyboardReset(requestReset), "keyboard controller"],
      [0x70, 2, rtc, "clock"],
      [0x92, 1, controlA, "system control port A"],
      [0xa0, 2, pic.slave, "second interrupt controller"],
      [0x3f8, 8, this.#uart, "serial port"],
      [0x4d0, 2, pic.elcr, "interrupt edge/level registers"],
      [PM_BASE, 12, pm, "power management"],
      [CONFIG_PORTS, CONFIG_PORT_COUNT, configPorts, "PCI host bridge"],
    ];
    for (const [start, length, device, name] of places) this.ports.register(start, length, device, name);
    this.#timed.push(pit, this.#uart, rtc, pm);
    // The timer before port 61h, which gates it; the controllers last, so that no device leaves a line up.
    this.#resettable.push(pit, controlB, controlA, rtc, pm, this.#uart, resetControl, configPorts, this.#pci, pic);
  }

  /** Why the engine must stop, if it must. */
  get stopped(): StopReason | undefined {
    return this.#stopped;
  }

  /** Nanoseconds since the machine was made. */
  now(): number {
    return this.#clock.now();
  }

  /** The earliest deadline of any device; it can change at each port access and each {@link poll}. */
  deadline(): number {
    let deadline = Infinity;
    for (const device of this.#timed) if (device.deadline < deadline) deadline = device.deadline;
    return deadline;
  }

  /** Let devices act that are due, and look where other threads asked us to. Blocks only while the machine is paused. */
  poll(): void {
    if (Atomics.load(this.#attention, 0) !== 0) this.#attend();
    const now = this.#clock.now();
    for (const device of this.#timed) if (device.deadline <= now) device.expire(now);
  }

  /**
   * Block while the CPU is halted: until an interrupt is pending, a device was due, another thread signalled, or the
   * machine is stopped. It may also return early; a halted CPU looks at {@link interrupts} and calls again.
   */
  wait(): void {
    this.poll();
    if (this.interrupts.pending || this.#stopped) return;
    const remaining = this.deadline() - this.#clock.now();
    if (remaining >= SHORTEST_SLEEP) {
      this.#halts++;
      Atomics.wait(this.#attention, 0, 0, remaining / 1e6);
    }
    this.poll();
  }

  /** Stop the engine at its next look at {@link stopped}; the first reason given stands. */
  stop(reason: StopReason): void {
    this.#stopped ??= reason;
  }

  /**
   * Put a virtio device into the next PCI slot, to be found at the next {@link reset}.
   *
   * @param device the device; its driver's mistakes stop the machine
   * @param description what the log says of it
   * @returns its device number, 1 to 31
   * @throws {RangeError} if all slots are taken
   */
  attachVirtio(device: VirtioDevice, description: string = device.name): number {
    const transport = new VirtioPciTransport(device, {
      memory: this.#memory,
      died: (message) => this.#die(message),
      log: this.#log,
    });
    const number = this.#pci.add(transport.function);
    transport.function.connect(this.#pciLines.get(pciIrq(number))!.input());
    this.#transports.push(transport);
    this.#devices.push(device);
    this.#log?.(`device ${number}: ${description}`);
    return number;
  }

  /**
   * Switch on: put every device back to power-on, do what the firmware does, and forget why the machine stopped, to
   * boot again in the same process. A machine that another thread has terminated stays so.
   */
  reset(): void {
    for (const transport of this.#transports) transport.reset();
    for (const device of this.#resettable) device.reset();
    writeAcpiTables(this.#memory);
    assignResources(this.#pci, PCI_HOLE, { irqOf: pciIrq });
    // INTx is level-triggered: a kernel without ACPI relies on the firmware to have said so.
    this.interrupts.elcr.write(0, 2, PCI_IRQS.reduce((bits, irq) => bits | 1 << irq, 0));
    if (this.#stopped?.kind !== "terminated") this.#stopped = undefined;
  }

  /** What was counted since the machine was made, over all resets; a halt is counted when it sleeps. */
  statistics(): Statistics {
    return {
      exits: {
        port: this.ports.accesses,
        mmio: this.mmio.accesses,
        interrupt: this.interrupts.taken,
        halt: this.#halts,
      },
      bytes: sumTraffic(this.#devices),
    };
  }

  #attend(): void {
    let bits = Atomics.exchange(this.#attention, 0, 0);
    this.#hold?.();
    bits |= Atomics.exchange(this.#attention, 0, 0);
    // Whoever wants the end gets it, also where the Guest has just asked for a reset.
    if (bits & ATTENTION_TERMINATE) this.#stopped = { kind: "terminated" };
    this.#uart.attend();
    for (const transport of this.#transports) transport.attend();
  }

  /** A driver broke the specification; the engine stops soon, and until then no device does anything. */
  #die(message: string): void {
    for (const transport of this.#transports) transport.silence();
    this.stop({ kind: "died", message });
  }
}
