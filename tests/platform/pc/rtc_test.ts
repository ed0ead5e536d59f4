import { assertEquals } from "@std/assert";
import { Rtc } from "../../../lib/platform/pc/rtc.ts";
import { FakeClock, FakeLine } from "./_fakes.ts";

const SECOND = 1e9;

interface Bench {
  readonly rtc: Rtc;
  readonly clock: FakeClock;
  readonly line: FakeLine;
  get(...indices: number[]): number[];
  set(index: number, value: number): void;
}

function bench(start: string, memorySize = 64 << 20): Bench {
  const [clock, line] = [new FakeClock(), new FakeLine()];
  const rtc = new Rtc({ clock, line, memorySize, wallClock: () => Date.parse(start) });
  const select = (index: number) => rtc.writeByte(0, index | 0x80);
  return {
    rtc,
    clock,
    line,
    get: (...indices) =>
      indices.map((index) => {
        select(index);
        return rtc.readByte(1);
      }),
    set: (index, value) => {
      select(index);
      rtc.writeByte(1, value);
    },
  };
}

/** Seconds, minutes, hours, weekday, day, month, year, century. */
const TIME = [0, 2, 4, 6, 7, 8, 9, 0x32];

Deno.test("Rtc gives the host's time in BCD and 24 hours", () => {
  const { get } = bench("2026-11-21T17:48:39Z");
  assertEquals(get(...TIME), [0x39, 0x48, 0x17, 7, 0x21, 0x11, 0x26, 0x20]);
});

Deno.test("Rtc gives binary and 12 hours where register B asks for them", () => {
  const { get, set } = bench("2026-11-21T17:48:39Z");
  set(0x0b, 0x04);
  assertEquals(get(...TIME), [39, 48, 0x85, 7, 21, 11, 26, 20]);
  set(0x0b, 0x00);
  assertEquals(get(4), [0x85]);
});

for (const [hour, twelve] of [["00", 0x12], ["01", 0x01], ["11", 0x11], ["12", 0x92], ["23", 0x91]] as const) {
  Deno.test(`Rtc gives hour ${hour} on a 12-hour clock and takes it back`, () => {
    const { get, set } = bench(`2026-11-21T${hour}:00:00Z`);
    set(0x0b, 0x00);
    assertEquals(get(4), [twelve]);
    set(4, twelve);
    set(0x0b, 0x06);
    assertEquals(get(4), [Number(hour)]);
  });
}

Deno.test("Rtc goes on with the clock, into another year", () => {
  const { get, clock } = bench("1999-12-31T23:59:58Z");
  clock.time = 3 * SECOND;
  assertEquals(get(...TIME), [0x01, 0x00, 0x00, 7, 0x01, 0x01, 0x00, 0x20]);
});

Deno.test("Rtc goes on from the time that it is set to", () => {
  const { get, set, clock } = bench("2026-11-21T17:48:39Z");
  set(0x0b, 0x82);
  [[0, 0x50], [2, 0x59], [4, 0x23], [7, 0x28], [8, 0x02], [9, 0x24], [0x32, 0x20]].forEach(([index, value]) =>
    set(index!, value!)
  );
  assertEquals(get(0, 8), [0x50, 0x02]);
  set(0x0b, 0x02);
  clock.time += 10 * SECOND;
  assertEquals(get(...TIME), [0x00, 0x00, 0x00, 5, 0x29, 0x02, 0x24, 0x20]);
});

Deno.test("Rtc keeps its registers still while register B says SET", () => {
  const { get, set, clock } = bench("2026-11-21T17:48:39Z");
  set(0x0b, 0x82);
  clock.time += 10 * SECOND;
  assertEquals(get(0, 0x0a), [0x39, 0x26]);
});

Deno.test("Rtc shows an update in progress just before the second changes", () => {
  const { get, clock } = bench("2026-11-21T17:48:39.500Z");
  assertEquals(get(0x0a), [0x26]);
  clock.time = 0.5 * SECOND - 200_000;
  assertEquals(get(0x0a, 0), [0xa6, 0x39]);
  clock.time = 0.5 * SECOND + 1000;
  assertEquals(get(0x0a, 0), [0x26, 0x40]);
});

Deno.test("Rtc interrupts when a second has passed, until register C is read", () => {
  const { rtc, get, set, clock, line } = bench("2026-11-21T17:48:39.250Z");
  assertEquals(rtc.deadline, Infinity);
  set(0x0b, 0x12);
  assertEquals(rtc.deadline, 0.75 * SECOND);
  clock.time = rtc.deadline;
  rtc.expire(clock.time);
  assertEquals([line.high, rtc.deadline], [true, Infinity]);
  assertEquals([get(0x0c), line.high, get(0x0c)], [[0x90 | 0x40], false, [0]]);
  assertEquals(rtc.deadline, 1.75 * SECOND);
});

Deno.test("Rtc interrupts at its alarm", () => {
  const { rtc, get, set, clock, line } = bench("2026-11-21T17:48:39Z");
  set(1, 0x42);
  set(3, 0x48);
  set(5, 0xc0); // any hour
  set(0x0b, 0x22);
  while (!line.high) {
    clock.time = rtc.deadline;
    rtc.expire(clock.time);
  }
  assertEquals([clock.time, get(0x0c)[0]! & 0xb0], [3 * SECOND, 0xb0]);
});

Deno.test("Rtc interrupts periodically, once for all that a busy host has missed", () => {
  const { rtc, get, set, clock, line } = bench("2026-11-21T17:48:39Z");
  get(0x0c);
  set(0x0b, 0x42); // 1024 Hz
  assertEquals(rtc.deadline, Math.ceil(SECOND / 1024));
  clock.time = 0.25 * SECOND + 5;
  rtc.expire(clock.time);
  assertEquals([get(0x0c)[0], line.rises], [0xc0, 1]);
  assertEquals(rtc.deadline, Math.ceil((257 * SECOND) / 1024));
});

Deno.test("Rtc says what memory there is", () => {
  const word = (bytes: number[]) => bytes[0]! + bytes[1]! * 256;
  const { get } = bench("2026-11-21T17:48:39Z", 64 << 20);
  assertEquals([word(get(0x15, 0x16)), word(get(0x17, 0x18)), word(get(0x34, 0x35))], [640, 64512, 768]);
  const large = bench("2026-11-21T17:48:39Z", 1 << 30);
  assertEquals([word(large.get(0x30, 0x31)), word(large.get(0x34, 0x35))], [0xffff, 16128]);
});

Deno.test("Rtc keeps its bytes and the time over a reset, not its interrupts", () => {
  const { rtc, get, set, clock, line } = bench("2026-11-21T17:48:39Z");
  set(0x40, 0x5a);
  set(0x0b, 0x72);
  set(0, 0x10);
  clock.time = 2 * SECOND;
  rtc.expire(clock.time);
  rtc.reset();
  assertEquals([get(0x40, 0x0b, 0), line.high, rtc.deadline], [[0x5a, 0x02, 0x12], false, Infinity]);
  assertEquals([get(0x0d), rtc.readByte(0)], [[0x80], 0xff]);
});
