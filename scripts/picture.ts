/**
 * Makes the README's picture: a shell in a terminal of its own, in which the demo is started, talked to and left, with
 * keys that are typed when the prompt is there; what the terminal showed becomes an SVG file.
 *
 * ```sh
 * deno run -A scripts/picture.ts [--output=FILE]
 * ```
 *
 * Needs what the demo needs, bash, and `script` of util-linux, which makes the terminal. Read next: `picture/screen.ts`,
 * `picture/svg.ts`.
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { fromFileUrl } from "@std/path";
import { sayError } from "../lib/cli/messages.ts";
import { GuestError } from "../lib/guest_error.ts";
import { Screen } from "./picture/screen.ts";
import { drawTerminal } from "./picture/svg.ts";

/** Where the README has it. */
export const PICTURE = fromFileUrl(new URL("picture/session.svg", import.meta.url));

const COLUMNS = 106, ROWS = 30;
/** What the two shells write when they want a command. */
const HOST_PROMPT = "$ ", GUEST_PROMPT = "lguest:/root# ";
/** How long the demo may take, fetching included. */
const PATIENCE_MS = 400_000;

/** What is typed, and at which prompt. */
export const SESSION: readonly (readonly [prompt: string, command: string])[] = [
  [HOST_PROMPT, "deno task demo --rng quiet"],
  [GUEST_PROMPT, "uname -srm"],
  [GUEST_PROMPT, 'grep "model name" /proc/cpuinfo'],
  [GUEST_PROMPT, "head -n 1 /proc/meminfo"],
  [GUEST_PROMPT, "ls --color /"],
  [GUEST_PROMPT, "head -c 8 /dev/hwrng | od -t x1 -A n"],
  [GUEST_PROMPT, "poweroff"],
  [HOST_PROMPT, "echo $?"],
];

if (import.meta.main) {
  try {
    const { output } = parseArgs(Deno.args, { string: ["output"], default: { output: PICTURE } });
    await Deno.writeTextFile(output, await picture());
    console.log(output);
  } catch (error) {
    sayError(error, false);
    Deno.exit(1);
  }
}

/**
 * Have the session, and draw it.
 *
 * @returns the SVG file's text
 * @throws {GuestError} if a prompt does not come
 */
async function picture(): Promise<string> {
  const screen = new Screen(COLUMNS);
  const shell = `stty cols ${COLUMNS} rows ${ROWS}; exec bash --norc --noprofile -i`;
  const child = new Deno.Command("script", {
    args: ["-qefc", shell, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
    cwd: fromFileUrl(new URL("..", import.meta.url)),
    env: { PS1: HOST_PROMPT, PS2: "", SHELL: "/bin/sh", TERM: "xterm", HISTFILE: "", NO_COLOR: "" },
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).spawn();
  const keys = child.stdin.getWriter();
  const type = (text: string) => keys.write(new TextEncoder().encode(text));
  const left = [...SESSION];
  const decoder = new TextDecoder();
  let end: string | undefined;
  for await (const bytes of child.stdout) {
    if (end !== undefined) continue; // the shell says good-bye
    const answer = screen.write(decoder.decode(bytes, { stream: true }));
    if (answer !== "") await type(answer);
    // A prompt that stands alone at the end is one; in the middle of a text it may be anything.
    const last = screen.text.split("\n").at(-1) ?? "";
    if (`${last} ` !== (left[0]?.[0] ?? HOST_PROMPT)) continue;
    const next = left.shift();
    if (next) {
      await type(`${next[1]}\r`);
    } else {
      end = drawTerminal(screen.lines.slice(0, -1), COLUMNS, "A terminal: Debian's kernel boots to a shell in lguest");
      await type("exit\r");
    }
  }
  await keys.close().catch(() => {});
  await child.status;
  if (end === undefined) throw new GuestError(`The session ended early; the terminal shows:\n${screen.text}`);
  return end;
}
