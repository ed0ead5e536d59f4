/**
 * Where things are on the lguest bus of Linux 2.6.30 to 3.19 (`include/linux/lguest_launcher.h`): the page of
 * descriptors just above the Guest's RAM, and the rings of every queue in the pages behind it.
 *
 * A descriptor is five bytes, then eight for each queue, then the feature bits that are offered, as many bytes for those
 * that the driver accepts, then the configuration; the next one follows at once, aligned to nothing. A type of 0 ends
 * the list. Read next: `description.ts` (what is in a descriptor), `bus.ts`.
 *
 * @module
 */
import { QUEUE_SIZE } from "../../../virtio/device.ts";

/** Bytes in a page. */
export const PAGE_SIZE = 4096;

/** Pages above RAM that are set aside for the bus, as the original has it; `bus.ts` tells how many are used. */
export const LGUEST_BUS_PAGES = 256;

/** `struct lguest_device_desc`: offsets of its bytes, and its size. */
export const DESCRIPTOR = { TYPE: 0, NUM_VQ: 1, FEATURE_LEN: 2, CONFIG_LEN: 3, STATUS: 4, SIZE: 5 } as const;

/** `struct lguest_vqconfig`: entries (16 bits), interrupt (16 bits), page frame (32 bits); offsets and size. */
export const VQCONFIG = { NUM: 0, IRQ: 2, PFN: 4, SIZE: 8 } as const;

/** What the used ring is aligned to. */
export const LGUEST_VRING_ALIGN = 4096;

/** Where the parts of a ring are, from its first page (virtio 1.2 §2.7.2, the layout of the legacy interface). */
export const RING: {
  /** The descriptor table. */
  readonly descriptors: number;
  /** The available ring, right behind it. */
  readonly available: number;
  /** The used ring, in a page of its own. */
  readonly used: number;
  /** Bytes of all three, rounded up to whole pages. */
  readonly size: number;
} = (() => {
  const available = 16 * QUEUE_SIZE;
  const used = roundUp(available + 6 + 2 * QUEUE_SIZE, LGUEST_VRING_ALIGN);
  return { descriptors: 0, available, used, size: roundUp(used + 6 + 8 * QUEUE_SIZE, PAGE_SIZE) };
})();

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
