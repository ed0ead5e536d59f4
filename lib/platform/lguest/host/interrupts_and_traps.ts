/**
 * Interrupts and traps of the Guest. They go to its kernel, on its kernel's stack, by the gates that it gave the Host;
 * what is the Host's business the Guest never hears of.
 *
 * The processor's own interrupt flag is always set while a Guest runs: whether it wants interrupts it says in a word of
 * `struct lguest_data`, which is cheaper than to ask. The frame on the stack shows it the flag that it believes in. Read
 * next: `supervisor.ts`, which traps are the Host's business.
 *
 * @module
 */
import { CpuFault } from "../../../engine/soft/fault.ts";
import { CS, ESP, IF, IOPL, NT, RF, SS, TF, VIF, VIP, VM } from "../../../engine/soft/state.ts";
import { STOP } from "../../../engine/soft/supervisor.ts";
import { DATA } from "../generation.ts";
import { FIRST_EXTERNAL_VECTOR, GUEST_PL, LGUEST_TRAP_ENTRY } from "../protocol.ts";
import { hex, type Lguest } from "./lg.ts";
import { pinStackPages } from "./page_tables.ts";
import { enterKernel, KERNEL_CS } from "./segments.ts";

/** Gate types: one that disables interrupts, one that does not. */
const INTERRUPT_GATE = 0xe, TRAP_GATE = 0xf;
const GATE_PRESENT = 0x8000;
/** What stays of a gate's high word: the address, present, the privilege level, the type. */
const GATE_BITS = 0xffff_ef00 | 0;
/** Linux's system call. */
export const SYSCALL_VECTOR = 0x80;
/** Page fault, general protection fault, device not available, invalid opcode. */
const PAGE_FAULT = 14, PROTECTION = 13, NOT_AVAILABLE = 7, INVALID = 6;
/** The last address of a Guest's kernel stack frame is this far up: EIP, CS, EFLAGS. */
const FRAME_EFLAGS = 8;
/** Gates that a Guest cannot have: NMI, double fault, reserved, hypercall. */
const NEVER: ReadonlySet<number> = new Set([2, 8, 15, LGUEST_TRAP_ENTRY]);

/** Whether a trap has an error code (Intel SDM volume 3, table 6-1). */
export function hasErrorCode(vector: number): boolean {
  return vector === 8 || (vector >= 10 && vector <= 14) || vector === 17;
}

/** LOAD_IDT_ENTRY. The Guest's selector does not count: handlers are in its kernel's code. */
export function loadIdtEntry(lg: Lguest, vector: number, low: number, high: number): void {
  if (NEVER.has(vector)) return;
  if (vector > 255) return lg.kill(`Setting idt entry ${vector}`);
  const type = high >> 8 & 0xf, present = (high & GATE_PRESENT) !== 0;
  if (present && type !== INTERRUPT_GATE && type !== TRAP_GATE) return lg.kill(`bad IDT type ${type}`);
  lg.idt[2 * vector] = present ? KERNEL_CS << 16 | low & 0xffff : 0;
  lg.idt[2 * vector + 1] = present ? high & GATE_BITS : 0;
}

/** SET_STACK: where traps and interrupts from programs go. */
export function setStack(lg: Lguest, segment: number, esp: number, pages: number): void {
  if ((segment & 3) !== GUEST_PL) lg.kill(`bad stack segment ${segment | 0}`);
  if (pages > 2) lg.kill(`bad stack pages ${pages}`);
  if (lg.dead !== undefined) return;
  lg.ss1 = segment & 0xffff;
  lg.esp1 = esp | 0;
  lg.stackPages = pages;
  pinStackPages(lg);
}

/** Whether the processor may take a trap to the Guest by itself, if the gate leaves interrupts alone. */
function isDirect(lg: Lguest, vector: number): boolean {
  if (vector >= FIRST_EXTERNAL_VECTOR) return vector === SYSCALL_VECTOR;
  if (vector === INVALID && lg.generation.vmcall) return false;
  return vector !== PAGE_FAULT && vector !== PROTECTION && vector !== NOT_AVAILABLE && vector !== LGUEST_TRAP_ENTRY;
}

/** The privilege level that INT n needs: the Guest's gates count where it could have them called. */
export function softwareLevel(lg: Lguest, vector: number): number {
  if (vector === LGUEST_TRAP_ENTRY) return GUEST_PL;
  return isDirect(lg, vector) ? lg.idt[2 * vector + 1]! >> 13 & 3 : 0;
}

/**
 * Have the Guest take a trap.
 *
 * @param vector 0 to 255
 * @param returnTo the EIP to come back to
 * @param software of INT n, which has no error code whatever the vector (Intel SDM volume 3, §6.4.2)
 * @returns whether it has a handler
 */
export function deliverTrap(lg: Lguest, vector: number, returnTo: number, software: boolean = false): boolean {
  const high = lg.idt[2 * vector + 1]!;
  if (!(high & GATE_PRESENT)) return false;
  const direct = (high >> 8 & 0xf) === TRAP_GATE && isDirect(lg, vector);
  const flags = direct ? lg.cpu.flags | IF : visibleFlags(lg);
  enterHandler(lg, vector, flags, returnTo, !software && hasErrorCode(vector));
  return true;
}

/** A trap that the Guest has no handler for is its end. */
export function killByTrap(lg: Lguest, vector: number, eip: number): void {
  lg.kill(
    `unhandled trap ${vector} at ${hex(eip)} (${hex(vector === PAGE_FAULT ? lg.lastPageFault : lg.errorCode)})`,
  );
}

/** EFLAGS as the Guest's kernel believes them to be. */
function visibleFlags(lg: Lguest): number {
  const { flags } = lg.cpu;
  return lg.data !== undefined && !(lg.getData(DATA.IRQ_ENABLED) & IF) ? flags & ~IF : flags;
}

/** Put a frame onto the kernel's stack and go to the handler. */
function enterHandler(lg: Lguest, vector: number, flags: number, returnTo: number, withCode: boolean): void {
  const { cpu } = lg, stack = cpu.selectors[SS]!, esp = cpu.reg(ESP), code = cpu.selectors[CS]!;
  const switches = (stack & 3) !== GUEST_PL, top = switches ? lg.esp1 : esp;
  const bytes = (switches ? 20 : 12) + (withCode ? 4 : 0);
  const host = cpu.mmu.directSystem(top - bytes | 0, bytes, true);
  if (host >= 0) { // nearly always
    const { view } = cpu;
    let at = host + bytes;
    if (switches) {
      view.setInt32(at -= 4, stack, true);
      view.setInt32(at -= 4, esp, true);
    }
    view.setInt32(at -= 4, flags, true);
    view.setInt32(at -= 4, code, true);
    view.setInt32(at -= 4, returnTo, true);
    if (withCode) view.setInt32(at - 4, lg.errorCode, true);
  } else {
    const words = [flags, code, returnTo];
    if (switches) words.unshift(stack, esp);
    if (withCode) words.push(lg.errorCode);
    if (!push(lg, top, words)) return;
  }
  enterKernel(lg, switches ? lg.ss1 : undefined);
  cpu.setReg(ESP, top - bytes | 0);
  runHandler(lg, vector);
}

/** Write words below `top`, the first one highest; a Guest whose stack is not there is killed. */
function push(lg: Lguest, top: number, words: readonly number[]): boolean {
  const { mmu } = lg.cpu;
  let at = top;
  try {
    for (const word of words) mmu.writeSystem(at = at - 4 | 0, 4, word);
    return true;
  } catch (reason) {
    if (reason instanceof CpuFault) lg.kill(`Bad address ${hex(at)}`);
    else if (reason !== STOP) throw reason;
    lg.iomem = undefined;
    return false;
  }
}

function runHandler(lg: Lguest, vector: number): void {
  const { cpu } = lg, low = lg.idt[2 * vector]!, high = lg.idt[2 * vector + 1]!;
  cpu.eip = high & 0xffff_0000 | low & 0xffff;
  cpu.systemFlags = cpu.systemFlags & ~(TF | VM | RF | NT) | IF;
  if ((high >> 8 & 0xf) === INTERRUPT_GATE && lg.data !== undefined) lg.setData(DATA.IRQ_ENABLED, 0);
}

/**
 * Whether an interrupt can be taken now; if so the Guest is ready for it (a halted one wants interrupts). Called between
 * instructions, often.
 */
export function canInterrupt(lg: Lguest): boolean {
  if (lg.irqsPending === 0 || lg.data === undefined || lg.mustStop) return false;
  const ready = lg.irqsPending & ~lg.getData(DATA.BLOCKED_INTERRUPTS);
  if (ready === 0) return false;
  const { cpu } = lg, eip = cpu.eip >>> 0, { irqPending, noirqEnd } = lg.generation.data;
  if (noirqEnd !== undefined && eip >= lg.noirqStart && eip < lg.noirqEnd) return false;
  if (cpu.halted) {
    lg.setData(DATA.IRQ_ENABLED, IF);
    cpu.halted = false;
  } else if (!(lg.getData(DATA.IRQ_ENABLED) & IF)) {
    // After IRET it is all of EFLAGS; the original takes any bit of that, and so may interrupt a disabled Guest.
    if (irqPending !== undefined) lg.setData(irqPending, IF);
    return false;
  }
  lg.irqsReady = ready;
  if (lg.idt[2 * (FIRST_EXTERNAL_VECTOR + lowest(ready)) + 1]! & GATE_PRESENT) return true;
  lg.writeTimestamp(); // no handler yet: it stays pending, and those behind it wait
  return false;
}

/** Which interrupt {@link canInterrupt} was about, as a vector; it is no longer pending. */
export function takeInterrupt(lg: Lguest): number {
  const ready = lg.irqsReady, irq = lowest(ready);
  lg.irqsPending &= ~(1 << irq);
  const { irqPending } = lg.generation.data;
  // The original never clears it, so that a Guest makes a hypercall whenever it enables interrupts.
  if (irqPending !== undefined && (ready & ~(1 << irq)) === 0) lg.setData(irqPending, 0);
  return FIRST_EXTERNAL_VECTOR + irq;
}

/** Have the Guest take an interrupt, between two instructions. */
export function deliverInterrupt(lg: Lguest, vector: number): void {
  const { cpu } = lg, { noirqEnd } = lg.generation.data;
  if (noirqEnd === undefined && cpu.eip >>> 0 === lg.noirqStart && cpu.cpl === GUEST_PL) {
    // At IRET the frame to come back by is on the stack already: it may as well be this interrupt's. A program that
    // jumped there has no such frame; the original does not look, and the interrupt is lost.
    const flags = readStack(lg, FRAME_EFLAGS);
    cpu.flags = flags & ~(TF | VM | RF | NT | IOPL | VIF | VIP) | IF;
    runHandler(lg, vector);
  } else enterHandler(lg, vector, visibleFlags(lg), cpu.eip, false);
  lg.writeTimestamp();
}

function readStack(lg: Lguest, offset: number): number {
  try {
    return lg.cpu.mmu.readSystem(lg.cpu.reg(ESP) + offset | 0, 4);
  } catch (reason) {
    if (reason instanceof CpuFault) lg.kill(`Bad address ${hex(lg.cpu.reg(ESP))}`);
    else if (reason !== STOP) throw reason;
    lg.iomem = undefined;
    return 0;
  }
}

function lowest(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
