/**
 * The decoder against a disassembler of the host: lengths and memory operands of random instructions in 16-, 32- and
 * 64-bit mode; and that no bytes make it throw. Read next: `lib/engine/soft/decoder.ts`.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Decoder, type Handlers, MAX_LENGTH, NEED_MORE } from "../../lib/engine/soft/decoder.ts";
import type { Insn } from "../../lib/engine/soft/insn.ts";
import { ONE_BYTE, OP, TWO_BYTE } from "../../lib/engine/soft/opcodes.ts";
import { casesOf, Random, seedOf } from "./random.ts";

type Mode = 2 | 4 | 8;

const MODES: readonly [Mode, string][] = [[2, "i8086"], [4, "i386"], [8, "i386:x86-64"]];
/** Bytes from one instruction to the next: random ones, then NOPs by which a disassembler finds its way again. */
const STRIDE = 48, RANDOM_BYTES = 16;

/** Handlers for everything: here only what the decoder makes of the bytes matters. */
function anyHandlers(): Handlers {
  const nothing = () => {};
  const fill = (count: number) => new Array(count).fill(nothing);
  return { op: fill(Object.keys(OP).length + 1), simd: fill(0x400), x87: fill(0x800) };
}

/** Prefixes, an opcode that the tables know, anything. */
function randomInstruction(random: Random, mode: Mode): Uint8Array {
  const bytes: number[] = [];
  const prefixes = [0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65];
  for (let i = random.below(3); i > 0; i--) bytes.push(random.pick(prefixes));
  if (mode === 8 && random.chance(0.5)) bytes.push(0x40 | random.below(16));
  if (random.chance(0.45)) bytes.push(0x0f, random.pick(KNOWN_TWO));
  else bytes.push(random.pick(KNOWN_ONE));
  while (bytes.length < RANDOM_BYTES) bytes.push(random.below(256));
  return Uint8Array.from(bytes.slice(0, RANDOM_BYTES));
}

const KNOWN_ONE = opcodes(ONE_BYTE), KNOWN_TWO = opcodes(TWO_BYTE);

function opcodes(table: string): number[] {
  return table.split("\n").map((line) => parseInt(line.trim().split(" ")[0]!, 16));
}

interface Disassembled {
  readonly length: number;
  readonly text: string;
}

/** What `objdump` says stands at every multiple of {@link STRIDE}. */
function disassemble(image: Uint8Array, machine: string): Map<number, Disassembled> {
  const file = Deno.makeTempFileSync({ prefix: "lguest_decoder_" });
  try {
    Deno.writeFileSync(file, image);
    const { stdout } = new Deno.Command("objdump", {
      args: ["-D", "-z", "-w", "-b", "binary", "-m", machine, "-M", "intel", "--no-show-raw-insn", file],
    }).outputSync();
    return parse(new TextDecoder().decode(stdout));
  } finally {
    Deno.removeSync(file);
  }
}

function parse(listing: string): Map<number, Disassembled> {
  const found = new Map<number, Disassembled>();
  let previous: { at: number; text: string } | undefined;
  for (const line of listing.split("\n")) {
    const match = /^ *([0-9a-f]+):\s*(.*)$/.exec(line);
    if (!match) continue;
    const at = parseInt(match[1]!, 16);
    if (previous && previous.at % STRIDE === 0) {
      found.set(previous.at, { length: at - previous.at, text: previous.text });
    }
    previous = { at, text: match[2]! };
  }
  return found;
}

/** Where the disassembler and the processor, or we and later processors, part on purpose. */
function incomparable(bytes: Uint8Array, theirs: Disassembled, mode: Mode): boolean {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const prefixes = /^(?:66|67|f2|f3|2e|36|3e|26|64|65|f0)*/.exec(hex)![0];
  const rest = hex.slice(prefixes.length).replace(mode === 8 ? /^4./ : /^$/, "");
  return theirs.text.includes("(bad)") ||
    rest.startsWith("9b") || // objdump joins FWAIT with the x87 instruction behind it
    /^(?:c4|c5|62)/.test(rest) && (mode === 8 || parseInt(rest.slice(2, 4), 16) >= 0xc0) || // VEX, EVEX
    /\bbnd(?:ldx|stx|mk|mov|c[lnu])/.test(theirs.text) || // MPX ignores the address size; a NOP here
    /^(?:c6f8|c7f8)/.test(rest) || // XABORT, XBEGIN
    /^8f/.test(rest) && (parseInt(rest.slice(2, 4), 16) & 0x38) !== 0 || // XOP
    /^(?:data16|addr32|addr16|rex\S*|repz|repnz|lock|[c-g]s|cs|bnd|notrack)(?: (?:rex\S*|data16|addr32|addr16|repz|repnz|[c-g]s|bnd))*$/
      .test(theirs.text.trim()); // prefixes that it gives a line of their own
}

const REGISTERS: Record<Mode, string[]> = {
  2: ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"],
  4: ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"],
  8: ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"],
};

/** The memory operand as objdump's Intel syntax has it. */
function memoryText(insn: Insn): string {
  const size = insn.addrSize as Mode;
  const name = (n: number) => n < 8 || size === 8 ? REGISTERS[size][n]! : `${REGISTERS[8][n]}${size === 4 ? "d" : "w"}`;
  const parts: string[] = [];
  if (insn.base >= 0) parts.push(name(insn.base));
  else if (insn.base === -2) parts.push(size === 8 ? "rip" : "eip");
  if (insn.index >= 0) parts.push(size === 2 ? name(insn.index) : `${name(insn.index)}*${1 << insn.scale}`);
  const base = parts.join("+");
  if (insn.disp === 0) return base;
  if (insn.base === -2) return `${base}+0x${BigInt.asUintN(64, BigInt(insn.disp)).toString(16)}`;
  return `${base}${insn.disp < 0 ? "-" : "+"}0x${Math.abs(insn.disp).toString(16)}`;
}

/** The disassembler's memory operand in the same form. */
function theirMemory(text: string): string | undefined {
  return /\[([^\]]*)\]/.exec(text)?.[1]?.replace(/\+[er]iz\*\d/, "").replace(/[+-]0x0$/, "");
}

/** What differs for one instruction, or `undefined`. */
function compare(insn: Insn, theirs: Disassembled): string | undefined {
  if (insn.length !== theirs.length) return `length ${insn.length}, objdump ${theirs.length}`;
  const memory = theirMemory(theirs.text);
  if (memory === undefined || !insn.mem || (insn.base === -1 && insn.index === -1)) return undefined;
  const ours = memoryText(insn);
  return ours === memory ? undefined : `[${ours}], objdump [${memory}]`;
}

const missing = objdumpMissing();
if (missing) console.log(`decoder_test.ts is ignored: ${missing}`);

function objdumpMissing(): string | undefined {
  for (const name of ["run", "read", "write", "env"] as const) {
    if (Deno.permissions.querySync({ name }).state !== "granted") return `needs the permission "${name}"`;
  }
  try {
    new Deno.Command("objdump", { args: ["--version"], stdout: "null" }).outputSync();
    return undefined;
  } catch {
    return "needs objdump";
  }
}

for (const [mode, machine] of MODES) {
  Deno.test({
    name: `decode() agrees with objdump on ${mode * 8}-bit code`,
    ignore: missing !== undefined,
    fn() {
      const seed = seedOf(1), count = Math.min(casesOf(20_000), 200_000);
      console.log(`LGUEST_SEED=${seed} LGUEST_CASES=${count}`);
      const random = new Random(seed + mode);
      const image = new Uint8Array(count * STRIDE).fill(0x90);
      for (let i = 0; i < count; i++) image.set(randomInstruction(random, mode), i * STRIDE);
      const decoder = new Decoder(anyHandlers());
      const failures: string[] = [];
      let compared = 0;
      for (const [at, theirs] of disassemble(image, machine)) {
        const bytes = image.subarray(at, at + STRIDE);
        const insn = decoder.decode(image, at, at + STRIDE, mode);
        if (insn.op === OP.UD || insn.length > MAX_LENGTH || incomparable(bytes, theirs, mode)) continue;
        compared++;
        const difference = compare(insn, theirs);
        if (difference) {
          const hex = [...bytes.subarray(0, RANDOM_BYTES)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
          failures.push(`${hex}: ${difference} (${theirs.text.trim()})`);
        }
      }
      assertEquals(failures.slice(0, 20).join("\n"), "", `${failures.length} of ${compared}`);
      assertEquals(compared > count / 2, true, `only ${compared} of ${count} could be compared`);
    },
  });
}

Deno.test("decode() throws nothing but NEED_MORE, whatever the bytes", () => {
  const random = new Random(1);
  const decoder = new Decoder(anyHandlers());
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 100_000; i++) {
    const known = randomInstruction(random, 4);
    for (let j = 0; j < bytes.length; j++) bytes[j] = j < 16 && i % 2 ? known[j]! : random.below(256);
    const limit = random.below(20);
    for (const mode of [2, 4, 8] as const) {
      try {
        const insn = decoder.decode(bytes, 0, limit, mode);
        assertEquals(insn.length >= 1 && insn.length <= Math.min(limit, MAX_LENGTH), true);
      } catch (reason) {
        assertEquals(reason, NEED_MORE);
      }
    }
  }
});
