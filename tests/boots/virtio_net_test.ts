/**
 * Guests on the host's network, and on one bridge. All of it happens in a network namespace of its own.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { buildLibrary } from "../../ffi/build.ts";
import { QUICK_BOOT } from "../../scripts/initramfs.ts";
import { Images } from "./_images.ts";
import type { LaunchedGuest } from "./_machines.ts";
import { CANNOT_USE_NETWORKS } from "./_needs.ts";
import { BRIDGE, Network } from "./_network.ts";
import type { Shell } from "./_shell.ts";

const MEMORY = "64";
const MAC = "52:54:00:12:34:56";
/** The host's addresses on the first Guest's tap and on the bridge, and the Guests' beside them. */
const HOST = "192.168.19.1", FIRST = "192.168.19.2";
const HOST_BRIDGE = "192.168.20.1", FIRST_BRIDGE = "192.168.20.2", SECOND_BRIDGE = "192.168.20.3";

const PORT = "5001";
const BYTES = 100_000_000;

/** A card of the Guest by the name that Linux gives it. */
type Card = "eth0" | "eth1";

Deno.test({
  name: "launch() connects Guests to the host and to each other, and carries 100 MB each way unharmed",
  ignore: CANNOT_USE_NETWORKS,
  fn: async (t) => {
    buildLibrary();
    using images = new Images();
    const traffic = await images.hostProgram("traffic");
    const initrd = await images.devicesInitrd("686-pae", {
      files: { "/bin/traffic": await images.program("traffic") },
    });
    await using network = await Network.create(`${HOST_BRIDGE}/24`);
    const words = [`--initrd=${initrd}`, MEMORY, await images.bzImage("686-pae"), ...QUICK_BOOT];
    await using first = network.launch("first", [`--tunnet=${HOST}:${MAC}`, `--tunnet=bridge:${BRIDGE}`, ...words]);
    await using second = network.launch("second", [`--tunnet=bridge:${BRIDGE}`, ...words]);
    const step = async (name: string, check: () => Promise<void>) => {
      assert(await t.step(name, check), "what follows needs what failed");
    };
    const { shell } = first;
    await shell.ready();
    await second.shell.ready();
    await configure(shell, "eth0", FIRST);
    await configure(shell, "eth1", FIRST_BRIDGE);
    await configure(second.shell, "eth0", SECOND_BRIDGE);
    const invented = await macOf(shell, "eth1");
    await step("cards have the addresses that were given, or ones of their own", async () => {
      assertEquals(await macOf(shell, "eth0"), MAC);
      // Locally administered, for one card.
      assertMatch(invented, /^.[26ae](:[0-9a-f]{2}){5}$/);
      assert(await macOf(second.shell, "eth0") !== invented, "two Guests have the same address");
      assertEquals(await shell.ask("cat /sys/class/net/eth0/carrier"), "1");
    });
    await step("host and Guests reach each other", async () => {
      await ping(shell, HOST);
      await ping(shell, HOST_BRIDGE);
      await connectFromHost(network, shell, traffic, FIRST);
      await connectFromHost(network, second.shell, traffic, SECOND_BRIDGE);
    });
    await step("Guests on one bridge answer each other's ping", async () => {
      await ping(shell, SECOND_BRIDGE);
      await ping(second.shell, FIRST_BRIDGE);
    });
    await step("100 MB from the Guest arrive", () => transfer(network, shell, traffic, "send"));
    await step("100 MB to the Guest arrive", () => transfer(network, shell, traffic, "receive"));
    await step("after a reboot in the middle of a transfer the cards have the same addresses and work", async () => {
      await using host = network.start("host", traffic, "listen", PORT, "send", `${100 * BYTES}`);
      await host.line.expect("listening\n");
      await shell.leave(`traffic connect ${HOST} ${PORT} receive ${100 * BYTES} & sleep 0.5; reboot -f`);
      await shell.ready();
      await configure(shell, "eth0", FIRST);
      await configure(shell, "eth1", FIRST_BRIDGE);
      assertEquals([await macOf(shell, "eth0"), await macOf(shell, "eth1")], [MAC, invented]);
      await ping(shell, HOST);
      await ping(shell, SECOND_BRIDGE);
    });
    for (const guest of [first, second]) await powerOff(guest);
  },
});

async function configure(shell: Shell, card: Card, address: string): Promise<void> {
  await shell.ask(`ifconfig ${card} ${address} netmask 255.255.255.0 up`);
}

function macOf(shell: Shell, card: Card): Promise<string> {
  return shell.ask(`cat /sys/class/net/${card}/address`);
}

/** With packets of more than one page, too, which arrive in pieces and are put together. */
async function ping(shell: Shell, address: string): Promise<void> {
  assertStringIncludes(await shell.ask(`ping -c 3 -i 0.1 ${address}`), "3 packets received");
  assertStringIncludes(await shell.ask(`ping -c 2 -i 0.1 -s 6000 ${address}`), "2 packets received");
}

/** The host begins; as long as the Guest does not listen yet, it tries again. */
async function connectFromHost(network: Network, shell: Shell, traffic: string, address: string): Promise<void> {
  const connect = `until ${traffic} connect ${address} ${PORT} send 1000000 2>/dev/null; do sleep 0.1; done`;
  await using host = network.start("host", "sh", "-c", connect);
  assertStringIncludes(await shell.ask(`traffic listen ${PORT} receive 1000000`), "received 1000000 ");
  await host.line.expect("sent 1000000 ");
}

/** The Guest connects. */
async function transfer(network: Network, shell: Shell, traffic: string, verb: "send" | "receive"): Promise<void> {
  await using host = network.start("host", traffic, "listen", PORT, verb === "send" ? "receive" : "send", `${BYTES}`);
  await host.line.expect("listening\n");
  const [mine, other] = verb === "send" ? ["sent", "received"] : ["received", "sent"];
  assertStringIncludes(await shell.ask(`traffic connect ${HOST} ${PORT} ${verb} ${BYTES}`), `${mine} ${BYTES} `);
  await host.line.expect(`${other} ${BYTES} `);
}

async function powerOff(guest: LaunchedGuest): Promise<void> {
  await guest.shell.leave("poweroff -f");
  assertEquals(await guest.ended, { code: 0, complaints: "" });
}
