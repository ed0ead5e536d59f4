// In Node: a stock kernel up to the message by which it finds no root file system. Prints that.
import { readFileSync } from "node:fs";
import { Guest } from "@lguest/lguest";

const guest = await Guest.start({ memory: 64, kernel: readFileSync(process.argv[2]), commandLine: "console=ttyS0" });
await guest.console.expect(/Linux version \d+\.\d+/);
const { text } = await guest.console.expect("Unable to mount root fs");
console.log(text);
await guest.stop();
