// In Node: a Guest on Workers, and what only Deno can do. Prints one object.
import { readFileSync } from "node:fs";
import { Guest, GuestError } from "@lguest/lguest";

const kernel = readFileSync(process.argv[2]);
const guest = await Guest.start({ memory: 8, kernel, rng: true });
let reboots = 0;
guest.addEventListener("reboot", () => reboots++);
await guest.console.expect("ready\r\n");
await guest.console.write("one r");
await guest.console.expect("ready\r\n");
await guest.pause();
const paused = guest.state;
guest.resume();
await guest.console.write("two q");
const { before } = await guest.console.expect("two ");
const exited = await guest.exited;

const refusals = [];
for (const options of [{ kernel: "bzImage" }, { block: ["disk.img"] }, { tunnet: ["192.168.19.1"] }]) {
  try {
    await (await Guest.start({ memory: 8, kernel, ...options })).stop();
  } catch (error) {
    refusals.push(error instanceof GuestError && error.message);
  }
}
console.log(JSON.stringify({ reboots, paused, before, exited, refusals }));
