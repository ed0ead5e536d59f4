/**
 * What `guest_char_device_test.ts` runs in a process of its own: a whole Guest on the engine `lguest`, with a stand-in
 * for the device. Prints one line of JSON with how it went.
 *
 * Arguments: the kernel's file, its ABI, and what to do: `run` to its end; `pause` it twice, then end it; end it after
 * three `restarts`.
 *
 * @module
 */
import { Guest } from "../../../lib/guest.ts";
import type { HostConsole } from "../../../lib/host_console.ts";

const [kernel = "", abi = "", deed = ""] = Deno.args;
const NO_CONSOLE: HostConsole = { write: () => Promise.resolve(), read: () => Promise.resolve(undefined) };
const RESTARTS = 3;

let restarts = 0;
const guest = await Guest.create({
  memory: 32 << 20,
  kernel,
  abi,
  engine: "lguest",
  vcpuModule: new URL("./_standin/vcpu_worker.ts", import.meta.url),
  rebooted: () => {
    if (++restarts === RESTARTS && deed === "restarts") guest.terminate();
  },
});
const end = guest.run(NO_CONSOLE);
let pauses = 0;
if (deed === "pause") {
  while (guest.startedAt === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
  for (; pauses < 2; pauses++) {
    // Resolves once the Guest has come back from the Host.
    await guest.pause();
    guest.resume();
  }
  guest.terminate();
}
console.log(JSON.stringify({ end: await end, pauses, restarts }));
Deno.exit(0);
