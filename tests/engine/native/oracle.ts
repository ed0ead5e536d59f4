/**
 * Builds `oracle.c` and speaks with it. Enters: cases. Leaves: what the processor underneath made of them.
 *
 * @module
 */
import { join } from "@std/path";
import type { Case, Outcome } from "../case.ts";
import { LDT } from "../layout.ts";

const REQUEST = 140, REPLY = 68, POKES = 8;
/** Most cases in one batch. */
export const MAX_BATCH = 1024;

/** The program stands where no case's operands are likely to point. */
const FLAGS = [
  ..."-m32 -O2 -msse2 -mstackrealign -nostdlib -static -ffreestanding -fno-builtin".split(" "),
  ..."-fno-pic -no-pie -fno-stack-protector -fcf-protection=none -Wall -Wextra -Werror".split(" "),
  "-Wl,-Ttext-segment=0x5b3d7000",
];

/** Why there is no oracle here, or `undefined` if there is one: needs x86 Linux, `gcc -m32` and the permission to run. */
export function oracleMissing(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return "needs Linux on x86-64";
  for (const name of ["run", "read", "write", "env"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  try {
    build();
    return undefined;
  } catch (error) {
    return `needs gcc -m32: ${error instanceof Error ? error.message : error}`;
  }
}

let built: string | undefined;

/** Compile the oracle once for this process. */
export function build(): string {
  if (built !== undefined) return built;
  const here = import.meta.dirname!;
  const folder = Deno.makeTempDirSync({ prefix: "lguest_oracle_" });
  const program = join(folder, "oracle");
  const { success, stderr } = new Deno.Command("gcc", {
    args: [...FLAGS, "-o", program, join(here, "oracle.c"), join(here, "asm.S")],
    stderr: "piped",
  }).outputSync();
  if (!success) throw new Error(`The oracle does not compile: ${new TextDecoder().decode(stderr).trim()}`);
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  return built = program;
}

/** The processor underneath. */
export class Oracle implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);
  /** Whether the segments of `layout.ts` other than the flat ones exist. */
  hasLdt = false;
  /** Whether the region for 16-bit addresses exists. */
  hasLow = false;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#writer = process.stdin.getWriter();
    this.#reader = process.stdout.getReader();
  }

  /** Start the process. */
  static async start(): Promise<Oracle> {
    const oracle = new Oracle(new Deno.Command(build(), { stdin: "piped", stdout: "piped" }).spawn());
    await oracle.#writer.write(ldtMessage());
    const hello = new DataView((await oracle.#read(8)).buffer);
    oracle.hasLdt = hello.getUint32(0, true) !== 0;
    oracle.hasLow = hello.getUint32(4, true) !== 0;
    return oracle;
  }

  /** Run at most {@link MAX_BATCH} cases. */
  async run(cases: readonly Case[]): Promise<Outcome[]> {
    const message = new Uint8Array(4 + cases.length * REQUEST);
    const view = new DataView(message.buffer);
    view.setUint32(0, cases.length, true);
    cases.forEach((one, i) => encode(one, view, 4 + i * REQUEST));
    const written = this.#writer.write(message);
    const length = new DataView((await this.#read(4)).buffer).getUint32(0, true);
    const reply = await this.#read(length);
    await written;
    return decode(new DataView(reply.buffer), cases.length);
  }

  /** `length` bytes of the reply, in a buffer of their own. */
  async #read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#held.length === 0) {
        const { value, done } = await this.#reader.read();
        if (done) throw new Error(`The oracle died: ${JSON.stringify(await this.#process.status)}`);
        this.#held = value;
      }
      const part = this.#held.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#held = this.#held.subarray(part.length);
    }
    return bytes;
  }

  /** End the process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#process.status;
  }
}

/** The LDT as `struct user_desc`. */
function ldtMessage(): Uint8Array<ArrayBuffer> {
  const words = [LDT.length];
  LDT.forEach((one, i) => {
    const contents = { data: 0, down: 1, code: 2 }[one.contents];
    const bits = Number(one.big) | contents << 1 | Number(one.restricted) << 3 | Number(one.pages) << 4 |
      Number(!one.present) << 5;
    words.push(i, one.base, one.limit, bits);
  });
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function encode(one: Case, to: DataView, at: number): void {
  for (let i = 0; i < 8; i++) to.setUint32(at + 4 * i, one.regs[i]!, true);
  to.setUint32(at + 32, one.eflags, true);
  to.setUint32(at + 36, one.eip, true);
  one.code.forEach((byte, i) => to.setUint8(at + 40 + i, byte));
  to.setUint8(at + 56, one.code.length);
  to.setUint8(at + 57, one.repeat ? 1 : 0);
  to.setUint8(at + 58, Math.min(one.pokes.length, POKES));
  one.segments.forEach((selector, i) => to.setUint16(at + 60 + 2 * i, selector, true));
  to.setUint32(at + 72, one.codeAt, true);
  one.pokes.slice(0, POKES).forEach(([address, value], i) => {
    to.setUint32(at + 76 + 8 * i, address, true);
    to.setUint32(at + 80 + 8 * i, value, true);
  });
}

function decode(from: DataView, count: number): Outcome[] {
  const outcomes: Outcome[] = [];
  let at = 0;
  for (let n = 0; n < count; n++) {
    const regs = new Uint32Array(from.buffer, at, 8).slice();
    const words = new Uint32Array(from.buffer, at + 32, 5);
    const segments = Array.from(new Uint16Array(from.buffer, at + 52, 6));
    const changes = from.getUint32(at + 64, true);
    outcomes.push({
      regs,
      eflags: words[0]!,
      eip: words[1]!,
      trap: words[2]!,
      error: words[3]!,
      cr2: words[4]!,
      segments,
      changes: new Uint32Array(from.buffer, at + REPLY, 2 * changes).slice(),
    });
    at += REPLY + 8 * changes;
  }
  return outcomes;
}
