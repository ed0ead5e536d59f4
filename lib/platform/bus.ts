/**
 * The two buses of a platform: ports and memory-mapped registers. Devices register the ranges they answer; an engine
 * only ever sees `read` and `write`. Read next: `interrupt.ts`, then a device such as `pc/uart.ts`.
 *
 * @module
 */

/** Access width in bytes. */
export type Width = 1 | 2 | 4;

/** What an engine calls when the Guest touches something that is not RAM. Values are unsigned. */
export interface Bus {
  /** Read `width` bytes at `address`, unsigned. */
  read(address: number, width: Width): number;
  /** Write the low `width` bytes of `value` at `address`. */
  write(address: number, width: Width, value: number): void;
}

/** A device's registers: offsets are relative to the start of the range it was registered at. */
export interface BusDevice {
  /** Read `width` bytes at `offset`, unsigned. */
  read(offset: number, width: Width): number;
  /** Write the low `width` bytes of `value` at `offset`. */
  write(offset: number, width: Width, value: number): void;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly device: BusDevice;
  readonly name: string;
}

/** An address space made of ranges; nothing answers elsewhere: reads give all ones, writes are lost, as on a PC. */
export class AddressSpace implements Bus {
  #ranges: Range[] = [];
  #last: Range | undefined;

  /**
   * Let `device` answer `length` addresses from `start`.
   *
   * @throws {RangeError} if the range overlaps one that is already taken
   */
  register(start: number, length: number, device: BusDevice, name: string): void {
    const end = start + length;
    const other = this.#ranges.find((range) => start < range.end && range.start < end);
    if (other) {
      throw new RangeError(
        `"${name}" at 0x${start.toString(16)} overlaps "${other.name}" at 0x${other.start.toString(16)}`,
      );
    }
    this.#ranges.push({ start, end, device, name });
  }

  /** Take back the range that starts at `start`. */
  unregister(start: number): void {
    this.#ranges = this.#ranges.filter((range) => range.start !== start);
    this.#last = undefined;
  }

  /** Read; an access that no single device covers is split into bytes, unclaimed ones read as 0xFF. */
  read(address: number, width: Width): number {
    const range = this.#find(address);
    if (range && address + width <= range.end) return range.device.read(address - range.start, width);
    if (width === 1) return 0xff;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.read(address + i, 1);
    return value;
  }

  /** Write; split as {@link read} does. */
  write(address: number, width: Width, value: number): void {
    const range = this.#find(address);
    if (range && address + width <= range.end) range.device.write(address - range.start, width, value);
    else if (width !== 1) for (let i = 0; i < width; i++) this.write(address + i, 1, (value >>> (8 * i)) & 0xff);
  }

  #find(address: number): Range | undefined {
    const last = this.#last;
    if (last && address >= last.start && address < last.end) return last;
    return this.#last = this.#ranges.find((range) => address >= range.start && address < range.end);
  }
}
