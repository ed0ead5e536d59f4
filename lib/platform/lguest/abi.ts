/**
 * Which lguest protocol a kernel speaks: what was found in its file enters (`../../boot/inspect.ts`), and perhaps what
 * the user says with `--abi`; a {@link Generation} leaves, or one line that says why there is none.
 *
 * @module
 */
import type { KernelFacts, LguestEntry } from "../../boot/inspect.ts";
import { GuestError } from "../../guest_error.ts";
import { type Generation, GENERATIONS } from "./generation.ts";

/** The first version of Linux with lguest, and the first without. */
const FIRST = [2, 6, 23], REMOVED = [4, 14];

/**
 * See that a kernel can be an lguest Guest at all.
 *
 * @param name what to call it in messages
 * @param facts what was found in its file
 * @returns how it begins on lguest
 * @throws {GuestError} if it has no lguest entry, or page tables of three levels; a PC could have it
 */
export function requireLguest(name: string, { version, lguest, pae }: KernelFacts): LguestEntry {
  if (lguest === undefined) {
    const which = version === undefined ? "" : ` (Linux ${version})`;
    throw new GuestError(
      `Kernel "${name}"${which} is no lguest Guest: it was built without CONFIG_LGUEST_GUEST`,
    );
  }
  if (pae) {
    throw new GuestError(
      `Kernel "${name}" was built with CONFIG_X86_PAE, which the Host does not support: build it without ` +
        `(CONFIG_HIGHMEM64G off)`,
    );
  }
  return lguest;
}

/**
 * Choose the protocol for a kernel.
 *
 * A kernel whose entry does other things than its version's did is refused: whoever put an older lguest into a newer
 * kernel has to say so with `--abi`, which is believed.
 *
 * @param name what to call the kernel in messages
 * @param kernel its version, and how it begins on lguest
 * @param abi `auto`, or the version of Linux whose protocol it speaks
 * @returns what its Host has to do
 * @throws {GuestError} if no Host here speaks it
 */
export function chooseAbi(
  name: string,
  { version, lguest }: { version: string | undefined; lguest: LguestEntry },
  abi: string = "auto",
): Generation {
  if (abi !== "auto") return find(abi, `--abi=${abi}: Linux ${abi}`);
  if (version === undefined) {
    throw new GuestError(`Kernel "${name}" does not say which version of Linux it is: say it with --abi=VERSION`);
  }
  const generation = find(version, `Kernel "${name}" is Linux ${version}, which`);
  const contradiction = lguest.vmcall && !generation.vmcall
    ? "its hypercalls are VMCALL"
    : lguest.hostMakesPageTables && generation.data.pgdir === undefined
    ? "it expects page tables of the Host"
    : !lguest.hostMakesPageTables && generation.data.pgdir !== undefined
    ? "it brings its own page tables"
    : undefined;
  if (contradiction === undefined) return generation;
  throw new GuestError(
    `Kernel "${name}" is Linux ${version}, but ${contradiction}, unlike lguest in ${generation.versions}: say with ` +
      `--abi=VERSION which version its lguest is from`,
  );
}

/** The last generation that began with this version or before it. */
function find(version: string, who: string): Generation {
  const numbers = parse(version);
  if (compare(numbers, FIRST) < 0) throw new GuestError(`${who} has no lguest: it came with 2.6.23`);
  if (compare(numbers, REMOVED) >= 0) {
    throw new GuestError(
      `${who} has no lguest: it was removed after 4.13; if this one has it again, try --abi=4.13`,
    );
  }
  const generation = GENERATIONS.findLast(({ name }) => compare(parse(name), numbers) <= 0);
  if (generation) return generation;
  throw new GuestError(
    `${who} has an older lguest than is supported yet: use a kernel from ${GENERATIONS[0]!.name} on`,
  );
}

/** The numbers that a version begins with: `4.13.9-rc1` is 4, 13, 9. */
function parse(version: string): number[] {
  return (/^\d+(?:\.\d+)*/.exec(version)?.[0] ?? "0").split(".").map(Number);
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
