/**
 * Bytes in, {@link Insn} out. Written for i386 and x86-64 alike: the default size decides what an operand size, an
 * address size and a REX prefix mean. Read next: `interp/mod.ts` (what each operation does).
 *
 * @module
 */
import type { Cpu } from "./cpu.ts";
import { END_BRANCH, END_SYSTEM, type Handler, Insn, K_CR, K_DR, K_HIGH, K_IMM, K_MEM, K_REG, K_SREG } from "./insn.ts";
import { GROUPS, ONE_BYTE, OP, TWO_BYTE } from "./opcodes.ts";
import { CS, DS, ES, FS, GS, SS } from "./state.ts";

/** Longest instruction in bytes (Intel SDM volume 2, §2.3.11). */
export const MAX_LENGTH = 15;

/** Which handler executes a decoded instruction; filled by `interp/mod.ts`. */
export interface Handlers {
  /** By `OP`. */
  readonly op: Handler[];
  /** SIMD, by {@link Insn.code}. */
  readonly simd: (Handler | undefined)[];
  /** x87, by {@link Insn.code}. */
  readonly x87: (Handler | undefined)[];
}

/** Raised when the bytes end before the instruction does. */
export const NEED_MORE = Symbol("the instruction continues behind the bytes given");

/** Raised at the sixteenth byte. */
const TOO_LONG = Symbol("the instruction is too long");

const A_MODRM = 1, A_LOCK = 2, A_D64 = 4, A_NO64 = 8, A_END = 16, A_SYS = 32, A_GROUP = 64, A_BYTE = 128;
/** ModRM.mod is ignored: the operand is a register (MOV to and from CR and DR). */
const A_REGISTER = 256;

interface Recipe {
  readonly op: number;
  readonly attributes: number;
  readonly operands: readonly string[];
  /** Group members by ModRM.reg. */
  readonly group: readonly (Recipe | undefined)[] | undefined;
}

const ONE = recipes(ONE_BYTE);
const TWO = recipes(TWO_BYTE);
const JCC = OP.JCC!, SIMD = OP.SIMD!, X87 = OP.X87!, UD = OP.UD!, MOVSX = OP.MOVSX!, MOVZX = OP.MOVZX!;
const SETCC = OP.SETCC!, CMOV = OP.CMOV!, LDSEG = OP.LDSEG!, BT = new Set([OP.BT!, OP.BTS!, OP.BTR!, OP.BTC!]);
const STRING = new Set(["MOVS", "CMPS", "STOS", "LODS", "SCAS", "INS", "OUTS"].map((name) => OP[name]!));
const FENCES = new Set([OP.LFENCE!, OP.MFENCE!, OP.SFENCE!]), NO_PREFIX = new Set([...FENCES, OP.MOVNTI!]);
const LAR_LSL = new Set([OP.LAR!, OP.LSL!]);

function recipes(text: string): (Recipe | undefined)[] {
  const map: (Recipe | undefined)[] = new Array(256).fill(undefined);
  for (const line of text.split("\n")) {
    const [code, name, ...rest] = line.trim().split(/ +/);
    map[parseInt(code!, 16)] = recipe(name!, rest);
  }
  return map;
}

function recipe(name: string, words: readonly string[]): Recipe {
  let attributes = 0;
  const operands: string[] = [];
  for (const word of words) {
    const attribute = { lock: A_LOCK, d64: A_D64, no64: A_NO64, end: A_END, sys: A_SYS, imm: 0 }[word];
    if (attribute === undefined) operands.push(word);
    else attributes |= attribute;
  }
  if (operands.some((o) => /^[EGMRCDS]/.test(o) && o !== "CL" && !/^S[v]$/.test(o))) attributes |= A_MODRM;
  if (operands.some((o) => o === "b" || /^[EGAZO]b$/.test(o)) && name !== "MOVZX" && name !== "MOVSX") {
    attributes |= A_BYTE;
  }
  if (operands.some((o) => o[0] === "R")) attributes |= A_REGISTER;
  if (!name.startsWith("@")) return { op: OP[name]!, attributes, operands, group: undefined };
  const group = GROUPS[name.slice(1)]!.split(" ").map((member) => {
    if (member === "-") return undefined;
    const [mnemonic, extra] = member.split(":");
    const own = operands.concat(extra === "imm" ? [operands[0] === "Eb" ? "Ib" : "Iz"] : []);
    const inherited = Object.entries({ d64: A_D64, no64: A_NO64 }).filter(([, bit]) => attributes & bit).map(([w]) =>
      w
    );
    return recipe(mnemonic!, [...own, ...inherited, ...(extra && extra !== "imm" ? [extra] : [])]);
  });
  return { op: 0, attributes: attributes | A_GROUP | A_MODRM, operands, group };
}

function tooLong(cpu: Cpu): void {
  cpu.gp();
}

/** Turns bytes into instructions; holds the cursor, so one per CPU. */
export class Decoder {
  readonly #handlers: Handlers;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #limit = 0;
  #start = 0;
  // Prefixes of the instruction at hand.
  #rex = 0;
  #segment = -1;
  #operandSize = 4;
  #addressSize = 4;

  /** @param handlers what executes each operation */
  constructor(handlers: Handlers) {
    this.#handlers = handlers;
  }

  /**
   * Decode one instruction.
   *
   * @param bytes where it stands
   * @param at index of its first byte
   * @param limit index behind the last byte that may be read
   * @param defaultSize 2, 4 or 8: the code segment's default operand and address size (8: 64-bit mode)
   * @returns the instruction; bytes that are none decode as UD, whose handler raises #UD (or #GP: they are too many)
   * @throws {typeof NEED_MORE} if it reaches over `limit` (and no byte behind it would make it invalid anyway)
   */
  decode(bytes: Uint8Array, at: number, limit: number, defaultSize: 2 | 4 | 8): Insn {
    this.#bytes = bytes;
    this.#at = at;
    this.#limit = Math.min(limit, at + MAX_LENGTH);
    this.#start = at;
    const insn = new Insn();
    insn.offset = at & 0xfff;
    try {
      this.#instruction(insn, defaultSize);
    } catch (reason) {
      if (reason !== TOO_LONG) throw reason;
      this.#invalid(insn);
      insn.exec = tooLong;
    }
    insn.length = this.#at - at;
    return insn;
  }

  #next(): number {
    if (this.#at >= this.#limit) throw this.#at - this.#start >= MAX_LENGTH ? TOO_LONG : NEED_MORE;
    return this.#bytes[this.#at++]!;
  }

  #instruction(insn: Insn, mode: 2 | 4 | 8): void {
    let byte = 0;
    let data16 = false, address = false;
    this.#rex = 0;
    this.#segment = -1;
    prefixes: for (;;) {
      byte = this.#next();
      switch (byte) {
        case 0x66:
          data16 = true;
          break;
        case 0x67:
          address = true;
          break;
        case 0xf0:
          insn.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          insn.rep = byte;
          break;
        case 0x26:
          this.#segment = mode === 8 ? this.#segment : ES;
          break;
        case 0x2e:
          this.#segment = mode === 8 ? this.#segment : CS;
          break;
        case 0x36:
          this.#segment = mode === 8 ? this.#segment : SS;
          break;
        case 0x3e:
          this.#segment = mode === 8 ? this.#segment : DS;
          break;
        case 0x64:
          this.#segment = FS;
          break;
        case 0x65:
          this.#segment = GS;
          break;
        default:
          if (mode === 8 && (byte & 0xf0) === 0x40) {
            this.#rex = byte;
            byte = this.#next();
          }
          break prefixes;
      }
    }
    const wide = mode === 2 ? data16 : !data16;
    this.#operandSize = this.#rex & 8 ? 8 : wide ? 4 : 2;
    this.#addressSize = mode === 8 ? (address ? 4 : 8) : (mode === 2) === address ? 4 : 2;
    insn.addrSize = this.#addressSize;

    let row: Recipe | undefined;
    const two = byte === 0x0f;
    if (two) {
      byte = this.#next();
      row = TWO[byte];
    } else row = ONE[byte];
    if (!row) return this.#invalid(insn);
    if (mode === 8 && row.attributes & A_NO64) return this.#invalid(insn);
    if (row.attributes & A_MODRM) this.#modrm(insn, mode, row.attributes & A_REGISTER);
    if (row.group) {
      const member = row.group[insn.reg & 7];
      if (!member) { // its immediate is fetched all the same
        insn.size = row.attributes & A_BYTE ? 1 : this.#operandSize;
        this.#operands(insn, row, byte);
        return this.#invalid(insn);
      }
      row = member;
    }
    insn.op = row.op;
    if (mode === 8 && row.attributes & A_D64 && this.#operandSize === 4) this.#operandSize = 8;
    insn.size = insn.srcSize = row.attributes & A_BYTE ? 1 : this.#operandSize;
    insn.ends = row.attributes & A_END ? END_BRANCH : row.attributes & A_SYS ? END_SYSTEM : 0;
    this.#code(insn, byte, data16);
    this.#operands(insn, row, byte);
    if (insn.op === MOVZX || insn.op === MOVSX) insn.srcSize = byte & 1 ? 2 : 1;
    if (two && byte >= 0x20 && byte <= 0x23) insn.size = mode === 8 ? 8 : 4;
    if (insn.lock && !(row.attributes & A_LOCK && insn.mem)) return this.#invalid(insn);
    if (insn.op === LDSEG && !insn.mem || FENCES.has(insn.op) && insn.mem && insn.op !== OP.SFENCE) {
      return this.#invalid(insn);
    }
    if (NO_PREFIX.has(insn.op) && insn.code > 0xff) return this.#invalid(insn); // a prefix makes it something newer
    insn.exec = this.#handler(insn);
  }

  #handler(insn: Insn): Handler {
    const { op, simd, x87 } = this.#handlers;
    const handler = insn.op === SIMD ? simd[insn.code] : insn.op === X87 ? x87[insn.code] : op[insn.op];
    if (handler) return handler;
    insn.op = UD;
    return op[UD]!;
  }

  /** Opcode details: condition, SIMD prefix and opcode, x87 escape. */
  #code(insn: Insn, byte: number, data16: boolean): void {
    if (insn.op === JCC || insn.op === SETCC || insn.op === CMOV) insn.code = byte & 15;
    else if (insn.op === LDSEG) insn.code = byte;
    else if (insn.op === SIMD || byte === 0xae || byte === 0xc7 || NO_PREFIX.has(insn.op)) {
      const prefix = insn.rep === 0xf3 ? 2 : insn.rep === 0xf2 ? 3 : data16 ? 1 : 0;
      insn.code = prefix << 8 | byte;
    } else if (insn.op === X87) insn.code = (byte & 7) << 8 | this.#bytes[this.#modrmAt]!;
    if (!STRING.has(insn.op) && insn.op !== SIMD) insn.rep = insn.op === OP.NOP ? insn.rep : 0;
  }

  #modrmAt = 0;

  #modrm(insn: Insn, mode: 2 | 4 | 8, registerOnly: number): void {
    this.#modrmAt = this.#at;
    const modrm = this.#next();
    const mod = modrm >> 6;
    const rm = modrm & 7;
    insn.reg = modrm >> 3 & 7 | (this.#rex & 4) << 1;
    if (mod === 3 || registerOnly) {
      insn.rm = rm | (this.#rex & 1) << 3;
      return;
    }
    insn.mem = true;
    if (this.#addressSize === 2) this.#address16(insn, mod, rm);
    else this.#address32(insn, mod, rm, mode);
    if (this.#segment >= 0) insn.seg = this.#segment;
  }

  #address16(insn: Insn, mod: number, rm: number): void {
    if (mod === 0 && rm === 6) {
      insn.disp = this.#immediate(2) & 0xffff;
      insn.seg = DS;
      return;
    }
    const pair = [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]][rm]!;
    insn.base = pair[0]!;
    insn.index = pair[1]!;
    insn.seg = insn.base === 5 ? SS : DS;
    if (mod === 1) insn.disp = this.#immediate(1);
    else if (mod === 2) insn.disp = this.#immediate(2);
  }

  #address32(insn: Insn, mod: number, rm: number, mode: 2 | 4 | 8): void {
    let base = rm;
    if (rm === 4) {
      const sib = this.#next();
      insn.scale = sib >> 6;
      const index = sib >> 3 & 7 | (this.#rex & 2) << 2;
      insn.index = index === 4 ? -1 : index;
      base = sib & 7;
      if (base === 5 && mod === 0) base = -1;
    } else if (rm === 5 && mod === 0) {
      base = mode === 8 ? -2 : -1; // -2: relative to the next instruction
    }
    insn.seg = base === 4 || base === 5 ? SS : DS;
    insn.base = base >= 0 ? base | (this.#rex & 1) << 3 : base;
    if (mod === 1) insn.disp = this.#immediate(1);
    else if (mod === 2 || base < 0) insn.disp = this.#immediate(4);
  }

  #immediate(size: number): number {
    let value = this.#next();
    if (size === 1) return value << 24 >> 24;
    value |= this.#next() << 8;
    if (size === 2) return value << 16 >> 16;
    value |= this.#next() << 16;
    return value | this.#next() << 24;
  }

  #operands(insn: Insn, row: Recipe, byte: number): void {
    let slot = 0;
    for (const operand of row.operands) {
      slot = this.#operand(insn, operand, slot, byte);
    }
    if (BT.has(insn.op) && insn.b === K_IMM) insn.imm &= insn.size * 8 - 1;
    if (LAR_LSL.has(insn.op)) insn.srcSize = 2;
    if (STRING.has(insn.op)) insn.seg = this.#segment >= 0 ? this.#segment : DS;
    if (insn.op === OP.XLAT || insn.op === SIMD && byte === 0xf7) insn.seg = this.#segment >= 0 ? this.#segment : DS; // MASKMOV
  }

  #operand(insn: Insn, operand: string, slot: number, byte: number): number {
    switch (operand[0]) {
      case "E":
      case "M":
      case "R":
        if (operand === "Mv" || operand === "Mp" || operand === "Mx") {
          if (!insn.mem) insn.op = UD;
        }
        if (insn.mem) this.#set(insn, slot, K_MEM, 0);
        else this.#set(insn, slot, K_REG, insn.rm, operand[1] === "b");
        break;
      case "G":
        this.#set(insn, slot, K_REG, insn.reg, operand[1] === "b");
        break;
      case "Z":
        this.#set(insn, slot, K_REG, byte & 7 | (this.#rex & 1) << 3, operand[1] === "b");
        break;
      case "A":
        this.#set(insn, slot, K_REG, 0);
        if (operand === "Az" && insn.size === 8) insn.size = insn.srcSize = 4;
        break;
      case "S":
        this.#set(insn, slot, K_SREG, operand === "Sv" ? byte >> 3 & 7 : insn.reg & 7);
        break;
      case "C":
        if (operand === "CL") insn.c = K_REG;
        else this.#set(insn, slot, K_CR, insn.reg);
        break;
      case "D":
        this.#set(insn, slot, K_DR, insn.reg);
        break;
      case "O":
        insn.mem = true;
        insn.seg = this.#segment >= 0 ? this.#segment : DS;
        insn.disp = this.#addressSize === 2 ? this.#immediate(2) & 0xffff : this.#immediate(4);
        if (this.#addressSize === 8) this.#immediate(4);
        this.#set(insn, slot, K_MEM, 0);
        break;
      case "I":
      case "J":
        this.#immediateOperand(insn, operand, slot);
        break;
      case "1":
        insn.imm = 1;
        this.#set(insn, slot, K_IMM, 0);
        break;
      case "p":
        insn.imm = this.#immediate(this.#operandSize === 2 ? 2 : 4);
        if (this.#operandSize === 2) insn.imm &= 0xffff;
        insn.imm2 = this.#immediate(2) & 0xffff;
        break;
      case "z":
        if (insn.size === 8) insn.size = insn.srcSize = 4;
        return slot;
      default: // "b", "v": the size, already known
        return slot;
    }
    return slot + 1;
  }

  #immediateOperand(insn: Insn, operand: string, slot: number): void {
    const kind = operand[1];
    const full = kind === "v" && insn.size === 8 ? 8 : insn.size === 8 ? 4 : this.#operandSize === 2 ? 2 : 4;
    insn.imm = kind === "b" || kind === "s"
      ? this.#immediate(1)
      : kind === "w"
      ? this.#immediate(2) & 0xffff
      : this.#immediate(Math.min(full, 4));
    if (full === 8) insn.imm2 = this.#immediate(4);
    if (insn.op === OP.ENTER) insn.imm2 = this.#next();
    this.#set(insn, slot, K_IMM, 0);
  }

  #set(insn: Insn, slot: number, kind: number, register: number, byte = false): void {
    if (byte && kind === K_REG && register >= 4 && register < 8 && this.#rex === 0) {
      kind = K_HIGH;
      register -= 4;
    }
    if (slot === 0) {
      insn.a = kind;
      insn.ar = register;
    } else if (slot === 1) {
      insn.b = kind;
      insn.br = register;
    } else insn.c = kind;
  }

  #invalid(insn: Insn): void {
    insn.op = UD;
    insn.ends = 0;
    insn.exec = this.#handlers.op[UD]!;
  }
}
