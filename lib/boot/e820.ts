/**
 * The memory map that the kernel is given, as the PC BIOS call E820h would: which physical addresses are RAM.
 *
 * @module
 */

/** Kinds of memory (ACPI specification, "System Address Map Interfaces"). */
export const E820_TYPE = { USABLE: 1, RESERVED: 2, ACPI: 3, NVS: 4 } as const;

/** A range of physical addresses of one kind. */
export interface MemoryRange {
  /** Its first address. */
  readonly address: number;
  /** Bytes in it. */
  readonly size: number;
  /** One of {@link E820_TYPE}. */
  readonly type: number;
}

/** Where the RAM below 640 KiB ends, with the last KiB left to what the BIOS calls its extended data area. */
export const LOW_MEMORY_END = 0x9fc00;

/** Where the RAM above the first MiB begins. */
export const HIGH_MEMORY_START = 0x100000;

/**
 * The memory map of a PC.
 *
 * @param size bytes of RAM
 * @param reserved what else there is: each range overrides whatever lay there
 * @returns ranges in order of address that do not overlap; those that touch are of different kinds
 */
export function memoryMap(size: number, reserved: readonly MemoryRange[] = []): MemoryRange[] {
  const layers: MemoryRange[] = [
    { address: 0, size: Math.min(size, LOW_MEMORY_END), type: E820_TYPE.USABLE },
    { address: HIGH_MEMORY_START, size: Math.max(size - HIGH_MEMORY_START, 0), type: E820_TYPE.USABLE },
    { address: LOW_MEMORY_END, size: 0xa0000 - LOW_MEMORY_END, type: E820_TYPE.RESERVED },
    { address: 0xf0000, size: 0x10000, type: E820_TYPE.RESERVED },
    ...reserved,
  ];
  const borders = [...new Set(layers.flatMap(({ address, size }) => [address, address + size]))];
  borders.sort((left, right) => left - right);
  const map: MemoryRange[] = [];
  borders.slice(1).forEach((end, index) => {
    const start = borders[index]!;
    const type = layers.findLast(({ address, size }) => address <= start && start < address + size)?.type;
    const last = map.at(-1);
    if (type === undefined) {
      return;
    }
    if (last !== undefined && last.type === type && last.address + last.size === start) {
      map[map.length - 1] = { address: last.address, size: end - last.address, type };
    } else {
      map.push({ address: start, size: end - start, type });
    }
  });
  return map;
}
