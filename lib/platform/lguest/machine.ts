/**
 * The machine that an lguest Guest finds: no hardware but its virtio devices. From Linux 4.0 on these are on a PCI bus,
 * and two port addresses lead to it; before that they are on the lguest bus (`bus/bus.ts`), and there is nothing else at
 * all. Interrupts have no controller: a device's number goes to the Host as it is.
 *
 * Port and MMIO accesses enter (which `launcher.ts` took out of instructions), notifications and attention; interrupts
 * leave, through {@link LguestMachine.interrupts}, for the Launcher to hand to the Host. It lives in the virtual CPU's
 * thread. Read next: `launcher.ts`; `../pc/pc.ts`, the other machine.
 *
 * @module
 */
import type { Machine, StopReason } from "../../engine/engine.ts";
import type { GuestMemory } from "../../memory.ts";
import { PciBus } from "../../pci/bus.ts";
import { assignResources } from "../../pci/firmware.ts";
import { CONFIG_PORT_COUNT, CONFIG_PORTS, ConfigPorts, createHostBridge } from "../../pci/host_bridge.ts";
import type { VirtioDevice } from "../../virtio/device.ts";
import { VirtioPciTransport } from "../../virtio/pci_transport.ts";
import { ATTENTION_TERMINATE } from "../attention.ts";
import { AddressSpace, type BusDevice, ByteDevice } from "../bus.ts";
import type { ConsolePort } from "../console.ts";
import { createHostClock } from "../host_clock.ts";
import type { Clock, InterruptSource } from "../interrupt.ts";
import { LguestBus } from "./bus/bus.ts";
import { describe } from "./bus/description.ts";
import type { Generation } from "./generation.ts";

const PAGE_SIZE = 4096;
/** Between RAM and the first device's registers, as in the original. */
const DEVICE_GAP = 1 << 20;
/** The most that all devices' registers take: a page for each device that a bus has room for. */
const DEVICE_SPACE = 32 * PAGE_SIZE;
/** Ports that answer, besides PCI's. */
const PIT_CHANNEL_2 = 0x42, KEYBOARD_STATUS = 0x64;
/** The port space, looked up by a table. */
const PORT_SPACE = 0x1_0000;

/** What a {@link LguestMachine} is made of. */
export interface LguestMachineOptions {
  /** The Guest's memory; with an lguest bus the pages above RAM are in it. */
  readonly memory: GuestMemory;
  /** Bytes of RAM. */
  readonly ramSize: number;
  /** Which protocol the Guest speaks. */
  readonly generation: Generation;
  /** Where goes what the Guest prints before it has a console. */
  readonly console: ConsolePort;
  /** The Guest's time; by default the host's monotonic clock. */
  readonly clock?: Clock;
  /** Called when another thread wants attention: may block for as long as the CPU is to stand still (`../pause.ts`). */
  readonly hold?: () => void;
  /** Hears what `--verbose` prints of the devices. */
  readonly log?: (line: string) => void;
  /** Hears of what does not work as it should. */
  readonly warn?: (line: string) => void;
}

/** How devices are found. */
interface Transport {
  attach(device: VirtioDevice, description: string): void;
  reset(): void;
  attend(): void;
  silence(): void;
}

/** An lguest Guest's machine, without its CPU and memory. */
export class LguestMachine implements Machine {
  /** What the Guest's kernel reaches by IN and OUT. */
  readonly ports: AddressSpace = new AddressSpace(PORT_SPACE);
  /** The devices' registers, at Guest-physical addresses. */
  readonly mmio: AddressSpace = new AddressSpace();
  /** Interrupts that the Host was not told of yet: {@link InterruptSource.acknowledge} gives a number, 1 to 31. */
  readonly interrupts: InterruptSource;
  /** The Guest's page frames: below this is memory, ... */
  readonly pfnLimit: () => number;
  /** ... from there up to this are registers. */
  readonly deviceLimit: () => number;
  readonly #clock: Clock;
  readonly #attention: Int32Array<SharedArrayBuffer>;
  readonly #transport: Transport;
  readonly #bus: LguestBus | undefined;
  readonly #log: LguestMachineOptions["log"];
  readonly #hold: LguestMachineOptions["hold"];
  #irqs = 0;
  #stopped: StopReason | undefined;

  /**
   * A machine that is switched off: {@link reset} switches it on.
   *
   * @param options memory, console and protocol
   */
  constructor(options: LguestMachineOptions) {
    const { memory, ramSize, generation } = options;
    this.#clock = options.clock ?? createHostClock();
    this.#attention = memory.attention;
    this.#log = options.log;
    this.#hold = options.hold;
    const pending = () => this.#irqs !== 0;
    this.interrupts = {
      get pending() {
        return pending();
      },
      acknowledge: () => {
        const irq = 31 - Math.clz32(this.#irqs & -this.#irqs);
        this.#irqs &= ~(1 << irq);
        return irq;
      },
    };
    if (generation.transport === "pci") {
      const base = ramSize + DEVICE_GAP;
      this.#transport = this.#createPci(options, base);
      this.pfnLimit = () => ramSize / PAGE_SIZE;
      this.deviceLimit = () => (base + DEVICE_SPACE) / PAGE_SIZE;
    } else {
      const bus = this.#bus = this.#createBus(options);
      this.#transport = {
        attach: (device) => bus.attach(device, describe(device, { flush: generation.blockFlush })),
        reset: () => bus.reset(),
        attend: () => bus.attend(),
        silence: () => bus.silence(),
      };
      this.pfnLimit = this.deviceLimit = () => bus.limit / PAGE_SIZE;
    }
  }

  #createPci({ memory, log }: LguestMachineOptions, base: number): Transport {
    const bus = new PciBus(this.mmio, base);
    const ports = new ConfigPorts(bus, new NoReset(), log);
    const transports: VirtioPciTransport[] = [];
    bus.add(createHostBridge());
    this.ports.register(CONFIG_PORTS, CONFIG_PORT_COUNT, ports, "PCI host bridge");
    // Linux measures its clock by this timer; where it reads ones it does so for a long time before it gives up.
    this.ports.register(PIT_CHANNEL_2, 1, new Constant(0), "timer");
    // "There is a key to be read": so nobody waits for the keyboard controller. The original says the same.
    this.ports.register(KEYBOARD_STATUS, 1, new Constant(1), "keyboard controller");
    return {
      attach: (device, description) => {
        const transport = new VirtioPciTransport(device, { memory, died: (message) => this.#die(message), log });
        const number = bus.add(transport.function);
        transport.function.connect({ raise: () => this.#raise(number), lower: () => {} });
        transports.push(transport);
        log?.(`device ${number}: ${description}`);
      },
      reset: () => {
        for (const transport of transports) transport.reset();
        bus.reset();
        ports.reset();
        assignResources(bus, { start: base, end: base + DEVICE_SPACE }, { irqOf: (device) => device, enable: false });
      },
      attend: () => transports.forEach((transport) => transport.attend()),
      silence: () => transports.forEach((transport) => transport.silence()),
    };
  }

  #createBus({ memory, ramSize, console, log, warn }: LguestMachineOptions): LguestBus {
    return new LguestBus({
      memory,
      ramSize,
      raiseInterrupt: (irq) => this.#raise(irq),
      died: (message) => this.#die(message),
      earlyConsole: (bytes) => {
        for (let rest = bytes; rest.length > 0;) {
          rest = rest.subarray(console.send(rest));
          if (rest.length > 0 && !console.waitForRoom()) return;
        }
      },
      log,
      warn,
    });
  }

  /** Why the Launcher must stop, if it must. */
  get stopped(): StopReason | undefined {
    return this.#stopped;
  }

  /** Nanoseconds since the machine was made. */
  now(): number {
    return this.#clock.now();
  }

  /** Nothing here wants to act at a certain time: the Guest's clock is the Host's. */
  deadline(): number {
    return Infinity;
  }

  /** Look where other threads asked us to. Blocks only while the machine is paused. */
  poll(): void {
    if (Atomics.load(this.#attention, 0) === 0) return;
    let bits = Atomics.exchange(this.#attention, 0, 0);
    this.#hold?.();
    bits |= Atomics.exchange(this.#attention, 0, 0);
    if (bits & ATTENTION_TERMINATE) this.#stopped = { kind: "terminated" };
    this.#transport.attend();
  }

  /** Block until another thread asks for attention. A Host waits by itself. */
  wait(): void {
    Atomics.wait(this.#attention, 0, 0);
    this.poll();
  }

  /** The Guest notified a Guest-physical address, on the lguest bus. */
  notify(address: number): void {
    this.#bus?.notify(address);
  }

  /** Stop the Launcher at its next look at {@link stopped}; the first reason given stands. */
  stop(reason: StopReason): void {
    this.#stopped ??= reason;
  }

  /**
   * Give the machine another device, to be found at the next {@link reset}.
   *
   * @param device the device; its driver's mistakes stop the machine
   * @param description what the log says of it
   */
  attachVirtio(device: VirtioDevice, description: string = device.name): void {
    this.#transport.attach(device, description);
    if (this.#bus) this.#log?.(description);
  }

  /** Switch on; a machine that another thread has terminated stays so. */
  reset(): void {
    this.#transport.reset();
    this.#irqs = 0;
    if (this.#stopped?.kind !== "terminated") this.#stopped = undefined;
  }

  #raise(irq: number): void {
    this.#irqs |= 1 << irq;
  }

  /** A driver broke the specification; the Launcher stops soon, and until then no device does anything. */
  #die(message: string): void {
    this.#transport.silence();
    this.stop({ kind: "died", message });
  }
}

/** A port that always reads the same, and forgets what is written. */
class Constant implements BusDevice {
  readonly #value: number;

  constructor(value: number) {
    this.#value = value;
  }

  read(): number {
    return this.#value;
  }

  write(): void {}
}

/** At CF9h, where a PC's chipset has its reset register, a Guest has nothing. */
class NoReset extends ByteDevice {
  override readByte(): number {
    return 0xff;
  }

  override writeByte(): void {}
}
