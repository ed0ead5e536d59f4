/**
 * A network of a test's own: a network namespace with a bridge in it, in which launchers run and the host's programs
 * beside them, and which nothing outside sees. Words enter; launchers and programs leave.
 */
import { assertEquals } from "@std/assert";
import { launchBy, type LaunchedGuest, launcherCommand, type RunningProgram, startProgram } from "./_machines.ts";

/** The bridge in a {@link Network}. */
export const BRIDGE = "br0";

/** A network namespace; disposing of it takes it away. */
export class Network implements AsyncDisposable {
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
  }

  /**
   * Make one.
   *
   * @param address the bridge's own address, with the length of its prefix
   */
  static async create(address: string): Promise<Network> {
    const network = new Network(`lguest-test-${Deno.pid}`);
    await ip("netns", "add", network.#name);
    const inside = (...words: string[]) => ip("-n", network.#name, ...words);
    await inside("link", "set", "lo", "up");
    await inside("link", "add", BRIDGE, "type", "bridge");
    await inside("addr", "add", address, "dev", BRIDGE);
    await inside("link", "set", BRIDGE, "up");
    return network;
  }

  /** Run the launcher in it. */
  launch(name: string, words: readonly string[]): LaunchedGuest {
    return launchBy(name, this.#command(launcherCommand(...words)));
  }

  /** Start another program in it. */
  start(name: string, ...words: string[]): RunningProgram {
    return startProgram(name, this.#command(words));
  }

  /** Take it away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await ip("netns", "del", this.#name);
  }

  #command(words: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.#name, ...words];
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdin: "null" }).output();
  assertEquals(success, true, `ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
