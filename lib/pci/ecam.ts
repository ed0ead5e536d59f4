/**
 * The second way to configuration space: the enhanced configuration access mechanism (PCI Express Base 3.0 §7.2.2),
 * where each function of a bus has 4 KiB of physical addresses. Linux uses it only behind the first 256 bytes, where our
 * functions have nothing; but where it is missing Linux complains of a bridge whose extended space it cannot reach.
 *
 * Memory accesses enter, configuration accesses leave. Read next: `bus.ts`, `host_bridge.ts`.
 *
 * @module
 */
import type { BusDevice, Width } from "../platform/bus.ts";
import { ALL_ONES, DEVICE_NUMBERS, type PciBus } from "./bus.ts";
import { CONFIG_SIZE } from "./function.ts";

/** Bytes of one function. */
const FUNCTION_SIZE = 0x1000;
/** Functions of one device. */
const FUNCTIONS = 8;
/** Bytes of one bus. */
export const ECAM_BUS_SIZE: number = DEVICE_NUMBERS * FUNCTIONS * FUNCTION_SIZE;

/** Configuration space of bus 0 as memory. */
export class EcamRegion implements BusDevice {
  readonly #bus: PciBus;

  /**
   * The whole of bus 0.
   *
   * @param bus whose configuration spaces are reached
   */
  constructor(bus: PciBus) {
    this.#bus = bus;
  }

  /** Read; all ones where no function is, and behind the 256 bytes that each has. */
  read(offset: number, width: Width): number {
    if ((offset & 3) + width > 4) {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + this.read(offset + i, 1);
      return value;
    }
    const device = deviceAt(offset);
    return device === undefined ? ALL_ONES[width] : this.#bus.read(device, offset % FUNCTION_SIZE, width);
  }

  /** Write; lost where {@link read} gives all ones. */
  write(offset: number, width: Width, value: number): void {
    if ((offset & 3) + width > 4) {
      for (let i = 0; i < width; i++) this.write(offset + i, 1, (value >>> (8 * i)) & 0xff);
      return;
    }
    const device = deviceAt(offset);
    if (device !== undefined) this.#bus.write(device, offset % FUNCTION_SIZE, width, value);
  }
}

/** The device whose function 0 has a register there. */
function deviceAt(offset: number): number | undefined {
  const device = offset / (FUNCTIONS * FUNCTION_SIZE);
  return offset % (FUNCTIONS * FUNCTION_SIZE) < CONFIG_SIZE ? Math.floor(device) : undefined;
}
