/**
 * The numbers of a virtio block device: features, requests, results, and its configuration space, under the
 * specification's names. Read next: `block.ts`.
 *
 * @module
 */
import { QUEUE_SIZE } from "./device.ts";

/** Feature bits by number (virtio 1.2 §5.2.3). */
export const BLOCK_FEATURE = { SEG_MAX: 2, RO: 5, BLK_SIZE: 6, FLUSH: 9, DISCARD: 13, WRITE_ZEROES: 14 } as const;

/** Types of requests (§5.2.6). */
export const BLOCK_TYPE = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;

/**
 * In a type of a legacy driver: a request that none may overtake (§5.2.3.1). Linux 2.6.32 sets it whether or not that
 * was offered, around flushes; no request overtakes another here.
 */
export const LEGACY_BARRIER = 0x8000_0000;

/** What the status byte says (§5.2.6). */
export const BLOCK_STATUS = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

/** Bytes in the header of a request: type, reserved, sector (§5.2.6). */
export const HEADER_SIZE = 16;

/** Bytes in the range that a DISCARD or WRITE_ZEROES names: sector, number of sectors, flags (§5.2.6). */
export const RANGE_SIZE = 16;

/** In the flags of a range: zeroes may come from sectors that have no storage. */
export const RANGE_UNMAP = 1;

/** Bytes that a GET_ID gives (§5.2.6). */
export const ID_SIZE = 20;

/** Bytes in the configuration space: up to and with `unused1` (§5.2.4). */
export const BLOCK_CONFIG_SIZE = 60;

/** The most sectors that a DISCARD may name: 2 GiB. */
export const MAX_DISCARD_SECTORS: number = 1 << 22;

/** The most sectors that a WRITE_ZEROES may name: 16 MiB, so that other requests need not wait long. */
export const MAX_ZERO_SECTORS: number = 1 << 15;

/** What a configuration space says. */
export interface BlockGeometry {
  /** The size in sectors of 512 bytes. */
  readonly sectors: number;
  /** Whether the disk cannot be written. */
  readonly readOnly: boolean;
}

/** The features that a disk offers, as a mask. */
export function blockFeatures(readOnly: boolean): bigint {
  const { SEG_MAX, RO, BLK_SIZE, FLUSH, DISCARD, WRITE_ZEROES } = BLOCK_FEATURE;
  const offered = [SEG_MAX, BLK_SIZE, FLUSH, ...(readOnly ? [RO] : [DISCARD, WRITE_ZEROES])];
  return offered.reduce((mask, bit) => mask | 1n << BigInt(bit), 0n);
}

/** The configuration space of a disk (§5.2.4). Fields that belong to features that are not offered are 0. */
export function blockConfig({ sectors, readOnly }: BlockGeometry): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(BLOCK_CONFIG_SIZE));
  view.setBigUint64(0, BigInt(sectors), true); // capacity
  view.setUint32(12, QUEUE_SIZE - 2, true); // seg_max: all descriptors but those of header and status
  view.setUint32(20, 512, true); // blk_size
  if (!readOnly) {
    view.setUint32(36, MAX_DISCARD_SECTORS, true); // max_discard_sectors
    view.setUint32(40, 1, true); // max_discard_seg
    view.setUint32(44, 8, true); // discard_sector_alignment: a page of the host's cache
    view.setUint32(48, MAX_ZERO_SECTORS, true); // max_write_zeroes_sectors
    view.setUint32(52, 1, true); // max_write_zeroes_seg
  }
  return view;
}
