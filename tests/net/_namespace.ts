/**
 * Network namespaces for tests: a program runs in one of its own, so that no interface of the machine is touched.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { buildLibrary } from "../../ffi/build.ts";

/** Why taps cannot be tested here, or `undefined` if they can: needs root, `ip`, `cc` and `/dev/net/tun`. */
export function tapsMissing(): string | undefined {
  for (const name of ["run", "read", "write", "env", "ffi", "net", "sys"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "needs root on Linux";
  try {
    Deno.statSync("/dev/net/tun");
    buildLibrary();
    using _ = new Namespace();
    return undefined;
  } catch (error) {
    return `needs /dev/net/tun, "ip" and "cc": ${error instanceof Error ? error.message : error}`;
  }
}

let count = 0;

/** A network namespace with nothing but its loopback interface, until it is disposed of. */
export class Namespace implements Disposable {
  /** What `ip netns` calls it. */
  readonly name: string = `lguest-${Deno.pid}-${count++}`;

  constructor() {
    ip("netns", "add", this.name);
    this.ip("link", "set", "lo", "up");
  }

  [Symbol.dispose](): void {
    ip("netns", "delete", this.name);
  }

  /** Run `ip` in it. */
  ip(...words: string[]): void {
    ip("-n", this.name, ...words);
  }

  /** Run a program of the tests in it, and give what it printed as JSON. */
  run(program: string, ...words: string[]): Promise<unknown> {
    return this.runAs([], program, ...words);
  }

  /** The same through another program, which gets the words `deno run …` behind its own. */
  async runAs(through: readonly string[], program: string, ...words: string[]): Promise<unknown> {
    const path = fromFileUrl(new URL(program, import.meta.url));
    const command = [
      "netns",
      "exec",
      this.name,
      ...through,
      Deno.execPath(),
      "run",
      "-A",
      "--unstable-net",
      path,
      ...words,
    ];
    const { success, stdout, stderr } = await new Deno.Command("ip", { args: command }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`${program} ${words.join(" ")} failed: ${decoder.decode(stderr)}`);
    return JSON.parse(decoder.decode(stdout));
  }
}

function ip(...words: string[]): void {
  const { success, stderr } = new Deno.Command("ip", { args: words }).outputSync();
  if (!success) throw new Error(`ip ${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}
