import { assertEquals, assertThrows } from "@std/assert";
import { MemoryConsole } from "../../lib/platform/console.ts";
import { ConsoleDevice } from "../../lib/virtio/console.ts";
import { DriverError } from "../../lib/virtio/device.ts";
import { drive, type Driven, EVENT_IDX, type RingDriver, type RingOptions } from "./_driver.ts";
import { GuardedMemory } from "./_memory.ts";

const SIZE = 1n;
const INPUT = 0;
const OUTPUT = 1;

interface Bench extends Driven {
  readonly device: ConsoleDevice;
  readonly port: MemoryConsole;
  readonly memory: GuardedMemory;
  readonly input: RingDriver;
  readonly output: RingDriver;
}

function setUp(options: RingOptions = {}): Bench {
  const memory = new GuardedMemory(1 << 20);
  const port = new MemoryConsole();
  port.window = { columns: 80, rows: 25 };
  const device = new ConsoleDevice({ memory, port });
  const driven = drive(device, memory, options);
  return { ...driven, device, port, memory, input: driven.drivers[INPUT]!, output: driven.drivers[OUTPUT]! };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

Deno.test("ConsoleDevice sends what the driver queues, across descriptors and requests, with one interrupt", () => {
  const { device, port, output } = setUp();
  const first = output.offer([{ bytes: "Hello, " }, { bytes: "wor" }, { bytes: "" }, { bytes: "ld" }]);
  const second = output.offer([{ bytes: "!\n" }]);
  device.notify(OUTPUT);
  assertEquals(port.text, "Hello, world!\n");
  assertEquals(output.used().map(({ head, written }) => [head, written]), [[first, 0], [second, 0]]);
  assertEquals(output.interrupts, 1);
});

Deno.test("ConsoleDevice sends what was queued before it was activated", () => {
  const memory = new GuardedMemory(1 << 20);
  const port = new MemoryConsole();
  const device = new ConsoleDevice({ memory, port });
  const { drivers } = drive(device, memory);
  drivers[OUTPUT]!.offer([{ bytes: "early" }]);
  device.reset();
  const queues = drivers.map((driver) => driver.queue());
  device.activate({ features: 0n, queues, configChanged: () => {} });
  assertEquals(port.text, "early");
});

Deno.test("ConsoleDevice keeps a request that finds no room, and goes on where it stopped", () => {
  const { device, port, output } = setUp();
  port.capacity = 4;
  output.offer([{ bytes: "abc" }, { bytes: "def" }]);
  output.offer([{ bytes: "ghi" }]);
  device.notify(OUTPUT);
  assertEquals([port.text, output.used().length, output.interrupts, device.drain()], ["abcd", 0, 0, false]);
  port.capacity = 5;
  device.attend();
  assertEquals([port.text, output.used().length], ["abcde", 0]);
  port.capacity = 7;
  device.attend();
  assertEquals([port.text, output.used().length, output.interrupts], ["abcdefg", 1, 1]);
  port.capacity = Infinity;
  device.attend();
  assertEquals([port.text, output.used().length, output.interrupts, device.drain()], ["abcdefghi", 1, 2, true]);
});

Deno.test("ConsoleDevice.drain() sends what a Guest that has stopped wrote last, as there is room", () => {
  const { device, port, output } = setUp();
  port.capacity = 2;
  output.offer([{ bytes: "Power" }]);
  output.offer([{ bytes: " down" }]);
  device.notify(OUTPUT);
  const answers: boolean[] = [];
  for (; port.capacity < 12; port.capacity += 4) answers.push(device.drain());
  assertEquals([answers, port.text], [[false, false, true], "Power down"]);
});

Deno.test("ConsoleDevice.drain() ends at a request that breaks the specification", () => {
  const { device, port, output } = setUp();
  output.offer([{ bytes: "last words" }]);
  output.offer([{ room: 1 }]);
  assertThrows(() => device.notify(OUTPUT), DriverError);
  assertEquals([device.drain(), port.text], [true, "last words"]);
});

Deno.test("ConsoleDevice keeps what is typed until the driver gives buffers", () => {
  const { device, port, input } = setUp();
  port.type("hello");
  device.attend();
  assertEquals(input.interrupts, 0);
  input.offer([{ room: 2 }, { room: 1 }]);
  input.offer([{ room: 100 }]);
  device.notify(INPUT);
  assertEquals(input.used().map(({ bytes }) => text(bytes)), ["hel", "lo"]);
  assertEquals(input.interrupts, 1);
});

Deno.test("ConsoleDevice puts what is typed into the buffers that wait, and tells the engine that memory changed", () => {
  const { device, port, input, memory } = setUp();
  const buffer = 0x2_0000;
  input.offer([{ room: 4096, address: buffer }]);
  input.offer([{ room: 4096 }]);
  device.notify(INPUT);
  const changes: [number, number][] = [];
  memory.onChange = (address, length) => {
    if (address >= buffer && address < buffer + 4096) changes.push([address, length]);
  };
  port.type("ls\n");
  device.attend();
  device.attend();
  assertEquals(input.used().map(({ bytes }) => text(bytes)), ["ls\n"]);
  assertEquals([changes, input.interrupts], [[[buffer, 3]], 1]);
});

Deno.test("ConsoleDevice leaves no gap in a buffer when more is typed while it is filled", () => {
  class Trickle extends MemoryConsole {
    override receive(into: Uint8Array): number {
      return super.receive(into.subarray(0, 1));
    }
  }
  const memory = new GuardedMemory(1 << 20);
  const port = new Trickle();
  const device = new ConsoleDevice({ memory, port });
  const input = drive(device, memory).drivers[INPUT]!;
  for (let count = 0; count < 3; count++) input.offer([{ room: 2 }, { room: 2 }]);
  port.type("abc");
  device.notify(INPUT);
  assertEquals(input.used().map(({ bytes }) => text(bytes)), ["a", "b", "c"]);
});

Deno.test("ConsoleDevice gives an input buffer without room back, empty", () => {
  const { device, port, input } = setUp();
  input.offer([{ room: 0 }]);
  input.offer([{ room: 3 }]);
  device.notify(INPUT);
  port.type("a");
  device.attend();
  assertEquals(input.used().map(({ bytes }) => text(bytes)), ["", "a"]);
});

Deno.test("ConsoleDevice refuses buffers of the wrong direction", () => {
  const wrongInput = setUp();
  wrongInput.input.offer([{ bytes: "a" }, { room: 1 }]);
  const inputError = assertThrows(() => wrongInput.device.notify(INPUT), DriverError);
  assertEquals(
    inputError.message,
    "Virtio console input queue: the driver queued a device-readable buffer (virtio 1.2 §5.3.6.1)",
  );
  const wrongOutput = setUp();
  wrongOutput.output.offer([{ bytes: "a" }, { room: 1 }]);
  const outputError = assertThrows(() => wrongOutput.device.notify(OUTPUT), DriverError);
  assertEquals(
    outputError.message,
    "Virtio console output queue: the driver queued a device-writable buffer (virtio 1.2 §5.3.6.1)",
  );
  assertEquals(wrongOutput.port.text, "");
});

Deno.test("ConsoleDevice shows the window's size and one port, by byte, word and double word", () => {
  const { device } = setUp();
  assertEquals([device.readConfig(0, 2), device.readConfig(2, 2)], [80, 25]);
  assertEquals([0, 1, 2, 3].map((offset) => device.readConfig(offset, 1)), [80, 0, 25, 0]);
  assertEquals([0, 4, 8].map((offset) => device.readConfig(offset, 4)), [80 | 25 << 16, 1, 0]);
});

Deno.test("ConsoleDevice shows the largest window as unsigned numbers", () => {
  const { device, port } = setUp();
  port.window = { columns: 0xffff, rows: 0xffff };
  device.reset();
  assertEquals([device.readConfig(0, 4), device.readConfig(2, 2)], [0xffff_ffff, 0xffff]);
});

Deno.test("ConsoleDevice tells the driver to look at the window's size with its first output, once", () => {
  const { device, configChanges } = setUp({ features: SIZE });
  assertEquals(configChanges(), 0);
  device.notify(OUTPUT);
  device.notify(OUTPUT);
  assertEquals(configChanges(), 1);
});

Deno.test("ConsoleDevice tells of a new window once, and shows it no earlier", () => {
  const { device, port, configChanges } = setUp({ features: SIZE });
  port.window = { columns: 132, rows: 43 };
  assertEquals([device.readConfig(0, 2), configChanges()], [80, 0]);
  device.attend();
  device.attend();
  assertEquals([device.readConfig(0, 2), device.readConfig(2, 2), configChanges()], [132, 43, 1]);
});

Deno.test("ConsoleDevice tells of a window that changed between reset and activation", () => {
  const { device, port } = setUp();
  device.reset();
  port.window = { columns: 100, rows: 30 };
  let changes = 0;
  device.activate({ features: SIZE, queues: [undefined, undefined], configChanged: () => void changes++ });
  assertEquals([changes, device.readConfig(0, 2)], [1, 100]);
});

Deno.test("ConsoleDevice does not tell a driver of windows that has not negotiated SIZE", () => {
  const { device, port, configChanges } = setUp({ features: EVENT_IDX });
  port.window = { columns: 132, rows: 43 };
  device.attend();
  assertEquals(configChanges(), 0);
});

Deno.test("ConsoleDevice sends what is written to emerg_wr, before there is a driver and with one", () => {
  const port = new MemoryConsole();
  const device = new ConsoleDevice({ memory: new GuardedMemory(1 << 16), port });
  device.writeConfig(8, 4, 0xffff_ff41);
  device.reset();
  device.writeConfig(8, 1, 0x42);
  assertEquals(port.text, "AB");
  assertEquals(device.readConfig(8, 4), 0);
});

Deno.test("ConsoleDevice keeps emergency bytes for a full terminal, in order, and stops the Guest in the end", () => {
  class Slow extends MemoryConsole {
    waits = 0;
    override waitForRoom(): boolean {
      this.waits++;
      this.capacity += 1000;
      return true;
    }
  }
  const port = new Slow();
  port.capacity = 0;
  const device = new ConsoleDevice({ memory: new GuardedMemory(1 << 16), port });
  for (let index = 0; index < 4096; index++) device.writeConfig(8, 4, index & 0xff);
  assertEquals([port.waits, port.output.length, device.drain()], [0, 0, false]);
  device.writeConfig(8, 4, 4096 & 0xff);
  assertEquals([port.waits, port.output.length], [1, 1000]);
  port.capacity = Infinity;
  device.attend();
  assertEquals(port.output, Array.from({ length: 4097 }, (_, index) => index & 0xff));
});

Deno.test("ConsoleDevice does not stop a Guest that is to end, however much it writes to emerg_wr", () => {
  class Ending extends MemoryConsole {
    override waitForRoom(): boolean {
      return false;
    }
  }
  const port = new Ending();
  port.capacity = 0;
  const device = new ConsoleDevice({ memory: new GuardedMemory(1 << 16), port });
  for (let index = 0; index < 10_000; index++) device.writeConfig(8, 4, index & 0xff);
  port.capacity = Infinity;
  assertEquals(device.drain(), true);
  assertEquals(port.output, Array.from({ length: 4096 }, (_, index) => index & 0xff));
});

Deno.test("ConsoleDevice refuses writes to the rest of its configuration", () => {
  const { device } = setUp();
  for (const offset of [0, 2, 4, 9, 11]) {
    const error = assertThrows(() => device.writeConfig(offset, 1, 1), DriverError);
    assertEquals(
      error.message,
      `Virtio console: the driver wrote configuration offset ${offset}, where nothing can be written ` +
        `(virtio 1.2 §5.3.4)`,
    );
  }
});

Deno.test("ConsoleDevice touches no buffer after a reset, and begins anew", () => {
  const { device, port, input, output, memory } = setUp();
  port.capacity = 1;
  input.offer([{ room: 64 }]);
  output.offer([{ bytes: "abc" }]);
  device.notify(INPUT);
  device.notify(OUTPUT);
  assertEquals(port.ready, true);
  device.reset();
  assertEquals([port.ready, device.drain()], [false, true]);
  const before = memory.copy(0, memory.size);
  port.type("typed for the next driver");
  port.capacity = Infinity;
  device.attend();
  assertEquals(memory.copy(0, memory.size), before);
  assertEquals(port.text, "a");
  const next = drive(device, memory);
  next.drivers[INPUT]!.offer([{ room: 64 }]);
  device.notify(INPUT);
  assertEquals(text(next.drivers[INPUT]!.used()[0]!.bytes), "typed for the next driver");
});
