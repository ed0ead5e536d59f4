/**
 * Just enough of an assembler for generated test programs: bytes, labels, and fix-ups of both kinds. Read next:
 * `program.ts`.
 *
 * @module
 */

interface Fixup {
  readonly at: number;
  readonly label: string;
  readonly size: 1 | 4;
  readonly relative: boolean;
  readonly add: number;
}

/** Code for one linear address. */
export class Assembler {
  /** Linear address of the first byte. */
  readonly origin: number;
  readonly #bytes: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: Fixup[] = [];

  constructor(origin: number) {
    this.origin = origin;
  }

  /** Linear address of the next byte. */
  get here(): number {
    return this.origin + this.#bytes.length;
  }

  /** Append bytes. */
  emit(...bytes: readonly number[]): void {
    for (const byte of bytes) this.#bytes.push(byte & 0xff);
  }

  /** Append a 32-bit word. */
  word(value: number): void {
    this.emit(value, value >>> 8, value >>> 16, value >>> 24);
  }

  /** Name the next byte. */
  label(name: string): void {
    this.#labels.set(name, this.here);
  }

  /** Append a label's linear address (plus `add`). */
  absolute(label: string, add = 0): void {
    this.#fixups.push({ at: this.#bytes.length, label, size: 4, relative: false, add });
    this.word(0);
  }

  /** Append the distance to a label, in 1 or 4 bytes. */
  relative(label: string, size: 1 | 4, add = 0): void {
    this.#fixups.push({ at: this.#bytes.length, label, size, relative: true, add });
    for (let i = 0; i < size; i++) this.emit(0);
  }

  /** All bytes, with every label known. */
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, label, size, relative, add } of this.#fixups) {
      const target = this.#labels.get(label);
      if (target === undefined) throw new Error(`No label "${label}"`);
      const value = target + add - (relative ? this.origin + at + size : 0);
      if (size === 4) view.setInt32(at, value | 0, true);
      else if (value >= -128 && value < 128) view.setInt8(at, value);
      else throw new Error(`Label "${label}" is ${value} bytes away`);
    }
    return bytes;
  }

  /** Address of a label. */
  addressOf(label: string): number {
    return this.#labels.get(label) ?? NaN;
  }
}
