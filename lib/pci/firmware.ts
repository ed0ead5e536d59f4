/**
 * What a PC's firmware does to PCI before it starts a kernel: it gives every BAR an address, tells every function which
 * interrupt request its pin is wired to, and lets memory be decoded. All of it through configuration space, as a driver
 * would (PCI 3.0 §6.2.5.1), so that the kernel may take it over or do it again differently. Read next: `function.ts`.
 *
 * @module
 */
import type { PciBus } from "./bus.ts";
import { type AddressRange, COMMAND, REGISTER } from "./function.ts";

/** How {@link assignResources} sets functions up. */
export interface AssignOptions {
  /** The interrupt request of a device's pin A, by device number. */
  readonly irqOf: (device: number) => number;
  /** Whether BARs are decoded from now on; by default, as a PC's firmware has it. Drivers can do so themselves. */
  readonly enable?: boolean;
}

/**
 * Set up every function on the bus.
 *
 * @param bus after its reset
 * @param hole physical addresses where BARs may go
 * @param options which interrupt requests, and whether to let memory be decoded
 * @throws {RangeError} if the BARs do not fit into the hole
 */
export function assignResources(bus: PciBus, hole: AddressRange, { irqOf, enable = true }: AssignOptions): void {
  let next = hole.start;
  for (const [device, pciFunction] of bus.functions.entries()) {
    for (const { index, size } of pciFunction.bars) {
      const address = Math.ceil(next / size) * size;
      next = address + size;
      if (next > hole.end) throw new RangeError(`No room for BAR ${index} of PCI device "${pciFunction.name}"`);
      bus.write(device, REGISTER.BAR0 + 4 * index, 4, address);
    }
    if (bus.read(device, REGISTER.INTERRUPT_PIN, 1) !== 0) bus.write(device, REGISTER.INTERRUPT_LINE, 1, irqOf(device));
    if (enable && pciFunction.bars.length > 0) bus.write(device, REGISTER.COMMAND, 2, COMMAND.MEMORY);
  }
}
