import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestMemory } from "../../../lib/memory.ts";
import { ATTENTION_LOOK, signal } from "../../../lib/platform/attention.ts";
import type { Width } from "../../../lib/platform/bus.ts";
import { MemoryConsole } from "../../../lib/platform/console.ts";
import { pciIrq } from "../../../lib/platform/pc/layout.ts";
import { PcMachine } from "../../../lib/platform/pc/pc.ts";
import { RngDevice } from "../../../lib/virtio/rng.ts";
import { RingDriver } from "../../virtio/_driver.ts";
import { FakeDevice } from "../../virtio/_pci.ts";
import { FakeClock } from "./_fakes.ts";

function bench(options: { log?: (line: string) => void } = {}) {
  const memory = GuestMemory.allocate(2 << 20);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const machine = new PcMachine({
    memory,
    console: new MemoryConsole(),
    clock: new FakeClock(),
    attention,
    ...options,
  });
  const config = (device: number, at: number, width: Width) => {
    machine.ports.write(0xcf8, 4, (0x8000_0000 | device << 11 | (at & 0xfc)) >>> 0);
    return machine.ports.read(0xcfc + (at & 3), width);
  };
  const setConfig = (device: number, at: number, width: Width, value: number) => {
    machine.ports.write(0xcf8, 4, (0x8000_0000 | device << 11 | (at & 0xfc)) >>> 0);
    machine.ports.write(0xcfc + (at & 3), width, value);
  };
  /** Vectors 0x30 and 0x38, everything unmasked. */
  const startInterrupts = () => {
    const words = [[0x20, 0x11], [0x21, 0x30, 4, 1, 0], [0xa0, 0x11], [0xa1, 0x38, 2, 1, 0]] as const;
    for (const [port, ...values] of words) for (const value of values) machine.ports.write(port, 1, value);
  };
  return { machine, memory, attention, config, setConfig, startInterrupts };
}

/** As a driver would, as far as the common configuration at `bar` lets one queue run. */
function startQueue(machine: PcMachine, bar: number, ring: RingDriver): void {
  const set = (field: number, width: Width, value: number) => machine.mmio.write(bar + field, width, value);
  for (const status of [0, 1, 3]) set(20, 1, status);
  set(8, 4, 1);
  set(12, 4, 1);
  set(20, 1, 11);
  machine.mmio.read(bar + 20, 1);
  set(22, 2, 0);
  set(24, 2, ring.size);
  for (const [field, address] of [[32, ring.descriptors], [40, ring.available], [48, ring.usedRing]] as const) {
    set(field, 4, address);
  }
  set(28, 2, 1);
  set(20, 1, 15);
}

/** A kernel's way to acknowledge: end of interrupt to both controllers. */
function endInterrupt(machine: PcMachine): void {
  machine.ports.write(0xa0, 1, 0x20);
  machine.ports.write(0x20, 1, 0x20);
}

Deno.test("PcMachine has a host bridge and no other PCI device by itself", () => {
  const { machine, config } = bench();
  machine.reset();
  assertEquals([config(0, 0x0a, 2), config(1, 0, 4)], [0x0600, 0xffff_ffff]);
});

Deno.test("PcMachine shows configuration space in memory as it does at the ports", () => {
  const { machine, config, setConfig } = bench();
  machine.attachVirtio(new FakeDevice());
  machine.reset();
  const see = (at: number) => machine.mmio.read(0xfe00_8000 + at, 4);
  assertEquals([see(0), see(0x10), see(0x3c)], [config(1, 0, 4), 0xe000_0000, 0x010a]);
  // A BAR that is moved over it decodes nothing, and can be moved back.
  setConfig(1, 0x10, 4, 0xfe00_8000);
  assertEquals([see(0x10), machine.mmio.read(0xe000_0012, 2)], [0xfe00_8000, 0xffff]);
  machine.mmio.write(0xfe00_8010, 4, 0xe000_0000);
  assertEquals(machine.mmio.read(0xe000_0012, 2), 2);
});

Deno.test("PcMachine.reset() leaves PCI devices as a firmware does", () => {
  const { machine, config, setConfig } = bench();
  for (let i = 1; i <= 7; i++) assertEquals(machine.attachVirtio(new FakeDevice()), i);
  machine.reset();
  const see = () => [1, 2, 7].map((device) => [config(device, 0x10, 4), config(device, 0x3c, 2), config(device, 4, 2)]);
  const wanted = [[0xe000_0000, 0x010a, 2], [0xe000_1000, 0x010b, 2], [0xe000_6000, 0x010a, 2]];
  assertEquals(see(), wanted);
  setConfig(1, 0x10, 4, 0xf000_0000);
  setConfig(2, 4, 2, 0);
  assertEquals(machine.mmio.read(0xe000_0012, 2), 0xffff);
  assertEquals(machine.mmio.read(0xf000_0012, 2), 2);
  machine.reset();
  assertEquals([see(), machine.mmio.read(0xe000_0012, 2)], [wanted, 2]);
  // PCI interrupts are level-triggered from the start, no others.
  const levels = [5, 10, 11, 12, 14, 15].reduce((bits, irq) => bits | 1 << irq, 0);
  assertEquals(machine.ports.read(0x4d0, 2), levels);
});

Deno.test("PcMachine takes 31 PCI devices, and says which one is too many", () => {
  const { machine } = bench();
  for (let i = 1; i <= 31; i++) machine.attachVirtio(new FakeDevice());
  assertThrows(() => machine.attachVirtio(new FakeDevice()), RangeError, '"fake"');
  const irqs = new Set(Array.from({ length: 31 }, (_, index) => pciIrq(index + 1)));
  assertEquals([...irqs], [10, 11, 5, 12, 14, 15]);
});

Deno.test("PcMachine delivers a virtio device's interrupt until its ISR is read, on a shared wire too", () => {
  const { machine, memory, startInterrupts } = bench();
  machine.attachVirtio(new RngDevice({ memory }));
  for (let i = 2; i <= 6; i++) machine.attachVirtio(new FakeDevice());
  machine.attachVirtio(new RngDevice({ memory }));
  machine.reset();
  startInterrupts();
  const bars = [0xe000_0000, 0xe000_6000];
  const rings = bars.map((bar, index) => {
    const ring = new RingDriver(memory, { at: 0x1_0000 * (index + 1), size: 8 });
    startQueue(machine, bar, ring);
    ring.offer([{ room: 16 }]);
    machine.mmio.write(bar + 0x800, 2, 0);
    return ring;
  });
  assertEquals(rings.map((ring) => ring.used().map(({ written }) => written)), [[16], [16]]);
  assertEquals([machine.interrupts.pending, machine.interrupts.acknowledge()], [true, 0x3a]);
  // The first is served; the second still holds the wire.
  assertEquals(machine.mmio.read(bars[0]! + 0x100, 1), 1);
  endInterrupt(machine);
  assertEquals([machine.interrupts.pending, machine.interrupts.acknowledge()], [true, 0x3a]);
  assertEquals(machine.mmio.read(bars[1]! + 0x100, 1), 1);
  endInterrupt(machine);
  assertEquals([machine.interrupts.pending, machine.stopped], [false, undefined]);
});

Deno.test("PcMachine lets devices look when it is signalled, and only then", () => {
  const { machine, attention } = bench();
  const devices = [new FakeDevice(), new FakeDevice()];
  for (const device of devices) machine.attachVirtio(device);
  machine.reset();
  machine.poll();
  assertEquals(devices.map(({ calls }) => calls), [["reset"], ["reset"]]);
  signal(attention, ATTENTION_LOOK);
  machine.poll();
  machine.poll();
  assertEquals(devices.map(({ calls }) => calls), [["reset", "attend"], ["reset", "attend"]]);
});

Deno.test("PcMachine dies of a driver's mistake, with all its devices silent until it is reset", () => {
  const { machine, attention } = bench();
  const [first, second] = [new FakeDevice(), new FakeDevice()];
  machine.attachVirtio(first);
  machine.attachVirtio(second);
  machine.reset();
  machine.mmio.write(0xe000_0014, 1, 64);
  const message = "Virtio fake: the driver set unknown bits in the device status: 0x40 (virtio 1.2 §2.1)";
  assertEquals(machine.stopped, { kind: "died", message });
  signal(attention, ATTENTION_LOOK);
  machine.poll();
  machine.mmio.write(0xe000_1014, 1, 1);
  assertEquals([first.calls, second.calls, machine.mmio.read(0xe000_1014, 1)], [["reset"], ["reset"], 0xff]);
  machine.reset();
  assertEquals([machine.stopped, machine.mmio.read(0xe000_1014, 1)], [undefined, 0]);
});

Deno.test("PcMachine dies of a mistake that a device finds when it is signalled", () => {
  const { machine, attention } = bench();
  const device = new FakeDevice();
  machine.attachVirtio(device);
  machine.reset();
  device.isOffended = true;
  signal(attention, ATTENTION_LOOK);
  machine.wait();
  assertEquals(machine.stopped?.kind, "died");
});

Deno.test("PcMachine still resets by CF9h, and not by a PCI address", () => {
  const { machine, config } = bench();
  machine.reset();
  config(0, 6, 1);
  machine.ports.write(0xcf8, 4, 0x8000_0604);
  assertEquals(machine.stopped, undefined);
  machine.ports.write(0xcf9, 1, 6);
  assertEquals(machine.stopped, { kind: "reset" });
});

Deno.test("PcMachine's log names devices as they are attached, and is not asked for nothing", () => {
  const lines: string[] = [];
  const { machine, config } = bench({ log: (line) => lines.push(line) });
  machine.attachVirtio(new FakeDevice());
  machine.attachVirtio(new FakeDevice(), "virtblock 2048 sectors");
  machine.reset();
  assertEquals(lines, ["device 1: fake", "device 2: virtblock 2048 sectors"]);
  config(1, 0, 4);
  machine.mmio.write(0xe000_0014, 1, 1);
  assertEquals(lines.slice(2), [
    "PCI: 0x80000800/ffffffff: bus 0 dev 1 func 0 reg 0",
    "IO IN of ffffffff to 3324: 0x10421af4",
    "fake: device status -> 0x1",
  ]);
  assert(lines.every((line) => !line.includes("\n")));
});
