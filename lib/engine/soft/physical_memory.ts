/**
 * Physical addresses: RAM, and what is not RAM is a device.
 *
 * Enters: a physical address. Leaves: the bytes there. Read next: `page_walk.ts` and `mmu.ts`, which come here.
 *
 * @module
 */
import type { GuestMemory } from "../../memory.ts";
import type { Width } from "../../platform/bus.ts";
import type { Machine } from "../engine.ts";

/** RAM and memory-mapped devices. */
export class PhysicalMemory {
  readonly #machine: Machine;
  readonly #view: DataView;
  readonly #size: number;
  readonly #base: number;

  /**
   * @param memory RAM
   * @param machine the devices
   */
  constructor(memory: GuestMemory, machine: Machine) {
    this.#machine = machine;
    this.#view = new DataView(memory.memory.buffer);
    this.#size = memory.size;
    this.#base = memory.base;
  }

  /** Read physical memory or a device; narrow values unsigned, 4 bytes signed. */
  read(physical: number, size: number): number {
    if (physical + size <= this.#size) {
      const at = this.#base + physical;
      const view = this.#view;
      return size === 4 ? view.getInt32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
    }
    const value = this.#machine.mmio.read(physical, size as Width);
    return size === 4 ? value | 0 : value;
  }

  /** Write physical memory or a device. */
  write(physical: number, size: number, value: number): void {
    if (physical + size <= this.#size) {
      const at = this.#base + physical;
      const view = this.#view;
      if (size === 4) view.setInt32(at, value, true);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint8(at, value);
    } else {
      this.#machine.mmio.write(
        physical,
        size as Width,
        size === 4 ? value >>> 0 : value & (size === 2 ? 0xffff : 0xff),
      );
    }
  }
}
