import { assertEquals, assertThrows } from "@std/assert";
import { AddressSpace, type BusDevice, ByteDevice, type Width } from "../../lib/platform/bus.ts";

class Recorder implements BusDevice {
  readonly log: string[] = [];
  read(offset: number, width: Width): number {
    this.log.push(`r${offset}/${width}`);
    return 0x40 + offset;
  }
  write(offset: number, width: Width, value: number): void {
    this.log.push(`w${offset}/${width}=${value.toString(16)}`);
  }
}

class Registers extends ByteDevice {
  readonly bytes = [0x11, 0x22, 0x33, 0xf4];
  readByte(offset: number): number {
    return this.bytes[offset] ?? 0;
  }
  writeByte(offset: number, value: number): void {
    this.bytes[offset] = value;
  }
}

for (const [kind, space] of [["table", () => new AddressSpace(0x10000)], ["list", () => new AddressSpace()]] as const) {
  Deno.test(`AddressSpace (${kind}) hands an access to the device that covers it`, () => {
    const ports = space();
    const [low, high] = [new Recorder(), new Recorder()];
    ports.register(0x100, 4, low, "low");
    ports.register(0x104, 4, high, "high");
    assertEquals(ports.read(0x102, 2), 0x42);
    ports.write(0x105, 1, 0xab);
    assertEquals([low.log, high.log], [["r2/2"], ["w1/1=ab"]]);
  });

  Deno.test(`AddressSpace (${kind}) splits an access between devices into bytes`, () => {
    const ports = space();
    const [low, high] = [new Recorder(), new Recorder()];
    ports.register(0x100, 4, low, "low");
    ports.register(0x104, 4, high, "high");
    assertEquals(ports.read(0x103, 2), 0x4043);
    ports.write(0x102, 4, 0xdeadbeef);
    assertEquals(low.log, ["r3/1", "w2/1=ef", "w3/1=be"]);
    assertEquals(high.log, ["r0/1", "w0/1=ad", "w1/1=de"]);
  });

  Deno.test(`AddressSpace (${kind}) reads all ones where nothing answers, and after unregister()`, () => {
    const ports = space();
    const [first, second] = [new Recorder(), new Recorder()];
    ports.register(0x100, 4, first, "first");
    ports.register(0x200, 4, second, "second");
    assertEquals([ports.read(0x100, 1), ports.read(0x300, 4)], [0x40, 0xffff_ffff]);
    ports.unregister(0x100);
    assertEquals([ports.read(0x100, 2), ports.read(0x201, 1)], [0xffff, 0x41]);
  });

  Deno.test(`AddressSpace (${kind}) counts accesses, a split one as one, and those that nobody answers`, () => {
    const ports = space();
    ports.register(0x100, 2, new Recorder(), "only");
    ports.read(0x100, 2);
    ports.write(0x101, 4, 0);
    ports.read(0x200, 4);
    ports.read(0x200, 1);
    assertEquals(ports.accesses, 4);
  });

  Deno.test(`AddressSpace (${kind}) refuses a range that overlaps another`, () => {
    const ports = space();
    ports.register(0x100, 4, new Recorder(), "first");
    assertThrows(() => ports.register(0x103, 1, new Recorder(), "second"), RangeError, '"second" at 0x103 overlaps');
  });
}

Deno.test("AddressSpace.register() after unregister() reaches the new device", () => {
  const ports = new AddressSpace(0x10000);
  const [first, second] = [new Recorder(), new Recorder()];
  ports.register(0x10, 1, first, "first");
  ports.register(0x20, 1, first, "other");
  ports.unregister(0x10);
  ports.register(0x10, 1, second, "second");
  ports.write(0x10, 1, 5);
  ports.write(0x20, 1, 6);
  assertEquals([first.log, second.log], [["w0/1=6"], ["w0/1=5"]]);
});

Deno.test("ByteDevice makes a wide access of the registers that follow", () => {
  const device = new Registers();
  assertEquals(device.read(0, 4), 0xf4332211);
  device.write(1, 2, 0xa1b2);
  assertEquals(device.bytes, [0x11, 0xb2, 0xa1, 0xf4]);
});
