/**
 * Instructions that trap: by hand, against this program's own decoder over all ModRM and SIB bytes, and against what
 * an assembler and a compiler make.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Decoder, type Handlers, NEED_MORE } from "../../../lib/engine/soft/decoder.ts";
import { type Insn, K_HIGH, K_IMM, K_MEM, K_REG } from "../../../lib/engine/soft/insn.ts";
import { OP } from "../../../lib/engine/soft/opcodes.ts";
import {
  decodeMmio,
  decodePrivileged,
  type MmioInstruction,
  type RegisterPart,
} from "../../../lib/platform/lguest/instruction.ts";
import { assemble, CANNOT_ASSEMBLE } from "./_objdump.ts";

const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;

/** Bytes from hexadecimal text. */
function bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(" "), (byte) => parseInt(byte, 16));
}

function part(name: typeof NAMES[number], shift: 0 | 8 = 0): RegisterPart {
  return { name, shift };
}

const PORTS: [string, ReturnType<typeof decodePrivileged>][] = [
  ["fa 90 90 90 90 90 90", { kind: "skip", length: 1 }],
  ["e4 61", { kind: "in", port: 0x61, width: 1, length: 2 }],
  ["e5 61", { kind: "in", port: 0x61, width: 4, length: 2 }],
  ["66 e5 61", { kind: "in", port: 0x61, width: 2, length: 3 }],
  ["e6 80", { kind: "out", port: 0x80, width: 1, length: 2 }],
  ["e7 80", { kind: "out", port: 0x80, width: 4, length: 2 }],
  ["66 e7 80", { kind: "out", port: 0x80, width: 2, length: 3 }],
  ["ec", { kind: "in", port: "dx", width: 1, length: 1 }],
  ["ed", { kind: "in", port: "dx", width: 4, length: 1 }],
  ["66 ed", { kind: "in", port: "dx", width: 2, length: 2 }],
  ["66 ec", { kind: "in", port: "dx", width: 1, length: 2 }],
  ["ee", { kind: "out", port: "dx", width: 1, length: 1 }],
  ["ef", { kind: "out", port: "dx", width: 4, length: 1 }],
  ["66 ef", { kind: "out", port: "dx", width: 2, length: 2 }],
  ["66 66 ef", { kind: "out", port: "dx", width: 2, length: 3 }],
  ["2e ef", { kind: "out", port: "dx", width: 4, length: 2 }],
  ["0f 20 e0 c3", { kind: "cr4", register: part("eax"), length: 3 }],
  ["0f 20 e7", { kind: "cr4", register: part("edi"), length: 3 }],
  ["0f 20 27", { kind: "cr4", register: part("edi"), length: 3 }], // mod is ignored
  ["0f 20 c0", undefined], // mov %cr0, %eax
  ["0f 22 e0", undefined], // mov %eax, %cr4
  ["0f 20", undefined],
  ["fb", undefined], // sti
  ["f4", undefined], // hlt
  ["cf", undefined], // iret
  ["6e", undefined], // outsb
  ["f3 6e", undefined], // rep outsb
  ["f3 ec", undefined],
  ["f0 ec", undefined],
  ["67 ec", undefined],
  ["66 fa", undefined],
  ["0f 30", undefined], // wrmsr
  ["0f 22 c0", undefined], // mov %eax, %cr0
  ["e8 00 00 00 00", undefined], // call
  ["00 00 00 00 00 00 00", undefined],
  ["e4", undefined],
  ["66", undefined],
];

Deno.test("decodePrivileged() knows CLI, reading CR4, IN and OUT of all widths and nothing else", () => {
  for (const [text, expected] of PORTS) assertEquals(decodePrivileged(bytes(text)), expected, text);
  assertEquals(decodePrivileged(new Uint8Array(0)), undefined);
});

Deno.test("decodePrivileged() takes nothing of the one-byte opcodes but nine", () => {
  const taken: number[] = [];
  for (let opcode = 0; opcode < 256; opcode++) {
    if (decodePrivileged(Uint8Array.of(opcode, 0x12, 0, 0, 0, 0, 0))) taken.push(opcode);
  }
  assertEquals(taken, [0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xfa]);
});

const ESI = part("esi");
const MMIO: [string, ReturnType<typeof decodeMmio>][] = [
  ["89 30 aa aa aa aa aa", { direction: "store", width: 4, source: ESI, length: 2 }],
  ["66 89 30 aa aa aa aa", { direction: "store", width: 2, source: ESI, length: 3 }],
  ["88 30 aa aa aa aa aa", { direction: "store", width: 1, source: part("edx", 8), length: 2 }],
  ["66 88 30", { direction: "store", width: 1, source: part("edx", 8), length: 3 }],
  ["8b 70 14", { direction: "load", width: 4, register: ESI, extend: "none", registerWidth: 4, length: 3 }],
  ["8a 58 14", { direction: "load", width: 1, register: part("ebx"), extend: "none", registerWidth: 1, length: 3 }],
  ["64 8b 35 00", { direction: "load", width: 4, register: ESI, extend: "none", registerWidth: 4, length: 7 }],
  // 66 mov %si,0x12345678(%eax,%ebx,2): one byte more than the Host gives, all that matters among those it gives.
  ["66 89 b4 58 78 56 34", { direction: "store", width: 2, source: ESI, length: 8 }],
  ["a1 00 00 00 fe", {
    direction: "load",
    width: 4,
    register: part("eax"),
    extend: "none",
    registerWidth: 4,
    length: 5,
  }],
  ["66 a3 00 00 00 fe", { direction: "store", width: 2, source: part("eax"), length: 6 }],
  ["a2 00 00 00 fe", { direction: "store", width: 1, source: part("eax"), length: 5 }],
  ["c6 00 ff", { direction: "store", width: 1, source: 255, length: 3 }],
  ["c7 40 10 ff ff ff ff", { direction: "store", width: 4, source: 0xffffffff, length: 7 }],
  ["66 c7 40 10 34 12", { direction: "store", width: 2, source: 0x1234, length: 6 }],
  ["c7 44 24 10 ff ff ff", { needs: 8 }],
  ["c7 84 58 00 00 00 10", { needs: 11 }],
  ["66 c7 84 58 00 00 00", { needs: 10 }],
  ["c6 05 00 00 00 10 01", { direction: "store", width: 1, source: 1, length: 7 }],
  ["c7 48 10 ff ff ff ff", undefined], // C7 /1 is none
  ["0f b6 70 14", { direction: "load", width: 1, register: ESI, extend: "zero", registerWidth: 4, length: 4 }],
  ["66 0f b6 70 14", { direction: "load", width: 1, register: ESI, extend: "zero", registerWidth: 2, length: 5 }],
  ["0f bf 70 14", { direction: "load", width: 2, register: ESI, extend: "sign", registerWidth: 4, length: 4 }],
  ["8b f0", undefined], // a register
  ["67 8b 77 14", undefined], // 16-bit address
  ["f0 89 30", undefined],
  ["f3 89 30", undefined],
  ["a5", undefined], // movsl
  ["0f c7 08", undefined], // cmpxchg8b
  ["8e 18", undefined], // mov to segment register
  ["64", { needs: 2 }],
  ["8b", { needs: 2 }],
  ["0f", { needs: 2 }],
  ["0f b7", { needs: 3 }],
  ["8b 34", { needs: 3 }],
];

Deno.test("decodeMmio() knows moves to and from memory, and nothing else", () => {
  for (const [text, expected] of MMIO) assertEquals(decodeMmio(bytes(text)), expected, text);
});

Deno.test("decodeMmio() asks for no more bytes than an instruction may have", () => {
  assertEquals(decodeMmio(new Uint8Array(14).fill(0x66)), { needs: 15 });
  assertEquals(decodeMmio(new Uint8Array(15).fill(0x66)), undefined);
  assertEquals(decodeMmio(Uint8Array.of(...new Uint8Array(9).fill(0x66), 0x89, 0x05)) !== undefined, true);
  assertEquals(decodeMmio(Uint8Array.of(...new Uint8Array(10).fill(0x66), 0x89, 0x05)), undefined);
  assertEquals(decodeMmio(Uint8Array.of(...new Uint8Array(11).fill(0x66), 0xa1)), undefined);
});

/** Handlers for everything: only what the decoder makes of the bytes matters. */
function anyHandlers(): Handlers {
  const fill = (count: number) => new Array(count).fill(() => {});
  return { op: fill(Object.keys(OP).length + 1), simd: fill(0x400), x87: fill(0x800) };
}

/** The same from the engine's decoder; `undefined` for what is no move to or from memory. */
function fromEngine(insn: Insn): MmioInstruction | undefined {
  const { size, srcSize, length, op, a, b, ar, br } = insn;
  if (!insn.mem) return undefined;
  const operand = (kind: number, number: number): RegisterPart => part(NAMES[number]!, kind === K_HIGH ? 8 : 0);
  if (a === K_MEM && op === OP.MOV) {
    const source = b === K_IMM ? (insn.imm & (size === 4 ? -1 : (1 << 8 * size) - 1)) >>> 0 : operand(b, br);
    return { direction: "store", width: size as 1 | 2 | 4, source, length };
  }
  const extend = op === OP.MOVZX ? "zero" : op === OP.MOVSX ? "sign" : op === OP.MOV ? "none" : undefined;
  if (extend === undefined || (a !== K_REG && a !== K_HIGH) || b !== K_MEM) return undefined;
  const width = (extend === "none" ? size : srcSize) as 1 | 2 | 4;
  return { direction: "load", width, register: operand(a, ar), extend, registerWidth: size as 1 | 2 | 4, length };
}

Deno.test("decodeMmio() agrees with the engine's decoder on every opcode, ModRM and SIB byte", () => {
  const decoder = new Decoder(anyHandlers());
  const code = new Uint8Array(16);
  const prefixes = [[], [0x66], [0x65], [0x66, 0x3e], [0x64, 0x66]];
  let understood = 0;
  const compare = (length: number) => {
    for (let i = length; i < code.length; i++) code[i] = 0x81 + i;
    const insn = decoder.decode(code, 0, code.length, 4);
    const ours = decodeMmio(code);
    const engine = fromEngine(insn);
    if (JSON.stringify(ours) !== JSON.stringify(engine)) assertEquals(ours, engine, `${code}`);
    if (engine === undefined) return;
    understood++;
    // Seven bytes suffice for all but an immediate behind them.
    const seven = decodeMmio(code.subarray(0, 7));
    const immediate = engine.direction === "store" && typeof engine.source === "number";
    const expected = immediate && engine.length > 7 ? { needs: engine.length } : engine;
    if (JSON.stringify(seven) !== JSON.stringify(expected)) assertEquals(seven, expected, `${code}`);
  };
  for (const prefix of prefixes) {
    for (let opcode = 0; opcode < 512; opcode++) {
      if (opcode < 256 && (opcode === 0x0f || isPrefix(opcode))) continue;
      const sibs = moves(opcode) ? 256 : 1;
      for (let modrm = 0; modrm < 256; modrm++) {
        for (let sib = 0; sib < sibs; sib++) {
          code.set(prefix);
          let at = prefix.length;
          if (opcode > 255) code[at++] = 0x0f;
          code[at++] = opcode & 255;
          code[at++] = modrm;
          code[at++] = sib;
          compare(at);
        }
      }
    }
  }
  assert(understood > 1_000_000, `${understood}`);
});

function isPrefix(byte: number): boolean {
  return [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(byte);
}

function moves(opcode: number): boolean {
  return [0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0x1b6, 0x1b7, 0x1be, 0x1bf].includes(opcode);
}

Deno.test("decodeMmio() asks for just as many bytes as the engine's decoder takes to see an immediate", () => {
  const decoder = new Decoder(anyHandlers());
  for (let modrm = 0; modrm < 0xc0; modrm++) {
    const code = Uint8Array.of(0x66, 0xc7, modrm & ~0x38, 0x24, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    let count = 3;
    for (let asked = decodeMmio(code.subarray(0, count)); asked && "needs" in asked;) {
      assert(asked.needs > count);
      count = asked.needs;
      asked = decodeMmio(code.subarray(0, count));
    }
    assertEquals(decoder.decode(code, 0, count, 4).length, count);
    let reason: unknown;
    try {
      decoder.decode(code, 0, count - 1, 4);
    } catch (thrown) {
      reason = thrown;
    }
    assertEquals(reason, NEED_MORE);
  }
});

/** Memory operands that cover every length: no displacement, 8 and 32 bits, with and without SIB, absolute. */
const OPERANDS = [
  "(%eax)",
  "(%ebp)",
  "(%esp)",
  "0x12(%ecx)",
  "-0x12(%esp)",
  "0x12345678(%edx)",
  "0x12345678(%esp)",
  "(%eax,%ebx,4)",
  "0x7f(%ebp,%esi,8)",
  "-0x12345678(%edi,%edi,1)",
  "0xfe000000(,%ecx,2)",
  "0xfe000014",
  "%fs:0xfe000014",
  "%gs:0x4(%ebx)",
] as const;

const R8 = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const R16 = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];

function registerText(number: number, width: number): string {
  return `%${width === 4 ? NAMES[number] : width === 2 ? R16[number] : R8[number]}`;
}

function registerOf(number: number, width: number): RegisterPart {
  return width === 1 && number > 3 ? part(NAMES[number - 4]!, 8) : part(NAMES[number]!);
}

Deno.test({
  name: "decodeMmio() understands what an assembler makes of every move",
  ignore: CANNOT_ASSEMBLE,
  fn() {
    const lines: string[] = [];
    const expected: Record<string, unknown>[] = [];
    const add = (line: string, what: Record<string, unknown>) => {
      lines.push(line);
      expected.push(what);
    };
    for (const operand of OPERANDS) {
      for (let number = 0; number < 8; number++) {
        for (const width of [1, 2, 4]) {
          const [text, register] = [registerText(number, width), registerOf(number, width)];
          add(`mov ${text}, ${operand}`, { direction: "store", width, source: register });
          add(`mov ${operand}, ${text}`, {
            direction: "load",
            width,
            register,
            extend: "none",
            registerWidth: width,
          });
        }
        for (const [mnemonic, width, registerWidth] of [["bl", 1, 4], ["bw", 1, 2], ["wl", 2, 4]] as const) {
          for (const [letter, extend] of [["z", "zero"], ["s", "sign"]]) {
            const register = registerOf(number, registerWidth);
            add(`mov${letter}${mnemonic} ${operand}, ${registerText(number, registerWidth)}`, {
              direction: "load",
              width,
              register,
              extend,
              registerWidth,
            });
          }
        }
      }
      for (const [suffix, width, value] of [["b", 1, 0x9a], ["w", 2, 0x9abc], ["l", 4, 0x9abcdef0]] as const) {
        add(`mov${suffix} $${value}, ${operand}`, { direction: "store", width, source: value });
      }
    }
    const listed = assemble(`${lines.join("\n")}\n`, "assembler");
    assertEquals(listed.length, lines.length);
    listed.forEach(({ bytes }, index) => {
      assertEquals(decodeMmio(bytes), { ...expected[index], length: bytes.length } as MmioInstruction, lines[index]);
    });
  },
});

Deno.test({
  name: "decodePrivileged() understands what an assembler makes of every instruction it knows",
  ignore: CANNOT_ASSEMBLE,
  fn() {
    const lines: string[] = [];
    const expected: Record<string, unknown>[] = [];
    for (const [accumulator, width] of [["%al", 1], ["%ax", 2], ["%eax", 4]] as const) {
      for (const [text, port] of [["$0x61", 0x61], ["$0xff", 0xff], ["%dx", "dx"]] as const) {
        lines.push(`in ${text}, ${accumulator}`, `out ${accumulator}, ${text}`);
        expected.push({ kind: "in", port, width }, { kind: "out", port, width });
      }
    }
    for (const name of NAMES) {
      lines.push(`mov %cr4, %${name}`);
      expected.push({ kind: "cr4", register: part(name) });
    }
    const listed = assemble(`${lines.join("\n")}\n`, "assembler");
    assertEquals(listed.length, lines.length);
    listed.forEach(({ bytes }, index) => {
      assertEquals<unknown>(decodePrivileged(bytes), { ...expected[index], length: bytes.length }, lines[index]);
    });
  },
});

/** Accessors as drivers have them, over a structure of registers, an array, an absolute address and a stack. */
const DRIVER = `
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32;
struct registers { u32 a, b; u16 c; u8 d, e; u8 gap[300]; u32 far; u16 far16; u8 far8; };
#define ACCESS(type, field) \\
  type read_##field(volatile struct registers *r) { return r->field; } \\
  int signed_##field(volatile struct registers *r) { return (signed type)r->field; } \\
  void write_##field(volatile struct registers *r, type v) { r->field = v; } \\
  void set_##field(volatile struct registers *r) { r->field = (type)0x89abcdef; } \\
  void copy_##field(volatile struct registers *r, volatile struct registers *s) { r->field = s->field; }
#define signed
ACCESS(u32, a) ACCESS(u32, b) ACCESS(u16, c) ACCESS(u8, d) ACCESS(u8, e) ACCESS(u32, far) ACCESS(u16, far16)
ACCESS(u8, far8)
#undef signed
int sign8(volatile signed char *p, int i) { return p[i] + p[i + 1000]; }
int sign16(volatile short *p, int i) { return p[i] + p[i + 1000]; }
u32 index32(volatile u32 *p, int i) { p[i + 3] = i; return p[i]; }
u32 fixed(void) { *(volatile u32 *)0xfe000000 = 7; *(volatile u8 *)0xfe000004 = 9; return *(volatile u16 *)0xfe000008; }
u32 moffs(void) { return *(volatile u32 *)0xfe000000; }
`;

Deno.test({
  name: "decodeMmio() understands what a compiler makes of a driver",
  ignore: CANNOT_ASSEMBLE,
  fn() {
    let seen = 0;
    for (const { bytes, text } of assemble(DRIVER, "c")) {
      const move = /^mov([bwl]|[zs][bw][wl])?\s+(\S+),(\S+)$/.exec(text.replace(/\),/, "),"));
      const operands = move && (text.includes("(") || /0x[0-9a-f]{8}(,|$)/.test(text));
      if (!operands || /^mov\w*\s+\$0x[0-9a-f]+,%/.test(text)) continue;
      seen++;
      const decoded = decodeMmio(bytes);
      assert(decoded !== undefined && "length" in decoded, text);
      assertEquals(decoded.length, bytes.length, text);
      assertEquals(decoded.direction, /,%\w+$/.test(text) ? "load" : "store", text);
    }
    assert(seen > 50, `${seen}`);
  },
});
