/**
 * What the tests of taps run in a network namespace of their own: it plays a Guest behind a tap, speaks with the host's
 * network stack, and prints one line of JSON with what it saw. The first argument says what to do.
 *
 * @module
 */
import { GuestMemory } from "../../lib/memory.ts";
import { LEGACY_NET_HEADER, MAX_PACKET, NET_HEADER, OFFLOAD } from "../../lib/net/backend.ts";
import { openTap, type Tap } from "../../lib/net/tap.ts";
import { TapBackend } from "../../lib/net/tap_backend.ts";
import { startTapWorkers, type TapWorkers } from "../../lib/net/tap_workers.ts";
import { parseTunnet } from "../../lib/net/tunnet.ts";
import { preparePrivileges } from "../../lib/privileges.ts";

const HOST = "192.168.77.1";
const GUEST = "192.168.77.2";
const GUEST_IP = GUEST.split(".").map(Number);
const PORT = 4242;
const ETH_IP = 0x0800, ETH_ARP = 0x0806, UDP = 17;

/** A Guest that answers ARP and sends every UDP packet back where it came from. */
class EchoGuest {
  readonly memory = GuestMemory.allocate(1 << 20);
  readonly attention = new Int32Array(new SharedArrayBuffer(4));
  readonly workers: TapWorkers;
  /** How large the packets were that it got. */
  readonly lengths: number[] = [];
  /** Send without num_buffers, with header and frame in one piece as legacy drivers need not have it, or in two. */
  isLegacy = false;
  #backend: TapBackend | undefined;

  constructor(readonly tap: Tap) {
    this.workers = startTapWorkers(tap, { attention: this.attention });
  }

  get backend(): TapBackend {
    return this.#backend ??= new TapBackend(this.workers.setup, this.memory);
  }

  /** Answer everything that has come, and what comes within some milliseconds after. */
  serve(milliseconds: number): void {
    for (;;) {
      for (let packet = this.backend.peek(); packet; packet = this.backend.peek()) {
        const answer = this.#answer(packet.slice());
        this.backend.release();
        if (answer) this.send(answer);
      }
      Atomics.wait(this.attention, 0, 0, milliseconds);
      if (Atomics.exchange(this.attention, 0, 0) === 0) return;
    }
  }

  /** Send a packet, cut into pieces as a driver might. */
  send(bytes: Uint8Array): boolean {
    if (this.isLegacy) return this.#sendLegacy(bytes);
    this.memory.write(0x1000, bytes.subarray(0, NET_HEADER));
    this.memory.write(0x4_0000, bytes.subarray(NET_HEADER, NET_HEADER + 20));
    this.memory.write(0x2_0000, bytes.subarray(NET_HEADER + 20));
    const segments = [
      { address: 0x1000, length: NET_HEADER },
      { address: 0x4_0000, length: 20 },
      { address: 0x2_0000, length: bytes.length - NET_HEADER - 20 },
    ];
    return this.backend.send(segments, bytes.length);
  }

  #sendLegacy(bytes: Uint8Array): boolean {
    const packet = Uint8Array.from([...bytes.subarray(0, LEGACY_NET_HEADER), ...bytes.subarray(NET_HEADER)]);
    const cut = packet.length % 2 === 0 ? LEGACY_NET_HEADER : 50;
    this.memory.write(0x4_0000, packet.subarray(0, cut));
    this.memory.write(0x2_0000, packet.subarray(cut));
    const segments = [{ address: 0x4_0000, length: cut }, { address: 0x2_0000, length: packet.length - cut }];
    return this.backend.send(segments, packet.length, LEGACY_NET_HEADER);
  }

  #answer(packet: Uint8Array): Uint8Array | undefined {
    const frame = packet.subarray(NET_HEADER);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const type = view.getUint16(12);
    if (type === ETH_ARP && same(frame.subarray(38, 42), GUEST_IP)) {
      const sender = frame.slice(22, 32);
      frame.copyWithin(0, 6, 12);
      frame.set(this.tap.mac, 6);
      frame[21] = 2; // a reply
      frame.set(this.tap.mac, 22);
      frame.set(GUEST_IP, 28);
      frame.set(sender, 32);
    } else if (type === ETH_IP && frame[23] === UDP && same(frame.subarray(30, 34), GUEST_IP)) {
      this.lengths.push(packet.length);
      swap(frame, 0, 6, 6);
      swap(frame, 26, 30, 4);
      swap(frame, 34, 36, 2);
      view.setUint16(40, 0); // no checksum
    } else {
      return undefined;
    }
    packet.fill(0, 0, NET_HEADER);
    return packet;
  }
}

function same(a: Uint8Array, b: readonly number[]): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function swap(bytes: Uint8Array, a: number, b: number, length: number): void {
  const copy = bytes.slice(a, a + length);
  bytes.copyWithin(a, b, b + length);
  bytes.set(copy, b);
}

/** Send datagrams to the Guest and count those that come back as they were. */
async function exchange(guest: EchoGuest, sizes: readonly number[]): Promise<number> {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: PORT });
  let echoed = 0;
  for (const [number, size] of sizes.entries()) {
    const sent = Uint8Array.from({ length: size }, (_, index) => number + index * 3);
    await socket.send(sent, { transport: "udp", hostname: GUEST, port: 7 });
    const receiving = socket.receive(new Uint8Array(65536)).then(([bytes]) => bytes);
    let got: Uint8Array | undefined;
    // A machine with other work may take its time.
    for (let tries = 0; !got && tries < 400; tries++) {
      guest.serve(20);
      got = await Promise.race([receiving, pause(5).then(() => undefined)]);
    }
    if (got?.length === size && got.every((byte, index) => byte === sent[index])) echoed++;
    if (!got) break;
  }
  socket.close();
  return echoed;
}

/** Packets both ways; then the Worker and the interface end. */
async function echo(): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(`${HOST}:52:54:00:00:00:07`)));
  await guest.workers.ready;
  guest.serve(0);
  const echoed = await exchange(guest, [1, 17, 100, 1472]);
  guest.isLegacy = true;
  const legacy = await exchange(guest, [1, 18, 99, 100, 1471, 1472]);
  const before = interfaces();
  await guest.workers.close();
  return { echoed, legacy, lengths: guest.lengths, mac: guest.tap.mac, before, after: interfaces() };
}

/** The same after root directory and user were changed, with a call that sets offloads. */
async function unprivileged(directory: string, username: string): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(HOST)));
  const privileges = preparePrivileges({ chroot: directory, username });
  await guest.workers.ready;
  guest.backend.setOffloads(OFFLOAD.CSUM | OFFLOAD.TSO4);
  const lines = privileges.drop();
  guest.backend.setOffloads(0);
  guest.serve(0);
  const echoed = await exchange(guest, [100]);
  await guest.workers.close();
  return { echoed, lines, uid: Deno.uid(), files: [...Deno.readDirSync("/")].map(({ name }) => name) };
}

/** 5000 packets while nobody takes any, more than fit anywhere; then the Guest looks again. */
async function flood(): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(HOST)));
  await guest.workers.ready;
  guest.serve(0);
  await exchange(guest, [100]);
  const socket = Deno.listenDatagram({ transport: "udp", hostname: HOST, port: PORT + 1 });
  const datagram = new Uint8Array(1400);
  for (let i = 0; i < 5000; i++) await socket.send(datagram, { transport: "udp", hostname: GUEST, port: 9 });
  let taken = 0;
  for (let idle = 0; idle < 10; idle++) {
    for (let packet = guest.backend.peek(); packet; packet = guest.backend.peek()) {
      if (packet.length === NET_HEADER + 14 + 28 + datagram.length) taken++;
      guest.backend.release();
      idle = 0;
    }
    await pause(20);
  }
  socket.close();
  const echoed = await exchange(guest, [100]);
  await guest.workers.close();
  return { taken, echoed };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** What the kernel refuses is refused, and nothing else happens. */
async function hostile(): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(HOST)));
  await guest.workers.ready;
  const outcomes: Record<string, boolean> = {};
  const packet = (length: number, header: readonly number[]) => {
    const bytes = new Uint8Array(length);
    bytes.set(header);
    bytes.set([255, 255, 255, 255, 255, 255, ...guest.tap.mac, 8, 0, 0x45], NET_HEADER);
    return bytes;
  };
  outcomes["plain"] = guest.send(packet(100, []));
  outcomes["checksum beyond the end"] = guest.send(packet(100, [1, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));
  outcomes["unknown segmentation"] = guest.send(packet(100, [1, 0x7f, 255, 255, 255, 255]));
  outcomes["segments of nothing"] = guest.send(packet(100, [1, 1, 54, 0, 0, 0, 34, 0, 16, 0]));
  outcomes["header only"] = guest.backend.send([{ address: 0x1000, length: NET_HEADER }], NET_HEADER);
  outcomes["too long"] = guest.backend.send([{ address: 0, length: MAX_PACKET + 1 }], MAX_PACKET + 1);
  outcomes["not in memory"] = guest.backend.send([{ address: guest.memory.size - 10, length: 100 }], 100);
  guest.serve(0);
  const echoed = await exchange(guest, [100]);
  await guest.workers.close();
  return { outcomes, echoed };
}

/** Somebody deletes the interface: the Worker ends and the backend says so. */
async function unplugged(): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(HOST)));
  await guest.workers.ready;
  guest.serve(0);
  const before = guest.backend.linkUp;
  new Deno.Command("ip", { args: ["link", "delete", guest.tap.name] }).outputSync();
  for (let tries = 0; guest.backend.linkUp && tries < 100; tries++) guest.serve(100);
  const after = guest.backend.linkUp;
  const sent = guest.send(new Uint8Array(100));
  await guest.workers.close();
  return { before, after, sent };
}

/** Somebody takes the interface down: packets are refused, and go again once it is up. */
async function down(): Promise<unknown> {
  const guest = new EchoGuest(openTap(parseTunnet(HOST)));
  await guest.workers.ready;
  guest.serve(0);
  const ip = (state: string) => new Deno.Command("ip", { args: ["link", "set", guest.tap.name, state] }).outputSync();
  ip("down");
  const sent = guest.send(new Uint8Array(100));
  ip("up");
  const echoed = await exchange(guest, [100]);
  const { linkUp } = guest.backend;
  await guest.workers.close();
  return { sent, echoed, linkUp };
}

/** Two Guests on a bridge: what one sends reaches the other. */
async function bridge(name: string): Promise<unknown> {
  const guests = [1, 2].map((last) => new EchoGuest(openTap(parseTunnet(`bridge:${name}:02:00:00:00:00:0${last}`))));
  const [first, second] = guests as [EchoGuest, EchoGuest];
  for (const guest of guests) await guest.workers.ready;
  const frame = [...second.tap.mac, ...first.tap.mac, 0x88, 0xb5, ...new TextEncoder().encode("over the bridge")];
  const packet = Uint8Array.from([...new Array(NET_HEADER).fill(0), ...frame, ...new Array(40).fill(0)]);
  second.backend.peek();
  first.send(packet);
  let reached = false;
  for (let tries = 0; tries < 100 && !reached; tries++) {
    for (let got = second.backend.peek(); got; got = second.backend.peek()) {
      reached ||= same(got.slice(NET_HEADER, NET_HEADER + frame.length), frame);
      second.backend.release();
    }
    if (!reached) Atomics.wait(second.attention, 0, 0, 100);
    Atomics.store(second.attention, 0, 0);
  }
  const names = interfaces();
  for (const guest of guests) await guest.workers.close();
  return { reached, names };
}

/** Only open a tap, or fail to. */
function open(text: string): unknown {
  try {
    const tap = openTap(parseTunnet(text));
    const names = interfaces();
    const addresses = Deno.networkInterfaces().filter(({ name, family }) => name === tap.name && family === "IPv4")
      .map(({ address, netmask }) => `${address}/${netmask}`);
    const flags = Deno.readTextFileSync(`/sys/class/net/${tap.name}/flags`).trim();
    tap.close();
    return { names, after: interfaces(), addresses, flags };
  } catch (error) {
    return { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error), names: interfaces() };
  }
}

/** Interfaces of this namespace. */
function interfaces(): string[] {
  return Deno.readTextFileSync("/proc/net/dev").split("\n").flatMap((line) => /^\s*(\w+):/.exec(line)?.[1] ?? []);
}

const [what, first = "", second = ""] = Deno.args;
const DEEDS: Record<string, () => unknown> = {
  echo,
  flood,
  hostile,
  unplugged,
  down,
  unprivileged: () => unprivileged(first, second),
  bridge: () => bridge(first),
  open: () => open(first),
};
console.log(JSON.stringify(await DEEDS[what!]!()));
