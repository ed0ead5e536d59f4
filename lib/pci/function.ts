/**
 * A function on the PCI bus: its 256 bytes of configuration space, its memory BARs, its interrupt pin.
 *
 * Configuration accesses enter from the bus; decisions leave: which addresses its BARs want ({@link
 * PciFunction.rangeOf}), whether its wire is asserted. Everything a driver can change is a mask over the bytes, so BAR
 * sizing (write ones, read back) and relocation need no code of their own. It knows nothing of what the device does:
 * that is behind the BAR's registers and behind a capability that wants to be told ({@link LiveCapability}).
 *
 * There is no MSI and no MSI-X: a message would go to a local APIC, and the CPU has none. Interrupts are INTx.
 *
 * Section numbers are those of the PCI Local Bus Specification 3.0. Read next: `bus.ts`.
 *
 * @module
 */
import type { BusDevice, Width } from "../platform/bus.ts";
import type { InterruptLine } from "../platform/interrupt.ts";

/** Bytes of a function's configuration space. */
export const CONFIG_SIZE = 256;

/** Where things are in a type 0 header (§6.1). */
export const REGISTER = {
  VENDOR: 0x00,
  DEVICE: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  CLASS: 0x09,
  CACHE_LINE: 0x0c,
  LATENCY: 0x0d,
  HEADER_TYPE: 0x0e,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR: 0x2c,
  SUBSYSTEM: 0x2e,
  CAPABILITIES: 0x34,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
} as const;

/** Bits of the command register (§6.2.2). */
export const COMMAND = { MEMORY: 1 << 1, BUS_MASTER: 1 << 2, INTX_DISABLE: 1 << 10 } as const;

/** Bits of the status register (§6.2.3). */
export const STATUS = { INTERRUPT: 1 << 3, CAPABILITIES: 1 << 4 } as const;

/** The first byte after the header, where capabilities begin. */
const HEADER_END = 0x40;
/** How many BARs a type 0 header has. */
const BARS = 6;
/** The interrupt line register's word for "connected to nothing" (§6.2.4). */
const NO_LINE = 0xff;

/** What a function is: the read-only part of its header. */
export interface PciIdentity {
  /** Who made it. */
  readonly vendor: number;
  /** Which of the maker's devices it is. */
  readonly device: number;
  /** Its revision; 0 if not given. */
  readonly revision?: number;
  /** Base class, sub-class and programming interface, as 0xBBSSPP (appendix D). */
  readonly classCode: number;
  /** Who made the board; 0 if not given. */
  readonly subsystemVendor?: number;
  /** Which board it is; 0 if not given. */
  readonly subsystem?: number;
}

/** A 32-bit memory BAR. */
export interface MemoryBar {
  /** Which of the six it is. */
  readonly index: number;
  /** Bytes it decodes: a power of two, at least 16. It is always aligned to its size. */
  readonly size: number;
  /** What answers there; offsets are relative to the BAR. */
  readonly registers: BusDevice;
}

/** Addresses, from `start` up to but without `end`. */
export interface AddressRange {
  /** The first address. */
  readonly start: number;
  /** One past the last. */
  readonly end: number;
}

/** A capability whose bytes are more than memory. Offsets are relative to the capability. */
export interface LiveCapability {
  /** For each byte of the body, which bits a driver can change. */
  readonly writable: readonly number[];
  /** Some of its bytes are about to be read: they may be brought up to date first. */
  beforeRead(offset: number, width: Width): void;
  /** Some of its bytes were written. */
  afterWrite(offset: number, width: Width): void;
}

/** A PCI function with a type 0 header. */
export class PciFunction {
  /** What messages call it. */
  readonly name: string;
  /** Its memory BARs. */
  readonly bars: readonly MemoryBar[];
  /** Called when the addresses that its BARs want may have changed; set by the bus. */
  onDecodeChange: () => void = () => {};
  readonly #bytes = new Uint8Array(CONFIG_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #writable = new Uint8Array(CONFIG_SIZE);
  readonly #live: { start: number; end: number; capability: LiveCapability }[] = [];
  #nextCapability = HEADER_END;
  /** Where the link to the next capability is to be written. */
  #lastLink: number = REGISTER.CAPABILITIES;
  #line: InterruptLine | undefined;
  #interrupt = false;

  /**
   * A function on no bus.
   *
   * @param name what messages call it
   * @param identity the read-only part of its header
   * @param bars its memory BARs; a function with any has interrupt pin A
   * @throws {RangeError} if a BAR is not one of six or its size no power of two
   */
  constructor(name: string, identity: PciIdentity, bars: readonly MemoryBar[] = []) {
    this.name = name;
    this.bars = bars;
    const view = this.#view;
    view.setUint16(REGISTER.VENDOR, identity.vendor, true);
    view.setUint16(REGISTER.DEVICE, identity.device, true);
    view.setUint32(REGISTER.REVISION, identity.classCode * 256 + (identity.revision ?? 0), true);
    view.setUint16(REGISTER.SUBSYSTEM_VENDOR, identity.subsystemVendor ?? 0, true);
    view.setUint16(REGISTER.SUBSYSTEM, identity.subsystem ?? 0, true);
    view.setUint8(REGISTER.INTERRUPT_PIN, bars.length > 0 ? 1 : 0);
    const masks = new DataView(this.#writable.buffer);
    masks.setUint16(REGISTER.COMMAND, COMMAND.MEMORY | COMMAND.BUS_MASTER | COMMAND.INTX_DISABLE, true);
    masks.setUint8(REGISTER.CACHE_LINE, 0xff);
    masks.setUint8(REGISTER.LATENCY, 0xff);
    masks.setUint8(REGISTER.INTERRUPT_LINE, 0xff);
    for (const { index, size } of bars) {
      if (!Number.isInteger(index) || index < 0 || index >= BARS) throw new RangeError(`No BAR ${index} in "${name}"`);
      if (size < 16 || size > 2 ** 31 || !Number.isInteger(Math.log2(size))) {
        throw new RangeError(`BAR ${index} of "${name}" has ${size} bytes: want a power of two from 16`);
      }
      // Address bits below the size are hardwired to 0, as are the four that say "32 bits, memory" (§6.2.5.1).
      masks.setUint32(REGISTER.BAR0 + 4 * index, -size, true);
    }
    this.#powerOn();
  }

  /**
   * Add a capability to the list (§6.7); before the first reset only.
   *
   * @param id its number
   * @param body its bytes after the number and the link
   * @param live who hears of accesses; without it the body is read-only
   * @returns its offset in configuration space, a multiple of 4
   * @throws {RangeError} if there is no room left
   */
  addCapability(id: number, body: readonly number[], live?: LiveCapability): number {
    const start = this.#nextCapability, end = start + 2 + body.length;
    if (end > CONFIG_SIZE) throw new RangeError(`"${this.name}" has no room for a capability of ${body.length} bytes`);
    this.#bytes[start] = id;
    this.#bytes.set(body, start + 2);
    this.#bytes[this.#lastLink] = start;
    this.#view.setUint16(REGISTER.STATUS, STATUS.CAPABILITIES, true);
    if (live) {
      this.#writable.set(live.writable, start + 2);
      this.#live.push({ start, end, capability: live });
    }
    this.#lastLink = start + 1;
    this.#nextCapability = (end + 3) & ~3;
    return start;
  }

  /** Solder the interrupt pin to a wire; the bus does this. */
  connect(line: InterruptLine): void {
    this.#line = line;
  }

  /** Power-on: nothing decoded, no interrupt, what a driver wrote is gone. */
  reset(): void {
    this.#interrupt = false;
    this.#powerOn();
    this.#drive();
    this.onDecodeChange();
  }

  /** Whether the device has something to say: the wire follows unless the driver has disabled it. */
  set interrupt(asserted: boolean) {
    if (asserted === this.#interrupt) return;
    this.#interrupt = asserted;
    this.#drive();
  }

  /**
   * Read configuration space.
   *
   * @param offset 0 to 255; the access must not leave its 32-bit register
   * @param width bytes
   */
  read(offset: number, width: Width): number {
    const live = this.#liveAt(offset, width);
    live?.capability.beforeRead(offset - live.start, width);
    const value = this.peek(offset, width);
    return this.#interrupt && offset <= REGISTER.STATUS && offset + width > REGISTER.STATUS
      ? (value | STATUS.INTERRUPT << (8 * (REGISTER.STATUS - offset))) >>> 0
      : value;
  }

  /** Write configuration space, as {@link read}; what is read-only stays. */
  write(offset: number, width: Width, value: number): void {
    for (let i = 0; i < width; i++) {
      const mask = this.#writable[offset + i]!;
      this.#bytes[offset + i] = (this.#bytes[offset + i]! & ~mask) | ((value >>> (8 * i)) & mask);
    }
    if (offset <= REGISTER.COMMAND + 1 && offset + width > REGISTER.COMMAND) {
      this.#drive();
      this.onDecodeChange();
    } else if (offset >= REGISTER.BAR0 && offset < REGISTER.BAR0 + 4 * BARS) {
      this.onDecodeChange();
    } else {
      const live = this.#liveAt(offset, width);
      live?.capability.afterWrite(offset - live.start, width);
    }
  }

  /** The bytes of configuration space as they stand, without any effect. */
  peek(offset: number, width: Width): number {
    if (width === 1) return this.#view.getUint8(offset);
    return width === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  /** Set bytes of configuration space, read-only ones too: for a capability that is brought up to date. */
  poke(offset: number, width: Width, value: number): void {
    if (width === 1) this.#view.setUint8(offset, value);
    else if (width === 2) this.#view.setUint16(offset, value, true);
    else this.#view.setUint32(offset, value, true);
  }

  /** The addresses that a BAR wants to answer; `undefined` while memory accesses are disabled (§6.2.2). */
  rangeOf(bar: MemoryBar): AddressRange | undefined {
    if ((this.peek(REGISTER.COMMAND, 2) & COMMAND.MEMORY) === 0) return undefined;
    const start = this.peek(REGISTER.BAR0 + 4 * bar.index, 4);
    return { start, end: start + bar.size };
  }

  #powerOn(): void {
    for (let i = 0; i < HEADER_END; i++) this.#bytes[i]! &= ~this.#writable[i]!;
    this.#bytes[REGISTER.INTERRUPT_LINE] = NO_LINE;
    for (const { start, end } of this.#live) {
      for (let i = start + 2; i < end; i++) this.#bytes[i]! &= ~this.#writable[i]!;
    }
  }

  #drive(): void {
    const disabled = (this.peek(REGISTER.COMMAND, 2) & COMMAND.INTX_DISABLE) !== 0;
    if (this.#interrupt && !disabled) this.#line?.raise();
    else this.#line?.lower();
  }

  #liveAt(offset: number, width: Width) {
    if (offset < HEADER_END) return undefined;
    return this.#live.find(({ start, end }) => offset < end && offset + width > start);
  }
}
