/**
 * What a network card needs from the host: packets out, packets in. The card (`lib/virtio/net.ts`) knows virtio; a
 * backend knows where packets end up. Both live in the virtual CPU's thread. Read next: `tap_backend.ts`.
 *
 * @module
 */
import type { Segment } from "../virtio/queue.ts";

/** Bytes in front of each packet, both ways: `struct virtio_net_hdr` with `num_buffers` (virtio 1.2 §5.1.6). */
export const NET_HEADER = 12;

/** Bytes in front of a packet from a legacy driver that cannot merge buffers: without `num_buffers` (§5.1.6.1). */
export const LEGACY_NET_HEADER = 10;

/**
 * The largest packet with its header: 65535 bytes of IP that are still to be cut into segments, behind an Ethernet
 * header with two VLAN tags.
 */
export const MAX_PACKET: number = NET_HEADER + 14 + 8 + 65535;

/** What a receiver does by itself; the numbers are Linux's own for a tap (`TUN_F_…` in `linux/if_tun.h`). */
export const OFFLOAD = { CSUM: 1, TSO4: 2, TSO6: 4, ECN: 8 } as const;

/** One end of a cable. */
export interface NetBackend {
  /**
   * Whether the cable is plugged in. It starts so; once it is not, it stays so, and the machine was told to look
   * (`lib/platform/attention.ts`).
   */
  readonly linkUp: boolean;
  /**
   * Send a packet, or drop it as Ethernet does; never blocks.
   *
   * @param segments Guest memory that holds header and frame, checked
   * @param length bytes in the segments, at most {@link MAX_PACKET}
   * @param header bytes of them that are the header: {@link NET_HEADER} if not given, or {@link LEGACY_NET_HEADER}
   * @returns whether the host took it
   */
  send(segments: readonly Segment[], length: number, header?: number): boolean;
  /**
   * The oldest packet that has come, header first, at least {@link NET_HEADER} bytes; the same again until
   * {@link release}. If there is none, the machine will be told to look when one comes.
   *
   * @returns bytes that the caller may change until {@link release}
   */
  peek(): Uint8Array | undefined;
  /** Forget the packet that {@link peek} gave; another may come in its place. */
  release(): void;
  /**
   * Say what the receiver does by itself; a packet that came before may still leave the rest to it.
   *
   * @param flags of {@link OFFLOAD}
   */
  setOffloads(flags: number): void;
}
