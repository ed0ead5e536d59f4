/**
 * A network namespace (ip-netns(8)): a name enters; commands that run in it leave. What happens to its networks nobody
 * outside sees. For tests and benchmark; it needs root.
 *
 * @module
 */
import { GuestError } from "../lib/guest_error.ts";

/** A network namespace; disposing of it takes it away. */
export class NetworkNamespace implements AsyncDisposable {
  /** What `ip netns` calls it. */
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * Make one, with nothing in it but the loopback interface.
   *
   * @throws {GuestError} if that is not permitted, or there is one already
   */
  static async create(name: string): Promise<NetworkNamespace> {
    await ip("netns", "add", name);
    const namespace = new NetworkNamespace(name);
    await namespace.ip("link", "set", "lo", "up");
    return namespace;
  }

  /**
   * Run `ip` on it.
   *
   * @throws {GuestError} if it fails
   */
  async ip(...words: string[]): Promise<void> {
    await ip("-n", this.name, ...words);
  }

  /** A command as one that runs in it. */
  command(words: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name, ...words];
  }

  /** Take it away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await ip("netns", "del", this.name);
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdin: "null" }).output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new GuestError(`There is no program "ip" (Debian: iproute2)`, { cause: error });
  });
  if (success) return;
  throw new GuestError(`"ip ${args.join(" ")}" failed, which needs root: ${new TextDecoder().decode(stderr).trim()}`);
}
