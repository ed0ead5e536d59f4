#!/usr/bin/env node
/*
 * The command `lguest` of the npm package: has Deno run the launcher. Deno is npm's package `deno`, where that is
 * installed beside this one (`npm install deno`, or `npx -p deno -p @lguest/lguest lguest …`), else one in PATH.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"];

/** A program and its first arguments. */
function findDeno() {
  try {
    const script = createRequire(import.meta.url).resolve("deno/bin.cjs");
    // Where the package's own installation has put it; its script would not hand on signals.
    const program = join(dirname(script), process.platform === "win32" ? "deno.exe" : "deno");
    return existsSync(program) ? [program] : [process.execPath, script];
  } catch {
    return ["deno"];
  }
}

const launcher = fileURLToPath(new URL("../main.js", import.meta.url));
const [program, ...first] = findDeno();
const words = [...first, "run", "--no-config", "--no-lock", "-A", launcher, ...process.argv.slice(2)];
const child = spawn(program, words, { stdio: "inherit", env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" } });
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
child.on("error", () => {
  process.stderr.write("lguest: Deno is not installed, and this command needs it: npm install deno\n");
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});
