/**
 * The instructions between the branches of a random program: every operand form, all of memory that the program has,
 * no way to lose the stack pointer. Used by `program.ts`.
 *
 * @module
 */
import { SIMD_HANDLERS } from "../../lib/engine/soft/interp/simd/mod.ts";
import type { Assembler } from "./assembler.ts";
import { DATA, DATA_ALIAS, DATA_SIZE, RESUME } from "./lockstep_machine.ts";
import { PAGE } from "./layout.ts";
import type { Random } from "./random.ts";

/** Registers that may be changed: all but ESP. */
const FREE = [0, 1, 2, 3, 5, 6, 7] as const;
/** Where accesses go: the counters behind are left alone. */
const REACH = DATA_SIZE - 512;
/** A word for the program's own use. */
const SCRATCH = DATA + DATA_SIZE - 260;

type Kind = readonly [opcode: readonly number[], immediate: 0 | 1 | 4, byte: boolean];

/** ModRM forms whose rm operand may be memory or register, with the immediate's size (4: the operand's). */
const RM: readonly Kind[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((alu): Kind[] => [
    [[alu * 8], 0, true],
    [[alu * 8 + 1], 0, false],
    [[alu * 8 + 2], 0, true],
    [[alu * 8 + 3], 0, false],
  ]),
  [[0x84], 0, true],
  [[0x85], 0, false],
  [[0x86], 0, true],
  [[0x87], 0, false],
  [[0x88], 0, true],
  [[0x89], 0, false],
  [[0x89], 0, false],
  [[0x8a], 0, true],
  [[0x8b], 0, false],
  [[0x8b], 0, false],
  [[0x69], 4, false],
  [[0x6b], 1, false],
  ...[0xa4, 0xac].map((op): Kind => [[0x0f, op], 1, false]),
  ...[0xa5, 0xad, 0xaf, 0xb1, 0xbc, 0xbd, 0xc1].map((op): Kind => [[0x0f, op], 0, false]),
  ...[0xb0, 0xc0].map((op): Kind => [[0x0f, op], 0, true]),
  ...[0xb6, 0xb7, 0xbe, 0xbf].map((op): Kind => [[0x0f, op], 0, false]),
  ...Array.from({ length: 16 }, (_, i): Kind => [[0x0f, 0x40 + i], 0, false]),
];

/** Groups: opcode, allowed ModRM.reg, immediate, byte. */
const GROUP: readonly (readonly [readonly number[], readonly number[], 0 | 1 | 4, boolean])[] = [
  [[0x80], [0, 1, 2, 3, 4, 5, 6, 7], 1, true],
  [[0x81], [0, 1, 2, 3, 4, 5, 6, 7], 4, false],
  [[0x83], [0, 1, 2, 3, 4, 5, 6, 7], 1, false],
  [[0xc0], [0, 1, 2, 3, 4, 5, 7], 1, true],
  [[0xc1], [0, 1, 2, 3, 4, 5, 7], 1, false],
  [[0xd0], [0, 1, 2, 3, 4, 5, 7], 0, true],
  [[0xd1], [0, 1, 2, 3, 4, 5, 7], 0, false],
  [[0xd2], [0, 1, 2, 3, 4, 5, 7], 0, true],
  [[0xd3], [0, 1, 2, 3, 4, 5, 7], 0, false],
  [[0xf6], [0], 1, true],
  [[0xf7], [0], 4, false],
  [[0xf6], [2, 3, 4, 5], 0, true],
  [[0xf7], [2, 3, 4, 5], 0, false],
  [[0xfe], [0, 1], 0, true],
  [[0xff], [0, 1], 0, false],
  [[0xc6], [0], 1, true],
  [[0xc7], [0], 4, false],
  [[0x0f, 0xba], [4, 5, 6, 7], 1, false],
  [[0x0f, 0x90], [0], 0, true],
  [[0x0f, 0x94], [0], 0, true],
  [[0x0f, 0x9c], [0], 0, true],
];

/** MASKMOVDQU (stores through EDI), EMMS (has its own place). */
const SIMD_LEFT_OUT = new Set([0xf7, 0x77]);
/** These have an immediate byte. */
const SIMD_IMMEDIATE = new Set([0x70, 0x71, 0x72, 0x73, 0xc2, 0xc4, 0xc5, 0xc6]);
/** x87 instructions without memory: loads of constants, arithmetic, comparisons into EFLAGS, exchanges. */
const X87 = [
  [0xd9, 0xe8],
  [0xd9, 0xeb],
  [0xd9, 0xee],
  [0xd8, 0xc1],
  [0xdc, 0xc9],
  [0xde, 0xc1],
  [0xde, 0xf9],
  [0xd8, 0xe2],
  [0xd9, 0xc9],
  [0xd9, 0xe0],
  [0xd9, 0xe1],
  [0xd9, 0xfa],
  [0xdb, 0xf1],
  [0xdb, 0xe9],
  [0xdd, 0xd8],
  [0xdf, 0xe0],
  [0xdb, 0xe3],
  [0xd9, 0xfc],
  [0xda, 0xc1],
];
/** x87 instructions with memory: escape, ModRM.reg. */
const X87_MEMORY = [
  [0xd9, 0],
  [0xdd, 0],
  [0xdb, 0],
  [0xdf, 5],
  [0xd9, 3],
  [0xdd, 3],
  [0xdb, 3],
  [0xdf, 7],
  [0xd8, 0],
  [0xdc, 1],
  [0xda, 4],
  [0xdb, 5],
  [0xdb, 7],
  [0xd9, 7],
] as const;

/** Without operands, or with the accumulator. */
const PLAIN = [
  [0x98],
  [0x99],
  [0xf5],
  [0xf8],
  [0xf9],
  [0x9e],
  [0x9f],
  [0x27],
  [0x2f],
  [0x37],
  [0x3f],
  [0xd6],
  [0x90],
  [0x66, 0x98],
  [0x66, 0x99],
  [0xd4, 10],
  [0xd5, 10],
];

/** Every SIMD encoding that the interpreter knows: prefix, opcode. */
const SIMD: readonly (readonly [prefix: number, opcode: number])[] = SIMD_HANDLERS.flatMap((handler, code) =>
  handler && !SIMD_LEFT_OUT.has(code & 0xff) ? [[[0, 0x66, 0xf3, 0xf2][code >> 8]!, code & 0xff] as const] : []
);

/** Writes instructions into an assembler. */
export class Body {
  readonly #asm: Assembler;
  readonly #random: Random;

  constructor(asm: Assembler, random: Random) {
    this.#asm = asm;
    this.#random = random;
  }

  /** One instruction (or a few that belong together). */
  instruction(): void {
    const dice = this.#random.below(100);
    if (dice < 45) return this.#modrm();
    if (dice < 68) return this.#group();
    if (dice < 74) return this.#move();
    if (dice < 80) return this.#incDec();
    if (dice < 84) return this.#asm.emit(...this.#random.pick(PLAIN));
    if (dice < 88) return this.#stack();
    if (dice < 91) return this.#lea();
    if (dice < 93) return this.#bitTest();
    if (dice < 94) return this.#flags();
    this.#simd();
  }

  /** An address in the data, at times over a page's end, at times in the second mapping. */
  #address(size: number): number {
    const random = this.#random;
    const base = random.chance(0.2) ? DATA_ALIAS : DATA;
    if (random.chance(0.15)) return base + PAGE * (1 + random.below(14)) - random.below(size + 1);
    return base + random.below(REACH - size);
  }

  /**
   * Instructions that prepare a register, if the addressing needs one, and what follows the opcode.
   *
   * @returns ModRM byte without reg, and what comes behind it
   */
  #memory(size: number): number[] {
    const random = this.#random, asm = this.#asm;
    const address = this.#address(size);
    const word = (value: number) => [value & 0xff, value >>> 8 & 0xff, value >>> 16 & 0xff, value >>> 24];
    const register = random.pick(FREE);
    switch (random.below(6)) {
      case 0:
      case 1:
        return [5, ...word(address)];
      case 2: { // [register + disp8]
        const disp = random.below(200) - 100;
        asm.emit(0xb8 | register, ...word(address - disp));
        return [0x40 | register, disp & 0xff];
      }
      case 3: // [register + disp32] with what the register happens to hold, bounded
        asm.emit(0x81, 0xe0 | register, ...word(0x1fff));
        return [0x80 | register, ...word(DATA + random.below(0x8000))];
      case 4: { // [register * scale + disp32]
        const scale = random.below(4);
        asm.emit(0x81, 0xe0 | register, ...word(0x7ff));
        return [4, scale << 6 | register << 3 | 5, ...word(DATA + random.below(0x8000))];
      }
      default: // the stack
        return [0x84, 0x24, ...word(-64 - size - random.below(256))];
    }
  }

  #register(byte: boolean): number {
    return byte ? this.#random.below(8) : this.#random.pick(FREE);
  }

  #emit(opcode: readonly number[], reg: number, byte: boolean, immediate: number): void {
    const random = this.#random, asm = this.#asm;
    const wide = !byte && random.chance(0.8);
    const operand = random.chance(0.5) ? this.#memory(4) : [0xc0 | this.#register(byte)];
    if (!byte && !wide) asm.emit(0x66);
    asm.emit(...opcode, operand[0]! | reg << 3, ...operand.slice(1));
    const value = random.value(), size = immediate === 4 && !wide ? 2 : immediate;
    for (let i = 0; i < size; i++) asm.emit(value >>> (8 * i));
  }

  #modrm(): void {
    const [opcode, immediate, byte] = this.#random.pick(RM);
    this.#emit(opcode, this.#register(byte), byte, immediate);
  }

  #group(): void {
    const [opcode, members, immediate, byte] = this.#random.pick(GROUP);
    this.#emit(opcode, this.#random.pick(members), byte, immediate);
  }

  #move(): void {
    const random = this.#random;
    this.#asm.emit(0xb8 | random.pick(FREE));
    this.#asm.word(random.value());
  }

  #incDec(): void {
    if (this.#random.chance(0.2)) this.#asm.emit(0x66);
    this.#asm.emit(this.#random.pick([0x40, 0x48]) | this.#random.pick(FREE));
  }

  #lea(): void {
    const random = this.#random;
    const sib = random.below(4) << 6 | random.below(8) << 3 | random.below(8);
    this.#asm.emit(0x8d, 0x84 | random.pick(FREE) << 3, sib);
    this.#asm.word(random.value());
  }

  /** Balanced uses of the stack. */
  #stack(): void {
    const random = this.#random, asm = this.#asm;
    switch (random.below(5)) {
      case 0:
        asm.emit(0x50 | random.below(8), 0x58 | random.pick(FREE)); // push, pop
        return;
      case 1:
        asm.emit(0x60); // pusha, …, popa
        this.#modrm();
        asm.emit(0x61);
        return;
      case 2:
        asm.emit(0x9c); // pushf, …, popf
        this.#group();
        asm.emit(0x9d);
        return;
      case 3:
        asm.emit(0xc8, random.below(64), 0, random.below(3)); // enter, …, leave; EBP is not touched between them
        asm.emit(0xb8);
        asm.word(random.value());
        asm.emit(0xc9);
        return;
      default: {
        const operand = this.#memory(4); // push m, pop m
        asm.emit(0xff, operand[0]! | 6 << 3, ...operand.slice(1));
        asm.emit(0x8f, 5);
        asm.word(this.#address(4));
      }
    }
  }

  /** A bit offset in a register, bounded so that it stays in the data. */
  #bitTest(): void {
    const random = this.#random, asm = this.#asm, register = random.pick(FREE);
    asm.emit(0x81, 0xe0 | register);
    asm.word(0xffff);
    asm.emit(0x0f, random.pick([0xa3, 0xab, 0xb3, 0xbb]), register << 3 | 5);
    asm.word(DATA + random.below(0x8000));
  }

  #flags(): void {
    const random = this.#random, asm = this.#asm;
    if (random.chance(0.7)) return asm.emit(0x0f, 0x90 | random.below(16), 0xc0 | random.below(8)); // setcc
    asm.emit(0x9c, 0x81, 0x0c, 0x24); // pushf; or dword [esp], TF; popf: single steps from here on
    asm.word(0x100);
    asm.emit(0x9d);
    this.#modrm();
    asm.emit(0x9c, 0x81, 0x24, 0x24); // and back
    asm.word(~0x100);
    asm.emit(0x9d);
  }

  /** On registers or memory, mostly aligned; ESP is never written, so number 4 is left out where it may be a register. */
  #simd(): void {
    const random = this.#random, asm = this.#asm;
    if (random.chance(0.15)) return this.#x87();
    if (random.chance(0.04)) return this.#mxcsr();
    const [prefix, opcode] = random.pick(SIMD);
    const group = opcode >= 0x71 && opcode <= 0x73;
    const memory = !group && random.chance(0.5);
    const reg = group ? random.pick([2, 4, 6]) : random.pick(FREE);
    if (prefix) asm.emit(prefix);
    asm.emit(0x0f, opcode, (memory ? 5 : 0xc0 | random.pick(FREE)) | reg << 3);
    if (memory) asm.word(random.chance(0.98) ? DATA + (random.below(REACH - 16) & ~15) : this.#address(16));
    if (SIMD_IMMEDIATE.has(opcode)) asm.emit(random.below(256));
  }

  /** Another rounding mode, other sticky flags, at times flushed denormals or an exception that is not masked. */
  #mxcsr(): void {
    const random = this.#random, asm = this.#asm;
    const value = 0x1f80 | random.below(4) << 13 | (random.chance(0.2) ? 0x8040 : 0) | (random.chance(0.5) ? 0x3f : 0);
    asm.emit(0xc7, 0x05); // mov dword [SCRATCH], value; ldmxcsr [SCRATCH]
    asm.word(SCRATCH);
    asm.word(random.chance(0.05) ? value & ~0x1080 : value);
    asm.emit(0x0f, 0xae, 0x15);
    asm.word(SCRATCH);
    if (random.chance(0.3)) { // stmxcsr
      asm.emit(0x0f, 0xae, 0x1d);
      asm.word(this.#address(4));
    }
  }

  #x87(): void {
    const random = this.#random, asm = this.#asm;
    if (random.chance(0.3)) return asm.emit(0x0f, 0x77); // emms
    if (random.chance(0.5)) return asm.emit(...random.pick(X87));
    const [escape, reg] = random.pick(X87_MEMORY);
    asm.emit(escape, reg << 3 | 5);
    asm.word(this.#address(10));
  }

  /** A string instruction, repeated or not, over the pages of the data. */
  stringInstruction(): void {
    const random = this.#random, asm = this.#asm;
    const backward = random.chance(0.3);
    asm.emit(backward ? 0xfd : 0xfc, 0xbe); // cld or std; mov esi; mov edi; mov ecx
    asm.word(DATA + 0x1000 + random.below(0xc000));
    asm.emit(0xbf);
    asm.word(DATA + 0x1000 + random.below(0xc000));
    asm.emit(0xb9);
    asm.word(random.below(300));
    const prefix = random.pick([0, 0xf2, 0xf3, 0xf3]);
    if (prefix) asm.emit(prefix);
    if (random.chance(0.1)) asm.emit(0x66);
    asm.emit(random.pick([0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xa7, 0xae, 0xaf, 0xac, 0xad]));
    asm.emit(0xfc);
  }

  /** DIV or IDIV with whatever is in the registers; on #DE the handler goes on at `behind`. */
  division(behind: string): void {
    const random = this.#random, asm = this.#asm;
    asm.emit(0xc7, 0x05); // mov dword [RESUME], behind
    asm.word(RESUME);
    asm.absolute(behind);
    if (random.chance(0.5)) asm.emit(0x99); // cdq
    if (random.chance(0.3)) asm.emit(0x66);
    asm.emit(random.pick([0xf6, 0xf7]), 0xc0 | random.pick([6, 7]) << 3 | random.pick([1, 3, 5, 6, 7]));
    asm.label(behind);
  }
}
