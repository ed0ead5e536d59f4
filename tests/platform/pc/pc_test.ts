import { assertEquals } from "@std/assert";
import { GuestMemory } from "../../../lib/memory.ts";
import { ATTENTION_LOOK, ATTENTION_TERMINATE, signal } from "../../../lib/platform/attention.ts";
import { MemoryConsole } from "../../../lib/platform/console.ts";
import { ConsoleRing, RingConsole } from "../../../lib/platform/console_ring.ts";
import { createHostClock } from "../../../lib/platform/host_clock.ts";
import { PcMachine } from "../../../lib/platform/pc/pc.ts";
import { FakeDevice } from "../../virtio/_pci.ts";
import { FakeClock } from "./_fakes.ts";

function bench() {
  const [console, clock] = [new MemoryConsole(), new FakeClock()];
  const memory = GuestMemory.allocate(2 << 20);
  const attention = new Int32Array(new SharedArrayBuffer(4));
  const machine = new PcMachine({ memory, console, clock, attention, wallClock: () => 0 });
  machine.reset();
  const out = (port: number, ...values: number[]) => values.forEach((value) => machine.ports.write(port, 1, value));
  return { machine, console, clock, memory, attention, out };
}

/** Interrupts on, vectors 0x30 and 0x38, everything unmasked. */
function startInterrupts(out: (port: number, ...values: number[]) => void): void {
  out(0x20, 0x11);
  out(0x21, 0x30, 4, 1, 0);
  out(0xa0, 0x11);
  out(0xa1, 0x38, 2, 1, 0);
}

Deno.test("PcMachine delivers the timer's interrupt at its deadline", () => {
  const { machine, clock, out } = bench();
  startInterrupts(out);
  assertEquals(machine.deadline(), Infinity);
  out(0x43, 0x30);
  out(0x40, 0xa9, 0x04); // 1193: a millisecond
  const deadline = machine.deadline();
  assertEquals(Math.abs(deadline - 1e6) < 2000, true);
  machine.poll();
  assertEquals(machine.interrupts.pending, false);
  clock.time = deadline;
  machine.poll();
  assertEquals([machine.interrupts.pending, machine.interrupts.acknowledge(), machine.deadline()], [
    true,
    0x30,
    Infinity,
  ]);
});

Deno.test("PcMachine brings typed bytes to the serial port when it is signalled", () => {
  const { machine, console, clock, attention, out } = bench();
  startInterrupts(out);
  out(0x3fa, 0x81);
  out(0x3f9, 0x01);
  out(0x3fc, 0x0b);
  machine.poll();
  console.type("k");
  machine.poll();
  assertEquals(machine.interrupts.pending, false);
  signal(attention, ATTENTION_LOOK);
  clock.time += 1;
  machine.poll();
  assertEquals([machine.interrupts.acknowledge(), machine.ports.read(0x3f8, 1)], [0x34, 0x6b]);
  assertEquals(Atomics.load(attention, 0), 0);
});

Deno.test("PcMachine sends what the serial port is given", () => {
  const { console, out } = bench();
  out(0x3f8, ...new TextEncoder().encode("Linux version"));
  assertEquals(console.text, "Linux version");
});

for (
  const [name, port, values] of [
    ["port 92h", 0x92, [0x01]],
    ["the keyboard controller", 0x64, [0xfe]],
    ["CF9h", 0xcf9, [0x02, 0x06]],
  ] as const
) {
  Deno.test(`PcMachine stops with a reset by ${name}, and starts again`, () => {
    const { machine, out } = bench();
    out(port, ...values);
    assertEquals(machine.stopped, { kind: "reset" });
    machine.reset();
    assertEquals(machine.stopped, undefined);
    out(port, ...values);
    assertEquals(machine.stopped, { kind: "reset" });
  });
}

Deno.test("PcMachine stops with a power-off as its ACPI tables say", () => {
  const { machine, memory } = bench();
  // Find the control port as a kernel does: root pointer, RSDT, FADT.
  const fadt = memory.getUint32(memory.getUint32(0xf0000 + 16) + 36);
  machine.ports.write(memory.getUint32(fadt + 64), 2, 0x2000 | 5 << 10);
  assertEquals(machine.stopped, { kind: "poweroff" });
});

Deno.test("PcMachine stops when another thread terminates it, and no reset revives it", () => {
  const { machine, attention, out } = bench();
  out(0x64, 0xfe);
  signal(attention, ATTENTION_TERMINATE);
  machine.poll();
  assertEquals(machine.stopped, { kind: "terminated" });
  machine.reset();
  assertEquals(machine.stopped, { kind: "terminated" });
});

Deno.test("PcMachine.reset() leaves no interrupt, no deadline and fresh tables", () => {
  const { machine, memory, out } = bench();
  startInterrupts(out);
  out(0x43, 0x34);
  out(0x40, 0xa9, 0x04);
  out(0x3fc, 0x0b);
  out(0x3f9, 0x02);
  assertEquals([machine.interrupts.pending, machine.deadline() < 1e9], [true, true]);
  memory.setUint8(0xf0000, 0);
  machine.reset();
  assertEquals([machine.interrupts.pending, machine.deadline(), memory.getUint8(0xf0000)], [false, Infinity, 0x52]);
});

Deno.test("PcMachine.wait() sleeps until the deadline", () => {
  const clock = createHostClock();
  const machine = new PcMachine({ memory: GuestMemory.allocate(2 << 20), console: new MemoryConsole(), clock });
  machine.reset();
  startInterrupts((port, ...values) => values.forEach((value) => machine.ports.write(port, 1, value)));
  machine.ports.write(0x43, 1, 0x30);
  machine.ports.write(0x40, 1, 0);
  machine.ports.write(0x40, 1, 93); // 20 ms
  const before = clock.now();
  let calls = 0;
  while (!machine.interrupts.pending) {
    machine.wait();
    calls++;
  }
  assertEquals([clock.now() - before > 19e6, calls < 100], [true, true]);
});

const WORKERS = { ignore: Deno.permissions.querySync({ name: "read" }).state !== "granted" };

Deno.test("PcMachine.wait() ends when a byte is typed in another thread's ring", WORKERS, () => {
  const [output, input] = [ConsoleRing.allocate(16), ConsoleRing.allocate(16)];
  const machine = new PcMachine({
    memory: GuestMemory.allocate(2 << 20),
    console: new RingConsole(output, input),
  });
  machine.reset();
  startInterrupts((port, ...values) => values.forEach((value) => machine.ports.write(port, 1, value)));
  machine.ports.write(0x3f9, 1, 0x01);
  machine.ports.write(0x3fc, 1, 0x0b);
  const typed = ConsoleRing.allocate(16);
  const worker = new Worker(new URL("../console_echo_worker.ts", import.meta.url), { type: "module" });
  worker.postMessage([typed.buffer, input.buffer]);
  typed.writeByte(0x20);
  while (!machine.interrupts.pending) machine.wait();
  worker.terminate();
  assertEquals([machine.interrupts.acknowledge(), machine.ports.read(0x3f8, 1)], [0x34, 0x21]);
});

Deno.test("createHostClock() counts nanoseconds from 0 and never goes back", () => {
  const clock = createHostClock();
  let last = clock.now();
  assertEquals([last >= 0, last < 1e9, Number.isInteger(last)], [true, true, true]);
  let backwards = 0;
  for (let i = 0; i < 1000; i++) {
    const now = clock.now();
    if (now < last) backwards++;
    last = now;
  }
  assertEquals(backwards, 0);
});

/** A small generator of repeatable numbers: mulberry32. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

const DEVICE_PORTS = [0x20, 0x40, 0x60, 0x70, 0x90, 0xa0, 0x3f8, 0x4d0, 0x600, 0xcf8];

for (const seed of [1, 2, 3, 4]) {
  Deno.test(`PcMachine answers any port traffic with values of the width asked for (seed ${seed})`, () => {
    const random = createRandom(seed);
    const { machine, console, clock } = bench();
    const wrong: string[] = [];
    for (let i = 0; i < 30_000; i++) {
      const port = DEVICE_PORTS[random(DEVICE_PORTS.length)]! + random(12);
      const width = ([1, 2, 4] as const)[random(3)]!;
      clock.time += random(3) === 0 ? random(50_000_000) : random(2000);
      if (random(4) === 0) console.type(Uint8Array.of(random(256)));
      if (random(2) === 0) machine.ports.write(port, width, random(2 ** 32));
      const value = machine.ports.read(port, width);
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) wrong.push(`${port}: ${value}`);
      machine.poll();
      if (machine.interrupts.pending) machine.interrupts.acknowledge();
      if (Number.isNaN(machine.deadline())) wrong.push(`deadline after ${port}`);
      if (machine.stopped) machine.reset();
    }
    assertEquals(wrong, []);
  });
}

Deno.test("PcMachine.statistics() counts accesses, interrupts, and bytes of its devices, over resets too", () => {
  const { machine, clock, out } = bench();
  const device = Object.assign(new FakeDevice(), { traffic: { kind: "block", in: 5, out: 7 } });
  machine.attachVirtio(device);
  startInterrupts(out);
  out(0x43, 0x30);
  out(0x40, 0xa9, 0x04);
  clock.time = machine.deadline();
  machine.poll();
  machine.interrupts.acknowledge();
  machine.mmio.read(0xf000_0000, 4);
  const { exits } = machine.statistics();
  machine.reset();
  machine.ports.read(0x61, 1);
  device.traffic.in += 10;
  assertEquals(exits, { port: 13, mmio: 1, interrupt: 1, halt: 0 });
  assertEquals(machine.statistics(), { exits: { ...exits, port: 14 }, bytes: { block: { in: 15, out: 7 } } });
});

Deno.test("PcMachine.statistics() counts the times that a halted CPU slept", () => {
  const { machine, out } = bench();
  out(0x43, 0x30);
  out(0x40, 0xa9, 0x04); // a millisecond
  machine.wait();
  assertEquals(machine.statistics().exits["halt"], 1);
});
