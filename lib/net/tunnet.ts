/**
 * What `--tunnet=` says: text comes in, a {@link TunnetSpec} leaves, or a `RangeError` whose message tells the user
 * what to change. Also Ethernet addresses as text. Nothing here touches the host. Read next: `tap.ts`, which makes the
 * interface that was asked for.
 *
 * @module
 */

/** An Ethernet (MAC) address: six bytes. */
export type Mac = readonly [number, number, number, number, number, number];

/** A network card of the Guest, and what the host has at the other end of its cable. */
export type TunnetSpec =
  /** A tap interface with an address of its own. */
  | { readonly kind: "ip"; readonly ip: string; readonly mac?: Mac }
  /** A tap interface that is a port of a bridge. */
  | { readonly kind: "bridge"; readonly bridge: string; readonly mac?: Mac };

/** The longest name of an interface, in bytes: IFNAMSIZ less its zero byte. */
export const MAX_INTERFACE_NAME = 15;

const GRAMMAR = "want IP[:MAC] or bridge:NAME[:MAC]";

/**
 * Read the value of `--tunnet=`: `192.168.19.1`, `bridge:br0`, either with `:52:54:00:12:34:56` behind.
 *
 * @param text the value
 * @throws {RangeError} if it means nothing; the message is one line for the user
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseTunnet("bridge:br0:52:54:00:12:34:56"), {
 *   kind: "bridge",
 *   bridge: "br0",
 *   mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
 * });
 * ```
 */
export function parseTunnet(text: string): TunnetSpec {
  const bridged = text.startsWith("bridge:");
  const rest = bridged ? text.slice("bridge:".length) : text;
  const colon = rest.indexOf(":");
  const name = colon < 0 ? rest : rest.slice(0, colon);
  const subject = bridged ? { kind: "bridge" as const, bridge: checkBridge(text, name) } : {
    kind: "ip" as const,
    ip: checkIp(text, name),
  };
  return colon < 0 ? subject : { ...subject, mac: parseMac(rest.slice(colon + 1)) };
}

/**
 * Read an Ethernet address that a card can have: six bytes in hexadecimal, with colons between.
 *
 * @throws {RangeError} if it is malformed, or addresses a group or nobody
 */
export function parseMac(text: string): Mac {
  const parts = text.split(":");
  if (parts.length !== 6) {
    throw new RangeError(`MAC address ${quote(text)} has ${count(parts, text)}, not 6: write it as 52:54:00:12:34:56`);
  }
  const bad = parts.find((part) => !/^[0-9a-f]{1,2}$/i.test(part));
  if (bad !== undefined) {
    throw new RangeError(`MAC address ${quote(text)}: ${quote(bad)} is not a byte in hexadecimal, from 00 to ff`);
  }
  const [a, b, c, d, e, f] = parts.map((part) => parseInt(part, 16)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (a & 1) {
    throw new RangeError(
      `MAC address ${quote(text)} is a multicast address: its first byte must be even, as in 52:54:00…`,
    );
  }
  if ((a | b | c | d | e | f) === 0) {
    throw new RangeError(`MAC address ${quote(text)} is all zeroes: no card can have it`);
  }
  return [a, b, c, d, e, f];
}

/** An Ethernet address as text. */
export function formatMac(mac: Mac): string {
  return mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** A random Ethernet address that no manufacturer owns: locally administered, for one card (IEEE 802, bits of byte 0). */
export function randomMac(): Mac {
  const [a, b, c, d, e, f] = crypto.getRandomValues(new Uint8Array(6));
  return [a! & 0xfc | 2, b!, c!, d!, e!, f!];
}

function checkIp(text: string, ip: string): string {
  if (ip === "") throw new RangeError(`Network ${quote(text)} has no IP address: ${GRAMMAR}`);
  if (!/^[0-9.]+$/.test(ip)) {
    const hint = /^[a-z][\w-]{0,14}$/i.test(ip) ? `; a bridge is named by bridge:${ip}` : "";
    throw new RangeError(`Network ${quote(text)}: ${quote(ip)} is not an IPv4 address${hint}`);
  }
  const parts = ip.split(".");
  if (parts.length !== 4 || parts.includes("")) {
    throw new RangeError(`Network ${quote(text)}: IPv4 address ${quote(ip)} has ${count(parts, ip)}, not 4`);
  }
  const octets = parts.map(Number);
  const large = parts.find((_, index) => octets[index]! > 255);
  if (large !== undefined) {
    throw new RangeError(`Network ${quote(text)}: IPv4 address ${quote(ip)} has a part ${quote(large)} above 255`);
  }
  const [first = 0] = octets;
  if (first === 0 || first >= 224) {
    throw new RangeError(
      `Network ${quote(text)}: no interface can have the IPv4 address ${quote(ip)}; take one like 192.168.19.1`,
    );
  }
  return octets.join(".");
}

function checkBridge(text: string, bridge: string): string {
  if (bridge === "") throw new RangeError(`Network ${quote(text)} names no bridge: ${GRAMMAR}`);
  if (new TextEncoder().encode(bridge).length > MAX_INTERFACE_NAME) {
    throw new RangeError(`Network ${quote(text)}: bridge ${quote(bridge)} has more than ${MAX_INTERFACE_NAME} bytes`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\s/\u0000]/.test(bridge) || bridge === "." || bridge === "..") {
    throw new RangeError(`Network ${quote(text)}: no bridge can be called ${quote(bridge)}`);
  }
  return bridge;
}

/** What a user wrote, in quotes and on one line whatever it holds. */
function quote(text: string): string {
  return JSON.stringify(text);
}

/** How many parts there are; an empty text has none, and empty parts count as such. */
function count(parts: readonly string[], text: string): string {
  const some = text === "" ? 0 : parts.filter((part) => part !== "").length;
  return `${some} part${some === 1 ? "" : "s"}`;
}
