import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { casesOf, seedOf } from "../engine/random.ts";
import { formatMac, type Mac, parseMac, parseTunnet, randomMac } from "../../lib/net/tunnet.ts";

const SEED_AND_RUNS = Deno.permissions.querySync({ name: "env" }).state === "granted"
  ? { seed: seedOf(501), numRuns: casesOf(2000) }
  : { seed: 501, numRuns: 2000 };

const octet = fc.integer({ min: 0, max: 255 });
const mac = fc.tuple(octet, octet, octet, octet, octet, octet)
  .map(([first, ...rest]) => [first & 0xfe, ...rest] as unknown as Mac)
  .filter((bytes) => bytes.some((byte) => byte !== 0));

Deno.test("a network of any address and MAC is read as it was written", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 223 }), octet, octet, octet, fc.option(mac), (a, b, c, d, card) => {
      const ip = `${a}.${b}.${c}.${d}`;
      const spec = parseTunnet(card ? `${ip}:${formatMac(card)}` : ip);
      assertEquals(spec, card ? { kind: "ip", ip, mac: card } : { kind: "ip", ip });
    }),
    SEED_AND_RUNS,
  );
});

Deno.test("a bridge is read with and without a MAC", () => {
  assertEquals(parseTunnet("bridge:br0"), { kind: "bridge", bridge: "br0" });
  assertEquals(parseTunnet("bridge:192.168.0.1"), { kind: "bridge", bridge: "192.168.0.1" });
  assertEquals(parseTunnet("bridge:lg0:02:0:0:A:b:cd"), {
    kind: "bridge",
    bridge: "lg0",
    mac: [2, 0, 0, 10, 11, 0xcd],
  });
});

Deno.test("whatever the text, it is read or refused by one line", () => {
  const pieces = fc.constantFrom("bridge:", ":", ".", "255", "256", "1", "ff", "g", "", " ", "-1", "\n", "br0");
  const texts = fc.oneof(fc.string(), fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")));
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const spec = parseTunnet(text);
        if (spec.kind === "ip") assertMatch(spec.ip, /^\d+\.\d+\.\d+\.\d+$/);
        else assertMatch(spec.bridge, /^[^\s:/]{1,15}$/);
      } catch (error) {
        assert(error instanceof RangeError);
        assertEquals(error.message.split("\n").length, 1);
      }
    }),
    SEED_AND_RUNS,
  );
});

const REFUSED: Record<string, string> = {
  "": "no IP address",
  "bridge:": "names no bridge",
  "bridge::02:00:00:00:00:01": "names no bridge",
  "bridge:a-name-that-is-too-long": "more than 15 bytes",
  "bridge:a b": "no bridge can be called",
  "bridge:a/b": "no bridge can be called",
  "bridge:..": "no bridge can be called",
  "192.168.1": "3 parts, not 4",
  "192.168.1.": "3 parts, not 4",
  "192.168..1": "3 parts, not 4",
  "1.2.3.4.5": "5 parts, not 4",
  "192.168.1.256": `a part "256" above 255`,
  "300.168.1.1": `a part "300" above 255`,
  "br0": "named by bridge:br0",
  "192.168.1.x": "not an IPv4 address",
  "192.168.1.-1": "not an IPv4 address",
  "192.168.1.1 ": "not an IPv4 address",
  "0.0.0.0": "no interface can have",
  "224.0.0.1": "no interface can have",
  "255.255.255.255": "no interface can have",
  "192.168.1.1:": "0 parts, not 6",
  "192.168.1.1:02:00:00:00:00": "5 parts, not 6",
  "192.168.1.1:02:00:00:00:00:00:01": "7 parts, not 6",
  "192.168.1.1:02:00:00:00:00:0g": `"0g" is not a byte`,
  "192.168.1.1:02:00:00:00:00:100": `"100" is not a byte`,
  "192.168.1.1:02:00:00:00:00:": `"" is not a byte`,
  "192.168.1.1:01:00:00:00:00:01": "multicast",
  "192.168.1.1:ff:ff:ff:ff:ff:ff": "multicast",
  "192.168.1.1:00:00:00:00:00:00": "all zeroes",
};

for (const [text, part] of Object.entries(REFUSED)) {
  Deno.test(`the network "${text}" is refused with the reason: ${part}`, () => {
    assertThrows(() => parseTunnet(text), RangeError, part);
  });
}

Deno.test("a random MAC is locally administered, for one card, and another each time", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 200; i++) {
    const made = randomMac();
    assertEquals(made[0] & 3, 2);
    assertEquals(parseMac(formatMac(made)), made);
    seen.add(formatMac(made));
  }
  assertEquals(seen.size, 200);
});
