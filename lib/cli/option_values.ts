/**
 * What the values of options mean: a word comes in, a value leaves, or a {@link UsageError} that quotes the word and
 * says what could stand there. Read next: `option_table.ts`, where they are used.
 *
 * @module
 */
import type { DeviceOption } from "../devices.ts";
import { MAX_RAM } from "../memory.ts";
import { parseTunnet } from "../net/tunnet.ts";
import { UsageError } from "./usage_error.ts";

/** What a PC has below the first address that a kernel is loaded at. */
const MIN_RAM = 1 << 20;

const READ_ONLY = ",readonly";

/**
 * Read a memory size: MiB, or with a unit K, M, G or T in either case (`64`, `64m`, `64MiB`, `1g`).
 *
 * @returns bytes, a multiple of 4096
 * @throws {UsageError} if it is no size, or none a Guest can have
 */
export function parseMemory(text: string): number {
  const most = `at most ${MAX_RAM / 2 ** 20} MiB`;
  if (/^-\d/.test(text)) throw new UsageError(`Memory size "${text}" is negative`);
  const parts = /^(\d+)([kmgt])?(?:i?b)?$/i.exec(text);
  if (!parts) throw new UsageError(`Memory size "${text}" is not a number of MiB, nor one with a unit as in 64m or 1g`);
  const unit = 1024 ** ("kmgt".indexOf((parts[2] ?? "m").toLowerCase()) + 1);
  const bytes = Number(parts[1]) * unit;
  if (bytes > MAX_RAM) throw new UsageError(`Memory size "${text}" is too large: a Guest can have ${most}`);
  if (bytes < MIN_RAM) throw new UsageError(`Memory size "${text}" is too small: Linux wants 32 MiB or more`);
  return bytes - bytes % 4096;
}

/**
 * A disk: a file's name, and perhaps `,readonly` behind it.
 *
 * @throws {UsageError} if it names no file
 */
export function parseBlock(value: string): DeviceOption {
  const readOnly = value.endsWith(READ_ONLY);
  const path = readOnly ? value.slice(0, -READ_ONLY.length) : value;
  if (path === "") throw new UsageError(`Option "--block=${value}" names no file`);
  return { kind: "block", path, readOnly };
}

/**
 * A network card: the host's end of its cable.
 *
 * @throws {UsageError} if it is no address and no bridge
 */
export function parseNetwork(value: string): DeviceOption {
  return { kind: "net", tunnet: asUsage(() => parseTunnet(value)) };
}

/**
 * The lguest ABI that a kernel speaks. Which there are is known where the ABI is; here it has to be a version.
 *
 * @throws {UsageError} if it is none
 */
export function parseAbi(value: string): string {
  if (value === "auto" || /^\d{1,3}\.\d{1,3}(\.\d{1,3})?$/.test(value)) return value;
  throw new UsageError(`ABI "${value}" is neither auto nor a Linux version, as 4.13 or 2.6.32`);
}

/**
 * One of a few words.
 *
 * @param what what it is called in the message: "engine"
 * @param choices the words
 * @param value what was given
 * @throws {UsageError} if it is none of them
 */
export function parseChoice<Word extends string>(what: string, choices: readonly Word[], value: string): Word {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new UsageError(`Unknown ${what} "${value}"; there are ${listing(choices)}`);
  return found;
}

/** `a, b and c`. */
export function listing(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Do what may fail in another room: what that refuses of the command line is a {@link UsageError} here. */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
