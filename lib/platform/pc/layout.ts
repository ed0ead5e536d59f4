/**
 * Numbers that two files of the PC must agree on: where things are. Read next: `pc.ts`.
 *
 * @module
 */

/** Addresses in the x86 port space. */
export const PORT_SPACE = 0x1_0000;
/** The first of the power management ports: event block, then control block, then (at +8) the timer. */
export const PM_BASE = 0x600;
/** The system control interrupt, ACPI's own. */
export const SCI_IRQ = 9;
/** Where the tables of the firmware begin: in the BIOS area, which no memory map gives away and every kernel searches. */
export const FIRMWARE_BASE = 0xf_0000;
