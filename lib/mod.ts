/**
 * Boots Linux on a CPU written in TypeScript, inside your own program: start a {@linkcode Guest}, talk to its console,
 * run commands in its shell, stop it. It needs neither KVM nor root.
 *
 * @example A command in a Guest
 * ```ts ignore
 * import { Guest } from "@lguest/lguest";
 *
 * await using guest = await Guest.start({ memory: 64, kernel: "bzImage", initrd: "initrd.gz" });
 * await guest.console.expect("~ # ");
 * const { stdout, status } = await guest.run("uname -r");
 * ```
 *
 * @module
 */
export { Guest } from "./library/guest.ts";
export type { GuestConsole } from "./library/console.ts";
export type { ExitReason, GuestEventMap, GuestState } from "./library/events.ts";
export type { BlockOption, StartOptions } from "./library/options.ts";
export type { RunResult } from "./library/answer.ts";
export { type ConsoleMatch, GuestTimeoutError, type WaitOptions } from "./library/transcript.ts";
export type { EngineName, PlatformName, UnpackPlace } from "./guest_options.ts";
export { GuestError } from "./guest_error.ts";
export type { ByteCount, Statistics } from "./statistics.ts";
export type { WindowSize } from "./platform/console.ts";
