/**
 * What a Guest's machine counts: how often the engine left the Guest, by kind, and how many bytes went in and out of
 * its devices. Plain integers that are added to where the thing happens anyway; they are posted once, with the report
 * that the machine has stopped, and go on over reboots.
 *
 * @module
 */

/** Bytes into the Guest and out of it. */
export interface ByteCount {
  /** Into the Guest: typed, read from a disk, received. */
  readonly in: number;
  /** Out of the Guest: printed, written to a disk, sent. */
  readonly out: number;
}

/** What was counted since a machine was made. */
export interface Statistics {
  /** How often the engine left the Guest, by kind: "port", "mmio", "interrupt", "halt"; a platform may have others. */
  readonly exits: Readonly<Record<string, number>>;
  /** Bytes by kind of device: "console", "block", "net". All devices of a kind are one. */
  readonly bytes: Readonly<Record<string, ByteCount>>;
}

/** What one device counts. */
export interface Traffic {
  /** The kind of device that it is added to. */
  readonly kind: string;
  /** Bytes into the Guest so far. */
  in: number;
  /** Bytes out of the Guest so far. */
  out: number;
}

/**
 * The bytes of all devices by their kind.
 *
 * @param devices those that count, and others, which have no `traffic`
 */
export function sumTraffic(devices: Iterable<{ readonly traffic?: Traffic }>): Record<string, ByteCount> {
  const sums: Record<string, ByteCount> = {};
  for (const { traffic } of devices) {
    if (!traffic) continue;
    const before = sums[traffic.kind] ?? { in: 0, out: 0 };
    sums[traffic.kind] = { in: before.in + traffic.in, out: before.out + traffic.out };
  }
  return sums;
}

/**
 * Exits as a line for the log: each kind that there was, and how many a second.
 *
 * @param exits how often, by kind
 * @param seconds in what time
 */
export function describeExits(exits: Readonly<Record<string, number>>, seconds: number): string {
  const kinds = Object.entries(exits).filter(([, count]) => count > 0);
  return kinds.map(([kind, count]) => `${kind} ${count} (${Math.round(count / seconds)}/s)`).join(", ");
}
