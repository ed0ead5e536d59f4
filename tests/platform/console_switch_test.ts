import { assertEquals } from "@std/assert";
import { ATTENTION_LOOK, ATTENTION_TERMINATE, signal } from "../../lib/platform/attention.ts";
import { ConsoleRing } from "../../lib/platform/console_ring.ts";
import { ConsoleSwitch } from "../../lib/platform/console_switch.ts";

interface Bench {
  readonly terminal: { readonly output: ConsoleRing; readonly input: ConsoleRing };
  readonly console: ConsoleSwitch;
}

/** A switch, and the rings as the terminal's thread has them. */
function setUp(capacity = 16): Bench {
  const output = ConsoleRing.allocate(capacity);
  const input = ConsoleRing.allocate(capacity);
  const console = new ConsoleSwitch(new ConsoleRing(output.buffer), new ConsoleRing(input.buffer));
  output.signalRoomTo(input.attention);
  return { terminal: { output, input }, console };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function shown(ring: ConsoleRing): string {
  const into = new Uint8Array(100);
  return new TextDecoder().decode(into.subarray(0, ring.read(into)));
}

function received({ console }: Bench): [serial: string, virtio: string] {
  const into = new Uint8Array(100);
  const virtio = new TextDecoder().decode(into.subarray(0, console.virtio.receive(into)));
  let serial = "";
  for (let byte = console.serial.read(); byte >= 0; byte = console.serial.read()) serial += String.fromCharCode(byte);
  return [serial, virtio];
}

function took(console: ConsoleSwitch): number {
  return Atomics.exchange(console.attention, 0, 0) & (ATTENTION_LOOK | ATTENTION_TERMINATE);
}

Deno.test("ConsoleSwitch merges what both devices send, in order", () => {
  const { terminal, console } = setUp();
  console.serial.write(65);
  console.virtio.send(encode("bc"));
  console.serial.write(68);
  assertEquals(shown(terminal.output), "AbcD");
});

Deno.test("ConsoleSwitch gives what is typed to the serial port until the virtio console is chosen and ready", () => {
  const bench = setUp();
  const { terminal, console } = bench;
  const type = (text: string) => void terminal.input.write(encode(text));
  type("a");
  assertEquals(received(bench), ["a", ""]);
  console.choose("virtio");
  type("b");
  assertEquals(received(bench), ["b", ""]);
  console.virtio.setReady(true);
  type("c");
  assertEquals(received(bench), ["", "c"]);
  console.choose("serial");
  type("d");
  assertEquals(received(bench), ["d", ""]);
  console.choose("virtio");
  console.virtio.setReady(false);
  type("e");
  assertEquals(received(bench), ["e", ""]);
});

Deno.test("ConsoleSwitch has the devices look again when the turn changes", () => {
  const { console } = setUp();
  assertEquals(took(console), 0);
  console.choose("virtio");
  assertEquals(took(console), ATTENTION_LOOK);
  console.virtio.setReady(true);
  assertEquals(took(console), ATTENTION_LOOK);
});

Deno.test("ConsoleSwitch signals the virtual CPU for typed bytes, a new window, and room that was asked for", () => {
  const { terminal, console } = setUp(4);
  terminal.input.writeByte(65);
  assertEquals(took(console), ATTENTION_LOOK);
  terminal.input.window = { columns: 80, rows: 25 };
  assertEquals([took(console), console.virtio.window], [ATTENTION_LOOK, { columns: 80, rows: 25 }]);
  assertEquals(console.virtio.send(encode("hello")), 4);
  assertEquals(took(console), 0);
  assertEquals(shown(terminal.output), "hell");
  assertEquals(took(console), ATTENTION_LOOK);
});

Deno.test("ConsoleSwitch.pendingOutput tells whether the serial port was refused its last byte", () => {
  const { terminal, console } = setUp(2);
  assertEquals([console.serial.write(1), console.serial.write(2), console.pendingOutput], [true, true, false]);
  assertEquals([console.serial.write(3), console.pendingOutput], [false, true]);
  terminal.output.readByte();
  console.waitForRoom(1);
  assertEquals([console.serial.write(3), console.pendingOutput], [true, false]);
});

Deno.test("ConsoleSwitch takes and forgets what is sent once the terminal is gone", () => {
  const { terminal, console } = setUp(2);
  console.virtio.send(encode("ab"));
  terminal.output.close();
  assertEquals([console.virtio.send(encode("cde")), console.serial.write(1), console.virtio.waitForRoom()], [
    3,
    true,
    true,
  ]);
});

Deno.test("ConsoleSwitch's virtio port gives up waiting for room when the Guest is to end", () => {
  const { console } = setUp(2);
  console.virtio.send(encode("ab"));
  signal(console.attention, ATTENTION_TERMINATE);
  assertEquals(console.virtio.waitForRoom(), false);
});
