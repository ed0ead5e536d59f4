/*
 * What a test kernel knows of lguest, and what the tests share.
 *
 * Enters: a test's name, as the kernel command line. Leaves: the Guest's death with the reason "CRASH: OK", or with
 * what went wrong. LG_VERSION says for which Linux's Host it is built: 40100 is 4.1. Read next: start.S (the first instructions), kernel.c (what is shared), then the topics: init.c, hypercalls.c,
 * paging.c, segments.c, traps.c, privileged.c, interrupts.c, floating.c.
 */
#pragma once

/* What differs between the versions. */
#define LG_OLDEST (LG_VERSION < 20631) /* the whole GDT at once; no irq_pending, no SEND_INTERRUPTS, three arguments */
#define LG_PGDIR (LG_VERSION < 30100)  /* the Host makes the first page tables */
#define LG_VMCALL (LG_VERSION < 30100) /* a hypercall may be VMCALL */
#define LG_PCI (LG_VERSION >= 40000)   /* traps go to the Launcher; no NOTIFY */
#define LG_RANGE (LG_VERSION < 40100)  /* no interrupts between two addresses; from then on there is but one */
#define LG_TS (LG_VERSION < 41000)     /* CR0.TS by hypercall */

#define IF 0x200
/* The kernel's segments are the boot protocol's, at level 1; those of user code are Linux's. */
#define KERNEL_CS 0x61
#define KERNEL_DS 0x69
#define USER_CS 0x73
#define USER_DS 0x7b
#define HYPERCALL_VECTOR 0x1f
#define SYSTEM_CALL 0x80
#define FIRST_IRQ 0x20

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

enum hypercall {
  FLUSH_ASYNC = 0,
  INIT = 1,
  SHUTDOWN = 2,
  LOAD_GDT = 3,
  NEW_PGTABLE = 4,
  FLUSH_TLB = 5,
  LOAD_IDT_ENTRY = 6,
  SET_STACK = 7,
  TS = 8,
  SET_CLOCKEVENT = 9,
  HALT = 10,
  SET_PTE = 14,
  SET_PGD = 15,
  LOAD_TLS = 16,
  NOTIFY = 17,
  LOAD_GDT_ENTRY = 18,
  SEND_INTERRUPTS = 19,
};
#define POWEROFF 1
#define RESTART 2
#define RING 64
#define FREE 0xff

struct async_call {
  u32 call, args[LG_OLDEST ? 3 : 4];
};

/* struct lguest_data */
struct data {
  u32 irq_enabled;
  u32 blocked_interrupts;
  u32 cr2;
  u32 time_seconds, time_nanoseconds;
#if !LG_OLDEST
  u32 irq_pending;
#endif
  u8 hcall_status[RING];
  struct async_call hcalls[RING];
  u32 reserve_mem;
  u32 tsc_khz;
#if LG_PGDIR
  u32 pgdir;
#endif
#if !LG_RANGE
  u32 noirq_iret;
#else
  u32 noirq_start, noirq_end;
#endif
  u32 kernel_address;
  u32 syscall_vec;
};

/* What the harness and the kernel tell each other, at physical 0x2000 (_layout.ts). */
struct info {
  u32 memory;       /* bytes that the Host lets the Guest use */
  u32 device_limit; /* bytes, at the end of the devices' registers; 4.x */
  u32 ram;          /* bytes of RAM: below memory where a page for devices follows */
  u32 data;         /* from the Guest: where lguest_data is */
  u32 expected;     /* from the Guest: an address or a number that the reason of its death must name */
};
#define COMMAND_LINE ((const char *)0x1000)
#define PARAMETERS ((volatile struct info *)0x2000)

/* The stack as start.S leaves it to a trap's handler. */
struct frame {
  u32 es, ds;
  u32 edi, esi, ebp, unused, ebx, edx, ecx, eax;
  u32 vector, error;
  u32 eip, cs, eflags;
  u32 esp, ss; /* from user code only */
};

/* What the last trap looked like, and how many there were but for system calls. */
struct seen {
  u32 count, vector, error, eip, cs, eflags, esp, ss, irq_enabled, cr2;
};

/* Registers at the first instruction, stored by start.S in this order. */
struct first {
  u32 eax, ebx, ecx, edx, esi, edi, ebp, esp, eflags, cs, ds, es, ss, fs, gs;
};

struct test {
  const char *name;
  void (*run)(void);
};

#define SECTION(name) __attribute__((section(name), used))
/* A test, by the name that the harness asks for. */
#define TEST(name)                                                  \
  static void name(void);                                           \
  static const struct test test_##name SECTION("tests") = {#name, name}; \
  static void name(void)

extern volatile struct data data;
extern struct first first;
extern volatile struct seen seen;
extern u8 user_start[], user_end[];
extern u8 stubs[];     /* 256 trap handlers, 16 bytes each */
extern u8 stack_top[]; /* of the stack for traps from user code */
extern u8 user_stack_top[];

/* kernel.c: how a test ends. */
void __attribute__((noreturn)) ok(void);
void __attribute__((noreturn)) fail(const char *what, u32 got, u32 wanted);
void __attribute__((noreturn)) fail_text(const char *what);
void __attribute__((noreturn)) survived(void);
#define EQUAL(what, got, wanted)                    \
  do {                                              \
    u32 got_ = (u32)(got), wanted_ = (u32)(wanted); \
    if (got_ != wanted_) fail(what, got_, wanted_); \
  } while (0)
#define TRUE(what, condition) \
  do {                        \
    if (!(condition)) fail(what, 0, 1); \
  } while (0)

/* kernel.c: hypercalls. */
u32 hypercall(u32 call, u32 a, u32 b, u32 c, u32 d);
#define call0(call) hypercall(call, 0, 0, 0, 0)
#define call1(call, a) hypercall(call, (u32)(a), 0, 0, 0)
#define call2(call, a, b) hypercall(call, (u32)(a), (u32)(b), 0, 0)
#define call3(call, a, b, c) hypercall(call, (u32)(a), (u32)(b), (u32)(c), 0)
/* A call that does nothing but leave the Guest, so that the Host may deliver interrupts. */
#define LOOK (LG_OLDEST ? FLUSH_ASYNC : SEND_INTERRUPTS)
/* Put a call into a place of the ring; nothing happens until the next hypercall. */
void in_ring(u32 place, u32 call, u32 a, u32 b, u32 c);

/* kernel.c: the stages of a beginning. */
void fill_data(void);    /* what the Guest writes into lguest_data */
void begin(void);        /* and INIT */
void begin_paging(void); /* and page tables of our own */
void begin_traps(void);  /* and gates for all traps, segments and a stack for user code */

/* paging.c's tables, as begin_paging makes them: RAM is at its own address (for the kernel only, but what lies from
 * user_start to user_end), at HIGH for the kernel and, where `user_table` says so, at LOW for user code. */
#define PRESENT 1
#define WRITABLE 2
#define USER 4
#define ACCESSED 0x20
#define DIRTY 0x40
#define HIGH 0xc0000000u
#define LOW 0x08000000u
#define PAGE 4096u
extern volatile u32 pgdir[1024], low_table[1024], high_table[1024], user_table[1024];
extern u8 frames[16][PAGE]; /* pages for any use */
void flush_all(void);

/* kernel.c: segments. */
void set_segment(u32 entry, u32 low, u32 high);

/* kernel.c: gates and traps. */
#define INTERRUPT_GATE 0xe
#define TRAP_GATE 0xf
void set_gate(u32 vector, void *handler, u32 type, u32 level);
void catch_all(u32 vector, u32 type, u32 level); /* the gate leads to start.S, then to `trap` in kernel.c */
extern void (*on_trap)(struct frame *);          /* first in line, if any */
extern void *volatile resume_at;                 /* then: record, and go on here */
/* Run instructions (with inputs, if any) that trap, and may use EAX, ECX, EDX; `seen` tells how. */
#define TRY(instructions, ...)                                                                                  \
  __asm__ volatile("movl $991f, resume_at\n\t" instructions "\n991:\tmovl $0, resume_at" ::__VA_ARGS__          \
                   : "eax", "ecx", "edx", "memory", "cc")
/* One trap more, that looks so. */
void trapped(const char *what, u32 vector, u32 error);
u32 load(u32 address);               /* may trap: then 0xbadbad */
void store(u32 address, u32 value);  /* may trap */

/* start.S: run code at level 3 until it calls leave (or a trap handler calls leave_user). */
u32 enter_user(void *code, u32 argument, u32 eflags);
void __attribute__((noreturn)) leave_user(u32 result);
void guest_iret(void);
extern u8 noirq_iret[], noirq_end[];
/* User code: all of it is assembly in the section .user. */
#define USER_CODE(name, instructions)                                                        \
  extern u8 name[];                                                                          \
  __asm__(".section .user, \"ax\", @progbits\n" #name ":\n\t" instructions "\n.previous\n")
/* System calls: EAX = LEAVE ends enter_user with EBX as its result. All others resume behind. */
#define LEAVE 0x1ea5e
#define LEAVE_USER "movl $0x1ea5e, %eax\n\tint $0x80\n"

/* kernel.c: what the harness does for us (_run.ts). */
#define ASK_RAISE 0xf1
#define ASK_SLEEP 0xf2
#define ASK_NOTE 0xf3
#define ASK_LOOK 0xf4
void ask(u32 what, u32 value);
#define ASK_PORT 0xa5c

static inline u32 flags(void) {
  u32 value;
  __asm__ volatile("pushf; pop %0" : "=r"(value));
  return value;
}

#endif
