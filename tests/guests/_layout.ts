/**
 * What test kernels and harness agree on: where things are in the Guest's memory, and how the kernel asks the harness
 * for something (lguest.h has the same in C). Read next: `_build.ts`, `_run.ts`.
 *
 * @module
 */

/** Bytes of RAM. */
export const RAM = 4 << 20;
/** Bytes behind RAM: a page for devices on the lguest bus and some more, or the registers of devices (4.x). */
export const DEVICE_SPACE = 16 * 4096;
/** All that must be there. */
export const MEMORY = RAM + DEVICE_SPACE;

/** The kernel command line: the name of the test. */
export const COMMAND_LINE = 0x1000;
/** `struct info`. */
export const PARAMETERS = 0x2000;
/** Its fields. */
export const INFO = { MEMORY: 0, DEVICE_LIMIT: 4, RAM: 8, DATA: 12, EXPECTED: 16 } as const;

/** What a kernel asks for, in the highest byte of a word; the rest is a value. */
export const ASK = { RAISE: 0xf1, SLEEP: 0xf2, NOTE: 0xf3, LOOK: 0xf4 } as const;
/** From 4.0 on such a word goes out at this port; before, it is the address of a notification. */
export const ASK_PORT = 0xa5c;

/** What the harness's device answers to a read of its registers. */
export const MMIO_VALUE = 0xd000_0000;
