/**
 * Numbers that two files of the PC must agree on: where things are. Read next: `pc.ts`.
 *
 * @module
 */
import { MAX_RAM } from "../../memory.ts";

/** Addresses in the x86 port space. */
export const PORT_SPACE = 0x1_0000;
/** The first of the power management ports: event block, then control block, then (at +8) the timer. */
export const PM_BASE = 0x600;
/** The system control interrupt, ACPI's own. */
export const SCI_IRQ = 9;
/** Where the tables of the firmware begin: in the BIOS area, which no memory map gives away and every kernel searches. */
export const FIRMWARE_BASE = 0xf_0000;

/** Physical addresses for PCI devices: above any RAM, and below {@link ECAM_BASE}. */
export const PCI_HOLE = { start: MAX_RAM, end: 0xfe00_0000 } as const;
/** PCI configuration space as memory: above the devices, below where a PC has interrupt controllers and BIOS. */
export const ECAM_BASE = 0xfe00_0000;

/** Interrupt requests that nothing else on this PC uses, for PCI. */
export const PCI_IRQS: readonly number[] = [10, 11, 5, 12, 14, 15];

/**
 * The interrupt request that a PCI device's pin A is wired to: spread, so that few share one.
 *
 * @param device its device number
 */
export function pciIrq(device: number): number {
  return PCI_IRQS[(device + PCI_IRQS.length - 1) % PCI_IRQS.length]!;
}
