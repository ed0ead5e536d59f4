/**
 * The virtio devices on the lguest bus, with drivers as Linux 2.6.30 to 3.19 has them: buffers cut as these drivers cut
 * them, kicked and interrupted as they expect it.
 */
import { assertEquals } from "@std/assert";
import { LEGACY_NET_HEADER, NET_HEADER, OFFLOAD } from "../../../../lib/net/backend.ts";
import { describe } from "../../../../lib/platform/lguest/bus/description.ts";
import { PACER_BURST, PACER_PAUSE } from "../../../../lib/platform/lguest/bus/pacer.ts";
import { MemoryConsole } from "../../../../lib/platform/console.ts";
import { BlockDevice } from "../../../../lib/virtio/block.ts";
import { BLOCK_FEATURE, BLOCK_TYPE } from "../../../../lib/virtio/block_config.ts";
import { ConsoleDevice } from "../../../../lib/virtio/console.ts";
import { NET_FEATURE, NetDevice } from "../../../../lib/virtio/net.ts";
import { RngDevice } from "../../../../lib/virtio/rng.ts";
import { header } from "../../../virtio/_block_driver.ts";
import { TestCable } from "../../../virtio/_cable.ts";
import { INDIRECT_DESC, type RingDriver } from "../../../virtio/_driver.ts";
import { MemoryBackend, type MemoryBackendOptions } from "../../../virtio/_memory_backend.ts";
import { type Era, ERAS, LegacyGuest } from "./_legacy.ts";

const INPUT = 0, OUTPUT = 1;
const MAC = [0x52, 0x54, 0, 1, 2, 3] as const;

function bit(number: number): bigint {
  return 1n << BigInt(number);
}

/** A machine with a disk. */
function disk(era: Era, { flush = true, ...options }: MemoryBackendOptions & { flush?: boolean } = {}) {
  let backend!: MemoryBackend;
  const guest = new LegacyGuest((memory) => {
    backend = new MemoryBackend(memory, options);
    const device = new BlockDevice({ name: "block vda", memory, backend, id: "disk.img" });
    return [[device, describe(device, { flush })]];
  });
  const driver = guest.driver(0, era);
  const [ring] = driver.probe() as [RingDriver];
  return { guest, driver, ring, backend };
}

/** A machine with a network card and a driver that knows some features. */
function card(era: Era, features: bigint) {
  let cable!: TestCable;
  const guest = new LegacyGuest((memory) => {
    cable = new TestCable(memory);
    return [new RngDevice({ memory }), new NetDevice({ name: "net eth0", memory, backend: cable, mac: MAC })];
  });
  const driver = guest.driver(1, era);
  const [receive, transmit] = driver.probe(features) as [RingDriver, RingDriver];
  return { guest, driver, receive, transmit, cable };
}

/** A machine with a console. */
function terminal(era: Era) {
  const port = new MemoryConsole();
  const guest = new LegacyGuest((memory) => [new ConsoleDevice({ memory, port })]);
  const driver = guest.driver(0, era);
  const [input, output] = driver.probe() as [RingDriver, RingDriver];
  return { guest, driver, input, output, port };
}

function frame(length: number, head: readonly number[] = []): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) => index < NET_HEADER ? 0 : index * 7);
  bytes.set(head);
  return bytes;
}

for (const era of ERAS) {
  Deno.test(`rng on the lguest bus: the first buffer comes in the probe, before DRIVER_OK: ${era}`, () => {
    const guest = new LegacyGuest((memory) => [
      new RngDevice({ memory, source: (bytes) => void bytes.fill(0x5a) }),
    ]);
    const driver = guest.driver(0, era);
    const [ring] = driver.probe() as [RingDriver];
    for (let round = 0; round < 600; round++) {
      ring.offer([{ room: 64 }]);
      if (ring.allocated > 0x8_0000) ring.allocateFrom(0x2_0000);
      driver.kick(0);
      assertEquals(guest.interrupts(), [1]);
      assertEquals(ring.used().map(({ bytes }) => bytes), [new Uint8Array(64).fill(0x5a)]);
      if (round === 0) driver.ready();
    }
  });

  Deno.test(`block on the lguest bus: partitions are read before DRIVER_OK, and data goes both ways: ${era}`, () => {
    const { guest, driver, ring, backend } = disk(era);
    assertEquals(driver.offered, bit(BLOCK_FEATURE.SEG_MAX) | bit(BLOCK_FEATURE.FLUSH));
    ring.offer([{ bytes: header(BLOCK_TYPE.IN, 2) }, { room: 4096 }, { room: 1 }]);
    driver.kick(0);
    assertEquals(guest.interrupts(), []);
    backend.carryOut();
    guest.bus.attend();
    assertEquals(guest.interrupts(), [1]);
    const [read] = ring.used();
    assertEquals(read!.bytes, Uint8Array.from([...backend.bytes.subarray(1024, 1024 + 4096), 0]));
    driver.ready();
    const data = new Uint8Array(1024).fill(0x77);
    ring.offer([{ bytes: header(BLOCK_TYPE.OUT, 9) }, { bytes: data }, { room: 1 }]);
    ring.offer([{ bytes: header(BLOCK_TYPE.FLUSH) }, { room: 1 }]);
    driver.kick(0);
    assertEquals(backend.waiting.map(({ durable }) => durable), [false, false]);
    backend.carryOut();
    backend.carryOut();
    guest.bus.attend();
    assertEquals(guest.interrupts(), [1]);
    assertEquals(ring.used().map(({ bytes }) => [...bytes]), [[0], [0]]);
    assertEquals(backend.bytes.subarray(9 * 512, 11 * 512), data);
  });

  Deno.test(`block on the lguest bus: without FLUSH what was written is safe when it is done: ${era}`, () => {
    const { driver, ring, backend } = disk(era, { flush: false });
    ring.offer([{ bytes: header(BLOCK_TYPE.OUT, 1) }, { bytes: new Uint8Array(512) }, { room: 1 }]);
    driver.kick(0);
    assertEquals(backend.waiting.map(({ durable }) => durable), [true]);
  });

  Deno.test(`block on the lguest bus: as many segments as seg_max says are one request: ${era}`, () => {
    const { guest, driver, ring, backend } = disk(era, { sectors: 600 });
    const segMax = new DataView(driver.config.buffer).getUint32(12, true);
    const parts = Array.from({ length: segMax }, () => ({ room: 1024 }));
    ring.offer([{ bytes: header(BLOCK_TYPE.IN, 0) }, ...parts, { room: 1 }]);
    assertEquals(ring.free, 0);
    driver.kick(0);
    backend.carryOut();
    guest.bus.attend();
    assertEquals(ring.used().map(({ written }) => written), [segMax * 1024 + 1]);
  });

  Deno.test(`block on the lguest bus: a SCSI command is not supported, a serial number is: ${era}`, () => {
    const { driver, ring } = disk(era);
    const sense = [{ room: 96 }, { room: 16 }, { room: 1 }];
    ring.offer([{ bytes: header(2) }, { bytes: new Uint8Array(6) }, ...sense]);
    ring.offer([{ bytes: header(BLOCK_TYPE.GET_ID) }, { room: 20 }, { room: 1 }]);
    driver.kick(0);
    const [scsi, id] = ring.used();
    assertEquals(scsi!.written, 1);
    assertEquals(new TextDecoder().decode(id!.bytes.subarray(0, 8)), "disk.img");
    assertEquals(id!.bytes[20], 0);
  });

  Deno.test(`net on the lguest bus: a driver that merges, with a header of 12 bytes: ${era}`, () => {
    const { guest, driver, receive, transmit, cable } = card(era, ~0n);
    assertEquals(driver.accepted, 0x1000_bba3n);
    assertEquals([...driver.config.subarray(0, 6)], [...MAC]);
    for (let i = 0; i < 4; i++) receive.offer([{ room: 4096 }]);
    driver.kick(0);
    assertEquals(cable.offloads, OFFLOAD.CSUM | OFFLOAD.TSO4 | OFFLOAD.TSO6 | OFFLOAD.ECN);
    driver.ready();
    cable.coming.push(frame(60), frame(5000, [1, 1]));
    guest.bus.attend();
    assertEquals(guest.interrupts(), [2]);
    assertEquals(receive.used().map(({ written }) => written), [60, 4096, 904]);
    transmit.setNoInterrupt(true); // as skb_xmit_done() leaves it
    transmit.offer([{ bytes: new Uint8Array(12) }, { bytes: frame(60).subarray(12) }], true);
    driver.kick(1);
    assertEquals([cable.sent, cable.headers, guest.interrupts()], [[frame(60)], [NET_HEADER], []]);
    transmit.setNoInterrupt(false);
    transmit.offer([{ bytes: frame(70) }]);
    driver.kick(1);
    assertEquals(guest.interrupts(), [3]);
    assertEquals(transmit.used().length, 2);
  });

  Deno.test(`net on the lguest bus: a driver that does not merge, with a header of 10 bytes: ${era}`, () => {
    const { guest, driver, receive, transmit, cable } = card(era, bit(NET_FEATURE.MAC) | bit(NET_FEATURE.CSUM));
    receive.offer([{ room: 10 }, { room: 1514 }]);
    driver.kick(0);
    driver.ready();
    const packet = frame(112);
    cable.coming.push(packet.slice());
    guest.bus.attend();
    const [got] = receive.used();
    assertEquals(got!.bytes, Uint8Array.from([...new Array(10).fill(0), ...packet.subarray(12)]));
    assertEquals(guest.interrupts(), [2]);
    transmit.offer([{ bytes: new Uint8Array(10) }, { bytes: packet.subarray(12) }]);
    driver.kick(1);
    assertEquals([cable.sent[0]!.length, cable.headers], [110, [LEGACY_NET_HEADER]]);
  });

  Deno.test(`net on the lguest bus: an address that the driver writes is kept, and harms nothing: ${era}`, () => {
    const { guest, driver, receive, cable } = card(era, ~INDIRECT_DESC);
    driver.setConfig(0, Uint8Array.of(2, 4, 6, 8, 10, 12));
    receive.offer([{ room: 4096 }]);
    driver.kick(0);
    cable.linkUp = false;
    cable.coming.push(frame(60));
    guest.bus.attend();
    assertEquals([...driver.config.subarray(0, 8)], [2, 4, 6, 8, 10, 12, 0, 0]);
    assertEquals([guest.deaths, receive.used().length], [[], 1]);
  });

  Deno.test(`console on the lguest bus: what is typed interrupts at once, also before DRIVER_OK: ${era}`, () => {
    const { guest, driver, input, port } = terminal(era);
    assertEquals(port.ready, false);
    input.offer([{ room: 4096 }]);
    driver.kick(INPUT);
    assertEquals([port.ready, guest.interrupts()], [true, []]);
    port.type("ls\r");
    guest.bus.attend();
    guest.bus.attend();
    assertEquals(guest.interrupts(), [1]);
    driver.ready();
    port.type("more");
    guest.bus.attend();
    assertEquals(new TextDecoder().decode(input.used()[0]!.bytes), "ls\r");
    input.offer([{ room: 4096 }]);
    driver.kick(INPUT);
    assertEquals([guest.interrupts(), input.used().length], [[1], 1]);
  });

  Deno.test(`console on the lguest bus: output is gone when the kick returns, and interrupts those who want it: ${era}`, () => {
    const { guest, driver, output, port } = terminal(era);
    for (const [text, quiet] of [["one ", true], ["two ", false], ["three", true]] as const) {
      output.setNoInterrupt(quiet);
      output.offer([{ bytes: text }]);
      driver.kick(OUTPUT);
      assertEquals([output.used().length, guest.interrupts()], [1, quiet ? [] : [2]]);
    }
    assertEquals(port.text, "one two three");
  });

  Deno.test(`console on the lguest bus: output that a full terminal holds up interrupts when it has left: ${era}`, () => {
    const { guest, driver, output, port } = terminal(era);
    port.capacity = 3;
    output.offer([{ bytes: "Hello" }]);
    driver.kick(OUTPUT);
    assertEquals([output.used(), guest.interrupts()], [[], []]);
    port.capacity = 100;
    guest.bus.attend();
    assertEquals([port.text, output.used().length, guest.interrupts()], ["Hello", 1, [2]]);
  });
}

Deno.test("console on the lguest bus: a long burst of output has a pause in its interrupts, and none is lost", () => {
  const { guest, driver, input, output, port } = terminal("3.x");
  input.offer([{ room: 64 }]);
  driver.kick(INPUT);
  for (let i = 0; i < PACER_BURST + 10; i++) {
    output.offer([{ bytes: "x" }]);
    output.allocateFrom(0x6_0000);
    driver.kick(OUTPUT);
    output.used();
  }
  assertEquals(port.output.length, PACER_BURST + 10);
  assertEquals(guest.interrupts().length, PACER_BURST - 1);
  // Input is no part of it.
  port.type("?");
  guest.bus.attend();
  assertEquals(guest.interrupts(), [1]);
  guest.time += PACER_PAUSE;
  guest.bus.attend();
  guest.bus.attend();
  assertEquals(guest.interrupts(), [2]);
});
