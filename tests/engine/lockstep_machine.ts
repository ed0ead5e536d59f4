/**
 * A little operating system around a generated program: page tables with lazy pages, fault handlers that repair what
 * faulted, system calls that flush the TLB or exchange pages. Enters: a program and how to run it. Leaves: the state
 * and all memory at its end. Read next: `program.ts` (the programs), `lockstep_test.ts`.
 *
 * @module
 */
import type { StopReason } from "../../lib/engine/engine.ts";
import { CR0_PE, CR0_PG, CR0_WP, CR4_OSFXSR, SEG_BIG } from "../../lib/engine/soft/control_bits.ts";
import type { Cpu } from "../../lib/engine/soft/cpu.ts";
import { SoftEngine, type SoftOptions } from "../../lib/engine/soft/engine.ts";
import { ESP, IF, STATE_BUDGET, STATE_END, STATE_FPU_REGS } from "../../lib/engine/soft/state.ts";
import { GuestMemory } from "../../lib/memory.ts";
import { Assembler } from "./assembler.ts";
import { hex } from "./case.ts";
import { PAGE } from "./layout.ts";
import { idleMachine } from "./machine.ts";
import type { Random } from "./random.ts";

const RAM = 0x10_0000;
const DIRECTORY = 0x1000, TABLE = 0x2000, GDT = 0x3000, IDT = 0x4000, TSS = 0x5000, VARIABLES = 0x6000;
const HANDLERS = 0x7000, INNER_STACK = 0x9000;
/** Linear addresses of a program: code and data (each mapped twice), stack, and a page that is exchanged. */
export const CODE = 0x10_0000, CODE_ALIAS = 0x11_0000, DATA = 0x12_0000, DATA_ALIAS = 0x13_0000, STACK = 0x14_0000;
/** Exchanged by {@link INT_SWITCH} for another frame at the same linear address. */
export const SWITCH = 0x15_0000;
/** Sizes in bytes. */
export const CODE_SIZE = 4 * PAGE, DATA_SIZE = 16 * PAGE, STACK_SIZE = 2 * PAGE;
/** Where a handler continues after a fault that is not repaired; the program sets it. Mapped for it, too. */
export const RESUME = STACK;
/** System calls: take a data page away and flush the TLB, exchange the {@link SWITCH} page, end. */
export const INT_FLUSH = 0x80, INT_SWITCH = 0x81, INT_END = 0x82;

const CODE_FRAMES = 0x2_0000, DATA_FRAMES = 0x3_0000, STACK_FRAMES = 0x4_0000, SWITCH_FRAMES = 0x5_0000;
/** Page-table entry bits; {@link LAZY} is one that is left to software: the page fault handler makes the page present. */
const P = 1, RW = 2, US = 4, USED = 0x60, LAZY = 0x200;
const POLLS = 4000;
const TICK = 0x20;

/** What runs. */
export interface Program {
  /** At {@link CODE}. */
  readonly code: Uint8Array;
  /** At {@link DATA}. */
  readonly data: Uint8Array;
  /** The two versions of the page at {@link SWITCH}. */
  readonly switched: readonly [Uint8Array, Uint8Array];
  readonly registers: readonly number[];
  /** Privilege level, 0 or 3. */
  readonly level: 0 | 3;
  /** For each data page: present, only readable at first, or absent at first. */
  readonly pages: readonly ("present" | "read-only" | "absent")[];
}

/** Where a program was when it ended. */
export interface EndState {
  readonly reason: string;
  /** Registers and the like, by name. */
  readonly state: ReadonlyMap<string, string>;
  readonly memory: Uint8Array;
}

/**
 * Run a program to its end.
 *
 * @param program what to run
 * @param options how the engine runs
 * @param ticks interrupts arrive at random; a program at level 3 must not notice
 */
export function runProgram(program: Program, options: SoftOptions, ticks?: Random): EndState {
  const memory = GuestMemory.allocate(RAM);
  fillMemory(memory, program);
  let stopped: StopReason | undefined;
  let polls = 0;
  const machine = {
    ...idleMachine(),
    wait: () => void (stopped = { kind: "poweroff" }),
    poll: () => {
      if (++polls > (ticks ? 100 : 1) * POLLS) stopped = { kind: "terminated" };
      if (ticks) engine.cpu.i32[STATE_BUDGET >> 2] = ticks.below(16);
    },
    interrupts: {
      get pending() {
        return ticks !== undefined && ticks.chance(0.1);
      },
      acknowledge: () => TICK,
    },
    get stopped() {
      return stopped;
    },
  };
  const engine = new SoftEngine(memory, machine, options);
  engine.reset({ eip: CODE, esi: 0 });
  start(engine.cpu, program);
  const reason = engine.run();
  const ended = memory.copy(0, RAM);
  ended.fill(0, INNER_STACK - PAGE, INNER_STACK); // old frames of interrupts, and their number
  ended.fill(0, TICKS, TICKS + 4);
  return { reason: reason.kind, state: stateOf(engine.cpu), memory: ended };
}

function start(cpu: Cpu, program: Program): void {
  cpu.cr0 |= CR0_PE | CR0_PG | CR0_WP;
  cpu.cr3 = DIRECTORY;
  cpu.cr4 |= CR4_OSFXSR;
  Object.assign(cpu.gdt, { base: GDT, limit: 0x3f });
  Object.assign(cpu.idt, { base: IDT, limit: 0x7ff });
  Object.assign(cpu.task, { selector: 0x28, base: TSS, limit: 0x67, access: 0x8b });
  cpu.cpl = program.level;
  for (let segment = 0; segment < 6; segment++) {
    const code = segment === 1;
    cpu.selectors[segment] = (code ? 8 : 16) + (program.level ? 16 + 3 : 0);
    cpu.setSegmentBase(segment, 0);
    cpu.limits[segment] = 0xffff_ffff;
    cpu.accesses[segment] = (code ? 0x9b : 0x93) | program.level << 5 | SEG_BIG | 0x8000;
  }
  cpu.updateMode();
  cpu.mmu.flush(false);
  program.registers.forEach((value, i) => cpu.setReg(i, value));
  cpu.setReg(ESP, STACK + STACK_SIZE - 64);
  cpu.flags = 2 | (program.level === 3 ? IF : 0);
  cpu.eip = CODE;
}

function stateOf(cpu: Cpu): Map<string, string> {
  const state = new Map<string, string>();
  const names = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
  names.forEach((name, i) => state.set(name, hex(cpu.reg(i))));
  state.set("eip", hex(cpu.eip)).set("eflags", hex(cpu.flags)).set("cpl", hex(cpu.cpl)).set("cr2", hex(cpu.cr2));
  cpu.selectors.forEach((selector, i) => state.set(`segment ${i}`, hex(selector)));
  for (let at = STATE_FPU_REGS; at < STATE_END; at += 4) state.set(`state ${at}`, hex(cpu.i32[at >> 2]!));
  return state;
}

function fillMemory(memory: GuestMemory, program: Program): void {
  const map = (linear: number, frame: number, flags: number) =>
    memory.setUint32(TABLE + (linear >>> 12) * 4, frame | flags);
  const user = P | RW | US;
  memory.setUint32(DIRECTORY, TABLE | user);
  for (let at = 0; at < RAM; at += PAGE) map(at, at, P | RW | USED);
  for (let at = 0; at < CODE_SIZE; at += PAGE) {
    map(CODE + at, CODE_FRAMES + at, user);
    map(CODE_ALIAS + at, CODE_FRAMES + at, user);
  }
  for (let at = 0; at < DATA_SIZE; at += PAGE) {
    const kind = program.pages[at / PAGE]!;
    const flags = kind === "present" ? user : kind === "read-only" ? P | US | LAZY : LAZY;
    map(DATA + at, DATA_FRAMES + at, flags);
    map(DATA_ALIAS + at, DATA_FRAMES + at, user);
  }
  for (let at = 0; at < STACK_SIZE; at += PAGE) map(STACK + at, STACK_FRAMES + at, user);
  map(SWITCH, SWITCH_FRAMES, user);
  memory.write(CODE_FRAMES, program.code);
  memory.write(DATA_FRAMES, program.data);
  program.switched.forEach((page, i) => memory.write(SWITCH_FRAMES + i * PAGE, page));
  fillTables(memory);
}

function fillTables(memory: GuestMemory): void {
  const put = (at: number, low: number, high: number) => {
    memory.setUint32(at, low);
    memory.setUint32(at + 4, high);
  };
  [0x9b, 0x93, 0xfb, 0xf3].forEach((access, i) => put(GDT + 8 + 8 * i, 0xffff, 0xcf_0000 | access << 8));
  memory.setUint32(TSS + 4, INNER_STACK);
  memory.setUint32(TSS + 8, 16);
  const asm = handlers();
  memory.write(HANDLERS, asm.finish());
  for (let vector = 0; vector < 256; vector++) {
    const known = asm.addressOf(`vector ${vector}`);
    const target = Number.isNaN(known) ? asm.addressOf(vector >= 10 && vector <= 14 ? "coded" : "plain") : known;
    put(IDT + 8 * vector, 8 << 16 | target & 0xffff, target & 0xffff_0000 | (vector >= 0x80 ? 0xee00 : 0x8e00));
  }
}

const TICKS = VARIABLES + 16;
const FAULTS = VARIABLES, OTHER_FAULTS = VARIABLES + 4, TRAPS = VARIABLES + 8, CALLS = VARIABLES + 12;

/** `op dword [address]` with ModRM.reg `reg`. */
function onVariable(asm: Assembler, opcode: number, reg: number, address: number): void {
  asm.emit(opcode, reg << 3 | 5);
  asm.word(address);
}

/** The fault handlers; they are run by the engine under test, too. */
function handlers(): Assembler {
  const asm = new Assembler(HANDLERS);
  pageFaultHandler(asm);
  asm.label("coded"); // other faults with an error code
  asm.emit(0x83, 0xc4, 4); // add esp, 4
  asm.label("plain"); // faults without: continue where the program wants
  asm.emit(0x50); // push eax
  onVariable(asm, 0xff, 0, OTHER_FAULTS); // inc
  asm.emit(0xa1); // mov eax, [RESUME]
  asm.word(RESUME);
  asm.emit(0x89, 0x44, 0x24, 4, 0x58, 0xcf); // mov [esp+4], eax; pop eax; iret
  asm.label(`vector ${TICK}`);
  onVariable(asm, 0xff, 0, TICKS);
  asm.emit(0xcf);
  asm.label("vector 1");
  onVariable(asm, 0xff, 0, TRAPS);
  asm.emit(0xcf);
  asm.label(`vector ${INT_FLUSH}`);
  onVariable(asm, 0xff, 0, CALLS);
  asm.emit(0x50, 0xa1); // push eax; mov eax, [CALLS]; and eax, 15: take a data page away
  asm.word(CALLS);
  asm.emit(0x83, 0xe0, 15, 0x81, 0x24, 0x85); // and dword [TABLE + … + eax*4], ~7; or LAZY
  asm.word(TABLE + (DATA >>> 12) * 4);
  asm.word(~(P | RW | US));
  asm.emit(0x81, 0x0c, 0x85);
  asm.word(TABLE + (DATA >>> 12) * 4);
  asm.word(LAZY);
  asm.emit(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0x58, 0xcf); // mov eax, cr3; mov cr3, eax; pop eax; iret
  asm.label(`vector ${INT_SWITCH}`);
  onVariable(asm, 0x81, 6, TABLE + (SWITCH >>> 12) * 4); // xor
  asm.word(0x1000);
  asm.emit(0x0f, 0x01, 0x3d); // invlpg
  asm.word(SWITCH);
  asm.emit(0xcf);
  asm.label(`vector ${INT_END}`);
  asm.emit(0xf4);
  asm.label("die");
  asm.emit(0xf4, 0xeb, 0xfd); // hlt; jmp
  return asm;
}

/** Makes a lazy page present and writable; anything else is the end. */
function pageFaultHandler(asm: Assembler): void {
  asm.label("vector 14");
  asm.emit(0x50, 0x53); // push eax; push ebx
  onVariable(asm, 0xff, 0, FAULTS);
  asm.emit(0x0f, 0x20, 0xd0, 0x89, 0xc3, 0xc1, 0xeb, 12); // mov eax, cr2; mov ebx, eax; shr ebx, 12
  asm.emit(0x81, 0xfb); // cmp ebx, 0x400
  asm.word(0x400);
  asm.emit(0x0f, 0x83); // jae die
  asm.relative("die", 4);
  asm.emit(0xf7, 0x04, 0x9d); // test dword [TABLE + ebx*4], LAZY
  asm.word(TABLE);
  asm.word(LAZY);
  asm.emit(0x0f, 0x84); // jz die
  asm.relative("die", 4);
  asm.emit(0x83, 0x0c, 0x9d); // or dword [TABLE + ebx*4], 7
  asm.word(TABLE);
  asm.emit(P | RW | US);
  asm.emit(0x0f, 0x01, 0x38); // invlpg [eax]
  asm.emit(0x5b, 0x58, 0x83, 0xc4, 4, 0xcf); // pop ebx; pop eax; add esp, 4; iret
}
