/**
 * Boots a Linux kernel on a CPU written in TypeScript, inside your own program.
 *
 * @module
 */
export { Guest } from "./guest.ts";
export type { DeviceOption } from "./devices.ts";
export type { EngineName, GuestOptions, UnpackPlace } from "./guest.ts";
export { GuestError } from "./guest_error.ts";
export type { HostConsole } from "./host_console.ts";
export type { StopReason } from "./engine/engine.ts";
export type { WindowSize } from "./platform/console.ts";
export type { Mac, TunnetSpec } from "./net/tunnet.ts";
