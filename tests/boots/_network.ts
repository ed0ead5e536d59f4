/**
 * A network of a test's own: a namespace with a bridge in it, in which launchers run and the host's programs beside
 * them. Words enter; launchers and programs leave. Read next: `../../scripts/network_namespace.ts`.
 */
import { NetworkNamespace } from "../../scripts/network_namespace.ts";
import { launchBy, type LaunchedGuest, launcherCommand, type RunningProgram, startProgram } from "./_machines.ts";

/** The bridge in a {@link Network}. */
export const BRIDGE = "br0";

/** A namespace with a bridge; disposing of it takes it away. */
export class Network implements AsyncDisposable {
  readonly #namespace: NetworkNamespace;

  private constructor(namespace: NetworkNamespace) {
    this.#namespace = namespace;
  }

  /**
   * Make one.
   *
   * @param address the bridge's own address, with the length of its prefix
   */
  static async create(address: string): Promise<Network> {
    const namespace = await NetworkNamespace.create(`lguest-test-${Deno.pid}`);
    await namespace.ip("link", "add", BRIDGE, "type", "bridge");
    await namespace.ip("addr", "add", address, "dev", BRIDGE);
    await namespace.ip("link", "set", BRIDGE, "up");
    return new Network(namespace);
  }

  /** Run the launcher in it. */
  launch(name: string, words: readonly string[]): LaunchedGuest {
    return launchBy(name, this.#namespace.command(launcherCommand(...words)));
  }

  /** Start another program in it. */
  start(name: string, ...words: string[]): RunningProgram {
    return startProgram(name, this.#namespace.command(words));
  }

  /** Take it away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespace[Symbol.asyncDispose]();
  }
}
