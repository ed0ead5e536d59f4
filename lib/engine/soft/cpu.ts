/**
 * The processor as every instruction sees it: control registers, segments, operands, the stack, faults. Its registers
 * and flags are in `registers.ts`, memory by linear address is in `linear_memory.ts`.
 *
 * Enters: memory and a machine. Leaves: the state and the ways to it. Read next: `interp/mod.ts` (what the instructions
 * mean), `mmu.ts` (address translation), `engine.ts` (what runs all this).
 *
 * @module
 */
import type { GuestMemory } from "../../memory.ts";
import type { Machine } from "../engine.ts";
import { CR0_EM, CR0_ET, CR0_TS, CR4_OSFXSR, SEG_BIG, SEG_CODE, SEG_DOWN, SEG_RW } from "./control_bits.ts";
import { CpuFault, GP, NM, RETRY, STACK, UD } from "./fault.ts";
import { type Insn, K_HIGH, K_IMM, K_MEM, K_REG } from "./insn.ts";
import { LinearMemory } from "./linear_memory.ts";
import { Mmu } from "./mmu.ts";
import type { Supervisor } from "./supervisor.ts";
import {
  CS,
  DS,
  ECX,
  ESP,
  SS,
  STATE_CPL,
  STATE_FPU_CONTROL,
  STATE_MXCSR,
  STATE_SEG_BASE,
  STATE_SEG_OPEN,
  STATE_SELECTORS,
  STATE_SSE_READY,
  STATE_TLB_OFFSET,
  TLB_USER,
} from "./state.ts";

const I_TLB_OFFSET = STATE_TLB_OFFSET >> 2;
const I_SEG_BASE = STATE_SEG_BASE >> 2, I_SEG_OPEN = STATE_SEG_OPEN >> 2;

/** A segment register's visible and cached parts; bases of the six live in shared memory ({@link Cpu.segmentBase}). */
export interface SystemSegment {
  selector: number;
  base: number;
  limit: number;
  access: number;
}

/** One virtual processor. */
export class Cpu extends LinearMemory {
  /** RAM. */
  readonly memory: GuestMemory;
  /** Ports, MMIO, interrupts, time. */
  readonly machine: Machine;
  /** Address translation. */
  override readonly mmu: Mmu;
  /** What takes the place of IDT, GDT and page tables, if anything does. */
  supervisor: Supervisor | undefined;
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
  /** The trap flag was set when the instruction at hand began, and nothing was delivered since. */
  stepping = false;
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
    super(memory.memory.buffer);
    this.memory = memory;
    this.machine = machine;
    this.selectors = new Uint16Array(memory.memory.buffer, STATE_SELECTORS, 6);
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
    this.shadow =
      this.stepping =
      this.halted =
      this.inGenerated =
        false;
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

  /** As {@link direct} for a range at `offset` in the stack segment, if that needs no checks. */
  directStack(offset: number, size: number, write: boolean): number {
    if (this.i32[I_SEG_OPEN + SS] === 0 || this.stackMask !== -1) return -1;
    return this.direct((this.i32[I_SEG_BASE + (SS << 1)]! + offset) | 0, size, write);
  }

  /** Raise now whatever `count` pushes of `size` bytes would raise, in their order. */
  probePushes(count: number, size: number): void {
    let esp = this.reg(ESP);
    for (let i = 0; i < count; i++) {
      esp = (esp - size) & this.stackMask;
      this.probeWrite(this.segmented(SS, esp, size, true), size);
    }
  }

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
    this.updateLevel();
  }

  /** Recompute what depends on CPL alone; after it changed, with all segments as flat as before. */
  updateLevel(): void {
    this.i32[I_TLB_OFFSET] = this.cpl === 3 ? TLB_USER : 0;
    this.i32[STATE_CPL >> 2] = this.cpl;
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
