/**
 * Makes the host's end of a network: a {@link TunnetSpec} comes in, an open and configured tap interface leaves, or a
 * {@link GuestError} in one line. It goes away with its file, at the latest when this program ends.
 *
 * Each packet through the tap has a virtio header in front (IFF_VNET_HDR), as the original's have, so checksums and
 * segments can be left to whoever can do them cheaper. An address gets the mask of its class, since that is what the
 * kernel does for SIOCSIFADDR and the original asks for no other: 10.0.0.1 stands for 10.0.0.0/8, 172.16.0.1 for a /16,
 * 192.168.19.1 for a /24. Read next: `tap_workers.ts`.
 *
 * @module
 */
import {
  AT_FDCWD,
  cString,
  ERRNO,
  type Library,
  O_NONBLOCK,
  O_RDWR,
  openLibrary,
  strerror,
} from "../../ffi/library.ts";
import { GuestError } from "../guest_error.ts";
import { NET_HEADER } from "./backend.ts";
import { type Mac, MAX_INTERFACE_NAME, randomMac, type TunnetSpec } from "./tunnet.ts";

/** An open tap interface. */
export interface Tap {
  /** What was asked for. */
  readonly spec: TunnetSpec;
  /** The interface's name on the host: "tap0". */
  readonly name: string;
  /** The file through which packets go; non-blocking. */
  readonly fd: number;
  /** The address of the Guest's card: the one asked for, or one made up here, once, so that a reboot keeps it. */
  readonly mac: Mac;
  /** Close the file, whereupon the interface goes away; nobody may use {@link fd} any more. */
  close(): void;
}

/** `ioctl()` requests: `linux/if_tun.h`, `linux/sockios.h`. */
const TUNSETIFF = 0x400454ca;
const TUNSETVNETHDRSZ = 0x400454d8;
/** What the receiver does by itself (`OFFLOAD` in `backend.ts`). */
export const TUNSETOFFLOAD = 0x400454d0;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCSIFADDR = 0x8916;
const SIOCBRADDIF = 0x89a2;

const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_UP = 0x0001;

const AF_INET = 2;
const SOCK_DGRAM = 2;

/** `struct ifreq`: a name, and a union that begins at 16. */
const IFREQ_SIZE = 40;
const IFREQ_UNION = 16;

/**
 * Make a tap interface, and give it its address or put it into its bridge.
 *
 * @param spec what `--tunnet=` said
 * @param libraryPath the C library's file, if a user named it
 * @throws {GuestError} if the host refuses
 */
export function openTap(spec: TunnetSpec, libraryPath?: string): Tap {
  const setup = new TapSetup(spec, openLibrary(libraryPath));
  try {
    return setup.run();
  } catch (error) {
    setup.close();
    throw error;
  }
}

/** What a network is called in messages: "192.168.19.1", "bridge:br0". */
export function describeTunnet(spec: TunnetSpec): string {
  return spec.kind === "ip" ? spec.ip : `bridge:${spec.bridge}`;
}

class TapSetup {
  readonly #spec: TunnetSpec;
  readonly #library: Library;
  #fd = -1;

  constructor(spec: TunnetSpec, library: Library) {
    this.#spec = spec;
    this.#library = library;
  }

  run(): Tap {
    this.#fd = this.#open();
    const name = this.#attach();
    this.#check(this.#library.lguest_ioctl_value(this.#fd, TUNSETOFFLOAD, 0), "offloads of the tap cannot be set");
    this.#check(
      this.#library.lguest_ioctl(this.#fd, TUNSETVNETHDRSZ, Int32Array.of(NET_HEADER)),
      "the size of packet headers cannot be set",
    );
    this.#configure(name);
    return { spec: this.#spec, name, fd: this.#fd, mac: this.#spec.mac ?? randomMac(), close: () => this.close() };
  }

  close(): void {
    if (this.#fd >= 0) this.#library.lguest_close(this.#fd);
    this.#fd = -1;
  }

  #open(): number {
    const fd = this.#library.lguest_openat(AT_FDCWD, cString("/dev/net/tun"), O_RDWR | O_NONBLOCK);
    if (fd === -ERRNO.EPERM || fd === -ERRNO.EACCES) this.#fail(NOT_PERMITTED);
    if (fd === -ERRNO.ENOENT || fd === -ERRNO.ENODEV) {
      this.#fail(`this host has no tap interfaces (/dev/net/tun): try "modprobe tun"`);
    }
    return this.#check(fd, "/dev/net/tun cannot be opened");
  }

  /** Make the interface; the kernel chooses the number in its name. */
  #attach(): string {
    const request = ifreq("tap%d");
    new DataView(request.buffer).setInt16(IFREQ_UNION, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, true);
    const result = this.#library.lguest_ioctl(this.#fd, TUNSETIFF, request);
    if (result === -ERRNO.EPERM) this.#fail(NOT_PERMITTED);
    this.#check(result, "no tap interface can be made");
    const name = request.subarray(0, request.indexOf(0));
    return new TextDecoder().decode(name);
  }

  #configure(name: string): void {
    const socket = this.#check(this.#library.lguest_socket(AF_INET, SOCK_DGRAM, 0), "no socket can be had");
    try {
      if (this.#spec.kind === "bridge") this.#joinBridge(socket, name, this.#spec.bridge);
      else this.#setAddress(socket, name, this.#spec.ip);
      this.#bringUp(socket, name);
    } finally {
      this.#library.lguest_close(socket);
    }
  }

  /** The interface's other flags stay as they are: IFF_MULTICAST above all, which programs look for. */
  #bringUp(socket: number, name: string): void {
    const what = `interface ${name} cannot be brought up`;
    const request = ifreq(name);
    this.#check(this.#library.lguest_ioctl(socket, SIOCGIFFLAGS, request), what);
    const view = new DataView(request.buffer);
    view.setInt16(IFREQ_UNION, view.getInt16(IFREQ_UNION, true) | IFF_UP, true);
    this.#check(this.#library.lguest_ioctl(socket, SIOCSIFFLAGS, request), what);
  }

  #setAddress(socket: number, name: string, ip: string): void {
    const request = ifreq(name);
    new DataView(request.buffer).setUint16(IFREQ_UNION, AF_INET, true);
    request.set(ip.split(".").map(Number), IFREQ_UNION + 4);
    this.#check(this.#library.lguest_ioctl(socket, SIOCSIFADDR, request), `interface ${name} cannot get that address`);
  }

  #joinBridge(socket: number, name: string, bridge: string): void {
    const index = this.#check(this.#library.lguest_if_nametoindex(cString(name)), `interface ${name} is gone`);
    const request = ifreq(bridge);
    new DataView(request.buffer).setInt32(IFREQ_UNION, index, true);
    const result = this.#library.lguest_ioctl(socket, SIOCBRADDIF, request);
    if (result === -ERRNO.ENODEV) {
      this.#fail(`bridge "${bridge}" does not exist: make it with "ip link add ${bridge} type bridge"`);
    }
    if (result === -ERRNO.EOPNOTSUPP) this.#fail(`interface "${bridge}" is not a bridge`);
    if (result === -ERRNO.EPERM) this.#fail(NOT_PERMITTED);
    this.#check(result, `interface ${name} cannot join bridge "${bridge}"`);
  }

  /** The result of a call, or a failure in the system's words. */
  #check(result: number, what: string): number {
    if (result < 0) this.#fail(`${what}: ${strerror(this.#library, result)}`);
    return result;
  }

  #fail(what: string): never {
    throw new GuestError(`Network "${describeTunnet(this.#spec)}": ${what}`);
  }
}

const NOT_PERMITTED = "making a tap interface is not permitted: start lguest as root, or with CAP_NET_ADMIN";

/** A `struct ifreq` that names an interface. */
function ifreq(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(new TextEncoder().encode(name).subarray(0, MAX_INTERFACE_NAME));
  return request;
}
