/**
 * Guest-physical memory: what the loader fills, what the devices read and write, what the engine runs.
 *
 * RAM is one shared `WebAssembly.Memory`, so that generated code, every Worker and the C library see the same
 * bytes. The Guest's physical address 0 stands at {@link GuestMemory.base} inside it; what lies below belongs to the
 * engine (CPU state, TLB: see `engine/soft/state.ts`) and can be reached by no Guest address. Nobody uses an address
 * the Guest gave before this class has checked it. Read next: `boot/` (what is put here), `platform/`.
 *
 * @module
 */

/** A Guest-physical range that is not (or not wholly) RAM was used. */
export class GuestMemoryError extends RangeError {
  override name = "GuestMemoryError";
}

/** Bytes below the Guest's RAM that the engine keeps for itself, but for {@link ATTENTION_AT} and the word behind it. */
export const ENGINE_RESERVED = 2 << 20;

/** Where the virtual CPU's attention word stands there (`platform/attention.ts`): generated code looks at it too. */
export const ATTENTION_AT: number = ENGINE_RESERVED - 64;

/** Where its pause word stands (`platform/pause.ts`). */
const PAUSE_AT = ATTENTION_AT + 4;

/** The largest RAM in bytes: below the PC's hole for devices at 0xE000_0000, and what one 32-bit memory can hold. */
export const MAX_RAM = 0xe000_0000;

const WASM_PAGE = 65536;

/** Bounds-checked, little-endian access to Guest-physical RAM. */
export class GuestMemory {
  /** The shared memory that holds engine state and RAM. */
  readonly memory: WebAssembly.Memory;
  /** Offset in {@link memory} of the Guest's physical address 0. */
  readonly base: number;
  /** Bytes of RAM. */
  readonly size: number;
  /** All of RAM, indexed by Guest-physical address. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;
  /**
   * Called behind each change that was made through this object, or told to {@link changed}: an engine that keeps code
   * made from RAM forgets what has changed.
   */
  onChange: (address: number, length: number) => void = () => {};

  /**
   * @param memory a shared memory of at least `base + size` bytes, see {@link GuestMemory.allocate}
   * @param base offset of RAM in it
   * @param size bytes of RAM
   */
  constructor(memory: WebAssembly.Memory, base: number, size: number) {
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.memory = memory;
    this.base = base;
    this.size = size;
    this.bytes = new Uint8Array(buffer, base, size);
    this.#view = new DataView(buffer, base, size);
  }

  /** The word by which other threads ask the virtual CPU to look (`platform/attention.ts`). */
  get attention(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.memory.buffer as unknown as SharedArrayBuffer, ATTENTION_AT, 1);
  }

  /** The word by which other threads have the virtual CPU stand still (`platform/pause.ts`). */
  get pause(): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.memory.buffer as unknown as SharedArrayBuffer, PAUSE_AT, 1);
  }

  /**
   * Reserve a Guest's RAM; the host commits pages as they are touched.
   *
   * @param size bytes, a multiple of 4096, at most {@link MAX_RAM}
   * @throws {RangeError} if the size is out of range or the host refuses it
   */
  static allocate(size: number): GuestMemory {
    if (!Number.isSafeInteger(size) || size <= 0 || size % 4096 !== 0 || size > MAX_RAM) {
      throw new RangeError(`Cannot allocate ${size} bytes of Guest memory: want a multiple of 4096 up to ${MAX_RAM}`);
    }
    const pages = Math.ceil((ENGINE_RESERVED + size) / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return new GuestMemory(memory, ENGINE_RESERVED, size);
  }

  /** Bytes were changed by other means: through {@link bytes}, a {@link slice}, or another thread. */
  changed(address: number, length: number): void {
    this.#check(address, length);
    if (length > 0) this.onChange(address, length);
  }

  /** Whether `length` bytes from `address` are all RAM. */
  contains(address: number, length: number): boolean {
    return address >= 0 && length >= 0 && address + length <= this.size;
  }

  /**
   * A live view of `length` bytes of RAM: the Guest may change them at any time.
   *
   * @throws {GuestMemoryError} if the range leaves RAM
   */
  slice(address: number, length: number): Uint8Array<SharedArrayBuffer> {
    this.#check(address, length);
    return this.bytes.subarray(address, address + length);
  }

  /**
   * A private copy of `length` bytes of RAM.
   *
   * @throws {GuestMemoryError} if the range leaves RAM
   */
  copy(address: number, length: number): Uint8Array<ArrayBuffer> {
    this.#check(address, length);
    return Uint8Array.from(this.bytes.subarray(address, address + length));
  }

  /**
   * Put bytes into RAM.
   *
   * @throws {GuestMemoryError} if the range leaves RAM
   */
  write(address: number, bytes: Uint8Array): void {
    this.#check(address, bytes.length);
    this.bytes.set(bytes, address);
    this.changed(address, bytes.length);
  }

  /** Set `length` bytes from `address` to `value`; throws {@link GuestMemoryError} if the range leaves RAM. */
  fill(address: number, length: number, value: number): void {
    this.#check(address, length);
    this.bytes.fill(value, address, address + length);
    this.changed(address, length);
  }

  /** One byte; throws {@link GuestMemoryError} outside RAM, as do the accessors below. */
  getUint8(address: number): number {
    this.#check(address, 1);
    return this.#view.getUint8(address);
  }

  /** A little-endian 16-bit word, at any alignment. */
  getUint16(address: number): number {
    this.#check(address, 2);
    return this.#view.getUint16(address, true);
  }

  /** A little-endian 32-bit word, at any alignment. */
  getUint32(address: number): number {
    this.#check(address, 4);
    return this.#view.getUint32(address, true);
  }

  /** A little-endian 64-bit word, at any alignment. */
  getBigUint64(address: number): bigint {
    this.#check(address, 8);
    return this.#view.getBigUint64(address, true);
  }

  /** Set one byte. */
  setUint8(address: number, value: number): void {
    this.#check(address, 1);
    this.#view.setUint8(address, value);
    this.onChange(address, 1);
  }

  /** Set a little-endian 16-bit word. */
  setUint16(address: number, value: number): void {
    this.#check(address, 2);
    this.#view.setUint16(address, value, true);
    this.onChange(address, 2);
  }

  /** Set a little-endian 32-bit word. */
  setUint32(address: number, value: number): void {
    this.#check(address, 4);
    this.#view.setUint32(address, value, true);
    this.onChange(address, 4);
  }

  /** Set a little-endian 64-bit word. */
  setBigUint64(address: number, value: bigint): void {
    this.#check(address, 8);
    this.#view.setBigUint64(address, value, true);
    this.onChange(address, 8);
  }

  #check(address: number, length: number): void {
    if (!this.contains(address, length)) {
      throw new GuestMemoryError(
        `Guest-physical ${length} bytes at 0x${address.toString(16)} are not within ${this.size} bytes of RAM`,
      );
    }
  }
}
