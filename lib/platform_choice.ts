/**
 * Which machine a kernel finds itself on, and what executes it: what a user asked for and what the kernel is come in,
 * and one choice leaves, with its reason; or it is refused, with the combination that could be.
 *
 * The built-in CPU runs both platforms, `/dev/lguest` only Guests that know they are ones. By default a kernel that can
 * be an lguest Guest is one where that device exists; everywhere else all kernels get a PC. Read next:
 * `boot/inspect.ts`, what is known of a kernel; `vcpu_machines.ts`, which makes the machine.
 *
 * @module
 */
import type { EngineName, PlatformName } from "./guest_options.ts";
import type { KernelFacts } from "./boot/inspect.ts";
import { GuestError } from "./guest_error.ts";
import { chooseAbi, requireLguest } from "./platform/lguest/abi.ts";
import { LGUEST_PATH } from "./platform/lguest/device.ts";

/** The platforms that each engine runs; none for an engine that this version does not have. */
const PLATFORMS: Readonly<Record<Exclude<EngineName, "auto">, readonly PlatformName[]>> = {
  soft: ["pc", "lguest"],
  kvm: [],
  lguest: ["lguest"],
};

/** What a user may ask for. */
export interface PlatformWish {
  /** The machine that the kernel finds itself on; `auto` unless given. */
  readonly platform?: PlatformName;
  /** What executes the Guest; `auto` unless given. */
  readonly engine?: EngineName;
}

/**
 * Refuse a platform and an engine that do not go together. Whether the machine underneath has the engine is not looked
 * at.
 *
 * @param wish what was asked for
 * @throws {GuestError} if they do not; the one-line message says what could be used instead
 */
export function checkCombination({ platform = "auto", engine = "auto" }: PlatformWish): void {
  if (engine === "auto") return;
  const platforms = PLATFORMS[engine];
  if (platforms.length === 0) {
    const wanted = platform === "auto" ? "" : ` --platform=${platform}`;
    throw new GuestError(
      `This version has no ${engine.toUpperCase()} engine: use --engine=soft${wanted}, the built-in CPU, or leave ` +
        `--engine=${engine} out`,
    );
  }
  if (platform === "auto" || platforms.includes(platform)) return;
  throw new GuestError(
    `Engine "${engine}" does not run platform "${platform}": use --engine=${engine} --platform=${platforms[0]} for a ` +
      `kernel with CONFIG_LGUEST_GUEST, or --engine=soft --platform=${platform}`,
  );
}

/** What the virtual CPU's thread makes its machine of. */
export type PlatformSetup = { readonly kind: "pc" } | LguestSetup;

/** lguest's own machine. */
export interface LguestSetup {
  readonly kind: "lguest";
  /** Name of the protocol's generation (`platform/lguest/generation.ts`). */
  readonly generation: string;
  /** Bytes of RAM; the Guest's memory may have more. */
  readonly ramSize: number;
  /** Who is the Host. */
  readonly host: { readonly kind: "soft" } | { readonly kind: "device"; readonly options: CharDeviceSetup };
}

/** How the real Host is reached. */
export interface CharDeviceSetup {
  /** Its file. */
  readonly path: string;
  /** What `startKicker()` gave. */
  readonly kick: SharedArrayBuffer;
  /** The C library's file, if a user named it. */
  readonly library?: string;
}

/** A choice. */
export interface PlatformChoice {
  readonly platform: "pc" | "lguest";
  readonly engine: "soft" | "lguest";
  /** Of lguest: the generation's name. */
  readonly generation?: string;
  /** Why, for whoever wants to know. */
  readonly reason: string;
}

/** What a choice is made of. */
export interface ChoiceInput extends PlatformWish {
  /** The kernel's name, for messages. */
  readonly kernel: string;
  /** The generation that a user named. */
  readonly abi?: string;
  /** Path of the real lguest device. */
  readonly device?: string;
  /** Find out what the kernel is; only asked if that matters. */
  readonly inspect: () => KernelFacts;
}

/** Whether lguest may be what comes of a wish, so that a kernel has to be looked at. */
export function mayBeLguest(
  { platform = "auto", engine = "auto", device = LGUEST_PATH }: Omit<ChoiceInput, "kernel" | "inspect">,
): boolean {
  if (platform === "pc") return false;
  return platform === "lguest" || engine === "lguest" || (engine === "auto" && isDevice(device));
}

/**
 * Choose.
 *
 * @throws {GuestError} if what was asked for cannot be
 */
export function choosePlatform(input: ChoiceInput): PlatformChoice {
  const { platform = "auto", engine = "auto", kernel, abi = "auto", device = LGUEST_PATH } = input;
  checkCombination({ platform, engine });
  if (!mayBeLguest(input)) {
    const reason = platform === "pc"
      ? "asked for"
      : engine === "soft"
      ? "the default of the built-in CPU"
      : `no ${device}`;
    return { platform: "pc", engine: "soft", reason };
  }
  const facts = input.inspect();
  const wanted = platform === "lguest" || engine === "lguest";
  const isGuest = facts.lguest !== undefined && !facts.pae;
  let name: string, versions: string;
  try {
    const lguest = requireLguest(kernel, facts);
    ({ name, versions } = chooseAbi(kernel, { version: facts.version, lguest }, abi));
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    if (isGuest && (wanted || abi !== "auto")) throw error; // whoever names a protocol wants lguest, too
    if (wanted) throw new GuestError(`${error.message}; use --platform=pc`);
    return { platform: "pc", engine: "soft", reason: error.message };
  }
  const real = engine === "lguest" || (engine === "auto" && isDevice(device));
  return {
    platform: "lguest",
    engine: real ? "lguest" : "soft",
    generation: name,
    reason: `kernel ${facts.version ?? "of unknown version"}, lguest of Linux ${versions}, ${
      real ? `Host behind ${device}` : "built-in Host"
    }`,
  };
}

function isDevice(path: string): boolean {
  try {
    return Deno.statSync(path).isCharDevice === true;
  } catch {
    return false;
  }
}
