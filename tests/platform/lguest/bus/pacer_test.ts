import { assertEquals } from "@std/assert";
import { InterruptPacer, PACER_BURST, PACER_PAUSE } from "../../../../lib/platform/lguest/bus/pacer.ts";

/** A pacer, and a line that counts as Linux's `note_interrupt()` does when nobody ever handles an interrupt. */
function setUp() {
  const line = { time: 0, raised: 0, isDisabled: false };
  let count = 0, unhandled = 0, last = -Infinity;
  const raise = () => {
    line.raised++;
    unhandled = line.time > last + 100 ? 1 : unhandled + 1;
    last = line.time;
    if (++count < 100_000) return;
    count = 0;
    line.isDisabled ||= unhandled > 99_900;
    unhandled = 0;
  };
  return { line, pacer: new InterruptPacer(raise, () => line.time) };
}

Deno.test("InterruptPacer passes interrupts on at once", () => {
  const { line, pacer } = setUp();
  for (let i = 1; i <= 1000; i++) {
    pacer.request();
    assertEquals(line.raised, i);
  }
});

Deno.test("InterruptPacer keeps Linux from disabling a line, whatever the pace of a burst", () => {
  for (const pace of [0.001, 0.1, 1, 50, 99, 101, 249]) {
    const { line, pacer } = setUp();
    for (let i = 0; i < 450_000; i++) {
      pacer.request();
      pacer.settle();
      line.time += pace;
    }
    assertEquals(line.isDisabled, false, `an interrupt each ${pace} ms`);
  }
});

Deno.test("InterruptPacer owes what falls into a pause, and pays it once behind it", () => {
  const { line, pacer } = setUp();
  for (let i = 0; i < PACER_BURST + 3; i++) pacer.request();
  assertEquals(line.raised, PACER_BURST - 1);
  line.time += PACER_PAUSE - 1;
  pacer.settle();
  assertEquals(line.raised, PACER_BURST - 1);
  line.time += 1;
  pacer.settle();
  pacer.settle();
  assertEquals(line.raised, PACER_BURST);
  pacer.request();
  assertEquals(line.raised, PACER_BURST + 1);
});

Deno.test("InterruptPacer pays what it owes with the next interrupt, too", () => {
  const { line, pacer } = setUp();
  for (let i = 0; i < PACER_BURST; i++) pacer.request();
  line.time += PACER_PAUSE;
  pacer.request();
  pacer.settle();
  assertEquals(line.raised, PACER_BURST);
});
