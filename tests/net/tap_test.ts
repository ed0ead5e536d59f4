/**
 * Taps with the host's real network stack at the other end, each in a network namespace of its own: see
 * `_tap_program.ts`, which runs there.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Namespace, tapsMissing } from "./_namespace.ts";

const PROGRAM = "./_tap_program.ts";
/** IFF_UP, IFF_BROADCAST and IFF_MULTICAST: what an interface of Ethernet has once it is up (linux/if.h). */
const UP_BROADCAST_MULTICAST = "0x1003";

const missing = tapsMissing();
const ignore = missing !== undefined;
const needs = ignore ? ` (${missing})` : "";

Deno.test(`packets go both ways through a tap, which ends with its Workers${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  assertEquals(await namespace.run(PROGRAM, "echo"), {
    echoed: 4,
    // Sent back with the header of a legacy driver.
    legacy: 6,
    // Each datagram with 12 bytes of virtio header, 14 of Ethernet, 28 of IP and UDP.
    lengths: [1, 17, 100, 1472, 1, 18, 99, 100, 1471, 1472].map((size) => size + 54),
    mac: [0x52, 0x54, 0, 0, 0, 7],
    before: ["lo", "tap0"],
    after: ["lo"],
  });
});

Deno.test(`packets that nobody takes are dropped at a bound, and later ones come${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  const { taken, echoed } = await namespace.run(PROGRAM, "flood") as { taken: number; echoed: number };
  // The ring holds some 700 of that size, the kernel 1000 more.
  assert(taken > 700 && taken < 3000, `${taken} of 5000 were kept`);
  assertEquals(echoed, 1);
});

Deno.test(`packets whose headers make no sense are refused and harm nothing${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  assertEquals(await namespace.run(PROGRAM, "hostile"), {
    outcomes: {
      "plain": true,
      "checksum beyond the end": false,
      "unknown segmentation": false,
      "segments of nothing": false,
      "header only": false,
      "too long": false,
      "not in memory": false,
    },
    echoed: 1,
  });
});

Deno.test(`a tap that somebody deletes is an unplugged cable${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  assertEquals(await namespace.run(PROGRAM, "unplugged"), { before: true, after: false, sent: false });
});

Deno.test(`a tap that is down refuses packets, and takes them when it is up again${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  assertEquals(await namespace.run(PROGRAM, "down"), { sent: false, echoed: 1, linkUp: true });
});

Deno.test(`two taps on a bridge reach each other${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  namespace.ip("link", "add", "br0", "type", "bridge");
  namespace.ip("link", "set", "br0", "up");
  const { reached, names } = await namespace.run(PROGRAM, "bridge", "br0") as { reached: boolean; names: string[] };
  assertEquals(reached, true);
  assertEquals(names.sort(), ["br0", "lo", "tap0", "tap1"]);
});

Deno.test(`a tap gets its address with the mask of its class, and goes when it is closed${needs}`, {
  ignore,
}, async () => {
  using namespace = new Namespace();
  assertEquals(await namespace.run(PROGRAM, "open", "192.168.19.1"), {
    names: ["lo", "tap0"],
    after: ["lo"],
    addresses: ["192.168.19.1/255.255.255.0"],
    flags: UP_BROADCAST_MULTICAST,
  });
  assertEquals(await namespace.run(PROGRAM, "open", "10.1.2.3"), {
    names: ["lo", "tap0"],
    after: ["lo"],
    addresses: ["10.1.2.3/255.0.0.0"],
    flags: UP_BROADCAST_MULTICAST,
  });
});

Deno.test(`a bridge that does not exist, or is none, is one line and leaves no tap behind${needs}`, {
  ignore,
}, async () => {
  using namespace = new Namespace();
  for (const [name, reason] of [["nobr", "does not exist: make it"], ["lo", "is not a bridge"]]) {
    const { error, names } = await namespace.run(PROGRAM, "open", `bridge:${name}`) as {
      error: string;
      names: string[];
    };
    assertMatch(error, new RegExp(`^GuestError: Network "bridge:${name}": .*${reason}`));
    assertEquals(error.split("\n").length, 1);
    assertEquals(names, ["lo"]);
  }
});

Deno.test(`a tap that is not permitted is one line that says what is needed${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  const { error } = await namespace.runAs(["setpriv", "--bounding-set=-net_admin"], PROGRAM, "open", "10.0.0.1") as {
    error: string;
  };
  assertEquals(
    error,
    `GuestError: Network "10.0.0.1": making a tap interface is not permitted: start lguest as root, or with CAP_NET_ADMIN`,
  );
});

Deno.test(`a host without tap interfaces is one line that says what to try${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  const hidden = ["unshare", "-m", "sh", "-c", `mount -t tmpfs none /dev/net && exec "$@"`, "sh"];
  const { error } = await namespace.runAs(hidden, PROGRAM, "open", "10.0.0.1") as { error: string };
  assertEquals(
    error,
    `GuestError: Network "10.0.0.1": this host has no tap interfaces (/dev/net/tun): try "modprobe tun"`,
  );
});

Deno.test(`a tap works on after root directory and user were changed${needs}`, { ignore }, async () => {
  using namespace = new Namespace();
  const directory = Deno.makeTempDirSync({ prefix: "lguest_root_" });
  try {
    Deno.chmodSync(directory, 0o755);
    Deno.writeTextFileSync(`${directory}/only`, "");
    const { lines, ...rest } = await namespace.run(PROGRAM, "unprivileged", directory, "nobody") as {
      lines: string[];
    };
    assertEquals(rest as unknown, { echoed: 1, uid: 65534, files: ["only"] });
    assertEquals(lines.length, 2);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
