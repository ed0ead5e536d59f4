/**
 * The processor's state and the ways to it that every instruction uses: registers, flags, operands, memory. What the
 * instructions mean stands in `interp/`, address translation in `mmu.ts`, and what runs all this in `engine.ts`.
 *
 * @module
 */
import type { GuestMemory } from "../../memory.ts";
import type { Machine } from "../engine.ts";
import { CpuFault, GP, NM, RETRY, STACK, UD } from "./fault.ts";
import { arithmeticFlags, auxiliary, CC_UNIVERSAL, universalAux, universalResult } from "./flags.ts";
import { type Insn, K_HIGH, K_IMM, K_MEM, K_REG } from "./insn.ts";
import { readMsr, writeMsr } from "./interp/identify.ts";
import { Mmu } from "./mmu.ts";
import {
  ARITHMETIC,
  CS,
  DS,
  ECX,
  ESP,
  SS,
  STATE_BUDGET,
  STATE_CC_OP,
  STATE_CC_RES,
  STATE_CC_SRC,
  STATE_CPL,
  STATE_EFLAGS,
  STATE_EIP,
  STATE_FPU_CONTROL,
  STATE_MXCSR,
  STATE_SEG_BASE,
  STATE_SEG_OPEN,
  STATE_SELECTORS,
  STATE_SSE_READY,
  STATE_TLB_OFFSET,
  TLB,
  TLB_ADDEND,
  TLB_READ,
  TLB_USER,
  TLB_WRITE,
} from "./state.ts";

/** CR0 bits (Intel SDM volume 3, §2.5). */
export const CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 0x10, CR0_NE = 0x20, CR0_WP = 0x1_0000;
/** CR0: alignment mask, paging. */
export const CR0_AM = 0x4_0000, CR0_PG = 0x8000_0000 | 0;
/** CR4 bits. */
export const CR4_TSD = 4, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_PCE = 0x100;
/** CR4: FXSAVE and SSE enabled; unmasked SSE exceptions raise #XM. */
export const CR4_OSFXSR = 0x200, CR4_OSXMMEXCPT = 0x400;

/** Bits of a cached descriptor's access word: byte 5 of the descriptor, and byte 6's high nibble in bits 12 to 15. */
export const SEG_PRESENT = 0x80, SEG_CODE_OR_DATA = 0x10, SEG_CODE = 8, SEG_DOWN = 4, SEG_CONFORMING = 4;
/** Access word: writable data or readable code; default operation size 32 bits. */
export const SEG_RW = 2, SEG_BIG = 0x4000;

const MASK_TLB = 0x1_ffe0;
const I_EIP = STATE_EIP >> 2, I_CC_OP = STATE_CC_OP >> 2, I_CC_RES = STATE_CC_RES >> 2, I_CC_SRC = STATE_CC_SRC >> 2;
const I_EFLAGS = STATE_EFLAGS >> 2, I_TLB_OFFSET = STATE_TLB_OFFSET >> 2, I_BUDGET = STATE_BUDGET >> 2;
const I_TLB_READ = (TLB + TLB_READ) >> 2, I_TLB_WRITE = (TLB + TLB_WRITE) >> 2, I_TLB_ADDEND = (TLB + TLB_ADDEND) >> 2;
const I_SEG_BASE = STATE_SEG_BASE >> 2, I_SEG_OPEN = STATE_SEG_OPEN >> 2;

/** A segment register's visible and cached parts; bases of the six live in shared memory ({@link Cpu.segmentBase}). */
export interface SystemSegment {
  selector: number;
  base: number;
  limit: number;
  access: number;
}

/** One virtual processor. */
export class Cpu {
  /** RAM. */
  readonly memory: GuestMemory;
  /** Ports, MMIO, interrupts, time. */
  readonly machine: Machine;
  /** The whole shared memory, as bytes. */
  readonly u8: Uint8Array;
  /** The whole shared memory, as aligned 16-bit words. */
  readonly u16: Uint16Array;
  /** The whole shared memory, as aligned 32-bit words: state word n is `i32[STATE_X >> 2]`. */
  readonly i32: Int32Array;
  /** The whole shared memory, for unaligned access. */
  readonly view: DataView;
  /** Address translation. */
  readonly mmu: Mmu;
  /** The one fault object. */
  readonly fault: CpuFault = new CpuFault();

  /** Control registers. */
  cr2 = 0;
  cr3 = 0;
  #cr0 = CR0_ET;
  #cr4 = 0;
  /** IA32_EFER. */
  efer = 0;
  /** Debug registers: kept, but breakpoints do not fire. */
  readonly dr: Int32Array = new Int32Array([0, 0, 0, 0, 0, 0, 0xffff_0ff0 | 0, 0x400]);
  /** Model-specific registers that only have to remember what was written. */
  readonly msrs: Map<number, [low: number, high: number]> = new Map();
  /** Selectors of ES, CS, SS, DS, FS, GS. */
  readonly selectors: Uint16Array;
  /** Limits in bytes (inclusive), unsigned. */
  readonly limits: Uint32Array = new Uint32Array(6);
  /** Access words; 0 for a null selector. */
  readonly accesses: Uint16Array = new Uint16Array(6);
  /** Descriptor tables. */
  readonly gdt = { base: 0, limit: 0 };
  readonly idt = { base: 0, limit: 0x3ff };
  readonly ldt: SystemSegment = { selector: 0, base: 0, limit: 0, access: 0 };
  readonly task: SystemSegment = { selector: 0, base: 0, limit: 0, access: 0 };
  /** Current privilege level. */
  cpl = 0;
  /** CS, SS, DS and ES are flat and 32-bit: what the translator's code takes for granted. */
  flat = false;
  /** Default operand and address size of the code segment. */
  codeSize: 2 | 4 = 2;
  /** Mask of the stack pointer: 0xFFFF or 0xFFFFFFFF. */
  stackMask = 0xffff;
  /** Interrupts are held back for one instruction (STI, MOV SS). */
  shadow = false;
  /** HLT was executed. */
  halted = false;
  /** Generated code is on the stack: a store into code must leave it by {@link RETRY}. */
  inGenerated = false;
  /** Counts the times that code was dropped because it was written to. */
  codeDrops = 0;
  /** Where a read-modify-write operand stands, between {@link modifyA} and {@link storeA}. */
  #modifyAddress = 0;

  /**
   * @param memory RAM, with the engine's reserved bytes below it
   * @param machine the platform
   */
  constructor(memory: GuestMemory, machine: Machine) {
    this.memory = memory;
    this.machine = machine;
    const buffer = memory.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.view = new DataView(buffer);
    this.selectors = new Uint16Array(buffer, STATE_SELECTORS, 6);
    this.mmu = new Mmu(this);
  }

  /** Registers that are not in shared memory, as after power-on. */
  powerOn(): void {
    this.cr0 = CR0_ET;
    this.cr2 =
      this.cr3 =
      this.cr4 =
      this.efer =
        0;
    this.dr.set([0, 0, 0, 0, 0, 0, 0xffff_0ff0 | 0, 0x400]);
    this.msrs.clear();
    Object.assign(this.gdt, { base: 0, limit: 0 });
    Object.assign(this.idt, { base: 0, limit: 0x3ff });
    Object.assign(this.ldt, { selector: 0, base: 0, limit: 0, access: 0 });
    Object.assign(this.task, { selector: 0, base: 0, limit: 0, access: 0 });
    this.cpl = 0;
    this.shadow = this.halted = this.inGenerated = false;
    this.view.setUint16(STATE_FPU_CONTROL, 0x40, true);
    this.view.setUint32(STATE_MXCSR, 0x1f80, true);
  }

  /** CR0. */
  get cr0(): number {
    return this.#cr0;
  }
  set cr0(value: number) {
    this.#cr0 = value;
    this.#updateSse();
  }

  /** CR4. */
  get cr4(): number {
    return this.#cr4;
  }
  set cr4(value: number) {
    this.#cr4 = value;
    this.#updateSse();
  }

  #updateSse(): void {
    const ready = (this.#cr0 & (CR0_EM | CR0_TS)) === 0 && (this.#cr4 & CR4_OSFXSR) !== 0;
    this.i32[STATE_SSE_READY >> 2] = ready ? 1 : 0;
  }

  // Registers.

  /** Address of the instruction at hand. */
  get eip(): number {
    return this.i32[I_EIP]!;
  }
  set eip(value: number) {
    this.i32[I_EIP] = value;
  }

  /** General register, signed 32 bits. */
  reg(n: number): number {
    return this.i32[n << 1]!;
  }

  /** Set a general register. */
  setReg(n: number, value: number): void {
    this.i32[n << 1] = value;
  }

  /** General register at 1 (low byte), 2 or 4 bytes; narrow ones unsigned. */
  getSized(n: number, size: number): number {
    return size === 4 ? this.i32[n << 1]! : size === 2 ? this.u16[n << 2]! : this.u8[n << 3]!;
  }

  /** Set a general register's low 1, 2 or 4 bytes. */
  setSized(n: number, size: number, value: number): void {
    if (size === 4) this.i32[n << 1] = value;
    else if (size === 2) this.u16[n << 2] = value;
    else this.u8[n << 3] = value;
  }

  /** Base of a segment. */
  segmentBase(seg: number): number {
    return this.i32[I_SEG_BASE + (seg << 1)]!;
  }

  /** Set the base of a segment. */
  setSegmentBase(seg: number, base: number): void {
    this.i32[I_SEG_BASE + (seg << 1)] = base;
  }

  // Flags.

  /** Record the operation that sets the arithmetic flags; see `flags.ts`. */
  setLazy(op: number, res: number, src: number): void {
    this.i32[I_CC_OP] = op;
    this.i32[I_CC_RES] = res;
    this.i32[I_CC_SRC] = src;
  }

  /** The six arithmetic flags. */
  get arithmetic(): number {
    return arithmeticFlags(this.i32[I_CC_OP]!, this.i32[I_CC_RES]!, this.i32[I_CC_SRC]!);
  }
  set arithmetic(flags: number) {
    this.setLazy(CC_UNIVERSAL, universalResult(flags), universalAux(flags));
  }

  /** The carry flag, 0 or 1. */
  get carry(): number {
    return auxiliary(this.i32[I_CC_OP]!, this.i32[I_CC_RES]!, this.i32[I_CC_SRC]!) >>> 31;
  }

  /** All of EFLAGS. */
  get flags(): number {
    return this.i32[I_EFLAGS]! | this.arithmetic | 2;
  }
  set flags(value: number) {
    this.i32[I_EFLAGS] = value & ~ARITHMETIC & 0x3f_7fd5;
    this.arithmetic = value & ARITHMETIC;
  }

  /** EFLAGS without the arithmetic flags, which is cheap: IF, DF, IOPL and so on. */
  get systemFlags(): number {
    return this.i32[I_EFLAGS]!;
  }
  set systemFlags(value: number) {
    this.i32[I_EFLAGS] = value;
  }

  /** Whether a condition holds (Intel SDM volume 2, appendix B.1.4). */
  condition(code: number): boolean {
    const flags = this.arithmetic;
    let met: boolean;
    switch (code >> 1) {
      case 0:
        met = (flags & 0x800) !== 0;
        break;
      case 1:
        met = (flags & 1) !== 0;
        break;
      case 2:
        met = (flags & 0x40) !== 0;
        break;
      case 3:
        met = (flags & 0x41) !== 0;
        break;
      case 4:
        met = (flags & 0x80) !== 0;
        break;
      case 5:
        met = (flags & 4) !== 0;
        break;
      case 6:
        met = ((flags >> 7 ^ flags >> 11) & 1) !== 0;
        break;
      default:
        met = ((flags >> 7 ^ flags >> 11) & 1) !== 0 || (flags & 0x40) !== 0;
    }
    return met !== ((code & 1) !== 0);
  }

  // Faults.

  /**
   * Raise an exception at the current instruction.
   *
   * @param vector as named in `fault.ts`
   * @param code error code, or -1 for none
   */
  raise(vector: number, code = -1): never {
    this.fault.vector = vector;
    this.fault.code = code;
    throw this.fault;
  }

  /** #GP(0). */
  gp(): never {
    this.raise(GP, 0);
  }

  /** #GP(0) unless at CPL 0. */
  privileged(): void {
    if (this.cpl !== 0) this.gp();
  }

  /** #NM if the x87 must not be used now (CR0.EM, CR0.TS). */
  needFpu(): void {
    if ((this.cr0 & (CR0_EM | CR0_TS)) !== 0) this.raise(NM);
  }

  /** #UD if MMX is disabled, #NM if the task was switched. */
  needMmx(): void {
    if ((this.cr0 & CR0_EM) !== 0) this.raise(UD);
    if ((this.cr0 & CR0_TS) !== 0) this.raise(NM);
  }

  /** #UD if SSE is disabled, #NM if the task was switched. */
  needSse(): void {
    if ((this.cr0 & CR0_EM) !== 0 || (this.cr4 & CR4_OSFXSR) === 0) this.raise(UD);
    if ((this.cr0 & CR0_TS) !== 0) this.raise(NM);
  }

  // Memory by linear address.

  /** Read a byte, unsigned. */
  read8(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === (address & ~0xfff)) {
      return this.u8[(address + this.i32[I_TLB_ADDEND + entry]!) >>> 0]!;
    }
    return this.mmu.readSlow(address, 1);
  }

  /** Read 16 bits, unsigned. */
  read16(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === ((address + 1) & ~0xfff)) {
      return this.view.getUint16((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, true);
    }
    return this.mmu.readSlow(address, 2);
  }

  /** Read 32 bits, signed. */
  read32(address: number): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_READ + entry] === ((address + 3) & ~0xfff)) {
      return this.view.getInt32((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, true);
    }
    return this.mmu.readSlow(address, 4);
  }

  /** Write a byte. */
  write8(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === (address & ~0xfff)) {
      this.u8[(address + this.i32[I_TLB_ADDEND + entry]!) >>> 0] = value;
    } else this.mmu.writeSlow(address, 1, value);
  }

  /** Write 16 bits. */
  write16(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === ((address + 1) & ~0xfff)) {
      this.view.setUint16((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, value, true);
    } else this.mmu.writeSlow(address, 2, value);
  }

  /** Write 32 bits. */
  write32(address: number, value: number): void {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    if (this.i32[I_TLB_WRITE + entry] === ((address + 3) & ~0xfff)) {
      this.view.setInt32((address + this.i32[I_TLB_ADDEND + entry]!) >>> 0, value, true);
    } else this.mmu.writeSlow(address, 4, value);
  }

  /** Read 1 or 2 bytes unsigned, or 4 signed. */
  read(address: number, size: number): number {
    return size === 4 ? this.read32(address) : size === 2 ? this.read16(address) : this.read8(address);
  }

  /** Write 1, 2 or 4 bytes. */
  write(address: number, size: number, value: number): void {
    if (size === 4) this.write32(address, value);
    else if (size === 2) this.write16(address, value);
    else this.write8(address, value);
  }

  /**
   * Raise now whatever a write of `size` bytes (at most 4096) would raise, so that several writes happen wholly or not
   * at all.
   */
  probeWrite(address: number, size: number): void {
    this.mmu.probe(address, true);
    const last = address + size - 1 | 0;
    if (((last ^ address) & ~0xfff) !== 0) this.mmu.probe(last & ~0xfff, true);
  }

  /** Raise now whatever `count` pushes of `size` bytes would raise, in their order. */
  probePushes(count: number, size: number): void {
    let esp = this.reg(ESP);
    for (let i = 0; i < count; i++) {
      esp = (esp - size) & this.stackMask;
      this.probeWrite(this.segmented(SS, esp, size, true), size);
    }
  }

  /** As {@link probeWrite}, for reads. */
  probeRead(address: number, size: number): void {
    this.mmu.probe(address, false);
    const last = address + size - 1 | 0;
    if (((last ^ address) & ~0xfff) !== 0) this.mmu.probe(last & ~0xfff, false);
  }

  /**
   * Where `size` bytes (at most 4096) stand in shared memory, if the TLB allows the access to all of them at once.
   *
   * @returns an offset, or -1: use the other ways, which raise what must be raised
   */
  direct(address: number, size: number, write: boolean): number {
    const entry = (((address >>> 7) & MASK_TLB) + this.i32[I_TLB_OFFSET]!) >> 2;
    const tag = this.i32[(write ? I_TLB_WRITE : I_TLB_READ) + entry]!;
    if (tag !== (address & ~0xfff) || ((address & 0xfff) + size) > 4096) return -1;
    return (address + this.i32[I_TLB_ADDEND + entry]!) >>> 0;
  }

  /** As {@link direct} for a range at `offset` in the stack segment, if that needs no checks. */
  directStack(offset: number, size: number, write: boolean): number {
    if (this.i32[I_SEG_OPEN + SS] === 0 || this.stackMask !== -1) return -1;
    return this.direct((this.i32[I_SEG_BASE + (SS << 1)]! + offset) | 0, size, write);
  }

  // Memory operands.

  /** The memory operand's offset in its segment. */
  offset(insn: Insn): number {
    let offset = insn.disp;
    if (insn.base >= 0) offset += this.i32[insn.base << 1]!;
    if (insn.index >= 0) offset += this.i32[insn.index << 1]! << insn.scale;
    return insn.addrSize === 2 ? offset & 0xffff : offset | 0;
  }

  /**
   * The memory operand's linear address, with the segment's checks.
   *
   * @param size bytes that will be accessed
   * @param write whether they will be written
   */
  linear(insn: Insn, size: number, write: boolean): number {
    return this.segmented(insn.seg, this.offset(insn), size, write);
  }

  /** Linear address of `offset` in a segment; #GP or #SS if the segment does not allow the access. */
  segmented(seg: number, offset: number, size: number, write: boolean): number {
    if (this.i32[I_SEG_OPEN + seg] === 0) this.#checkSegment(seg, offset >>> 0, size, write);
    return (this.i32[I_SEG_BASE + (seg << 1)]! + offset) | 0;
  }

  #checkSegment(seg: number, offset: number, size: number, write: boolean): void {
    const access = this.accesses[seg]!;
    const limit = this.limits[seg]!;
    const vector = seg === SS ? STACK : GP;
    if (access === 0) this.raise(vector, 0);
    if (access & SEG_CODE ? write || !(access & SEG_RW) : write && !(access & SEG_RW)) this.raise(GP, 0);
    const last = offset + size - 1;
    if (!(access & SEG_CODE) && access & SEG_DOWN) {
      const top = access & SEG_BIG ? 0xffff_ffff : 0xffff;
      if (offset <= limit || last > top) this.raise(vector, 0);
    } else if (last > limit) this.raise(vector, 0);
  }

  /** Value of the destination operand. */
  readA(insn: Insn): number {
    return this.#readOperand(insn, insn.a, insn.ar, insn.size);
  }

  /** Value of the source operand, at {@link Insn.srcSize}. */
  readB(insn: Insn): number {
    return this.#readOperand(insn, insn.b, insn.br, insn.srcSize);
  }

  #readOperand(insn: Insn, kind: number, n: number, size: number): number {
    switch (kind) {
      case K_REG:
        return this.getSized(n, size);
      case K_MEM:
        return this.read(this.linear(insn, size, false), size);
      case K_IMM:
        return size === 4 ? insn.imm : size === 2 ? insn.imm & 0xffff : insn.imm & 0xff;
      case K_HIGH:
        return this.u8[(n << 3) + 1]!;
      default:
        throw new Error(`Operand kind ${kind} of operation ${insn.op} has no value`);
    }
  }

  /** Set the destination operand. */
  writeA(insn: Insn, value: number): void {
    if (insn.a === K_MEM) this.write(this.linear(insn, insn.size, true), insn.size, value);
    else this.writeRegister(insn.a, insn.ar, insn.size, value);
  }

  /** Set the source operand, which is a register (XCHG, XADD). */
  writeB(insn: Insn, value: number): void {
    this.writeRegister(insn.b, insn.br, insn.size, value);
  }

  /** Set a register operand. */
  writeRegister(kind: number, n: number, size: number, value: number): void {
    if (kind === K_HIGH) this.u8[(n << 3) + 1] = value;
    else this.setSized(n, size, value);
  }

  /** Value of the destination operand that will be written back by {@link storeA}: write faults are raised now. */
  modifyA(insn: Insn): number {
    if (insn.a !== K_MEM) return this.readA(insn);
    const address = this.#modifyAddress = this.linear(insn, insn.size, true);
    this.probeWrite(address, insn.size);
    return this.read(address, insn.size);
  }

  /** Write back what {@link modifyA} read. */
  storeA(insn: Insn, value: number): void {
    if (insn.a === K_MEM) this.write(this.#modifyAddress, insn.size, value);
    else this.writeRegister(insn.a, insn.ar, insn.size, value);
  }

  // Stack.

  /** Push 2 or 4 bytes. */
  push(value: number, size: number): void {
    const esp = (this.i32[ESP << 1]! - size) & this.stackMask;
    this.write(this.segmented(SS, esp, size, true), size, value);
    this.setStackPointer(esp);
  }

  /** Pop 2 or 4 bytes. */
  pop(size: number): number {
    const esp = this.i32[ESP << 1]! & this.stackMask;
    const value = this.read(this.segmented(SS, esp, size, false), size);
    this.setStackPointer(esp + size);
    return value;
  }

  /** Set ESP or, on a 16-bit stack, SP. */
  setStackPointer(value: number): void {
    if (this.stackMask === 0xffff) this.u16[ESP << 2] = value;
    else this.i32[ESP << 1] = value;
  }

  // Time.

  /** The time-stamp counter, 1 GHz. */
  timestamp(): number {
    return Math.floor(this.machine.now()) + this.#timestampOffset;
  }

  /** Set the time-stamp counter. */
  setTimestamp(value: number): void {
    this.#timestampOffset = value - Math.floor(this.machine.now());
  }
  #timestampOffset = 0;

  /** A model-specific register; see `interp/identify.ts`. */
  readMsr(n: number): readonly [low: number, high: number] {
    return readMsr(this, n);
  }

  /** Set a model-specific register. */
  writeMsr(n: number, low: number, high: number): void {
    writeMsr(this, n, low, high);
  }

  // Modes.

  /** Recompute whether a segment needs no checks; after its limit or access word changed. */
  updateOpen(seg: number): void {
    const access = this.accesses[seg]!;
    const open = this.limits[seg] === 0xffff_ffff && access !== 0 && seg !== CS && // CS is never written, perhaps not read
      (access & (SEG_CODE | SEG_RW | SEG_DOWN)) === SEG_RW;
    this.i32[I_SEG_OPEN + seg] = open ? 1 : 0;
  }

  /** Recompute everything that depends on segments and CPL. */
  updateMode(): void {
    for (let seg = 0; seg < 6; seg++) this.updateOpen(seg);
    this.updateFlat();
  }

  /** Recompute what depends on CS, SS, DS, ES and CPL together; after any of them changed. */
  updateFlat(): void {
    const i32 = this.i32;
    const data = i32[I_SEG_OPEN]! & i32[I_SEG_OPEN + SS]! & i32[I_SEG_OPEN + DS]!;
    const open = data === 1 && this.limits[CS] === 0xffff_ffff && (this.accesses[CS]! & SEG_CODE) !== 0;
    const bases = i32[I_SEG_BASE]! | i32[I_SEG_BASE + 2]! | i32[I_SEG_BASE + 4]! | i32[I_SEG_BASE + 6]!;
    this.codeSize = this.accesses[CS]! & SEG_BIG ? 4 : 2;
    this.stackMask = this.accesses[SS]! & SEG_BIG ? -1 : 0xffff;
    this.flat = open && bases === 0 && this.codeSize === 4 && this.stackMask === -1;
    i32[I_TLB_OFFSET] = this.cpl === 3 ? TLB_USER : 0;
    i32[STATE_CPL >> 2] = this.cpl;
  }

  /** Let generated code return to the dispatcher at its next check. */
  interruptGenerated(): void {
    this.i32[I_BUDGET] = -1;
  }

  /** The repeat count: CX or ECX. */
  getCount(addrSize: number): number {
    return addrSize === 2 ? this.u16[ECX << 2]! : this.i32[ECX << 1]! >>> 0;
  }

  /** A store hit translated code on this physical page; see `code_cache.ts`. Set by the engine. */
  dropCode: (physical: number, size: number) => boolean = () => false;

  /**
   * Before a store to a page that holds code: drop what is overwritten.
   *
   * @throws {typeof RETRY} from generated code, before anything is changed
   */
  storeToCode(physical: number, size: number): void {
    if (!this.dropCode(physical, size)) return;
    this.codeDrops++;
    if (this.inGenerated) throw RETRY;
  }
}
