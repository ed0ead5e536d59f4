/**
 * Traps answered over a Host that is nothing but registers.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { GuestMemory } from "../../../lib/memory.ts";
import { AddressSpace, type Width } from "../../../lib/platform/bus.ts";
import type { LguestDevice, RegisterName } from "../../../lib/platform/lguest/device.ts";
import { Emulator, readKernelText } from "../../../lib/platform/lguest/emulate.ts";

const REGISTERS_AT = 0xfe000000;
const EIP = 0xc0100000;

/** A Host, two buses whose one device answers with its own address and remembers writes, and an emulator over them. */
class Scene {
  readonly registers = new Map<RegisterName, number>([["eip", EIP], ["cs", 0x61], ["eax", 0x11223344], [
    "edx",
    0xdead03f8,
  ], ["ebx", 0x55667788]]);
  readonly injected: number[] = [];
  readonly warnings: string[] = [];
  readonly writes: [string, number, Width, number][] = [];
  readonly memory = GuestMemory.allocate(0x200000);
  readonly emulator: Emulator;
  handler = true;

  constructor(value: number) {
    const device = (bus: string) => ({
      read: (_offset: number, width: Width) => value % 2 ** (8 * width),
      write: (offset: number, width: Width, value: number) => void this.writes.push([bus, offset, width, value]),
    });
    const ports = new AddressSpace(0x10000);
    ports.register(0x3f8, 8, device("ports"), "UART");
    const mmio = new AddressSpace();
    mmio.register(REGISTERS_AT, 0x100, device("mmio"), "virtio");
    this.emulator = new Emulator({
      device: this.#host(),
      ports,
      mmio,
      memory: this.memory,
      warn: (message) => this.warnings.push(message),
    });
  }

  #host(): LguestDevice {
    return {
      initialize() {},
      run: () => ({ kind: "interrupted" }),
      getRegister: (name) => this.registers.get(name) ?? 0,
      setRegister: (name, value) => {
        assertEquals(value, value >>> 0, name);
        this.registers.set(name, value);
      },
      injectTrap: (vector) => {
        this.injected.push(vector);
        return this.handler;
      },
      raiseInterrupt() {},
      close() {},
    };
  }

  /** Trap at an instruction; what is behind seven bytes goes to memory. */
  trap(trap: number, text: string, address = 0): string | undefined {
    const bytes = Uint8Array.from(text.split(" "), (byte) => parseInt(byte, 16));
    this.memory.write(EIP - 0xc0000000, bytes);
    const instruction = new Uint8Array(7);
    instruction.set(bytes.subarray(0, 7));
    return this.emulator.handle({ kind: "trap", trap, instruction, address });
  }

  /** How far it went. */
  get moved(): number {
    return this.registers.get("eip")! - EIP;
  }
}

Deno.test("handle() reads a port into AL, AX or EAX and leaves the rest", () => {
  for (const [text, length, eax] of [["ec", 1, 0x112233dd], ["66 ed", 2, 0x1122ccdd], ["ed", 1, 0xaabbccdd]] as const) {
    const scene = new Scene(0xaabbccdd);
    assertEquals(scene.trap(13, text), undefined);
    assertEquals([scene.moved, scene.registers.get("eax")], [length, eax]);
    assertEquals([scene.injected, scene.warnings], [[], []]);
  }
});

Deno.test("handle() gives all ones where no port answers", () => {
  const scene = new Scene(0);
  assertEquals(scene.trap(13, "e5 61"), undefined);
  assertEquals([scene.moved, scene.registers.get("eax")], [2, 0xffffffff]);
});

Deno.test("handle() writes AL, AX or EAX to a port", () => {
  for (const [text, width, value] of [["ee", 1, 0x44], ["66 ef", 2, 0x3344], ["ef", 4, 0x11223344]] as const) {
    const scene = new Scene(0);
    assertEquals(scene.trap(13, text), undefined);
    assertEquals(scene.writes, [["ports", 0, width, value]]);
    assertEquals(scene.moved, text.split(" ").length);
  }
});

Deno.test("handle() skips CLI", () => {
  const scene = new Scene(0);
  assertEquals([scene.trap(13, "fa"), scene.moved, scene.injected], [undefined, 1, []]);
});

Deno.test("handle() has the Guest take a fault of its own, and of a user program", () => {
  const own = new Scene(0);
  assertEquals([own.trap(13, "0f 30"), own.moved, own.injected], [undefined, 0, [13]]);
  assertEquals(own.warnings, [
    "trap 13 at 0xc0100000 (0f 30 00 00 00 00 00) is the Guest's: no instruction that is emulated",
  ]);
  const user = new Scene(0);
  user.registers.set("cs", 0x73);
  assertEquals([user.trap(13, "ee"), user.moved, user.injected, user.writes], [undefined, 0, [13], []]);
  assertEquals(user.warnings, [
    "trap 13 at 0xc0100000 (ee 00 00 00 00 00 00) is the Guest's: it happened at privilege level 3",
  ]);
});

Deno.test("handle() tells why a Guest without a handler cannot go on", () => {
  const scene = new Scene(0);
  scene.handler = false;
  assertEquals(
    scene.trap(13, "0f 30"),
    "unhandled trap 13 at 0xc0100000 (0f 30 00 00 00 00 00): no instruction that is emulated",
  );
  assertEquals(
    scene.trap(14, "8b 18", 0x1234),
    "unhandled trap 14 at 0xc0100000 (8b 18 00 00 00 00 00): no device at 0x1234",
  );
  assertEquals([scene.moved, scene.warnings], [0, []]);
});

Deno.test("handle() lets a kernel read CR4, which is 0", () => {
  const scene = new Scene(0);
  assertEquals([scene.trap(13, "0f 20 e3"), scene.moved, scene.registers.get("ebx")], [undefined, 3, 0]);
  scene.registers.set("cs", 0x73);
  assertEquals([scene.trap(13, "0f 20 e3"), scene.moved, scene.injected], [undefined, 3, [13]]);
});

const LOADS: [string, RegisterName, number][] = [
  ["8a 18", "ebx", 0x556677dd],
  ["8a 38", "ebx", 0x5566dd88],
  ["66 8b 18", "ebx", 0x5566ccdd],
  ["8b 5d 00", "ebx", 0xaabbccdd],
  ["8b 1c 24", "ebx", 0xaabbccdd],
  ["0f b6 18", "ebx", 0xdd],
  ["0f b7 18", "ebx", 0xccdd],
  ["0f be 18", "ebx", 0xffffffdd],
  ["0f bf 18", "ebx", 0xffffccdd],
  ["66 0f be 18", "ebx", 0x5566ffdd],
  ["66 0f b6 18", "ebx", 0x556600dd],
  ["a0 00 00 00 fe", "eax", 0x112233dd],
  ["8b 23", "esp", 0xaabbccdd],
];

Deno.test("handle() loads a device's register, extends it and leaves the rest", () => {
  for (const [text, name, expected] of LOADS) {
    const scene = new Scene(0xaabbccdd);
    assertEquals(scene.trap(14, text, REGISTERS_AT + 4), undefined, text);
    assertEquals([scene.registers.get(name), scene.moved], [expected, text.split(" ").length], text);
  }
});

const STORES: [string, Width, number][] = [
  ["88 18", 1, 0x88],
  ["88 38", 1, 0x77],
  ["66 89 18", 2, 0x7788],
  ["89 98 00 00 00 10", 4, 0x55667788],
  ["89 9c 84 00 00 00 10", 4, 0x55667788],
  ["66 89 9c 84 00 00 00 10", 2, 0x7788],
  ["c6 00 9a", 1, 0x9a],
  ["c7 00 78 56 34 92", 4, 0x92345678],
  ["c7 84 58 00 00 00 10 78 56 34 92", 4, 0x92345678],
];

Deno.test("handle() stores to a device's register, with an immediate behind the Host's seven bytes too", () => {
  for (const [text, width, value] of STORES) {
    const scene = new Scene(0);
    assertEquals(scene.trap(14, text, REGISTERS_AT + 8), undefined, text);
    assertEquals(scene.writes, [["mmio", 8, width, value]], text);
    assertEquals(scene.moved, text.split(" ").length, text);
  }
});

Deno.test("handle() serves a user program that has a device mapped", () => {
  const scene = new Scene(7);
  scene.registers.set("cs", 0x73);
  assertEquals([scene.trap(14, "8b 18", REGISTERS_AT), scene.registers.get("ebx")], [undefined, 7]);
});

Deno.test("handle() has the Guest take a page fault where no device is, and from what is no move", () => {
  for (
    const [text, address, reason] of [
      ["8b 18", REGISTERS_AT + 0x100, "no device at 0xfe000100"],
      ["01 18", REGISTERS_AT, "no move to or from memory"],
      ["f0 89 18", REGISTERS_AT, "no move to or from memory"],
    ] as const
  ) {
    const scene = new Scene(0);
    assertEquals([scene.trap(14, text, address), scene.moved, scene.injected, scene.writes], [undefined, 0, [14], []]);
    assertEquals(scene.warnings.map((line) => line.split(": ")[1]), [reason]);
  }
});

Deno.test("handle() has the Guest take a page fault if the end of an instruction cannot be read", () => {
  const scene = new Scene(0);
  scene.registers.set("eip", 0xf8001000);
  assertEquals([scene.trap(14, "c7 84 58 00 00 00 10 78 56 34 92", REGISTERS_AT), scene.injected], [undefined, [14]]);
});

Deno.test("handle() refuses other traps", () => {
  assertThrows(() => new Scene(0).trap(6, "0f 0b"), RangeError, "trap 6");
});

Deno.test("readKernelText() finds kernels of any memory split, and nothing that begins otherwise", () => {
  const memory = GuestMemory.allocate(0x200000);
  const bytes = Uint8Array.of(0xc7, 0x84, 0x58, 0, 0, 0, 0x10, 1, 2, 3, 4);
  memory.write(0x123456, bytes);
  const known = bytes.subarray(0, 7);
  for (const offset of [0xc0000000, 0xb0000000, 0x80000000, 0x78000000, 0x40000000]) {
    assertEquals(readKernelText(memory, { eip: offset + 0x123456, known, count: 11 }), Uint8Array.from(bytes));
    assertEquals(readKernelText(memory, { eip: offset + 0x123457, known, count: 11 }), undefined);
    assertEquals(readKernelText(memory, { eip: offset + 0x1ffff8, known, count: 11 }), undefined);
  }
  assertEquals(readKernelText(memory, { eip: 0x123456, known, count: 11 }), undefined);
});
