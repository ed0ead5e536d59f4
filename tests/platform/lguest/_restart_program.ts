/**
 * What `char_device_privileges_test.ts` runs in a process and a mount namespace of its own: begins a Guest on a stand-in
 * for the device, drops privileges as its arguments say, and begins the Guest again as after a restart. Prints one line
 * of JSON.
 *
 * Arguments: where to mount the stand-in; who may open the device (octal); user; new root directory, if any.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import { AT_FDCWD, cString, O_RDONLY, openLibrary } from "../../../ffi/library.ts";
import { GuestMemory } from "../../../lib/memory.ts";
import { GENERATIONS } from "../../../lib/platform/lguest/generation.ts";
import { preparePrivileges } from "../../../lib/privileges.ts";
import { CharDevice } from "../../../lib/platform/lguest/char_device.ts";
import { startStandIn } from "./_standin/mod.ts";
import type { ScriptedOptions } from "./_standin/scripted_host.ts";

const [place = "", mode = "", username, chroot] = Deno.args;
const START = { pfnLimit: 256, start: 0, deviceLimit: 256 };

/** `move_mount()`: what is to be moved is named by a symbolic link. */
const FOLLOW = 1n;

/** Let a file system that is mounted nowhere be seen: `move_mount()`, Linux 5.2. */
function attach(path: string, target: string): void {
  const libc = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "buffer", "i64", "buffer", "i64"], result: "i64" },
  });
  const result = libc.symbols.syscall(429n, BigInt(AT_FDCWD), cString(path), BigInt(AT_FDCWD), cString(target), FOLLOW);
  if (result !== 0n) throw new Error(`${path} cannot be mounted on ${target}`);
}

function dropPrivileges(): void {
  using privileges = preparePrivileges({ username, chroot });
  privileges.drop();
}

async function main(): Promise<unknown> {
  const options: ScriptedOptions = { script: [{ kind: "restart" }, { kind: "died", reason: "the second one" }] };
  const memory = GuestMemory.allocate(1 << 20);
  const generation = GENERATIONS.at(-1)!;
  const host = new URL("./_standin/scripted_host.ts", import.meta.url);
  const standIn = await startStandIn({ memory, generation, host, options, mode: parseInt(mode, 8) });
  attach(dirname(standIn.path), place);
  const device = new CharDevice({ memory, generation, path: join(place, basename(standIn.path)) });
  device.initialize(START);
  dropPrivileges();
  const first = device.run();
  let second: unknown;
  try {
    device.initialize(START);
    second = device.run();
  } catch (error) {
    second = `${error}`;
  }
  // Whatever is open, the files of the host must not be reached by it; but for the stand-in's own root.
  const calls = openLibrary();
  const found: number[] = [];
  for (let fd = AT_FDCWD; fd < 256; fd++) {
    const file = calls.lguest_openat(fd, cString("../../../../../../etc/passwd"), O_RDONLY);
    if (file >= 0 && !standIn.path.includes(`/${fd}/`)) found.push(fd);
  }
  return { first, second, found };
}

console.log(JSON.stringify(await main()));
Deno.exit(0);
