import { assertEquals } from "@std/assert";
import { Pit } from "../../../lib/platform/pc/pit.ts";
import {
  KeyboardReset,
  ResetControl,
  SystemControlA,
  SystemControlB,
} from "../../../lib/platform/pc/system_control.ts";
import { FakeClock, FakeLine } from "./_fakes.ts";

function counter(): { readonly request: () => void; resets: number } {
  const result = { resets: 0, request: () => void result.resets++ };
  return result;
}

Deno.test("SystemControlB gates counter 2 and shows its output, as Linux measures the TSC", () => {
  const clock = new FakeClock();
  const pit = new Pit(clock, new FakeLine());
  const port = new SystemControlB(pit, clock);
  port.writeByte(0, 0x01);
  pit.writeByte(3, 0xb0);
  pit.writeByte(2, 11932 & 0xff);
  pit.writeByte(2, 11932 >> 8);
  clock.time = 9.9e6;
  assertEquals(port.readByte() & 0x21, 0x01);
  clock.time = 10.1e6;
  assertEquals(port.readByte() & 0x21, 0x21);
});

Deno.test("SystemControlB holds counter 2 while its gate is shut", () => {
  const clock = new FakeClock();
  const pit = new Pit(clock, new FakeLine());
  const port = new SystemControlB(pit, clock);
  pit.writeByte(3, 0xb0);
  pit.writeByte(2, 100);
  pit.writeByte(2, 0);
  clock.time = 1e9;
  assertEquals(port.readByte() & 0x20, 0);
});

Deno.test("SystemControlB keeps four bits and toggles the refresh bit", () => {
  const clock = new FakeClock();
  const port = new SystemControlB(new Pit(clock, new FakeLine()), clock);
  port.writeByte(0, 0xff);
  const first = port.readByte();
  clock.time += 15_085;
  assertEquals([first & 0xdf, port.readByte() & 0xdf], [0x0f, 0x1f]);
});

Deno.test("SystemControlA resets when its bit 0 rises, and remembers A20", () => {
  const calls = counter();
  const port = new SystemControlA(calls.request);
  assertEquals(port.readByte(), 0x02);
  port.writeByte(0, 0x00);
  assertEquals([port.readByte(), calls.resets], [0, 0]);
  port.writeByte(0, 0x03);
  port.writeByte(0, 0x03);
  assertEquals([port.readByte(), calls.resets], [3, 1]);
});

Deno.test("KeyboardReset reads as absent and obeys only pulses of the reset line", () => {
  const calls = counter();
  const port = new KeyboardReset(calls.request);
  for (const command of [0xaa, 0x60, 0xff, 0xd1]) port.writeByte(0, command);
  assertEquals([port.readByte(), calls.resets], [0xff, 0]);
  port.writeByte(0, 0xfe);
  assertEquals(calls.resets, 1);
});

Deno.test("ResetControl resets on 2 then 6, and at once on 6", () => {
  const calls = counter();
  const port = new ResetControl(calls.request);
  port.writeByte(0, 0x02);
  assertEquals([port.readByte(), calls.resets], [0x02, 0]);
  port.writeByte(0, 0x06);
  assertEquals(calls.resets, 1);
  port.reset();
  port.writeByte(0, 0x06);
  assertEquals(calls.resets, 2);
});
