/**
 * Devices that change code: what a device writes into RAM, the CPU executes from then on, also where it has translated
 * what stood there, and also when the code that is running just now is what changes.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { StopReason } from "../../lib/engine/engine.ts";
import { SoftEngine, type SoftOptions } from "../../lib/engine/soft/engine.ts";
import { EBX } from "../../lib/engine/soft/state.ts";
import { GuestMemory } from "../../lib/memory.ts";
import type { Bus } from "../../lib/platform/bus.ts";
import { idleMachine } from "./machine.ts";

const CODE = 0x1000, FUNCTION = 0x3000, STACK = 0x8000, DEVICE = 0xe000_0000, TURNS = 100_000;

/** Calls FUNCTION TURNS times and adds up what it returns; touches DEVICE once, half way; then writes port 0. */
const PROGRAM = [
  ...[0xbc, ...little(STACK)], // mov esp, STACK
  ...[0xb9, ...little(TURNS)], // mov ecx, TURNS
  ...[0x31, 0xdb], // xor ebx, ebx
  ...[0xe8, ...little(FUNCTION - (CODE + 17))], // again: call FUNCTION
  ...[0x01, 0xc3], // add ebx, eax
  ...[0x81, 0xf9, ...little(TURNS / 2 + 1)], // cmp ecx, TURNS / 2 + 1
  ...[0x75, 0x07], // jne over
  ...[0xa3, ...little(DEVICE)], // mov [DEVICE], eax
  ...[0xd9, 0xd0], // fnop, which the interpreter executes inside generated code
  ...[0x49], // over: dec ecx
  ...[0x75, 0xe7], // jnz again
  ...[0xe6, 0x00], // out 0, al
  ...[0xeb, 0xfe], // jmp .
];

/** mov eax, 1; ret */
const ONE = [0xb8, 1, 0, 0, 0, 0xc3];

for (const [name, options] of [["interpreted", { interpretOnly: true }], ["translated", {}]] as const) {
  Deno.test(`code that a device changes is executed as it is then, ${name}`, () => {
    assertEquals(run(options, (memory) => memory.setUint8(FUNCTION + 1, 2)), TURNS / 2 * 3);
    assertEquals(run(options, (memory) => memory.write(FUNCTION, Uint8Array.of(0xb8, 3))), TURNS / 2 * 4);
    assertEquals(
      run(options, (memory) => {
        memory.bytes[FUNCTION + 1] = 4;
        memory.changed(FUNCTION - 0x1800, 0x2000);
      }),
      TURNS / 2 * 5,
    );
  });

  Deno.test(`a device may change the page whose code touches it, ${name}`, () => {
    assertEquals(run(options, (memory) => memory.fill(CODE + PROGRAM.length - 1, 1, 0xfe)), TURNS);
  });
}

/** Run the program with a device that does `act` when it is touched; returns the sum. */
function run(options: SoftOptions, act: (memory: GuestMemory) => void): number {
  const memory = GuestMemory.allocate(1 << 20);
  let stopped: StopReason | undefined;
  const device: Bus = { read: () => 0, write: () => act(memory) };
  const off: Bus = { read: () => 0, write: () => stopped = { kind: "poweroff" } };
  const machine = {
    ...idleMachine(),
    mmio: device,
    ports: off,
    get stopped() {
      return stopped;
    },
  };
  const engine = new SoftEngine(memory, machine, options);
  memory.write(CODE, Uint8Array.from(PROGRAM));
  memory.write(FUNCTION, Uint8Array.from(ONE));
  engine.reset({ eip: CODE, esi: 0 });
  assertEquals(engine.run(), { kind: "poweroff" });
  return engine.cpu.reg(EBX);
}

function little(value: number): number[] {
  return [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
}
