/**
 * The host bridge: how a program reaches configuration space, and device 00:00.0 that stands for the bridge itself.
 *
 * Configuration mechanism 1 (PCI 3.0 §3.2.2.3.2): an address is latched at CF8h, the 32-bit register it names appears
 * at CFCh. Accesses of any width enter, at any of the eight ports; what crosses from one 32-bit port to the next is
 * taken byte by byte. CF9h belongs to two: a byte there is the chipset's reset register, which the bridge only passes
 * on (Linux writes a whole address whose second byte could be a reset command). Read next: `bus.ts`.
 *
 * @module
 */
import type { BusDevice, ByteDevice, Width } from "../platform/bus.ts";
import { ALL_ONES, type PciBus } from "./bus.ts";
import { PciFunction } from "./function.ts";

/** The first of the bridge's ports. */
export const CONFIG_PORTS = 0xcf8;
/** How many there are: address and data. */
export const CONFIG_PORT_COUNT = 8;

const ENABLE = 0x8000_0000;
/** Bits 1:0 are always 0, bits 30:24 reserved. */
const LATCH_BITS = 0x80ff_fffc;
const DATA = 4;
const RESET_REGISTER = 1;

/** What is printed with `--verbose`. */
export type Log = (line: string) => void;

/**
 * Device 00:00.0. Linux trusts mechanism 1 only where it finds a host bridge, a display or a device of Intel or Compaq.
 * This identity is Intel's, of no real chipset, so that no driver and no work-around for an old chipset feels meant.
 */
export function createHostBridge(): PciFunction {
  return new PciFunction("host bridge", { vendor: 0x8086, device: 0x0d57, classCode: 0x06_00_00 });
}

/** Ports CF8h to CFFh. */
export class ConfigPorts implements BusDevice {
  readonly #bus: PciBus;
  readonly #resetRegister: ByteDevice;
  readonly #log: Log | undefined;
  #latch = 0;

  /**
   * The ports after power-on.
   *
   * @param bus whose configuration spaces are reached
   * @param resetRegister what a byte access to CF9h is for, its register 0
   * @param log hears of each access
   */
  constructor(bus: PciBus, resetRegister: ByteDevice, log?: Log) {
    this.#bus = bus;
    this.#resetRegister = resetRegister;
    this.#log = log;
  }

  /** Back to power-on: no address is latched. */
  reset(): void {
    this.#latch = 0;
  }

  /** Read the latch or the register it names. */
  read(offset: number, width: Width): number {
    if ((offset & 3) + width > 4) {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + this.read(offset + i, 1);
      return value;
    }
    if (offset === RESET_REGISTER && width === 1) return this.#resetRegister.readByte(0);
    const value = offset < DATA
      ? ((this.#latch >>> (8 * offset)) & ALL_ONES[width]) >>> 0
      : this.#selected === undefined
      ? ALL_ONES[width]
      : this.#bus.read(this.#selected, this.#register | (offset & 3), width);
    if (this.#log && offset >= DATA) this.#logData("IN", offset, width, value);
    return value;
  }

  /** Write the latch or the register it names. */
  write(offset: number, width: Width, value: number): void {
    if ((offset & 3) + width > 4) {
      for (let i = 0; i < width; i++) this.write(offset + i, 1, (value >>> (8 * i)) & 0xff);
    } else if (offset === RESET_REGISTER && width === 1) {
      this.#resetRegister.writeByte(0, value & 0xff);
    } else if (offset < DATA) {
      const shift = 8 * offset, mask = (ALL_ONES[width] << shift) & LATCH_BITS;
      this.#latch = (this.#latch & ~mask) | ((value << shift) & mask);
      if (this.#log) this.#logAddress(width, value);
    } else {
      if (this.#selected !== undefined) this.#bus.write(this.#selected, this.#register | (offset & 3), width, value);
      if (this.#log) this.#logData("OUT", offset, width, value);
    }
  }

  /** The device number that the latch names; only bus 0 and function 0 exist. */
  get #selected(): number | undefined {
    return (this.#latch & ENABLE) !== 0 && (this.#latch & 0xff_0700) === 0 ? (this.#latch >>> 11) & 31 : undefined;
  }

  get #register(): number {
    return this.#latch & 0xfc;
  }

  #logAddress(width: Width, value: number): void {
    const latch = this.#latch;
    this.#log!(
      `PCI${latch & ENABLE ? "" : " DISABLED"}: ${hex(value)}/${ALL_ONES[width].toString(16)}: bus ${
        (latch >>> 16) & 0xff
      } dev ${(latch >>> 11) & 31} func ${(latch >>> 8) & 7} reg ${(latch >>> 2) & 63}`,
    );
  }

  #logData(direction: string, offset: number, width: Width, value: number): void {
    this.#log!(
      `IO ${direction} of ${ALL_ONES[width].toString(16)} to ${CONFIG_PORTS + offset}: 0x${
        value.toString(16).padStart(8, "0")
      }`,
    );
  }
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}
