import { assertEquals } from "@std/assert";
import { InterruptCounter } from "../../lib/cli/terminal.ts";

const CTRL_C = Uint8Array.of(3);

Deno.test("InterruptCounter.see() wants to leave at the third ^C within a second", () => {
  const counter = new InterruptCounter();
  assertEquals([0, 400, 1000].map((now) => counter.see(CTRL_C, now)), [false, false, true]);
});

Deno.test("InterruptCounter.see() forgets a ^C after a second", () => {
  const counter = new InterruptCounter();
  assertEquals([0, 600, 1001, 1500].map((now) => counter.see(CTRL_C, now)), [false, false, false, true]);
});

Deno.test("InterruptCounter.see() counts several ^C of one read", () => {
  assertEquals(new InterruptCounter().see(Uint8Array.of(3, 3, 3), 0), true);
});

Deno.test("InterruptCounter.see() begins again after any other key", () => {
  const counter = new InterruptCounter();
  counter.see(Uint8Array.of(3, 3), 0);
  assertEquals(counter.see(Uint8Array.of(97, 3), 1), false);
  assertEquals(counter.see(Uint8Array.of(3, 3, 97), 2), false);
});

Deno.test("InterruptCounter.see() passes over what a terminal answers, wherever a read ends", () => {
  const counter = new InterruptCounter();
  const answer = [...new TextEncoder().encode("\x1b[24;17R")];
  assertEquals(counter.see(Uint8Array.of(3, ...answer, 3, ...answer), 0), false);
  assertEquals(counter.see(Uint8Array.of(3), 1), true);
  const other = new InterruptCounter();
  const bytes = [3, ...answer, 3, ...answer, 3];
  assertEquals(bytes.map((byte) => other.see(Uint8Array.of(byte), 0)).indexOf(true), bytes.length - 1);
});

Deno.test("InterruptCounter.see() knows the key Escape, and a sequence that ^C cuts", () => {
  assertEquals(new InterruptCounter().see(Uint8Array.of(3, 3, 0x1b, 3), 0), false);
  assertEquals(new InterruptCounter().see(Uint8Array.of(3, 3, 0x1b, 0x1b, 0x5b, 0x41, 3), 0), false);
  assertEquals(new InterruptCounter().see(Uint8Array.of(3, 3, 0x1b, 0x5b, 0x32, 3), 0), true);
});
