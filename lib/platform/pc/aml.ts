/**
 * A writer for the little ACPI machine language that our DSDT takes. Encodings as in ACPI 6.5 §20.2; each function
 * gives the bytes of one term, to be nested in others'. Read next: `acpi.ts`.
 *
 * @module
 */

/** The bytes of an AML term. */
export type Aml = readonly number[];

/** Flags of an address space descriptor: both ends of the range are fixed (§6.4.3.5.1). */
const RANGE_FIXED = 0x0c;

/**
 * The term that is the given terms one after the other.
 *
 * @param terms in order
 */
export function amlList(...terms: readonly Aml[]): Aml {
  return terms.flat();
}

/**
 * An integer constant, in its shortest form (§20.2.3).
 *
 * @param value 0 to 0xFFFF_FFFF
 */
export function amlInteger(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value <= 0xff) return [0x0a, value];
  if (value <= 0xffff) return [0x0b, value & 0xff, value >> 8];
  return [0x0c, ...dwords(value)];
}

/**
 * `Name (name, value)`: an object in the name space (§20.2.5.1).
 *
 * @param name four characters, or a root character and then four
 * @param value its value
 */
export function amlName(name: string, value: Aml): Aml {
  return [0x08, ...nameString(name), ...value];
}

/**
 * `Scope (name) {…}`: what follows is put into an object that exists (§20.2.5.1).
 *
 * @param name as for {@link amlName}
 * @param terms what is put there
 */
export function amlScope(name: string, ...terms: readonly Aml[]): Aml {
  return [0x10, ...withLength([...nameString(name), ...terms.flat()])];
}

/**
 * `Device (name) {…}` (§20.2.5.2).
 *
 * @param name as for {@link amlName}
 * @param terms its objects
 */
export function amlDevice(name: string, ...terms: readonly Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...nameString(name), ...terms.flat()])];
}

/**
 * `EISAID (id)`: three letters, five bits each, and four hexadecimal digits, the first byte lowest (§19.6.37).
 *
 * @param id such as "PNP0A03"
 * @throws {RangeError} if it is not of that form
 */
export function amlEisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new RangeError(`No EISA id "${id}": want three letters, four digits`);
  const letters = Array.from(id.slice(0, 3), (letter) => letter.charCodeAt(0) - 0x40);
  const maker = letters.reduce((bits, letter) => bits << 5 | letter, 0);
  const product = parseInt(id.slice(3), 16);
  return [0x0c, maker >> 8, maker & 0xff, product >> 8, product & 0xff];
}

/**
 * `ResourceTemplate () {…}`: a buffer of resource descriptors (§19.6.119, §20.2.5.4) with their end tag (§6.4.2.9),
 * whose checksum 0 means that there is none.
 *
 * @param descriptors such as {@link wordBusNumbers} gives
 */
export function amlResources(...descriptors: readonly (readonly number[])[]): Aml {
  const bytes = [...descriptors.flat(), 0x79, 0];
  return [0x11, ...withLength([...amlInteger(bytes.length), ...bytes])];
}

/** A resource descriptor: bus numbers `first` to `last` that a bridge hands on (§6.4.3.5.3). */
export function wordBusNumbers(first: number, last: number): readonly number[] {
  const words = [0, first, last, 0, last - first + 1];
  return [0x88, 3 + 2 * words.length, 0, 2, RANGE_FIXED, 0, ...words.flatMap((word) => [word & 0xff, word >> 8])];
}

/** A resource descriptor: `length` ports from `start` that the device itself answers, decoding 16 bits (§6.4.2.5). */
export function ioPorts(start: number, length: number): readonly number[] {
  return [0x47, 1, start & 0xff, start >> 8, start & 0xff, start >> 8, 1, length];
}

/** A resource descriptor: addresses of memory from `start` to before `end` that a bridge hands on (§6.4.3.5.2). */
export function dwordMemory(start: number, end: number): readonly number[] {
  const bytes = dwords(0, start, end - 1, 0, end - start);
  return [0x87, 3 + bytes.length, 0, 0, RANGE_FIXED, 1, ...bytes];
}

/** A resource descriptor: `length` addresses of memory from `start` that the device itself answers (§6.4.3.4). */
export function fixedMemory(start: number, length: number): readonly number[] {
  return [0x86, 9, 0, 1, ...dwords(start, length)];
}

/**
 * `Package () {…}` (§20.2.5.4).
 *
 * @param elements its elements, at most 255
 */
export function amlPackage(elements: readonly Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])];
}

/**
 * A name: segments shorter than four characters are filled with underscores (§20.2.2).
 *
 * @throws {RangeError} if it is not one segment of capital letters, digits and underscores
 */
function nameString(name: string): Aml {
  const match = /^(\\?)([A-Z_][A-Z0-9_]{0,3})$/.exec(name);
  if (!match) throw new RangeError(`No AML name "${name}": want up to four of A-Z, 0-9 and "_"`);
  const [, root = "", segment = ""] = match;
  return Array.from(root + segment.padEnd(4, "_"), (character) => character.charCodeAt(0));
}

/** Put the package length before a term's contents; it counts itself (§20.2.4). */
function withLength(contents: Aml): Aml {
  const size = contents.length;
  if (size + 1 < 0x40) return [size + 1, ...contents];
  for (let extra = 1; extra <= 3; extra++) {
    const total = size + 1 + extra;
    if (total >= 2 ** (4 + 8 * extra)) continue;
    const rest = Array.from({ length: extra }, (_, index) => (total >>> (4 + 8 * index)) & 0xff);
    return [(extra << 6) | (total & 0x0f), ...rest, ...contents];
  }
  throw new RangeError(`An AML package of ${size} bytes is too long`);
}

/** 32-bit words, lowest byte first. */
function dwords(...words: readonly number[]): number[] {
  return words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]);
}
