/**
 * The numbers of the lguest protocol, by their names in Linux's headers (`include/linux/lguest.h`,
 * `include/linux/lguest_launcher.h`, `arch/x86/include/asm/lguest_hcall.h`): requests to the Host, hypercalls of the
 * Guest, and the structures in the Guest's memory that both read and write. Read next: `generation.ts`, what differs
 * between the versions of Linux.
 *
 * @module
 */
import type { RegisterName } from "./device.ts";

/** The first word that a Launcher writes to the device. */
export const LHREQ = {
  /** + base, pfn limit, start (and, from Linux 4.0, device limit). */
  INITIALIZE: 0,
  /** + interrupt number. */
  IRQ: 2,
  /** + Guest-physical address, eventfd (2.6.31 to 3.19). */
  EVENTFD: 4,
  /** + offset in `struct pt_regs`; the next read gives its value (4.0 and later). */
  GETREG: 5,
  /** + offset in `struct pt_regs`, value (4.0 and later). */
  SETREG: 6,
  /** + trap number (4.0 and later). */
  TRAP: 7,
} as const;

/** Hypercall numbers, in EAX. */
export const LHCALL = {
  FLUSH_ASYNC: 0,
  LGUEST_INIT: 1,
  SHUTDOWN: 2,
  /** Before 2.6.31 only. */
  LOAD_GDT: 3,
  NEW_PGTABLE: 4,
  FLUSH_TLB: 5,
  LOAD_IDT_ENTRY: 6,
  SET_STACK: 7,
  /** Before 4.0 only. */
  TS: 8,
  SET_CLOCKEVENT: 9,
  HALT: 10,
  SET_PTE: 14,
  SET_PGD: 15,
  LOAD_TLS: 16,
  /** Before 4.0 only. */
  NOTIFY: 17,
  LOAD_GDT_ENTRY: 18,
  SEND_INTERRUPTS: 19,
} as const;

/** The interrupt vector of hypercalls: the highest below 32, which processors never raise. */
export const LGUEST_TRAP_ENTRY = 0x1f;
/** Interrupts that a Guest has; number 0 is its clock, those of devices follow. */
export const LGUEST_IRQS = 32;
/** Where interrupt 0 stands in the IDT. */
export const FIRST_EXTERNAL_VECTOR = 32;
/** Hypercalls that the ring in `struct lguest_data` has room for. */
export const LHCALL_RING_SIZE = 64;
/** The privilege level of a Guest's kernel. */
export const GUEST_PL = 1;
/** SHUTDOWN's second argument: start again, instead of powering off. */
export const LGUEST_SHUTDOWN_RESTART = 2;

/** Linux's segments on i386, as indices into the GDT. */
export const GDT_ENTRY = {
  TLS_MIN: 6,
  LGUEST_CS: 10,
  LGUEST_DS: 11,
  KERNEL_CS: 12,
  KERNEL_DS: 13,
  TSS: 16,
  DOUBLEFAULT_TSS: 31,
} as const;
/** Entries of the GDT. */
export const GDT_ENTRIES = 32;
/** Entries of the GDT that belong to threads. */
export const GDT_ENTRY_TLS_ENTRIES = 3;

/** Offsets in the i386 `struct pt_regs`, by which registers are asked for. */
export const REGISTER_OFFSET: Readonly<Record<RegisterName, number>> = {
  ebx: 0,
  ecx: 4,
  edx: 8,
  esi: 12,
  edi: 16,
  ebp: 20,
  eax: 24,
  ds: 28,
  es: 32,
  fs: 36,
  gs: 40,
  eip: 48,
  cs: 52,
  eflags: 56,
  esp: 60,
  ss: 64,
};

/** `struct lguest_pending`, which a read gives from Linux 4.0 on: u8 trap, 7 bytes of instruction, u32 address. */
export const PENDING = { TRAP: 0, INSTRUCTION: 1, ADDRESS: 8, SIZE: 12 } as const;
/** Bytes of an instruction in it. */
export const INSTRUCTION_BYTES = 7;
