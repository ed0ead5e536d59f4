/**
 * The busybox shell at the other end of a {@link Conversation}: a command goes in, its output and status come back. The
 * init script that makes it so is here, too. Read next: `_machines.ts`, what starts a Guest with it.
 */
import { assertEquals } from "@std/assert";
import { INIT_DRIVERS, INIT_PREAMBLE, INIT_SHELL } from "../../scripts/initramfs.ts";
import type { Conversation } from "./_conversation.ts";

/** What the shell prints when it waits for a command. */
const PROMPT = "lguest-test# ";

/**
 * An init that leads to such a shell. A terminal of that width never breaks a typed line, and the kernel's messages,
 * which would come in between, are left to `dmesg`.
 */
export const SHELL_INIT = shellInit("");

/** The same for a Guest with virtio devices: it loads their drivers, and the shell is on the kernel's console, hvc0 if it is told so. */
export const DEVICES_INIT = shellInit(INIT_DRIVERS);

function shellInit(drivers: string): string {
  return `${INIT_PREAMBLE}${drivers}
export PS1='${PROMPT}'
dmesg -n 1
case "$(stty size </dev/console 2>/dev/null)" in
  ""|"0 0") stty rows 50 cols 4000 </dev/console ;;
esac
${INIT_SHELL}`;
}

/** What a command came to. */
export interface CommandResult {
  /** What it wrote. */
  readonly output: string;
  /** Its exit status. */
  readonly status: number;
}

/** A shell in a Guest. */
export class Shell {
  /** The line it is at. */
  readonly line: Conversation;

  /** @param line a Guest that boots with {@link SHELL_INIT} */
  constructor(line: Conversation) {
    this.line = line;
  }

  /** Wait for the prompt after a boot. */
  async ready(): Promise<void> {
    await this.line.expect(PROMPT);
    this.line.note("shell");
  }

  /**
   * Type a command and wait for its end.
   *
   * @param command one line; what it writes must not end in the middle of one
   * @param seconds how long it may take, if not as long as usual
   */
  async run(command: string, seconds?: number): Promise<CommandResult> {
    await this.line.type(`${command}; echo "status=$?."\r`);
    await this.line.expect(`status=$?."\n`);
    const output = await this.line.expect("status=", seconds);
    const status = await this.line.expect(`.\n${PROMPT}`);
    this.line.note(command.length > 60 ? `${command.slice(0, 59)}…` : command);
    return { output, status: Number(status) };
  }

  /** Run a command that has to succeed; returns what it wrote, without the last newline. */
  async ask(command: string, seconds?: number): Promise<string> {
    const { output, status } = await this.run(command, seconds);
    assertEquals(status, 0, `${this.line.name}: "${command}" failed:\n${output}`);
    return output.replace(/\n$/, "");
  }

  /**
   * Run a command that reads what is typed, in a terminal that leaves it as it is; in a line it would keep 4095 bytes.
   *
   * @param command what reads the input, no more and no less
   * @param input what is typed once it runs
   * @returns what it wrote
   */
  async feed(command: string, input: string): Promise<string> {
    await this.line.type(`saved=$(stty -g); stty raw -echo; echo ready.; ${command}; stty $saved; echo fed.\r`);
    await this.line.expect("echo fed.\n");
    await this.line.expect("ready.\n");
    await this.line.type(input);
    const output = await this.line.expect(`fed.\n${PROMPT}`);
    this.line.note(`${input.length} bytes of input to ${command}`);
    return output;
  }

  /** Type a command that does not come back. */
  async leave(command: string): Promise<void> {
    await this.line.type(`${command}\r`);
  }

  /**
   * Run a program and interrupt it by ^C once it has begun. (A ^C before the shell has made the program's process would
   * be the shell's own.)
   *
   * @param program its name and arguments
   * @returns the status that the shell saw
   */
  async interrupt(program: string): Promise<number> {
    await this.line.type(`sh -c 'echo begun; exec ${program}'\r`);
    await this.line.expect("\nbegun\n");
    await this.line.type("\x03");
    await this.line.expect(PROMPT);
    return Number(await this.ask("echo $?"));
  }
}
