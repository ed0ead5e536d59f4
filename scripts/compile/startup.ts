/**
 * How long the executable takes to start, against the same program from source, and how large it is: for the README.
 *
 * ```sh
 * deno task compile && deno run -A scripts/compile/startup.ts [rounds]
 * ```
 *
 * Both are started in turn, so that both meet the same machine: until the version is printed, and until a Guest executes
 * its first instruction, which is when the Worker of the virtual CPU has loaded its modules. From source is with Deno's
 * cache, which has been filled before. Enters: `dist/lguest`. Leaves: a table; medians, and their ratios.
 *
 * @module
 */
import { fromFileUrl, join } from "@std/path";
import { tinyKernel } from "../../tests/guest/_kernel.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const EXECUTABLE = join(ROOT, "dist/lguest");
const SOURCE = [Deno.execPath(), "run", "-A", join(ROOT, "main.ts")];

if (import.meta.main) await main(Number(Deno.args[0] ?? 15));

async function main(rounds: number): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "lguest-startup-" });
  try {
    const kernel = join(directory, "kernel");
    await Deno.writeFile(kernel, tinyKernel());
    console.log(`dist/lguest has ${((await Deno.stat(EXECUTABLE)).size / 1e6).toFixed(1)} MB\n`);
    console.log("| until | executable | from source | ratio |\n|---|---|---|---|");
    await compare("the version is printed", rounds, ["--version"], "lguest");
    await compare("a Guest's first instruction", rounds, ["--verbose", "8", kernel], "First instruction");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Start both in turn, and print a line of the table. */
async function compare(what: string, rounds: number, words: readonly string[], until: string): Promise<void> {
  const times: [number[], number[]] = [[], []];
  for (let round = -1; round < rounds; round++) {
    for (const [i, command] of [[EXECUTABLE], SOURCE].entries()) {
      const ms = await timeUntil([...command, ...words], until);
      if (round >= 0) times[i]!.push(ms); // the first round fills caches
    }
  }
  const [executable, source] = times.map(median) as [number, number];
  const ratio = (executable / source).toFixed(2);
  console.log(`| ${what} | ${executable.toFixed(0)} ms | ${source.toFixed(0)} ms | ${ratio} |`);
}

/** Milliseconds from a program's start until it has written something. */
async function timeUntil([program, ...args]: readonly string[], text: string): Promise<number> {
  const started = performance.now();
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$0" "$@" 2>&1', program!, ...args],
    stdin: "null",
    stdout: "piped",
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).spawn();
  let said = "";
  let ms: number | undefined;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += piece;
    if (ms !== undefined || !said.includes(text)) continue;
    ms = performance.now() - started;
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
  }
  await child.status;
  if (ms === undefined) throw new Error(`${program} did not say "${text}" but: ${said}`);
  return ms;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}
