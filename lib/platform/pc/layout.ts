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
/** Where firmware's tables begin: the kernel looks for them from here to 1 MiB. */
export const FIRMWARE_BASE = 0xe_0000;
