import { assertEquals } from "@std/assert";
import { Pit, PIT_HZ } from "../../../lib/platform/pc/pit.ts";
import { FakeClock, FakeLine } from "./_fakes.ts";

interface Bench {
  readonly pit: Pit;
  readonly clock: FakeClock;
  readonly line: FakeLine;
  /** Set the time to a tick of the timer, and a little. */
  at(tick: number): void;
  control(word: number): void;
  write(counter: number, ...bytes: number[]): void;
  read(counter: number): number;
  read16(counter: number): number;
}

function bench(): Bench {
  const clock = new FakeClock();
  const line = new FakeLine();
  const pit = new Pit(clock, line);
  return {
    pit,
    clock,
    line,
    at: (tick) => clock.time = Math.ceil((tick * 1e9) / PIT_HZ) + 10,
    control: (word) => pit.writeByte(3, word),
    write: (counter, ...bytes) => bytes.forEach((byte) => pit.writeByte(counter, byte)),
    read: (counter) => pit.readByte(counter),
    read16: (counter) => pit.readByte(counter) | (pit.readByte(counter) << 8),
  };
}

/** Counter 2's output and count (latched) from tick 0 on. */
function trace(timer: Bench, ticks: number, from = 0): [string, number[]] {
  let output = "";
  const counts: number[] = [];
  for (let tick = from; tick < from + ticks; tick++) {
    timer.at(tick);
    output += timer.pit.output2 ? "H" : "L";
    timer.control(0x80);
    counts.push(timer.read(2));
  }
  return [output, counts];
}

Deno.test("Pit mode 0 raises its output N + 1 ticks after the count is written", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x90);
  timer.write(2, 4);
  assertEquals(trace(timer, 8), ["LLLLLHHH", [4, 4, 3, 2, 1, 0, 0xff, 0xfe]]);
});

Deno.test("Pit mode 0 stands still while its gate is low", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x90);
  timer.write(2, 4);
  timer.at(3);
  timer.pit.setGate2(false);
  assertEquals(trace(timer, 3, 10), ["LLL", [2, 2, 2]]);
  timer.at(20);
  timer.pit.setGate2(true);
  assertEquals(trace(timer, 4, 20), ["LLHH", [2, 1, 0, 0xff]]);
});

Deno.test("Pit mode 0 lowers its output and stops when half a count was written", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0xb0);
  timer.write(2, 2, 0);
  timer.at(5);
  assertEquals(timer.pit.output2, true);
  timer.write(2, 3);
  timer.at(1000);
  assertEquals(timer.pit.output2, false);
  timer.write(2, 0);
  timer.at(1003);
  assertEquals(timer.pit.output2, false);
  timer.at(1004);
  assertEquals(timer.pit.output2, true);
});

Deno.test("Pit mode 1 gives one low pulse of N ticks for each rising gate", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x92);
  timer.write(2, 3);
  assertEquals(trace(timer, 3)[0], "HHH");
  timer.at(5);
  timer.pit.setGate2(true);
  assertEquals(trace(timer, 6, 5)[0], "HLLLHH");
  timer.at(20);
  timer.pit.setGate2(false);
  timer.pit.setGate2(true);
  timer.at(22);
  timer.pit.setGate2(false);
  timer.pit.setGate2(true);
  assertEquals(trace(timer, 6, 22)[0], "LLLLHH");
});

Deno.test("Pit mode 2 lowers its output for the last tick of each period", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x94);
  timer.write(2, 3);
  assertEquals(trace(timer, 9), ["HHHLHHLHH", [3, 3, 2, 1, 3, 2, 1, 3, 2]]);
});

Deno.test("Pit mode 2 takes another count when the period ends", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x94);
  timer.write(2, 4);
  timer.at(2);
  timer.write(2, 2);
  assertEquals(trace(timer, 8, 2), ["HHLHLHLH", [3, 2, 1, 2, 1, 2, 1, 2]]);
});

Deno.test("Pit mode 2 has a high output while its gate is low, and starts over when it rises", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x94);
  timer.write(2, 3);
  timer.at(3);
  timer.pit.setGate2(false);
  assertEquals(trace(timer, 4, 3)[0], "HHHH");
  timer.at(10);
  timer.pit.setGate2(true);
  assertEquals(trace(timer, 5, 10)[0], "HHHLH");
});

Deno.test("Pit mode 3 halves an even period", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x96);
  timer.write(2, 4);
  assertEquals(trace(timer, 9), ["HHHLLHHLL", [4, 4, 2, 4, 2, 4, 2, 4, 2]]);
});

Deno.test("Pit mode 3 stays high one tick longer in an odd period", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x96);
  timer.write(2, 5);
  assertEquals(trace(timer, 11), ["HHHHLLHHHLL", [4, 4, 2, 0, 4, 2, 4, 2, 0, 4, 2]]);
});

Deno.test("Pit mode 3 takes another count at the end of the half that runs", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x96);
  timer.write(2, 8);
  timer.at(2);
  timer.write(2, 4);
  assertEquals(trace(timer, 11)[0].slice(2), "HHHLLHHLL");
});

Deno.test("Pit mode 4 lowers its output for one tick, N + 1 ticks after the count is written", () => {
  const timer = bench();
  timer.at(0);
  timer.pit.setGate2(true);
  timer.control(0x98);
  timer.write(2, 3);
  assertEquals(trace(timer, 8), ["HHHHLHHH", [3, 3, 2, 1, 0, 0xff, 0xfe, 0xfd]]);
});

Deno.test("Pit mode 5 waits for its gate", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x9a);
  timer.write(2, 2);
  assertEquals(trace(timer, 6)[0], "HHHHHH");
  timer.at(10);
  timer.pit.setGate2(true);
  assertEquals(trace(timer, 6, 10)[0], "HHHLHH");
});

Deno.test("Pit reads low and high bytes in turn, and a latched count as it was", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 0x34, 0x12);
  timer.at(0x35);
  assertEquals(timer.read16(0), 0x1200);
  timer.control(0x00);
  timer.at(0x100);
  // A second latch command is ignored until the first was read.
  timer.control(0x00);
  assertEquals(timer.read16(0), 0x1200);
  assertEquals(timer.read16(0), 0x1135);
});

Deno.test("Pit reads and writes one byte where the control word says so", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x24);
  timer.write(0, 0x12);
  timer.at(0x11);
  assertEquals([timer.read(0), timer.read(0)], [0x11, 0x11]);
  timer.control(0x14);
  timer.write(0, 0x80);
  timer.at(0x12 + 0x10);
  assertEquals([timer.read(0), timer.read(0)], [0x70, 0x70]);
});

Deno.test("Pit takes 0 for the largest count", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 0, 0);
  timer.at(2);
  assertEquals(timer.read16(0), 0xffff);
});

Deno.test("Pit counts in decimal when told to", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x35);
  timer.write(0, 0x00, 0x10);
  timer.at(2);
  assertEquals(timer.read16(0), 0x0999);
  timer.control(0x31);
  timer.write(0, 0, 0);
  timer.at(4);
  assertEquals(timer.read16(0), 0x9999);
});

Deno.test("Pit's read-back command latches status and counts of several counters", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.control(0xb1);
  // Nothing written: null count; mode 2 idles high, mode 0 low.
  timer.control(0xee);
  assertEquals([timer.read(0), timer.read(2)], [0x80 | 0x40 | 0x34, 0x40 | 0x31]);
  timer.write(0, 100, 0);
  timer.at(11);
  timer.control(0xc2);
  timer.at(50);
  assertEquals([timer.read(0), timer.read16(0)], [0x80 | 0x34, 90]);
});

Deno.test("Pit interrupts once a period and says when", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 1193 & 0xff, 1193 >> 8);
  const rises: number[] = [];
  for (let period = 0; period < 5; period++) {
    timer.clock.time = timer.pit.deadline;
    timer.pit.expire(timer.clock.time);
    rises.push(Math.floor((timer.clock.time * PIT_HZ) / 1e9));
  }
  assertEquals(rises, [1, 2, 3, 4, 5].map((period) => 1 + period * 1193));
  assertEquals(timer.line.rises, 6); // the first is the control word's: mode 2 idles high
});

Deno.test("Pit delivers one edge for all that a busy host has missed, and goes on at the next multiple", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 100, 0);
  const before = timer.line.rises;
  timer.at(1 + 100 * 57 + 30);
  timer.pit.expire(timer.clock.time);
  assertEquals(timer.line.rises, before + 1);
  assertEquals(Math.floor((timer.pit.deadline * PIT_HZ) / 1e9), 1 + 100 * 58);
});

Deno.test("Pit mode 4, as Linux programs it, interrupts once for each count written", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x38);
  const before = timer.line.rises;
  timer.write(0, 50, 0);
  assertEquals(Math.floor((timer.pit.deadline * PIT_HZ) / 1e9), 52);
  timer.clock.time = timer.pit.deadline;
  timer.pit.expire(timer.clock.time);
  assertEquals([timer.line.rises, timer.pit.deadline], [before + 1, Infinity]);
  timer.write(0, 50, 0);
  timer.at(1000);
  timer.pit.expire(timer.clock.time);
  assertEquals(timer.line.rises, before + 2);
});

Deno.test("Pit mode 0 interrupts at its end, and its line is low until then", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x30);
  timer.write(0, 10, 0);
  assertEquals([timer.line.high, Math.floor((timer.pit.deadline * PIT_HZ) / 1e9)], [false, 11]);
  timer.clock.time = timer.pit.deadline;
  timer.pit.expire(timer.clock.time);
  assertEquals([timer.line.high, timer.pit.deadline], [true, Infinity]);
});

Deno.test("Pit does not lose an edge that was due when the counter is written again", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x38);
  timer.write(0, 50, 0);
  const before = timer.line.rises;
  timer.at(60);
  timer.write(0, 50, 0);
  assertEquals(timer.line.rises, before + 1);
});

Deno.test("Pit.expire() before the deadline does nothing", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 100, 0);
  const before = timer.line.rises;
  timer.pit.expire(timer.pit.deadline - 1);
  assertEquals(timer.line.rises, before);
});

Deno.test("Pit.reset() stops every counter", () => {
  const timer = bench();
  timer.at(0);
  timer.control(0x34);
  timer.write(0, 100, 0);
  timer.pit.reset();
  assertEquals([timer.pit.deadline, timer.line.high, timer.pit.output2], [Infinity, false, false]);
});
