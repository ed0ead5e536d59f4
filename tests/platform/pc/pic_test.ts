import { assertEquals, assertThrows } from "@std/assert";
import { Pic } from "../../../lib/platform/pc/pic.ts";

/** As Linux does it: vectors 0x30 and 0x38, cascade on 2. */
function initialize(pic: Pic, icw4 = 0x01): void {
  for (const [chip, base, cascade] of [[pic.master, 0x30, 4], [pic.slave, 0x38, 2]] as const) {
    chip.writeByte(0, 0x11);
    chip.writeByte(1, base);
    chip.writeByte(1, cascade);
    chip.writeByte(1, icw4);
    chip.writeByte(1, 0);
  }
}

function ready(icw4 = 0x01): Pic {
  const pic = new Pic();
  initialize(pic, icw4);
  return pic;
}

function inService(chip: Pic["master"]): number {
  chip.writeByte(0, 0x0b);
  return chip.readByte(0);
}

function requested(chip: Pic["master"]): number {
  chip.writeByte(0, 0x0a);
  return chip.readByte(0);
}

Deno.test("Pic takes the highest priority first and holds lower ones until EOI", () => {
  const pic = ready();
  pic.line(4).raise();
  pic.line(1).raise();
  assertEquals([pic.pending, pic.acknowledge(), pic.pending], [true, 0x31, false]);
  pic.master.writeByte(0, 0x20);
  assertEquals([pic.pending, pic.acknowledge()], [true, 0x34]);
});

Deno.test("Pic lets a higher priority interrupt a lower one", () => {
  const pic = ready();
  pic.line(4).raise();
  pic.acknowledge();
  pic.line(0).raise();
  assertEquals([pic.pending, pic.acknowledge(), inService(pic.master)], [true, 0x30, 0x11]);
  pic.master.writeByte(0, 0x20);
  assertEquals(inService(pic.master), 0x10);
});

Deno.test("Pic gives the second controller's vector through the cascade", () => {
  const pic = ready();
  pic.line(12).raise();
  assertEquals([pic.pending, pic.acknowledge()], [true, 0x3c]);
  assertEquals([inService(pic.master), inService(pic.slave)], [0x04, 0x10]);
  pic.slave.writeByte(0, 0x64);
  pic.master.writeByte(0, 0x62);
  assertEquals([inService(pic.master), inService(pic.slave)], [0, 0]);
});

Deno.test("Pic ranks the second controller between lines 1 and 3", () => {
  const pic = ready();
  pic.line(3).raise();
  pic.line(8).raise();
  pic.line(1).raise();
  const order = [];
  while (pic.pending) {
    order.push(pic.acknowledge());
    pic.slave.writeByte(0, 0x20);
    pic.master.writeByte(0, 0x20);
  }
  assertEquals(order, [0x31, 0x38, 0x33]);
});

Deno.test("Pic asks once for an edge, however long the line stays up", () => {
  const pic = ready();
  const line = pic.line(4);
  line.raise();
  pic.acknowledge();
  pic.master.writeByte(0, 0x20);
  assertEquals(pic.pending, false);
  line.raise();
  assertEquals(pic.pending, false);
  line.lower();
  line.raise();
  assertEquals(pic.pending, true);
});

Deno.test("Pic asks again for a level that stays up, and not once it is down", () => {
  const pic = ready();
  pic.elcr.writeByte(1, 0x02);
  const line = pic.line(9);
  line.raise();
  assertEquals(pic.acknowledge(), 0x39);
  pic.slave.writeByte(0, 0x20);
  pic.master.writeByte(0, 0x20);
  assertEquals([pic.pending, pic.acknowledge()], [true, 0x39]);
  line.lower();
  pic.slave.writeByte(0, 0x20);
  pic.master.writeByte(0, 0x20);
  assertEquals(pic.pending, false);
});

Deno.test("Pic.elcr keeps the timer, the cascade, the keyboard, the clock and the coprocessor edges", () => {
  const pic = ready();
  pic.elcr.write(0, 2, 0xffff);
  assertEquals(pic.elcr.read(0, 2), 0xdef8);
});

Deno.test("Pic keeps a masked request until it is unmasked", () => {
  const pic = ready();
  pic.master.writeByte(1, 0x10);
  pic.line(4).raise();
  assertEquals([pic.pending, requested(pic.master), pic.master.readByte(1)], [false, 0x10, 0x10]);
  pic.master.writeByte(1, 0);
  assertEquals(pic.pending, true);
});

Deno.test("Pic.acknowledge() of a request that is gone gives a spurious 7 with nothing in service", () => {
  const pic = ready();
  pic.line(4).raise();
  pic.line(4).lower();
  assertEquals([pic.pending, pic.acknowledge(), inService(pic.master)], [false, 0x37, 0]);
});

Deno.test("Pic's poll of the second controller takes its request back from the first", () => {
  const pic = ready();
  pic.line(10).raise();
  pic.slave.writeByte(0, 0x0c);
  assertEquals([pic.slave.readByte(0), pic.pending, pic.acknowledge()], [0x82, false, 0x37]);
});

Deno.test("Pic with automatic EOI has nothing in service", () => {
  const pic = ready(0x03);
  pic.line(1).raise();
  assertEquals([pic.acknowledge(), inService(pic.master)], [0x31, 0]);
});

Deno.test("Pic rotates priorities on a non-specific EOI", () => {
  const pic = ready();
  pic.line(1).raise();
  pic.acknowledge();
  pic.master.writeByte(0, 0xa0);
  pic.line(1).lower();
  pic.line(1).raise();
  pic.line(7).raise();
  assertEquals(pic.acknowledge(), 0x37);
});

Deno.test("Pic rotates priorities in automatic EOI mode when told to", () => {
  const pic = ready(0x03);
  pic.master.writeByte(0, 0x80);
  pic.line(3).raise();
  pic.acknowledge();
  pic.line(3).lower();
  pic.line(3).raise();
  pic.line(5).raise();
  assertEquals([pic.acknowledge(), pic.acknowledge()], [0x35, 0x33]);
});

Deno.test("Pic sets the lowest priority by command, with and without a specific EOI", () => {
  const pic = ready();
  pic.master.writeByte(0, 0xc4);
  pic.line(1).raise();
  pic.line(5).raise();
  assertEquals(pic.acknowledge(), 0x35);
  pic.master.writeByte(0, 0xe5);
  assertEquals([inService(pic.master), pic.acknowledge()], [0, 0x31]);
});

Deno.test("Pic in special mask mode lets lower priorities pass a masked service", () => {
  const pic = ready();
  pic.line(3).raise();
  pic.acknowledge();
  pic.line(6).raise();
  assertEquals(pic.pending, false);
  pic.master.writeByte(1, 0x08);
  pic.master.writeByte(0, 0x68);
  assertEquals([pic.pending, pic.acknowledge()], [true, 0x36]);
  // A non-specific EOI spares the masked service.
  pic.master.writeByte(0, 0x20);
  assertEquals(inService(pic.master), 0x08);
  pic.master.writeByte(0, 0x48);
  pic.line(7).raise();
  assertEquals(pic.pending, false);
});

Deno.test("Pic in special fully nested mode lets a higher line of the second controller interrupt a lower one", () => {
  const nested = ready(0x11);
  const plain = ready();
  const results = [nested, plain].map((pic) => {
    pic.line(12).raise();
    pic.acknowledge();
    pic.line(8).raise();
    return pic.pending;
  });
  assertEquals(results, [true, false]);
});

Deno.test("Pic's poll command acknowledges by reading", () => {
  const pic = ready();
  pic.line(5).raise();
  pic.master.writeByte(0, 0x0c);
  assertEquals([pic.master.readByte(0), pic.pending, inService(pic.master)], [0x85, false, 0x20]);
  pic.master.writeByte(0, 0x0c);
  assertEquals(pic.master.readByte(0), 0);
});

Deno.test("Pic forgets requests, services and masks when it is initialized", () => {
  const pic = ready();
  pic.line(4).raise();
  pic.acknowledge();
  pic.line(6).raise();
  pic.master.writeByte(1, 0xff);
  initialize(pic);
  assertEquals([pic.pending, inService(pic.master), requested(pic.master), pic.master.readByte(1)], [false, 0, 0, 0]);
});

Deno.test("Pic.reset() leaves no request and no interrupt", () => {
  const pic = ready();
  pic.line(4).raise();
  pic.line(10).raise();
  pic.reset();
  initialize(pic);
  assertEquals(pic.pending, false);
});

Deno.test("Pic.line() refuses the cascade and what is no line", () => {
  const pic = ready();
  for (const irq of [2, -1, 16, 1.5]) assertThrows(() => pic.line(irq), RangeError, `No interrupt line "${irq}"`);
});
