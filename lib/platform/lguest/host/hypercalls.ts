/**
 * Hypercalls: what a Guest's kernel asks of the Host by INT 1Fh, with its number in EAX and arguments in EBX, ECX, EDX
 * and ESI. Those that need no answer at once it may put into a ring in its `struct lguest_data` instead; the ring is
 * worked off before the next direct call.
 *
 * An order of things that looks odd and matters: a notification in the ring goes to the Launcher before the rest of the
 * ring, and the direct call that caused all this waits behind both, until the Guest is run again. Read next:
 * `page_tables.ts`, `segments.ts`, `interrupts_and_traps.ts`, which do what is asked.
 *
 * @module
 */
import { EAX, EBX, ECX, EDX } from "../../../engine/soft/state.ts";
import { CR0_TS } from "../../../engine/soft/control_bits.ts";
import { TSC_HZ } from "../../../engine/soft/interp/identify.ts";
import { LGUEST_SHUTDOWN_RESTART, LHCALL, LHCALL_RING_SIZE } from "../protocol.ts";
import { loadIdtEntry, setStack, SYSCALL_VECTOR } from "./interrupts_and_traps.ts";
import { hex, type Lguest } from "./lg.ts";
import { flushTlb, newPgtable, setPgd, setPte, setupPagetables } from "./page_tables.ts";
import { loadGdt, loadGdtEntry, loadTls } from "./segments.ts";

/** In the ring: this entry is free, or was executed. */
const DONE = 0xff;
/** The most bytes of a Guest's last words. */
const MESSAGE_BYTES = 128;

/** Execute what waits, as far as the Launcher need not be asked in between. */
export function doHypercalls(lg: Lguest): void {
  const { cpu } = lg;
  if (lg.data === undefined) {
    initialize(lg, cpu.reg(EAX) >>> 0, cpu.reg(EBX) >>> 0);
    lg.hcall = false;
    return;
  }
  doRing(lg);
  if (lg.pendingNotify !== undefined || lg.dead !== undefined) return;
  lg.hcall = false; // it is not to be made again if it makes the engine stop
  lg.counts.hypercall++;
  doCall(lg, cpu.reg(EAX) >>> 0, cpu.reg(EBX) >>> 0, cpu.reg(ECX) >>> 0, cpu.reg(EDX) >>> 0);
}

/**
 * Work the ring off, once around at the most, from where it was left. The original copies all status bytes before: here
 * the Guest stands still meanwhile.
 */
function doRing(lg: Lguest): void {
  const { hcallStatus, hcalls, hcallSize } = lg.generation.data, status = lg.data! + hcallStatus;
  for (let count = 0; count < LHCALL_RING_SIZE; count++) {
    const n = lg.nextHcall;
    if (lg.memory.getUint8(status + n) === DONE) return;
    lg.nextHcall = (n + 1) % LHCALL_RING_SIZE;
    const at = hcalls + n * hcallSize;
    lg.counts.ringHypercall++;
    doCall(lg, lg.getData(at), lg.getData(at + 4), lg.getData(at + 8), lg.getData(at + 12));
    lg.memory.setUint8(status + n, DONE);
    if (lg.pendingNotify !== undefined) return;
  }
}

/** Execute one: its number, then its arguments, unsigned. */
function doCall(lg: Lguest, number: number, a: number, b: number, c: number): void {
  const { generation } = lg;
  switch (number) {
    case LHCALL.FLUSH_ASYNC: // the ring was worked off: that is all
      return;
    case LHCALL.LGUEST_INIT:
      return lg.kill("already have lguest_data");
    case LHCALL.SHUTDOWN:
      return shutdown(lg, a, b);
    case LHCALL.NEW_PGTABLE:
      return newPgtable(lg, a);
    case LHCALL.FLUSH_TLB:
      return flushTlb(lg, a !== 0);
    case LHCALL.LOAD_IDT_ENTRY:
      return loadIdtEntry(lg, a, b | 0, c | 0);
    case LHCALL.SET_STACK:
      return setStack(lg, a, b, c);
    case LHCALL.SET_CLOCKEVENT:
      lg.clockEvent = a === 0 ? Infinity : lg.now() + a;
      return;
    case LHCALL.HALT:
      lg.cpu.halted = true;
      lg.counts.halt++;
      return;
    case LHCALL.SET_PTE:
      return setPte(lg, a, b, c);
    case LHCALL.SET_PGD:
      return setPgd(lg, a, b);
    case LHCALL.LOAD_TLS:
      return loadTls(lg, a);
  }
  if (number === LHCALL.TS && generation.ts) {
    lg.cpu.cr0 = a === 0 ? lg.cpu.cr0 & ~CR0_TS : lg.cpu.cr0 | CR0_TS;
  } else if (number === LHCALL.NOTIFY && generation.transport === "bus") {
    if (a === 0) return; // which the original takes for "nothing"
    lg.pendingNotify = a;
    lg.counts.notify++;
  } else if (number === LHCALL.LOAD_GDT && generation.loadGdt) loadGdt(lg, a, b);
  else if (number === LHCALL.LOAD_GDT_ENTRY && !generation.loadGdt) loadGdtEntry(lg, a, b | 0, c | 0);
  else if (number === LHCALL.SEND_INTERRUPTS && !generation.loadGdt) return; // the Guest was left: that is all
  else lg.kill(`Bad hypercall ${number | 0}`);
}

/**
 * SHUTDOWN: the Guest's last words. One that wants to be started again may have none: Linux then gives the address of
 * NULL, which is none of its own.
 */
function shutdown(lg: Lguest, address: number, how: number): void {
  const alive = lg.dead === undefined;
  const bytes = lg.readBytes(address, MESSAGE_BYTES), end = bytes.subarray(0, MESSAGE_BYTES - 1).indexOf(0);
  const message = new TextDecoder().decode(bytes.subarray(0, end < 0 ? MESSAGE_BYTES - 1 : end));
  lg.kill(`CRASH: ${message}`);
  if (alive && how === LGUEST_SHUTDOWN_RESTART) lg.restart = true;
}

/** LGUEST_INIT: the Guest tells where its `struct lguest_data` is, and Host and Guest fill in what the other must know. */
function initialize(lg: Lguest, number: number, address: number): void {
  if (number !== LHCALL.LGUEST_INIT) return lg.kill(`hypercall ${number | 0} before INIT`);
  const { data } = lg.generation;
  if (!lg.addressOk(address, data.size)) return lg.kill(`bad guest page ${hex(address)}`);
  lg.data = address;
  lg.counts.hypercall++;
  lg.setData(data.tscKhz, TSC_HZ / 1000);
  if (lg.getData(data.syscallVec) !== SYSCALL_VECTOR) lg.kill("bad syscall vector");
  lg.noirqStart = lg.getData(data.noirqStart);
  if (data.noirqEnd !== undefined) lg.noirqEnd = lg.getData(data.noirqEnd);
  lg.writeTimestamp();
  lg.kernelAddress = lg.getData(data.kernelAddress);
  lg.setData(data.reserveMem, 2 ** 32 - lg.generation.switcher);
  if (data.pgdir !== undefined) {
    lg.setData(data.pgdir, lg.pgdir);
  }
  if (lg.kernelAddress >= lg.generation.switcher) lg.kill(`bad kernel address ${hex(lg.kernelAddress)}`);
  flushTlb(lg, true);
}

/** Before 3.1 the Host makes the Guest's first page tables: to be called once its memory is filled. */
export function setupFirstPagetables(lg: Lguest): void {
  if (lg.generation.data.pgdir === undefined) return;
  lg.pgdir = setupPagetables(lg);
  lg.linear = false;
}
