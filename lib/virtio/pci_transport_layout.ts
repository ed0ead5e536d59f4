/**
 * What a virtio PCI device looks like: its identity, the places of its register structures in BAR 0, the capabilities
 * that tell a driver of them. Only numbers and bytes; sections are those of virtio 1.2. Read next: `pci_transport.ts`.
 *
 * @module
 */
import type { PciIdentity } from "../pci/function.ts";
import { DEVICE_TYPE, type VirtioDevice } from "./device.ts";

/** PCI capability number of a vendor's own capability: all of virtio's are (§4.1.4). */
export const VENDOR_CAPABILITY = 0x09;

/** What a virtio capability describes (§4.1.4, cfg_type). */
export const CAPABILITY_TYPE = { COMMON: 1, NOTIFY: 2, ISR: 3, DEVICE: 4, PCI: 5 } as const;

/** A register structure's place in BAR 0. */
export interface Place {
  /** Bytes from the BAR's start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** Bytes of BAR 0: one page. */
export const BAR_SIZE = 0x1000;
/** Common configuration (§4.1.4.3), without the two fields that exist only with features that are not offered. */
export const COMMON_PLACE: Place = { offset: 0x000, length: 56 };
/** The interrupt status byte (§4.1.4.5). */
export const ISR_PLACE: Place = { offset: 0x100, length: 1 };
/** Where the device's own configuration begins (§4.1.4.6). */
export const DEVICE_OFFSET = 0x200;
/** Where the doorbells begin (§4.1.4.4). */
export const NOTIFY_OFFSET = 0x800;
/** Bytes from one queue's doorbell to the next one's: an even power of two (§4.1.4.4.1). */
export const NOTIFY_MULTIPLIER = 4;

/** Offset of `pci_cfg_data` in the configuration access capability (§4.1.4.9). */
export const WINDOW_DATA = 16;

const VENDOR = 0x1af4;
/** A modern device's number is this and its type (§4.1.2.1). */
const FIRST_DEVICE = 0x1040;
/** At least this says that the device is not transitional (§4.1.2.1). */
const SUBSYSTEM = 0x40;

/**
 * Class codes, as 0xBBSSPP. A console is "communication controller, other": as a serial controller, which the original
 * claimed to be, the driver of PCI serial ports would take hold of it first.
 */
const CLASS_CODES: Readonly<Record<number, number>> = {
  [DEVICE_TYPE.NET]: 0x02_00_00,
  [DEVICE_TYPE.BLOCK]: 0x01_80_00,
  [DEVICE_TYPE.CONSOLE]: 0x07_80_00,
  [DEVICE_TYPE.RNG]: 0xff_00_00,
};
/** "Device does not fit in any defined class" (PCI 3.0 appendix D). */
const CLASS_NONE = 0xff_00_00;

/** What a driver recognizes a device of some type by (§4.1.2.1): modern, not transitional. */
export function virtioIdentity(type: number): PciIdentity {
  return {
    vendor: VENDOR,
    device: FIRST_DEVICE + type,
    revision: 1,
    classCode: CLASS_CODES[type] ?? CLASS_NONE,
    subsystemVendor: VENDOR,
    subsystem: SUBSYSTEM,
  };
}

/** The place of a device's own configuration. */
export function devicePlace(device: VirtioDevice): Place {
  return { offset: DEVICE_OFFSET, length: device.configLength };
}

/** The place of a device's doorbells. */
export function notifyPlace(device: VirtioDevice): Place {
  return { offset: NOTIFY_OFFSET, length: device.queueNames.length * NOTIFY_MULTIPLIER };
}

/**
 * A capability's bytes after its number and link (§4.1.4).
 *
 * @param type one of {@link CAPABILITY_TYPE}
 * @param place the structure it describes, in BAR 0
 * @param extra a 32-bit field that follows, of those types that have one
 */
export function capabilityBody(type: number, place: Place, extra?: number): number[] {
  const words = [place.offset, place.length, ...(extra === undefined ? [] : [extra])];
  const bar = 0, id = 0, padding = 0;
  return [
    8 + 4 * words.length, // cap_len counts the two bytes before it too
    type,
    bar,
    id,
    padding,
    padding,
    ...words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]),
  ];
}

/** Whether an access lies within a place. */
export function within(place: Place, offset: number, width: number): boolean {
  return offset >= place.offset && offset + width <= place.offset + place.length;
}
