/**
 * The program as a user starts it, and a talk with the shell in its Guest. Words of a command line enter; what the
 * Guest's console shows, and how the program ends, leaves. Read next: `../../tests/boots/_shell.ts`.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { Conversation } from "../../tests/boots/_conversation.ts";
import { launcherCommand } from "../../tests/boots/_machines.ts";
import { Shell } from "../../tests/boots/_shell.ts";

/** How the program ended. */
export interface End {
  /** Its exit status. */
  readonly code: number;
  /** What it wrote to stderr. */
  readonly complaints: string;
}

/** How a Guest is started. */
export interface SessionOptions {
  /** Makes a command of a command: `ip netns exec`. */
  readonly around?: (command: string[]) => string[];
  /** The program's module, if not `main.ts`. */
  readonly program?: URL;
}

/** The check prints a line for each of its own steps. */
class QuietConversation extends Conversation {
  override note(): void {}
}

/** A Guest that was started; disposing of it kills it if it still runs. */
export class GuestSession implements AsyncDisposable {
  /** Its shell. */
  readonly shell: Shell;
  /** How it ends. */
  readonly ended: Promise<End>;
  readonly #child: Deno.ChildProcess;

  /**
   * Start the program.
   *
   * @param words its command line
   * @param options how it is started
   */
  constructor(words: readonly string[], { around = (command) => command, program }: SessionOptions = {}) {
    const command = program
      ? [Deno.execPath(), "run", "--no-lock", "-A", fromFileUrl(program), ...words]
      : launcherCommand(...words);
    const [first, ...args] = around(command);
    this.#child = new Deno.Command(first!, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { DENO_NO_UPDATE_CHECK: "1" },
    }).spawn();
    const keys = this.#child.stdin.getWriter();
    const line = new QuietConversation("the Guest", (bytes) => keys.write(bytes));
    this.shell = new Shell(line);
    const heard = this.#hear(line);
    const complaints = new Response(this.#child.stderr).text();
    this.ended = Promise.all([this.#child.status, complaints, heard])
      .then(async ([{ code }, complaints]) => {
        await keys.close().catch(() => {});
        return { code, complaints };
      });
  }

  /** What its console has shown so far. */
  get heard(): string {
    return this.shell.line.heard;
  }

  async #hear(line: Conversation): Promise<void> {
    for await (const bytes of this.#child.stdout) line.hear(bytes);
    line.end();
  }

  /** Wait for its end, but not for ever. */
  async end(seconds: number): Promise<End> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`It did not end within ${seconds} s`)), seconds * 1000);
    });
    try {
      return await Promise.race([this.ended, tooLong]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kill it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended;
  }
}
