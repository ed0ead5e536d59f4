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

/** A device of 8-bit registers: a wider access is as many accesses to the registers that follow, as on the ISA bus. */
export abstract class ByteDevice implements BusDevice {
  /** Read the register at `offset`: 0 to 255. */
  abstract readByte(offset: number): number;
  /** Write `value`, 0 to 255, to the register at `offset`. */
  abstract writeByte(offset: number, value: number): void;

  /** Read `width` registers from `offset`, the first lowest. */
  read(offset: number, width: Width): number {
    let value = this.readByte(offset);
    for (let i = 1; i < width; i++) value += this.readByte(offset + i) * 2 ** (8 * i);
    return value;
  }

  /** Write `width` registers from `offset`, the first with the lowest byte. */
  write(offset: number, width: Width, value: number): void {
    for (let i = 0; i < width; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly device: BusDevice;
  readonly name: string;
}

/**
 * An address space made of ranges; nothing answers elsewhere: reads give all ones, writes are lost, as on a PC.
 *
 * The lowest addresses may be looked up in a table, one entry per address: a port access costs an engine's exit, and a
 * driver polls several devices in turn, so that remembering the last range alone would not help it.
 */
export class AddressSpace implements Bus {
  /** Number 0 is no range: what the table holds where nothing answers. */
  #ranges: (Range | undefined)[] = [undefined];
  #last: Range | undefined;
  /** Accesses since it was made; one that is split counts once. */
  accesses = 0;
  readonly #table: Uint16Array;

  /**
   * An address space where nothing answers yet.
   *
   * @param tableSize how many addresses from 0 are looked up in a table; 0x10000 for the whole port space
   */
  constructor(tableSize: number = 0) {
    this.#table = new Uint16Array(tableSize);
  }

  /**
   * Let `device` answer `length` addresses from `start`.
   *
   * @throws {RangeError} if the range overlaps one that is already taken
   */
  register(start: number, length: number, device: BusDevice, name: string): void {
    const end = start + length;
    const other = this.#overlapping(start, end);
    if (other) {
      throw new RangeError(
        `"${name}" at 0x${start.toString(16)} overlaps "${other.name}" at 0x${other.start.toString(16)}`,
      );
    }
    this.#table.fill(this.#ranges.length, start, end);
    this.#ranges.push({ start, end, device, name });
  }

  /** Whether nobody answers any of `length` addresses from `start`. */
  isFree(start: number, length: number): boolean {
    return this.#overlapping(start, start + length) === undefined;
  }

  /** Take back the range that starts at `start`. */
  unregister(start: number): void {
    this.#ranges = this.#ranges.filter((range) => range?.start !== start);
    this.#last = undefined;
    this.#table.fill(0);
    this.#ranges.forEach((range, index) => range && this.#table.fill(index, range.start, range.end));
  }

  /** Read; an access that no single device covers is split into bytes, unclaimed ones read as 0xFF. */
  read(address: number, width: Width): number {
    this.accesses++;
    const range = this.#find(address);
    if (range && address + width <= range.end) return range.device.read(address - range.start, width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.#readByte(address + i);
    return value;
  }

  /** Write; split as {@link read} does. */
  write(address: number, width: Width, value: number): void {
    this.accesses++;
    const range = this.#find(address);
    if (range && address + width <= range.end) range.device.write(address - range.start, width, value);
    else if (width !== 1) {
      for (let i = 0; i < width; i++) this.#writeByte(address + i, (value >>> (8 * i)) & 0xff);
    }
  }

  #readByte(address: number): number {
    const range = this.#find(address);
    return range ? range.device.read(address - range.start, 1) : 0xff;
  }

  #writeByte(address: number, value: number): void {
    const range = this.#find(address);
    range?.device.write(address - range.start, 1, value);
  }

  #overlapping(start: number, end: number): Range | undefined {
    return this.#ranges.find((range) => range && start < range.end && range.start < end);
  }

  #find(address: number): Range | undefined {
    if (address < this.#table.length) return this.#ranges[this.#table[address] ?? 0];
    const last = this.#last;
    if (last && address >= last.start && address < last.end) return last;
    return this.#last = this.#ranges.find((range) => range && address >= range.start && address < range.end);
  }
}
