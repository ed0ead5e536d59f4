import { assertEquals } from "@std/assert";
import { MemoryConsole } from "../../../lib/platform/console.ts";
import { Uart } from "../../../lib/platform/pc/uart.ts";
import { FakeClock, FakeLine } from "./_fakes.ts";

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const FCR = IIR;

interface Bench {
  readonly uart: Uart;
  readonly console: MemoryConsole;
  readonly clock: FakeClock;
  readonly line: FakeLine;
  in(register: number): number;
  out(register: number, value: number): void;
  /** Let time pass until nothing is due. */
  settle(): void;
}

function bench(): Bench {
  const [console, clock, line] = [new MemoryConsole(), new FakeClock(), new FakeLine()];
  const uart = new Uart({ console, clock, line });
  return {
    uart,
    console,
    clock,
    line,
    in: (register) => uart.readByte(register),
    out: (register, value) => uart.writeByte(register, value),
    settle: () => {
      for (let i = 0; i < 1000 && uart.deadline !== Infinity; i++) {
        clock.time = Math.max(clock.time, uart.deadline);
        uart.expire(clock.time);
      }
    },
  };
}

/** As a driver leaves it when a port is open: FIFOs on, trigger at `trigger`, DTR, RTS and OUT2. */
function opened(fcr = 0x81): Bench {
  const port = bench();
  port.out(FCR, fcr);
  port.out(LCR, 0x03);
  port.out(MCR, 0x0b);
  return port;
}

Deno.test("Uart sends bytes at once and says that there is room", () => {
  const port = opened();
  for (const byte of [72, 105]) port.out(DATA, byte);
  assertEquals([port.console.text, port.in(LSR)], ["Hi", 0x60]);
});

Deno.test("Uart is told from its relatives by the probes of a driver", () => {
  const port = bench();
  // No interrupt enable register: nothing there.
  port.out(IER, 0x0f);
  assertEquals(port.in(IER), 0x0f);
  port.out(IER, 0xff);
  assertEquals(port.in(IER), 0x0f);
  port.out(IER, 0);
  // Loopback.
  port.out(MCR, 0x10 | 0x0a);
  assertEquals(port.in(MSR) & 0xf0, 0x90);
  port.out(MCR, 0);
  // FIFOs that work; no 64-byte FIFO, no enhanced registers behind the divisor latch.
  port.out(FCR, 0x01);
  assertEquals(port.in(IIR) & 0xe0, 0xc0);
  port.out(LCR, 0xbf);
  assertEquals(port.in(2), 0xc1);
  port.out(LCR, 0);
  port.out(FCR, 0x21);
  assertEquals(port.in(IIR) & 0xe0, 0xc0);
  port.out(SCRATCH, 0x5a);
  assertEquals(port.in(SCRATCH), 0x5a);
});

Deno.test("Uart reports an empty transmitter again each time its interrupt is enabled", () => {
  const port = opened();
  port.out(IER, 0x02);
  assertEquals(port.in(IIR), 0xc2);
  assertEquals(port.in(IIR), 0xc1);
  port.out(IER, 0);
  port.out(IER, 0x02);
  assertEquals([port.in(LSR) & 0x40, port.in(IIR)], [0x40, 0xc2]);
});

Deno.test("Uart raises an edge for each byte that left", () => {
  const port = opened();
  port.out(IER, 0x02);
  const before = port.line.rises;
  port.out(DATA, 65);
  port.out(DATA, 66);
  assertEquals(port.line.rises, before + 2);
  assertEquals(port.in(IIR), 0xc2);
  assertEquals(port.line.high, false);
});

Deno.test("Uart keeps its interrupt off the line without OUT2", () => {
  const port = opened();
  port.out(MCR, 0x03);
  port.out(IER, 0x02);
  assertEquals([port.line.high, port.in(IIR)], [false, 0xc2]);
});

Deno.test("Uart reports received bytes at its trigger level, and fewer by time-out", () => {
  const port = opened(0x81); // trigger at 8
  port.out(IER, 0x01);
  port.console.type("1234567");
  port.uart.attend();
  assertEquals([port.in(IIR), port.line.high], [0xcc, true]);
  port.console.type("8");
  port.settle();
  port.uart.attend();
  port.settle();
  assertEquals(port.in(IIR), 0xc4);
  const text = [];
  while (port.in(LSR) & 1) text.push(port.in(DATA));
  assertEquals([String.fromCharCode(...text), port.in(IIR), port.line.high], ["12345678", 0xc1, false]);
});

Deno.test("Uart loses no byte of a paste, and pauses between FIFOs full", () => {
  const port = opened();
  port.out(IER, 0x01);
  const text = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(20);
  port.console.type(text);
  port.uart.attend();
  let got = "";
  let bursts = 0;
  while (got.length < text.length) {
    bursts++;
    while (port.in(LSR) & 1) got += String.fromCharCode(port.in(DATA));
    port.clock.time = port.uart.deadline;
    port.uart.expire(port.clock.time);
  }
  assertEquals([got, bursts, port.in(LSR) & 2], [text, text.length / 16, 0]);
});

Deno.test("Uart takes input only while RTS is set, so that none is lost before the port is opened", () => {
  const port = bench();
  port.console.type("ls\n");
  port.uart.attend();
  assertEquals([port.in(LSR) & 1, port.uart.deadline], [0, Infinity]);
  // What Linux does when it opens the port.
  port.out(FCR, 0x01);
  port.out(FCR, 0x07);
  port.out(FCR, 0x00);
  port.in(DATA);
  port.out(FCR, 0x81);
  port.out(IER, 0x05);
  port.out(MCR, 0x0b);
  port.settle();
  assertEquals([port.in(DATA), port.in(DATA), port.in(DATA)], [0x6c, 0x73, 0x0a]);
});

Deno.test("Uart gives one byte at a time without its FIFOs", () => {
  const port = opened(0);
  port.console.type("ab");
  port.uart.attend();
  assertEquals([port.in(IIR), port.in(DATA), port.in(LSR) & 1], [0x01, 0x61, 0]);
  port.settle();
  assertEquals(port.in(DATA), 0x62);
});

Deno.test("Uart ranks line status before data before transmitter before modem", () => {
  const port = opened(0x01);
  port.out(MCR, 0x1b);
  port.out(IER, 0x0f);
  port.out(MCR, 0x1a); // DTR falls: a modem change in loopback
  for (let i = 0; i < 17; i++) port.out(DATA, i); // one too many
  const causes = [];
  causes.push(port.in(IIR) & 0x0f);
  assertEquals(port.in(LSR) & 0x03, 0x03);
  causes.push(port.in(IIR) & 0x0f);
  for (let i = 0; i < 16; i++) assertEquals(port.in(DATA), i);
  causes.push(port.in(IIR) & 0x0f);
  causes.push(port.in(IIR) & 0x0f);
  assertEquals(port.in(MSR) & 0x02, 0x02);
  causes.push(port.in(IIR) & 0x0f);
  assertEquals(causes, [0x06, 0x04, 0x02, 0x00, 0x01]);
});

Deno.test("Uart sends nothing in loopback", () => {
  const port = opened();
  port.out(MCR, 0x1b);
  port.out(DATA, 0x55);
  assertEquals([port.in(DATA), port.console.output], [0x55, []]);
});

Deno.test("Uart has carrier, and sees changes of the modem lines once", () => {
  const port = opened();
  assertEquals(port.in(MSR), 0xb0);
  port.out(MCR, 0x10);
  assertEquals([port.in(MSR), port.in(MSR)], [0x0b, 0x00]);
});

Deno.test("Uart keeps its divisor behind the latch bit", () => {
  const port = bench();
  port.out(LCR, 0x83);
  port.out(0, 0x01);
  port.out(1, 0x02);
  assertEquals([port.in(0), port.in(1)], [1, 2]);
  port.out(LCR, 0x03);
  assertEquals([port.in(IER), port.in(LCR), port.console.output], [0, 3, []]);
});

Deno.test("Uart says that it is not empty while the terminal is full, and loses nothing", () => {
  const port = opened();
  port.uart.attend();
  port.out(IER, 0x02);
  port.console.capacity = 3;
  for (const byte of new TextEncoder().encode("abcdef")) port.out(DATA, byte);
  assertEquals([port.in(LSR) & 0x60, port.line.high, port.console.text], [0, false, "abc"]);
  port.console.capacity = 4;
  port.clock.time = port.uart.deadline;
  port.uart.expire(port.clock.time);
  assertEquals([port.in(LSR) & 0x60, port.console.text], [0, "abcd"]);
  // A driver that starts over does not take back what it has sent.
  port.out(FCR, 0x07);
  port.console.capacity = 100;
  port.settle();
  assertEquals([port.in(LSR) & 0x60, port.line.high, port.console.text], [0x60, true, "abcdef"]);
});

Deno.test("Uart stops a driver that never looks until the terminal has room", () => {
  const console = new MemoryConsole();
  console.capacity = 0;
  let waits = 0;
  const slow = Object.assign(console, {
    waitForRoom: () => {
      waits++;
      console.capacity += 500;
      return true;
    },
  });
  const uart = new Uart({ console: slow, clock: new FakeClock(), line: new FakeLine() });
  for (let i = 0; i < 10_000; i++) uart.writeByte(DATA, i & 0xff);
  console.capacity = Infinity;
  uart.expire(1e9);
  assertEquals([console.output.length, console.output.every((byte, index) => byte === (index & 0xff))], [10_000, true]);
  assertEquals(waits > 5, true);
});

Deno.test("Uart gives up a full terminal when the Guest is to end", () => {
  const console = Object.assign(new MemoryConsole(), { capacity: 0, waitForRoom: () => false });
  const uart = new Uart({ console, clock: new FakeClock(), line: new FakeLine(), abandoned: () => true });
  for (let i = 0; i < 10_000; i++) uart.writeByte(DATA, 0x41);
  assertEquals(console.output.length, 0);
});

Deno.test("Uart.reset() clears its registers but not what was typed", () => {
  const port = opened();
  port.out(IER, 0x0f);
  port.console.type("x");
  port.uart.reset();
  assertEquals([port.in(IER), port.in(IIR), port.in(LCR), port.in(MCR), port.line.high], [0, 1, 0, 0, false]);
  port.out(MCR, 0x0b);
  port.settle();
  assertEquals(port.in(DATA), 0x78);
});
