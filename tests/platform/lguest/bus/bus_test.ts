import { assert, assertEquals, assertThrows } from "@std/assert";
import { GuestError } from "../../../../lib/guest_error.ts";
import { GuestMemory } from "../../../../lib/memory.ts";
import { LguestBus } from "../../../../lib/platform/lguest/bus/bus.ts";
import { describe } from "../../../../lib/platform/lguest/bus/description.ts";
import { LGUEST_BUS_PAGES } from "../../../../lib/platform/lguest/bus/layout.ts";
import { MemoryConsole } from "../../../../lib/platform/console.ts";
import { BlockDevice } from "../../../../lib/virtio/block.ts";
import { ConsoleDevice } from "../../../../lib/virtio/console.ts";
import type { VirtioDevice } from "../../../../lib/virtio/device.ts";
import { NetDevice } from "../../../../lib/virtio/net.ts";
import { RngDevice } from "../../../../lib/virtio/rng.ts";
import { TestCable } from "../../../virtio/_cable.ts";
import { GuardedMemory } from "../../../virtio/_memory.ts";
import { MemoryBackend } from "../../../virtio/_memory_backend.ts";
import { FakeDevice } from "../../../virtio/_pci.ts";
import { LegacyGuest, RAM } from "./_legacy.ts";

const MAC = [0x52, 0x54, 0, 1, 2, 3] as const;

/** The devices of the recorded transcripts, in their order: `--rng --block --tunnet`, and the console last. */
function recorded(memory: GuestMemory, readOnly = false): VirtioDevice[] {
  return [
    new RngDevice({ memory }),
    new BlockDevice({
      name: "block vda",
      memory,
      backend: new MemoryBackend(memory, { sectors: 0x1234, readOnly }),
      id: "",
    }),
    new NetDevice({ name: "net eth0", memory, backend: new TestCable(memory), mac: MAC }),
    new ConsoleDevice({ memory, port: new MemoryConsole() }),
  ];
}

/** A bus whose memory has room for `pages` pages above RAM. */
function bareBus(pages: number): { bus: LguestBus; memory: GuestMemory } {
  const memory = new GuardedMemory(RAM + 4096 * pages);
  const bus = new LguestBus({
    memory,
    ramSize: RAM,
    raiseInterrupt: () => {},
    died: () => {},
    earlyConsole: () => {},
  });
  return { bus, memory };
}

Deno.test("LguestBus describes the recorded devices byte for byte", () => {
  const size = 64 << 20;
  const guest = new LegacyGuest(recorded, new GuardedMemory(size + 4096 * LGUEST_BUS_PAGES), size);
  // deno-fmt-ignore
  const page = [
    // Device at 0 has size 13: rng, one queue of 256 entries with irq 1 at page 0x4001.
    4, 1, 0, 0, 0,  0, 1, 1, 0, 0x01, 0x40, 0, 0,
    // Device at 13 has size 33: block, SEG_MAX and FLUSH; capacity, size_max, seg_max.
    2, 1, 2, 16, 0,  0, 1, 2, 0, 0x04, 0x40, 0, 0,  0x04, 0x02, 0, 0,
    0x34, 0x12, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  254, 0, 0, 0,
    // Device at 46 has size 53: net with its offloads, MAC, MRG_RXBUF and indirect descriptors; the address.
    1, 2, 4, 24, 0,  0, 1, 3, 0, 0x07, 0x40, 0, 0,  0, 1, 4, 0, 0x0a, 0x40, 0, 0,
    0xa3, 0xbb, 0, 0x10,  0, 0, 0, 0,
    ...MAC, 1, 0, ...new Array(16).fill(0),
    // Device at 99 has size 21: console without features.
    3, 2, 0, 0, 0,  0, 1, 5, 0, 0x0d, 0x40, 0, 0,  0, 1, 6, 0, 0x10, 0x40, 0, 0,
    // The end.
    0,
  ];
  assertEquals([...guest.memory.copy(size, page.length)], page);
  assert(guest.memory.slice(size + page.length, 4096 - page.length).every((byte) => byte === 0));
  assertEquals(guest.scan().map(({ offset, size }) => [offset, size]), [[0, 13], [13, 33], [46, 53], [99, 21]]);
  assertEquals(guest.bus.limit, size + 4096 * 19);
});

Deno.test("describe() without FLUSH is what launchers before Linux 2.6.37 had", () => {
  const guest = new LegacyGuest((memory) =>
    recorded(memory).map((device) => [device, describe(device, { flush: false })])
  );
  assertEquals(guest.scan().map(({ offset, size }) => [offset, size]), [[0, 13], [13, 31], [44, 53], [97, 21]]);
  assertEquals(guest.driver(1).offered, 1n << 2n);
});

Deno.test("a disk that cannot be written says so, in a descriptor as large as that of others", () => {
  const guest = new LegacyGuest((memory) => recorded(memory, true));
  assertEquals([guest.driver(1).offered, guest.scan()[1]!.size], [1n << 2n | 1n << 5n | 1n << 9n, 33]);
});

Deno.test("describe() of a device that it does not know shows what a legacy driver can read", () => {
  const device = Object.assign(new FakeDevice(300), { type: 77 });
  assertEquals(describe(device), { features: 1n | 1n << 5n, configLength: 255 });
});

Deno.test("LguestBus has 31 interrupts, and the device beyond them is a line that says how many fit", () => {
  const { bus, memory } = bareBus(LGUEST_BUS_PAGES);
  for (let i = 0; i < 15; i++) bus.attach(new ConsoleDevice({ memory, port: new MemoryConsole() }));
  assertThrows(
    () => bus.attach(new ConsoleDevice({ memory, port: new MemoryConsole() })),
    GuestError,
    "Device console is one too many for the lguest bus: 15 devices fit, then its 31 interrupts (one for each queue) are not enough",
  );
  bus.attach(new RngDevice({ memory }));
  assertThrows(() => bus.attach(new RngDevice({ memory })), GuestError, "16 devices fit");
  assert(bus.limit <= memory.size, "the original's 256 pages are enough for all of them");
});

Deno.test("LguestBus has one page for descriptors, which may be full to its last byte", () => {
  const { bus } = bareBus(LGUEST_BUS_PAGES);
  const device = new FakeDevice(300);
  // 5 bytes, 8 for each of two queues, 1 for features twice, and the configuration: 14 of them leave 260 bytes.
  for (let i = 0; i < 14; i++) bus.attach(device, { features: 1n, configLength: 251 });
  const reason = "Device fake is one too many for the lguest bus: 14 devices fit, then its page of 4096 bytes";
  assertThrows(() => bus.attach(device, { features: 1n, configLength: 241 }), GuestError, reason);
  bus.attach(device, { features: 1n, configLength: 237 });
  bus.reset();
  assertThrows(() => bus.attach(new RngDevice({ memory: GuestMemory.allocate(4096) })), GuestError, "15 devices fit");
});

Deno.test("LguestBus tells when the pages above RAM are too few", () => {
  const { bus, memory } = bareBus(4);
  bus.attach(new RngDevice({ memory }));
  assertEquals(bus.limit, memory.size);
  assertThrows(() => bus.attach(new RngDevice({ memory })), GuestError, "1 device fits, then its 4 pages above RAM");
  assertThrows(() => bareBus(0), RangeError, "needs a page behind RAM");
});

Deno.test("LguestBus refuses what its descriptors cannot say", () => {
  const { bus } = bareBus(LGUEST_BUS_PAGES);
  assertThrows(
    () => bus.attach(new FakeDevice(300), { features: 0n, configLength: 256 }),
    GuestError,
    "it has a configuration of 256 bytes, most is 255",
  );
  assertThrows(() => bus.attach(new FakeDevice(), { features: 1n << 32n, configLength: 0 }), RangeError, "above 31");
});

Deno.test("LguestBus prints the string at any other address, up to its NUL or the end of memory", () => {
  const guest = new LegacyGuest(recorded);
  guest.memory.write(0x5000, new TextEncoder().encode("early\n\0late"));
  guest.bus.notify(0x5000);
  guest.bus.notify(0x5005);
  guest.bus.notify(0x5006); // an empty one
  assertEquals(guest.printed, "early\n\n");
  const long = "0123456789abcdef".repeat(1000);
  guest.memory.write(0x6000, new TextEncoder().encode(long));
  guest.printed = "";
  guest.bus.notify(0x6000);
  assertEquals(guest.printed, long);
  guest.printed = "";
  guest.memory.write(guest.bus.limit - 3, new TextEncoder().encode("endbeyond"));
  guest.bus.notify(guest.bus.limit - 3);
  assertEquals(guest.printed, "end");
  // One byte beside a descriptor or a ring is no notification of it.
  guest.printed = "";
  guest.bus.notify(guest.ramSize + 1);
  guest.bus.notify(guest.scan()[0]!.queues[0]!.address + 1);
  assertEquals([guest.printed, guest.lines, guest.deaths], ["\x01", [], []]);
});

Deno.test("LguestBus: a notification beyond memory is the Guest's death, once, and nothing is heard after it", () => {
  for (const address of [0, 1, 0x1000, 0x8000_0000 - RAM]) {
    const guest = new LegacyGuest(recorded);
    const { limit } = guest.bus;
    guest.bus.notify(limit + address);
    const end = `0x${limit.toString(16)}`;
    assertEquals(guest.deaths, [`Bad NOTIFY 0x${(limit + address).toString(16)}: the Guest's memory ends at ${end}`]);
    guest.bus.notify(limit + 1);
    guest.bus.notify(0);
    guest.driver(0).setStatus(0);
    assertEquals([guest.deaths.length, guest.lines, guest.printed], [1, [], ""]);
    guest.bus.reset();
    guest.driver(0).setStatus(0);
    assertEquals(guest.lines, ["rng: device status -> 0x0", "Resetting device rng"]);
  }
});

Deno.test("LguestBus writes its pages afresh at each power-on, and the devices begin anew", () => {
  const fake = new FakeDevice();
  const guest = new LegacyGuest((memory) => [
    [fake, { features: 1n, configLength: 10 }],
    new RngDevice({ memory }),
  ]);
  const before = guest.memory.copy(RAM, guest.bus.limit - RAM);
  const driver = guest.driver(0);
  driver.probe();
  driver.ready();
  driver.kick(0);
  guest.memory.fill(RAM, guest.bus.limit - RAM, 0xa5);
  guest.bus.silence();
  guest.bus.reset();
  assertEquals(guest.memory.copy(RAM, guest.bus.limit - RAM), before);
  assertEquals([fake.activation, fake.calls.at(-1), guest.deaths], [undefined, "reset", []]);
  const next = guest.driver(0);
  next.probe();
  next.kick(0);
  assertEquals(fake.calls.slice(-2), ["activate", "notify 0"]);
});
