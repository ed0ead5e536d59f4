/**
 * Random programs that end: straight code, loops with counters, branches, calls direct, indirect and through an alias
 * of the code, stores into code ahead, pages that fault in the middle of a block. Enters: a seed. Leaves: a
 * {@link Program}. Read next: `program_body.ts` (the instructions between the branches), `lockstep_machine.ts`.
 *
 * @module
 */
import { Assembler } from "./assembler.ts";
import {
  CODE,
  CODE_ALIAS,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  INT_END,
  INT_FLUSH,
  INT_SWITCH,
  type Program,
  RESUME,
  SWITCH,
} from "./lockstep_machine.ts";
import { PAGE, pristine } from "./layout.ts";
import { Body } from "./program_body.ts";
import { Random } from "./random.ts";

/** Loop counters and jump tables stand at the end of the data, where random accesses do not go. */
const COUNTERS = DATA + DATA_SIZE - 256;
const RET = 0xc3;

/** Make the program of a seed. */
export function makeProgram(seed: number): Program {
  const random = new Random(seed);
  const maker = new Maker(random);
  const code = maker.make();
  const data = pristine(DATA, DATA_SIZE);
  for (let i = 0; i < 600; i++) {
    new DataView(data.buffer).setUint32(4 * random.below(DATA_SIZE / 4), random.value(), true);
  }
  putFloats(data, random);
  data.fill(0, DATA_SIZE - 256);
  const kinds = ["present", "present", "read-only", "absent"] as const;
  const pages = Array.from({ length: DATA_SIZE / PAGE }, (_, i) => i < 15 ? random.pick(kinds) : "present" as const);
  return {
    code,
    data,
    switched: [switchPage(random), switchPage(random)],
    registers: Array.from({ length: 8 }, () => random.value()),
    level: random.pick([0, 3] as const),
    pages,
  };
}

/** Numbers of both sizes, so that not all that SSE computes is NaN. */
function putFloats(data: Uint8Array, random: Random): void {
  const view = new DataView(data.buffer);
  const number = () =>
    (random.below(2000) - 1000) / random.pick([1, 3, 1024, 1e-3]) * 2 ** random.pick([0, 0, 0, 60, -140]);
  for (let i = 0; i < 1000; i++) view.setFloat64(8 * random.below(data.length / 8), number(), true);
  for (let i = 0; i < 2000; i++) view.setFloat32(4 * random.below(data.length / 4), number(), true);
}

/** A page of one subroutine; its twin has another at the same address. */
function switchPage(random: Random): Uint8Array {
  const asm = new Assembler(SWITCH);
  const body = new Body(asm, random);
  for (let i = 0; i < 6; i++) body.instruction();
  asm.emit(RET);
  const page = new Uint8Array(PAGE).fill(0xcc);
  page.set(asm.finish());
  return page;
}

class Maker {
  readonly #random: Random;
  readonly #asm = new Assembler(CODE);
  readonly #body: Body;
  readonly #subroutines: number;
  #labels = 0;
  #counters = 0;
  /** Places of immediates that may be overwritten, in code that comes later than their writers. */
  #patches: string[] = [];

  constructor(random: Random) {
    this.#random = random;
    this.#body = new Body(this.#asm, random);
    this.#subroutines = 1 + random.below(4);
  }

  make(): Uint8Array {
    this.#asm.emit(0xdb, 0xe3); // fninit
    this.#asm.emit(0xc7, 0x05); // mov dword [RESUME], end
    this.#asm.word(RESUME);
    this.#asm.absolute("end");
    for (let i = 4 + this.#random.below(14); i > 0; i--) this.#segment(0);
    this.#flushPatches();
    this.#asm.label("end");
    this.#asm.emit(0xcd, INT_END);
    for (let i = 0; i < this.#subroutines; i++) this.#subroutine(i);
    const code = this.#asm.finish();
    if (code.length > CODE_SIZE) throw new Error(`The program has ${code.length} bytes`);
    return code;
  }

  #label(): string {
    return `L${this.#labels++}`;
  }

  #subroutine(n: number): void {
    const asm = this.#asm;
    this.#gap();
    asm.label(`sub ${n}`);
    this.#instructions(1 + this.#random.below(6));
    if (this.#random.chance(0.5)) this.#skip();
    this.#instructions(1 + this.#random.below(4));
    if (this.#random.chance(0.3)) {
      asm.emit(0x68); // push imm32; ret 4
      asm.word(this.#random.value());
      asm.emit(0x58); // pop eax
    }
    asm.emit(RET);
  }

  /** Sometimes go on just before a page's end. */
  #gap(): void {
    const { here } = this.#asm;
    const left = PAGE - (here & 0xfff);
    if (here - CODE > CODE_SIZE - 2 * PAGE || !this.#random.chance(0.15) || left < 64) return;
    const distance = left - 8 - this.#random.below(24);
    if (distance <= 5) return;
    this.#asm.emit(0xe9);
    this.#asm.word(distance - 5);
    for (let i = 5; i < distance; i++) this.#asm.emit(0xcc);
  }

  #instructions(count: number): void {
    for (let i = 0; i < count; i++) this.#body.instruction();
  }

  /** One piece of the program; loops nest twice at most. */
  #segment(depth: number): void {
    if (depth === 0) this.#gap();
    switch (this.#random.below(depth < 2 ? 11 : 9)) {
      case 0:
      case 1:
        return this.#instructions(2 + this.#random.below(10));
      case 2:
        return this.#skip();
      case 3:
        return this.#call();
      case 4:
        return this.#system();
      case 5:
        return this.#patchAhead();
      case 6:
        return this.#table();
      case 7:
        return this.#strings();
      case 8:
        return this.#divide();
      default:
        return this.#loop(depth);
    }
  }

  /** A conditional branch over some code, near or short. */
  #skip(): void {
    const asm = this.#asm, end = this.#label(), condition = this.#random.below(16);
    this.#instructions(1);
    asm.emit(0x0f, 0x80 | condition);
    asm.relative(end, 4);
    this.#instructions(1 + this.#random.below(5));
    if (this.#random.chance(0.4)) { // if … else
      const after = this.#label();
      asm.emit(0xe9);
      asm.relative(after, 4);
      asm.label(end);
      this.#instructions(1 + this.#random.below(4));
      asm.label(after);
      return;
    }
    asm.label(end);
  }

  /** A counted loop: in memory, since the body may change any register; hot enough to be translated. */
  #loop(depth: number): void {
    const asm = this.#asm, top = this.#label();
    const counter = COUNTERS + 4 * (this.#counters++ % 60);
    const times = 1 + this.#random.below(depth === 0 ? 40 : 8);
    asm.emit(0xc7, 0x05); // mov dword [counter], times
    asm.word(counter);
    asm.word(times);
    asm.label(top);
    for (let i = 1 + this.#random.below(3); i > 0; i--) this.#segment(depth + 1);
    asm.emit(0xff, 0x0d); // dec dword [counter]
    asm.word(counter);
    asm.emit(0x0f, 0x85); // jnz
    asm.relative(top, 4);
  }

  /** Call a subroutine: directly, through a register or memory, in the alias of the code, in the exchanged page. */
  #call(): void {
    const asm = this.#asm, back = this.#label(), name = `sub ${this.#random.below(this.#subroutines)}`;
    const alias = this.#random.chance(0.4) ? CODE_ALIAS - CODE : 0;
    switch (this.#random.below(4)) {
      case 0:
        asm.emit(0xe8);
        return asm.relative(name, 4, alias);
      case 1:
        asm.emit(0xb8); // mov eax, sub; call eax
        asm.absolute(name, alias);
        return asm.emit(0xff, 0xd0);
      case 2:
        asm.emit(0xb8); // mov eax, SWITCH; call eax
        asm.word(SWITCH);
        return asm.emit(0xff, 0xd0);
      default:
        asm.emit(0x68); // push back; push sub; ret
        asm.absolute(back);
        asm.emit(0x68);
        asm.absolute(name, alias);
        asm.emit(RET);
        asm.label(back);
    }
  }

  #system(): void {
    this.#asm.emit(0xcd, this.#random.pick([INT_FLUSH, INT_SWITCH]));
  }

  /** Overwrite an immediate that is executed later, directly or through the alias. */
  #patchAhead(): void {
    const asm = this.#asm, target = this.#label();
    const alias = this.#random.chance(0.4) ? CODE_ALIAS - CODE : 0;
    if (this.#random.chance(0.5)) {
      asm.emit(0xa3); // mov [target], eax
      asm.absolute(target, alias);
    } else {
      asm.emit(0x88, 0x15); // mov [target], dl
      asm.absolute(target, alias);
    }
    this.#patches.push(target);
    if (this.#random.chance(0.6)) this.#flushPatches();
  }

  /** The instructions whose immediates were or will be overwritten. */
  #flushPatches(): void {
    for (const patch of this.#patches) {
      this.#asm.emit(0x81, 0xc0 | this.#random.pick([0, 5, 6]) << 3 | this.#random.pick([0, 1, 2, 3, 5, 6, 7]));
      this.#asm.label(patch);
      this.#asm.word(this.#random.value());
    }
    this.#patches = [];
  }

  /** `jmp [table + eax*4]`. */
  #table(): void {
    const asm = this.#asm, table = this.#label(), end = this.#label();
    const cases = Array.from({ length: 4 }, () => this.#label());
    asm.emit(0x83, 0xe0, 3, 0xff, 0x24, 0x85); // and eax, 3; jmp
    asm.absolute(table);
    asm.label(table);
    for (const one of cases) asm.absolute(one);
    for (const one of cases) {
      asm.label(one);
      this.#instructions(1 + this.#random.below(3));
      asm.emit(0xe9);
      asm.relative(end, 4);
    }
    asm.label(end);
  }

  #strings(): void {
    this.#body.stringInstruction();
  }

  /** A division that may fault: the handler goes on behind it. Any other fault ends the program. */
  #divide(): void {
    this.#body.division(this.#label());
    this.#asm.emit(0xc7, 0x05); // mov dword [RESUME], end
    this.#asm.word(RESUME);
    this.#asm.absolute("end");
  }
}
