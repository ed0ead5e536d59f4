import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestMemory } from "../../lib/memory.ts";
import { LEGACY_NET_HEADER, MAX_PACKET, NET_HEADER, OFFLOAD } from "../../lib/net/backend.ts";
import { DriverError } from "../../lib/virtio/device.ts";
import { NET_FEATURE, NetDevice } from "../../lib/virtio/net.ts";
import { TestCable } from "./_cable.ts";
import { drive, EVENT_IDX, INDIRECT_DESC, RingDriver, VERSION_1 } from "./_driver.ts";

const RECEIVE = 0;
const TRANSMIT = 1;
const MAC = [0x52, 0x54, 0, 1, 2, 3] as const;
const ALL = Object.values(NET_FEATURE).reduce((bits, bit) => bits | 1n << BigInt(bit), 0n);

function feature(...names: (keyof typeof NET_FEATURE)[]): bigint {
  return names.reduce((bits, name) => bits | 1n << BigInt(NET_FEATURE[name]), 0n);
}

/** A card with a driver: a modern one, with features beside VERSION_1. */
function card(features: bigint = ALL | EVENT_IDX | INDIRECT_DESC, size = 16) {
  return legacyCard(features | VERSION_1, size);
}

/** A card with a driver of the legacy interface. */
function legacyCard(features: bigint, size = 16) {
  const memory = GuestMemory.allocate(4 << 20);
  const cable = new TestCable(memory);
  const warnings: string[] = [];
  const device = new NetDevice({
    memory,
    backend: cable,
    mac: MAC,
    name: "net eth0",
    warn: (line) => warnings.push(line),
  });
  const { drivers, configChanges } = drive(device, memory, { features, size });
  const [receive, transmit] = drivers as [RingDriver, RingDriver];
  return { memory, cable, device, receive, transmit, warnings, configChanges };
}

/** A packet: a header, and a frame whose bytes count. */
function packet(length: number, header: Partial<Record<number, number>> = {}): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) => index < NET_HEADER ? 0 : (index * 7 + (index >> 8)) & 0xff);
  for (const [offset, value] of Object.entries(header)) bytes[Number(offset)] = value!;
  return bytes;
}

/** The packet as a driver should see it in `buffers` buffers. */
function seen(bytes: Uint8Array, buffers: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(10, buffers, true);
  return copy;
}

function join(parts: readonly { bytes: Uint8Array }[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(({ bytes }) => [...bytes]));
}

Deno.test("the configuration holds the address and a link that is up, in every width", () => {
  const { device } = card();
  assertEquals([0, 1, 2, 3, 4, 5, 6, 7].map((at) => device.readConfig(at, 1)), [...MAC, 1, 0]);
  assertEquals(device.readConfig(0, 4), 0x01005452);
  assertEquals(device.readConfig(4, 4), 0x0001_0302);
  assertEquals(device.readConfig(6, 2), 1);
  assertThrows(() => device.writeConfig(0, 1, 2), DriverError, "§5.1.4");
});

Deno.test("the offloads of the tap are those that the driver accepted", () => {
  assertEquals(card(ALL).cable.offloads, OFFLOAD.CSUM | OFFLOAD.TSO4 | OFFLOAD.TSO6 | OFFLOAD.ECN);
  assertEquals(card(feature("MAC", "CSUM", "HOST_TSO4", "HOST_TSO6", "HOST_ECN")).cable.offloads, 0);
  assertEquals(card(feature("GUEST_CSUM", "GUEST_TSO6")).cable.offloads, OFFLOAD.CSUM | OFFLOAD.TSO6);
});

Deno.test("features that need others are refused without them", () => {
  for (
    const alone of ["GUEST_TSO4", "GUEST_TSO6", "GUEST_ECN", "HOST_TSO4", "HOST_TSO6", "HOST_ECN"] as const
  ) {
    assertThrows(() => card(feature(alone)), DriverError, `accepted ${alone} without`);
  }
});

Deno.test("a packet is sent as it is, however its buffers are cut, and given back with nothing written", () => {
  for (const cuts of [[], [12], [1, 2, 13], [5, 11, 12, 50]]) {
    for (const indirect of [false, true]) {
      const { cable, device, transmit } = card();
      const bytes = packet(72, { 0: 1, 1: 1 });
      const edges = [0, ...cuts, bytes.length];
      transmit.offer(edges.slice(1).map((end, index) => ({ bytes: bytes.slice(edges[index], end) })), indirect);
      device.notify(TRANSMIT);
      assertEquals(cable.sent, [bytes]);
      assertEquals(transmit.used().map(({ written }) => written), [0]);
      assertEquals(transmit.interrupts, 1);
    }
  }
});

Deno.test("packets that wait when the driver gets ready are sent without a kick", () => {
  const memory = GuestMemory.allocate(1 << 20);
  const cable = new TestCable(memory);
  const device = new NetDevice({ memory, backend: cable, mac: MAC, name: "net eth0" });
  const transmit = new RingDriver(memory);
  transmit.offer([{ bytes: packet(60) }]);
  device.activate({ features: VERSION_1, queues: [undefined, transmit.queue()], configChanged: () => {} });
  assertEquals(cable.sent, [packet(60)]);
  assertEquals(transmit.used().length, 1);
});

Deno.test("a packet that the host refuses is given back, counted, and told of once", () => {
  const { cable, device, transmit, warnings } = card();
  cable.refuses = true;
  for (let i = 0; i < 3; i++) transmit.offer([{ bytes: packet(60) }]);
  transmit.offer([{ bytes: new Uint8Array(MAX_PACKET + 1) }]);
  device.notify(TRANSMIT);
  assertEquals(transmit.used().length, 4);
  assertEquals(device.counters, { sent: 0, refused: 4, received: 0, dropped: 0 });
  assertEquals(warnings.length, 1);
});

Deno.test("a packet longer than any is not even shown to the host", () => {
  const { cable, device, transmit } = card();
  transmit.offer([{ bytes: new Uint8Array(MAX_PACKET) }]);
  transmit.offer([{ bytes: new Uint8Array(MAX_PACKET + 1) }]);
  device.notify(TRANSMIT);
  assertEquals(cable.sent.map(({ length }) => length), [MAX_PACKET]);
  assertEquals(device.counters.refused, 1);
});

Deno.test("a driver that sends without a header, or sends what the device should write, breaks the specification", () => {
  for (const parts of [[{ bytes: new Uint8Array(11) }], [{ bytes: packet(60) }, { room: 1 }], [{ room: 60 }]]) {
    const { device, transmit } = card();
    transmit.offer(parts);
    assertThrows(() => device.notify(TRANSMIT), DriverError, "Virtio net eth0 transmit queue: the driver");
  }
});

Deno.test("a packet that comes fills one buffer if that is large enough", () => {
  for (const features of [ALL, feature("MAC", "STATUS")]) {
    const { cable, device, receive } = card(features);
    receive.offer([{ room: 1526 }]);
    receive.offer([{ room: 12 }, { room: 1514 }]);
    cable.coming.push(packet(72), packet(1526));
    device.attend();
    assertEquals(receive.used().map(({ bytes }) => bytes), [seen(packet(72), 1), seen(packet(1526), 1)]);
    assertEquals(cable.coming.length, 0);
  }
});

Deno.test("a driver that merges gets a large packet in as many buffers as it takes, all at once", () => {
  const { cable, device, receive } = card(ALL, 64);
  for (let i = 0; i < 50; i++) receive.offer([{ room: 1526 }]);
  const large = packet(MAX_PACKET, { 0: 1, 1: 1 });
  cable.coming.push(large, packet(60));
  device.attend();
  const used = receive.used();
  const count = Math.ceil(MAX_PACKET / 1526);
  assertEquals(used.length, count + 1);
  assertEquals(join(used.slice(0, count)), seen(large, count));
  assertEquals(used[count]!.bytes, seen(packet(60), 1));
  assertEquals(receive.interrupts, 1);
});

Deno.test("a packet waits for buffers, keeps those it has, and goes on at the driver's kick", () => {
  const { cable, device, receive } = card();
  receive.offer([{ room: 100 }]);
  cable.coming.push(packet(250), packet(60));
  device.attend();
  assertEquals(receive.used(), []);
  receive.offer([{ room: 100 }]);
  device.notify(RECEIVE);
  assertEquals(receive.used(), []);
  receive.offer([{ room: 100 }]);
  device.notify(RECEIVE);
  assertEquals(join(receive.used()), seen(packet(250), 3));
  assertEquals(cable.coming.length, 1);
  receive.offer([{ room: 100 }]);
  device.notify(RECEIVE);
  assertEquals(join(receive.used()), seen(packet(60), 1));
});

Deno.test("a packet that fits into no buffer is dropped, and the next one gets the buffer", () => {
  const { cable, device, receive } = card(feature("MAC"));
  receive.offer([{ room: 100 }]);
  cable.coming.push(packet(101), packet(100));
  device.attend();
  assertEquals(receive.used().map(({ bytes }) => bytes), [seen(packet(100), 1)]);
  assertEquals(device.counters, { sent: 0, refused: 0, received: 1, dropped: 1 });
});

Deno.test("a packet larger than all descriptors together is dropped, and the next one gets the buffers", () => {
  const { cable, device, receive } = card(ALL, 4);
  for (let i = 0; i < 4; i++) receive.offer([{ room: 100 }]);
  cable.coming.push(packet(401), packet(400));
  device.attend();
  assertEquals(join(receive.used()), seen(packet(400), 4));
  assertEquals(device.counters.dropped, 1);
});

Deno.test("a packet that leaves work to a driver that did not agree to it is dropped", () => {
  const cases: [bigint, Partial<Record<number, number>>, boolean][] = [
    [0n, { 0: 1 }, false],
    [feature("GUEST_CSUM"), { 0: 1 }, true],
    [feature("GUEST_CSUM"), { 0: 1, 1: 1 }, false],
    [feature("GUEST_CSUM", "GUEST_TSO4"), { 0: 1, 1: 1 }, true],
    [feature("GUEST_CSUM", "GUEST_TSO4"), { 0: 1, 1: 0x81 }, false],
    [feature("GUEST_CSUM", "GUEST_TSO4", "GUEST_ECN"), { 0: 1, 1: 0x81 }, true],
    [feature("GUEST_CSUM", "GUEST_TSO4"), { 0: 1, 1: 4 }, false],
    [feature("GUEST_CSUM", "GUEST_TSO6"), { 0: 1, 1: 4 }, true],
    [ALL, { 0: 1, 1: 3 }, false],
    [ALL, { 0: 0x40 }, false],
  ];
  for (const [features, header, reaches] of cases) {
    const { cable, device, receive } = card(features);
    receive.offer([{ room: 2000 }]);
    cable.coming.push(packet(1000, header));
    device.attend();
    assertEquals(receive.used().length, reaches ? 1 : 0);
    assertEquals(cable.coming.length, 0);
  }
});

Deno.test("a driver without checksum offload is not told that a checksum was verified", () => {
  const { cable, device, receive } = card(feature("MAC"));
  receive.offer([{ room: 2000 }]);
  cable.coming.push(packet(100, { 0: 2 }));
  device.attend();
  assertEquals(receive.used()[0]!.bytes[0], 0);
});

Deno.test("receive buffers that the device may not write, or that hold no header, break the specification", () => {
  for (const parts of [[{ bytes: packet(60) }], [{ bytes: packet(12) }, { room: 60 }], [{ room: 11 }]]) {
    const { cable, device, receive } = card();
    receive.offer(parts);
    cable.coming.push(packet(60));
    assertThrows(() => device.attend(), DriverError, "Virtio net eth0 receive queue: the driver");
  }
});

Deno.test("packets are dropped while no driver is there, and none from before a reset reaches the next one", () => {
  const { memory, cable, device, receive } = card();
  receive.offer([{ room: 100 }]);
  cable.coming.push(packet(150));
  device.attend();
  device.reset();
  assertEquals([cable.coming.length, cable.offloads], [0, 0]);
  cable.coming.push(packet(60));
  device.attend();
  assertEquals(cable.coming.length, 0);
  cable.coming.push(packet(61));
  const before = memory.copy(0, memory.size);
  device.attend();
  assertEquals(memory.copy(0, memory.size), before);
  const next = drive(device, memory, { features: ALL }).drivers[RECEIVE]!;
  next.offer([{ room: 100 }]);
  cable.coming.push(packet(62));
  device.attend();
  assertEquals(next.used().map(({ written }) => written), [62]);
});

Deno.test("a card whose queues are not enabled drops what comes and ignores kicks", () => {
  const memory = GuestMemory.allocate(1 << 20);
  const cable = new TestCable(memory);
  const device = new NetDevice({ memory, backend: cable, mac: MAC, name: "net eth0" });
  device.activate({ features: ALL, queues: [undefined, undefined], configChanged: () => {} });
  cable.coming.push(packet(60));
  device.attend();
  device.notify(RECEIVE);
  device.notify(TRANSMIT);
  assertEquals(cable.coming.length, 0);
});

Deno.test("a cable that is unplugged shows in the status, and the driver hears of it once", () => {
  const { cable, device, configChanges, warnings } = card();
  cable.linkUp = false;
  device.attend();
  device.attend();
  assertEquals(device.readConfig(6, 2), 0);
  assertEquals(configChanges(), 1);
  assertEquals(warnings.length, 1);
  assert(warnings[0]!.startsWith("Virtio net eth0: "));
  assert(warnings[0]!.endsWith("the Guest sees its cable unplugged"));
});

Deno.test("a driver that does not look at the status is not said to see the cable unplugged", () => {
  const { cable, device, warnings } = legacyCard(feature("MAC", "MRG_RXBUF"));
  cable.linkUp = false;
  device.attend();
  assertEquals(warnings, [
    "Virtio net eth0: the host's interface is gone; the Guest is not told, and nothing comes or goes",
  ]);
});

Deno.test("a legacy driver that does not merge sends headers of 10 bytes, and the host is told so", () => {
  for (const cuts of [[], [10], [3, 10, 30]]) {
    const { cable, device, transmit } = legacyCard(feature("MAC", "CSUM") | INDIRECT_DESC);
    const bytes = Uint8Array.from({ length: 70 }, (_, index) => index < LEGACY_NET_HEADER ? 0 : index);
    const edges = [0, ...cuts, bytes.length];
    transmit.offer(edges.slice(1).map((end, index) => ({ bytes: bytes.slice(edges[index], end) })));
    device.notify(TRANSMIT);
    assertEquals([cable.sent, cable.headers], [[bytes], [LEGACY_NET_HEADER]]);
    assertEquals(transmit.used().map(({ written }) => written), [0]);
  }
});

Deno.test("a legacy driver may send as large a frame as any, and must send its header", () => {
  const { cable, device, transmit } = legacyCard(feature("MAC"));
  transmit.offer([{ bytes: new Uint8Array(MAX_PACKET - 2) }]);
  transmit.offer([{ bytes: new Uint8Array(MAX_PACKET - 1) }]);
  transmit.offer([{ bytes: new Uint8Array(10) }]);
  device.notify(TRANSMIT);
  assertEquals(cable.sent.map(({ length }) => length), [MAX_PACKET - 2, 10]);
  transmit.offer([{ bytes: new Uint8Array(9) }]);
  assertThrows(() => device.notify(TRANSMIT), DriverError, "which has no room for its header of 10");
});

Deno.test("a legacy driver that does not merge gets headers of 10 bytes, after a wait too", () => {
  const { cable, device, receive } = legacyCard(feature("MAC", "GUEST_CSUM", "GUEST_TSO4"));
  const header = [1, 1, 0x36, 0, 0xb4, 5, 0x22, 0, 0x10, 0];
  const bytes = packet(72, Object.fromEntries(header.entries()));
  const legacy = Uint8Array.from([...header, ...bytes.subarray(NET_HEADER)]);
  cable.coming.push(bytes.slice(), bytes.slice());
  device.attend();
  device.attend();
  assertEquals(cable.coming, [bytes, bytes]);
  receive.offer([{ room: 10 }, { room: 60 }]); // just enough
  receive.offer([{ room: 10 }, { room: 1514 }]);
  device.notify(RECEIVE);
  assertEquals(receive.used().map(({ bytes }) => bytes), [legacy, legacy]);
  receive.offer([{ room: 69 }]);
  cable.coming.push(bytes.slice());
  device.attend();
  assertEquals(device.counters, { sent: 0, refused: 0, received: 2, dropped: 1 });
});

Deno.test("a legacy driver that merges has num_buffers in its header both ways", () => {
  const { cable, device, receive, transmit } = legacyCard(feature("MAC", "MRG_RXBUF"));
  transmit.offer([{ bytes: packet(60) }]);
  device.notify(TRANSMIT);
  assertEquals([cable.sent, cable.headers], [[packet(60)], [NET_HEADER]]);
  receive.offer([{ room: 40 }]);
  receive.offer([{ room: 40 }]);
  cable.coming.push(packet(72));
  device.attend();
  assertEquals(join(receive.used()), seen(packet(72), 2));
});

Deno.test("traffic counts the bytes of frames that were sent and received, and none of what was lost", () => {
  const { cable, device, receive, transmit } = card(feature("MAC"));
  transmit.offer([{ bytes: packet(72) }]);
  device.notify(TRANSMIT);
  cable.refuses = true;
  transmit.offer([{ bytes: packet(90) }]);
  device.notify(TRANSMIT);
  receive.offer([{ room: 100 }]);
  cable.coming.push(packet(101), packet(100));
  device.attend();
  assertEquals(device.traffic, { kind: "net", in: 100 - NET_HEADER, out: 72 - NET_HEADER });
});
