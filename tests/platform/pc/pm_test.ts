import { assertEquals } from "@std/assert";
import { PM_TIMER_HZ, PowerManagement, SLEEP_TYPE_S5 } from "../../../lib/platform/pc/pm.ts";
import { FakeClock, FakeLine } from "./_fakes.ts";

const [STATUS, ENABLE, CONTROL, TIMER] = [0, 2, 4, 8] as const;

function bench() {
  const [clock, line] = [new FakeClock(), new FakeLine()];
  const calls = { off: 0 };
  const pm = new PowerManagement({ clock, line, powerOff: () => calls.off++ });
  return { clock, line, calls, pm };
}

Deno.test("PowerManagement turns off when the S5 type is written with the enable bit", () => {
  const { pm, calls } = bench();
  pm.write(CONTROL, 2, SLEEP_TYPE_S5 << 10);
  assertEquals(calls.off, 0);
  pm.write(CONTROL, 2, SLEEP_TYPE_S5 << 10 | 0x2000);
  assertEquals(calls.off, 1);
});

Deno.test("PowerManagement wakes at once from a sleep that it has not", () => {
  const { pm, calls } = bench();
  pm.write(CONTROL, 2, 1 << 10 | 0x2000);
  assertEquals([calls.off, pm.read(STATUS, 2)], [0, 0x8000]);
  pm.write(STATUS, 2, 0x8000);
  assertEquals(pm.read(STATUS, 2), 0);
});

Deno.test("PowerManagement is always in ACPI mode, and its sleep enable bit cannot be read", () => {
  const { pm } = bench();
  pm.write(CONTROL, 2, 0x2000 | 1 << 10);
  assertEquals(pm.read(CONTROL, 2), 0x0401);
});

Deno.test("PowerManagement's timer runs at 3.579545 MHz through 32 bits", () => {
  const { pm, clock } = bench();
  clock.time = 1e9;
  assertEquals(pm.read(TIMER, 4), PM_TIMER_HZ);
  clock.time = 1200e9;
  assertEquals(pm.read(TIMER, 4), 1200 * PM_TIMER_HZ - 2 ** 32);
  assertEquals(pm.read(TIMER, 1), (1200 * PM_TIMER_HZ) & 0xff);
});

Deno.test("PowerManagement's timer interrupts when its highest bit changes, if enabled", () => {
  const { pm, clock, line } = bench();
  assertEquals(pm.deadline, Infinity);
  pm.write(ENABLE, 2, 0x0001);
  assertEquals(Math.abs(pm.deadline - (2 ** 31 / PM_TIMER_HZ) * 1e9) < 3, true);
  clock.time = pm.deadline;
  pm.expire();
  assertEquals([line.high, pm.read(STATUS, 2), pm.deadline], [true, 0x0001, Infinity]);
  pm.write(STATUS, 2, 0x0001);
  assertEquals([line.high, pm.read(STATUS, 2), pm.deadline > clock.time], [false, 0, true]);
});

Deno.test("PowerManagement keeps the enable bits that exist", () => {
  const { pm } = bench();
  pm.write(ENABLE, 2, 0xffff);
  assertEquals(pm.read(ENABLE, 2), 0x4721);
});

Deno.test("PowerManagement.reset() disables everything and keeps the timer running", () => {
  const { pm, clock, line } = bench();
  pm.write(ENABLE, 2, 1);
  clock.time = pm.deadline;
  pm.expire();
  pm.reset();
  assertEquals([line.high, pm.read(STATUS, 4), pm.deadline, pm.read(TIMER, 4) >= 2 ** 31], [false, 0, Infinity, true]);
});
