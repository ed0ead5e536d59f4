/**
 * A writer for the little ACPI machine language that our DSDT takes. Encodings as in ACPI 6.5 §20.2; each function
 * gives the bytes of one term, to be nested in others'. Read next: `acpi.ts`.
 *
 * @module
 */

/** The bytes of an AML term. */
export type Aml = readonly number[];

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
  return [0x0c, value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
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
