/**
 * Starts the Deno that runs this script once more, for what it can do beside running programs.
 *
 * @module
 */

/**
 * Run one of Deno's commands.
 *
 * @param args the command and its words
 * @param cwd where
 * @returns what it wrote to stdout
 * @throws {Error} what it wrote to stderr, as one line, if it failed
 */
export async function runDeno(args: readonly string[], cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(complaint(decoder.decode(stderr)) || `deno ${args[0]} failed`);
  return decoder.decode(stdout);
}

/**
 * What Deno complains of, as one line: the line that begins with `error:`, or if there is a list of what that was caused
 * by, the first of it with the reason for that.
 */
function complaint(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const first = lines.findLastIndex((line) => /^error: /i.test(line));
  const causes = lines.slice(first).flatMap((line) => /^\d+: (?!<unknown>)(.*)/.exec(line)?.slice(1) ?? []);
  if (causes.length > 0) return causes.slice(0, 2).map((cause) => cause.replace(/\.$/, "")).join(": ");
  return (lines[first] ?? lines.at(-1) ?? "").replace(/^error: /i, "");
}
