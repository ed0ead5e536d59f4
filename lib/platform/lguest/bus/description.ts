/**
 * What a descriptor on the lguest bus says of each kind of device: which features are offered, and how much of the
 * configuration is shown.
 *
 * The virtio devices of this program can do more than Linux 2.6.30 to 3.19 or the original Launcher knew. What is
 * offered here is what the original offered, with four differences that the Guest's boot messages do not show:
 * MRG_RXBUF, without which Linux 3.11 drops whatever it receives once GUEST_TSO4 is offered (its `receive_big()` takes
 * the length for 0); MAC always; RO for a disk that cannot be written; and no NOTIFY_ON_EMPTY, which no driver of that
 * time needs. STATUS of a card and SIZE of a console are not offered, since nothing on this bus tells a driver that the
 * configuration has changed; EVENT_IDX is not, since no original did and drivers of 2.6.38 and before do not know it.
 * Bits from 32 on cannot be: Linux reads the first 32 (§2.2.3). Read next: `transport.ts`.
 *
 * @module
 */
import { BLOCK_FEATURE } from "../../../virtio/block_config.ts";
import { DEVICE_TYPE, FEATURE, type VirtioDevice } from "../../../virtio/device.ts";
import { NET_FEATURE } from "../../../virtio/net.ts";

/** What a descriptor says besides the device's type and its queues. */
export interface BusDescription {
  /** The feature bits that are offered, the transport's among them; none above 31. */
  readonly features: bigint;
  /** Bytes of configuration, up to 255: those that the device has more are not shown, those that it lacks are 0. */
  readonly configLength: number;
  /** Queues, by number, on whose completions Linux waits by looking, not by their interrupt (`pacer.ts`). */
  readonly polled?: readonly number[];
}

/** What depends on the Guest's version. */
export interface DescribeOptions {
  /**
   * Offer FLUSH for disks, as the original does from Linux 2.6.37 on; the drivers know it from 2.6.32 on. Without it
   * each write is on the host's disk before the Guest hears of its end (§5.2.6.2).
   */
  readonly flush?: boolean;
}

/** Bits as a mask. */
function mask(...bits: readonly number[]): bigint {
  return bits.reduce((sum, bit) => sum | 1n << BigInt(bit), 0n);
}

const NET = NET_FEATURE;
const NET_OFFERED = mask(
  NET.CSUM,
  NET.GUEST_CSUM,
  NET.MAC,
  NET.GUEST_TSO4,
  NET.GUEST_TSO6,
  NET.GUEST_ECN,
  NET.HOST_TSO4,
  NET.HOST_TSO6,
  NET.HOST_ECN,
  NET.MRG_RXBUF,
);
/** `struct virtio_net_config` as large as when the original was recorded; only the address means anything. */
const NET_CONFIG = 24;
/** `struct virtio_blk_config` up to `geometry`: capacity, size_max, seg_max. */
const BLOCK_CONFIG = 16;
const CONSOLE_OUTPUT = 1;
/** What fits into the 32 bits that a legacy driver reads. */
const LEGACY_BITS = (1n << 32n) - 1n;

/**
 * What the original says of a device; of one that it does not know, all that a legacy driver can read.
 *
 * @param device what is to be described
 * @param options what the Guest's version calls for
 */
export function describe(device: VirtioDevice, { flush = true }: DescribeOptions = {}): BusDescription {
  switch (device.type) {
    case DEVICE_TYPE.RNG:
      return { features: 0n, configLength: 0 };
    case DEVICE_TYPE.CONSOLE:
      return { features: 0n, configLength: 0, polled: [CONSOLE_OUTPUT] };
    case DEVICE_TYPE.NET:
      return { features: device.features & NET_OFFERED | mask(FEATURE.INDIRECT_DESC), configLength: NET_CONFIG };
    case DEVICE_TYPE.BLOCK: {
      const { SEG_MAX, RO, FLUSH } = BLOCK_FEATURE;
      const offered = mask(SEG_MAX, RO, ...(flush ? [FLUSH] : []));
      return { features: device.features & offered, configLength: BLOCK_CONFIG };
    }
    default:
      return { features: device.features & LEGACY_BITS, configLength: Math.min(255, device.configLength) };
  }
}
