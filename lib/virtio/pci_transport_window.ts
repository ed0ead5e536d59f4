/**
 * The configuration access capability (virtio 1.2 §4.1.4.9): a window through which a driver that cannot map the BAR,
 * such as a firmware, reaches its registers by configuration accesses alone. The driver sets BAR, offset and length in
 * the capability; each access to its data field is then one access to the BAR.
 *
 * A read of the data field while the window points nowhere gives what stands there: a program that dumps configuration
 * space does that, and means no harm. A write there is the driver's fault. Read next: `../pci/function.ts`.
 *
 * @module
 */
import type { LiveCapability, PciFunction } from "../pci/function.ts";
import type { BusDevice, Width } from "../platform/bus.ts";
import {
  CAPABILITY_TYPE,
  capabilityBody,
  type Place,
  VENDOR_CAPABILITY,
  WINDOW_DATA,
  within,
} from "./pci_transport_layout.ts";

const BAR = 4;
const OFFSET = 8;
const LENGTH = 12;

/** Where a window leads. */
export interface WindowOptions {
  /** What answers in BAR 0. */
  readonly registers: BusDevice;
  /** The structures there: the window must lie within one. */
  readonly places: readonly Place[];
  /** The driver wrote through a window that points nowhere. */
  readonly misused: () => void;
}

/** The window of one device. */
export class ConfigWindow implements LiveCapability {
  /** For each byte from the third of the capability: bar, offset, length and data are the driver's (§4.1.4.9.2). */
  readonly writable: readonly number[] = [0, 0, 0xff, 0, 0, 0, ...new Array<number>(12).fill(0xff)];
  readonly #function: PciFunction;
  readonly #options: WindowOptions;
  readonly #capability: number;

  /**
   * Adds the capability to the function's list.
   *
   * @param pciFunction the function
   * @param options where the window leads
   */
  constructor(pciFunction: PciFunction, options: WindowOptions) {
    this.#function = pciFunction;
    this.#options = options;
    const nowhere = { offset: 0, length: 0 };
    this.#capability = pciFunction.addCapability(
      VENDOR_CAPABILITY,
      capabilityBody(CAPABILITY_TYPE.PCI, nowhere, 0),
      this,
    );
  }

  /** Read the BAR into the data field (§4.1.4.9.1). */
  beforeRead(offset: number): void {
    const window = offset >= WINDOW_DATA ? this.#window() : undefined;
    if (!window) return;
    const value = this.#options.registers.read(window.offset, window.width);
    this.#function.poke(this.#capability + WINDOW_DATA, window.width, value);
  }

  /** Write the data field to the BAR. */
  afterWrite(offset: number): void {
    if (offset < WINDOW_DATA) return;
    const window = this.#window();
    if (!window) return this.#options.misused();
    const value = this.#function.peek(this.#capability + WINDOW_DATA, window.width);
    this.#options.registers.write(window.offset, window.width, value);
  }

  /** Where the window points, if it points into one of the structures, at a multiple of its length. */
  #window(): { offset: number; width: Width } | undefined {
    const at = (field: number) => this.#function.peek(this.#capability + field, 4);
    const offset = at(OFFSET), width = at(LENGTH);
    if ((at(BAR) & 0xff) !== 0 || (width !== 1 && width !== 2 && width !== 4) || offset % width !== 0) return undefined;
    return this.#options.places.some((place) => within(place, offset, width)) ? { offset, width } : undefined;
  }
}
