/**
 * Real instructions: assembly or C enters, what the host's assembler or compiler makes of it leaves, with the
 * disassembler's opinion. Nothing is run.
 */

/** An instruction as the disassembler lists it. */
export interface Listed {
  readonly bytes: Uint8Array;
  /** In AT&T syntax. */
  readonly text: string;
}

/** Why a test that needs an assembler, a compiler and a disassembler for i386 is ignored, or `false`. */
export const CANNOT_ASSEMBLE: boolean = !permitted() || !works();

/** What stands in an object file made of `source`, by `as --32` or `gcc -m32`. */
export function assemble(source: string, language: "assembler" | "c"): Listed[] {
  const directory = Deno.makeTempDirSync({ prefix: "lguest_instruction_" });
  try {
    const object = `${directory}/code.o`;
    const args = ["-m32", "-O2", "-ffreestanding", "-fno-pic", "-x", language, "-c", "-o", object, "-"];
    Deno.writeTextFileSync(`${directory}/source`, source);
    run("gcc", args.with(-1, `${directory}/source`));
    return parse(run("objdump", ["-d", "-w", "-z", object]));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function parse(listing: string): Listed[] {
  const found: Listed[] = [];
  for (const line of listing.split("\n")) {
    const match = /^ *[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*(?:\t(.*))?$/.exec(line);
    if (!match) continue;
    const bytes = Uint8Array.from(match[1]!.trim().split(" "), (byte) => parseInt(byte, 16));
    found.push({ bytes, text: (match[2] ?? "").trim().replace(/ +/, " ") });
  }
  return found;
}

function run(program: string, args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

function permitted(): boolean {
  return (["run", "read", "write", "env"] as const).every((name) =>
    Deno.permissions.querySync({ name }).state === "granted"
  );
}

function works(): boolean {
  try {
    return assemble("cli\n", "assembler").length === 1;
  } catch {
    return false;
  }
}
