/**
 * HLT under the trap flag: the debug exception behind it ends the halt (Intel SDM volume 2, HLT).
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { StopReason } from "../../lib/engine/engine.ts";
import { SoftEngine } from "../../lib/engine/soft/engine.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { idleMachine } from "./machine.ts";

const CODE = 0x1000, HANDLER = 0x2000, GDT = 0x3000, IDT = 0x4000, POINTERS = 0x5000, STACK = 0x8000;

/** LGDT, LIDT; then the trap flag is set, and HLT is the first instruction that is stepped through. */
const PROGRAM = [
  ...[0xbc, ...little(STACK)], // mov esp, STACK
  ...[0x0f, 0x01, 0x15, ...little(POINTERS)], // lgdt
  ...[0x0f, 0x01, 0x1d, ...little(POINTERS + 6)], // lidt
  ...[0x68, ...little(0x102), 0x9d], // push TF; popf
  0xf4, // hlt
  ...[0xe6, 0x01], // out 1, al
];
/** out 0, al: the exception was delivered, and its handler runs. */
const HANDLED = [0xe6, 0x00];

Deno.test("HLT that is stepped through ends with the debug exception", () => {
  const memory = GuestMemory.allocate(1 << 20);
  memory.write(CODE, Uint8Array.from(PROGRAM));
  memory.write(HANDLER, Uint8Array.from(HANDLED));
  memory.write(GDT + 0x10, Uint8Array.of(0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0));
  memory.write(IDT + 8, Uint8Array.from([HANDLER & 0xff, HANDLER >> 8, 0x10, 0, 0, 0x8e, 0, 0]));
  memory.write(POINTERS, Uint8Array.from([0x17, 0, ...little(GDT), 0x0f, 0, ...little(IDT)]));
  let stopped: StopReason | undefined, port: number | undefined;
  const stop = (at?: number) => {
    port = at;
    stopped = { kind: "poweroff" };
  };
  const machine = {
    ...idleMachine(),
    ports: { read: () => 0, write: (at: number) => stop(at) },
    wait: () => stop(), // no interrupt would ever come
    get stopped() {
      return stopped;
    },
  };
  const engine = new SoftEngine(memory, machine);
  engine.reset({ eip: CODE, esi: 0 });
  engine.run();
  assertEquals(port, 0);
  assertEquals(memory.getUint32(STACK - 12), CODE + PROGRAM.length - 2);
});

function little(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => value >>> shift & 0xff);
}
