/* Interrupts, the clock, halting: what is delivered when, and what it looks like. Read first: lguest.h. */
#include "lguest.h"

#define ORDER 16
#if LG_OLDEST
#define LOOK_TEXT "0"
#define PENDING 0 /* the Host has no word for it */
#define WAITING 0
#else
#define LOOK_TEXT "19"
#define PENDING data.irq_pending
#define WAITING IF
#endif
static volatile u32 order[ORDER], taken;
static volatile u32 enabled_inside, pushed_flags, pushed_eip, pushed_cs;

static void note_interrupt(struct frame *frame) {
  if (frame->vector == SYSTEM_CALL) {
    if (frame->eax == LEAVE) leave_user(frame->ebx);
    return;
  }
  TRUE("an interrupt", frame->vector >= FIRST_IRQ && frame->vector < FIRST_IRQ + 32);
  if (taken < ORDER) order[taken] = frame->vector - FIRST_IRQ;
  taken++;
  enabled_inside = data.irq_enabled;
  pushed_flags = frame->eflags;
  pushed_eip = frame->eip;
  pushed_cs = frame->cs;
}

static void begin_interrupts(u32 type) {
  begin_traps();
  for (u32 irq = 0; irq < 32; irq++) catch_all(FIRST_IRQ + irq, type, 0);
  on_trap = note_interrupt;
  data.blocked_interrupts = 0;
}

/* irq_enabled as Linux sets it: and the Host is told, if it waits. */
static void enable(void) {
  data.irq_enabled = IF;
  if (PENDING || LG_OLDEST) call0(LOOK);
}
static void look(void) { call0(LOOK); }
/* Time for a Host that does not look at its clock each time. */
static void settle(void) {
  for (u32 i = 0; i < 20000; i++) look();
}

TEST(delivered) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = IF;
  ask(ASK_RAISE, 5);
  look();
  EQUAL("interrupts", taken, 1);
  EQUAL("which", order[0], 5);
  EQUAL("irq_enabled in the handler", enabled_inside, 0);
  EQUAL("pushed IF", pushed_flags & IF, IF);
  EQUAL("pushed cs", pushed_cs, KERNEL_CS);
  EQUAL("irq_enabled behind it", data.irq_enabled, IF);
  look();
  EQUAL("interrupts, later", taken, 1);
}

TEST(delivered_by_trap_gate) {
  begin_interrupts(TRAP_GATE);
  data.irq_enabled = IF;
  ask(ASK_RAISE, 5);
  look();
  EQUAL("interrupts", taken, 1);
  EQUAL("irq_enabled in the handler", enabled_inside, IF);
}

TEST(each_interrupt) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = IF;
  for (u32 irq = 0; irq < 32; irq++) {
    taken = 0;
    ask(ASK_RAISE, irq);
    look();
    EQUAL("interrupts", taken, 1);
    EQUAL("which", order[0], irq);
  }
}

/* One that is raised twice before it is taken is one. */
TEST(raised_twice) {
  begin_interrupts(INTERRUPT_GATE);
  ask(ASK_RAISE, 5);
  ask(ASK_RAISE, 5);
  enable();
  look();
  EQUAL("interrupts", taken, 1);
}

/* The handshake: while disabled the Host only says that one waits; when none is left it takes that back. */
TEST(irq_pending) {
  begin_interrupts(INTERRUPT_GATE);
  EQUAL("irq_pending at first", PENDING, 0);
  ask(ASK_RAISE, 3);
  look();
  EQUAL("interrupts while disabled", taken, 0);
  EQUAL("irq_pending", PENDING, WAITING);
  enable();
  EQUAL("interrupts when enabled", taken, 1);
  EQUAL("irq_pending at last", PENDING, 0);
}

TEST(lowest_first) {
  begin_interrupts(INTERRUPT_GATE);
  ask(ASK_RAISE, 9);
  ask(ASK_RAISE, 3);
  ask(ASK_RAISE, 31);
  ask(ASK_RAISE, 4);
  enable();
  EQUAL("the first", order[0], 3);
  for (u32 i = 0; i < 8; i++) look();
  EQUAL("interrupts", taken, 4);
  EQUAL("the second", order[1], 4);
  EQUAL("the third", order[2], 9);
  EQUAL("the fourth", order[3], 31);
}

/* While its handler runs with interrupts off the next one waits, and irq_pending says so. */
static void stay(struct frame *frame) {
  order[taken++] = frame->vector - FIRST_IRQ;
  look();
  EQUAL("irq_pending in the handler", PENDING, taken == 1 ? WAITING : 0);
}
TEST(one_at_a_time) {
  begin_interrupts(INTERRUPT_GATE);
  on_trap = stay;
  ask(ASK_RAISE, 4);
  ask(ASK_RAISE, 3);
  enable();
  look();
  EQUAL("interrupts", taken, 2);
  EQUAL("the first", order[0], 3);
  EQUAL("the second", order[1], 4);
}

TEST(blocked) {
  begin_interrupts(INTERRUPT_GATE);
  data.blocked_interrupts = 1u << 3 | 1u << 31;
  data.irq_enabled = IF;
  ask(ASK_RAISE, 3);
  ask(ASK_RAISE, 31);
  look();
  EQUAL("interrupts", taken, 0);
  EQUAL("irq_pending", PENDING, 0);
  ask(ASK_RAISE, 7);
  look();
  EQUAL("interrupts behind the blocked one", taken, 1);
  EQUAL("which", order[0], 7);
  data.blocked_interrupts = 1u << 31;
  look();
  EQUAL("interrupts, unblocked", taken, 2);
  EQUAL("which, unblocked", order[1], 3);
  data.blocked_interrupts = 0;
  look();
  EQUAL("interrupts, all unblocked", taken, 3);
  EQUAL("which, all unblocked", order[2], 31);
}

/* Without a handler it waits, and those behind it do too. */
TEST(no_handler) {
  begin_interrupts(INTERRUPT_GATE);
  call3(LOAD_IDT_ENTRY, FIRST_IRQ + 3, 0, 0);
  data.irq_enabled = IF;
  ask(ASK_RAISE, 3);
  look();
  EQUAL("interrupts without a handler", taken, 0);
  ask(ASK_RAISE, 4);
  look();
  EQUAL("interrupts behind it", taken, 0);
  catch_all(FIRST_IRQ + 3, INTERRUPT_GATE, 0);
  look();
  look();
  EQUAL("interrupts with a handler", taken, 2);
  EQUAL("the first", order[0], 3);
  EQUAL("the second", order[1], 4);
}

/* Raised by the harness before the first instruction: nothing happens before INIT, nor without being enabled. */
TEST(raised_before_start) {
  fill_data();
  data.blocked_interrupts = 0;
  data.irq_enabled = 0;
#if !LG_OLDEST
  data.irq_pending = 0;
#endif
  call1(INIT, &data);
  for (u32 irq = 0; irq < 32; irq++) catch_all(FIRST_IRQ + irq, INTERRUPT_GATE, 0);
  on_trap = note_interrupt;
  EQUAL("interrupts", taken, 0);
  enable();
  look();
  EQUAL("interrupts, enabled", taken, 1);
  EQUAL("which", order[0], 2);
}

/* ---- The place where the Host must not interrupt ---- */

#if !LG_RANGE
/* An interrupt at the IRET is taken as if the IRET had happened: the frame on the stack is its frame. */
extern u8 window_iret[], window_target[], window_handler[];
volatile u32 window_esp, window_flags, window_top;
__asm__(
    "window_handler:\n\tpushf\n\tpopl window_flags\n\tmovl %esp, window_esp\n\tmovl (%esp), %eax\n\tmovl %eax, window_top\n\t"
    "movl $0x200, data\n\tiret\n");
TEST(at_the_iret) {
  u32 esp;
  fill_data();
  data.noirq_iret = (u32)window_iret;
  data.blocked_interrupts = 0;
  call1(INIT, &data);
  set_gate(FIRST_IRQ + 3, window_handler, INTERRUPT_GATE, 0);
  ask(ASK_RAISE, 3);
  data.irq_enabled = IF;
  __asm__ volatile(
      "pushl $0xa43\n\t" /* carry, zero, overflow */
      "pushl $0x61\n\tpushl $window_target\n\tmov %%esp, %0\n\tmov $" LOOK_TEXT ", %%eax\n\txor %%ecx, %%ecx\n\tint $0x1f\n"
      "window_iret:\n\tiret\n"
      "window_target:\n"
      : "=&r"(esp)::"eax", "ecx", "memory", "cc");
  EQUAL("stack in the handler", window_esp, esp);
  EQUAL("return address there", window_top, (u32)window_target);
  EQUAL("flags in the handler", window_flags & 0xcd5, 0x841);
}

/* Only at that address: one instruction before it is an ordinary interrupt. */
extern u8 beside_iret[], beside_before[];
TEST(before_the_iret) {
  fill_data();
  data.noirq_iret = (u32)beside_iret;
  data.blocked_interrupts = 0;
  call1(INIT, &data);
  catch_all(FIRST_IRQ + 3, INTERRUPT_GATE, 0);
  on_trap = note_interrupt;
  ask(ASK_RAISE, 3);
  data.irq_enabled = IF;
  __asm__ volatile(
      "pushl $2\n\tpushl $0x61\n\tpushl $1f\n\tmov $" LOOK_TEXT ", %%eax\n\tint $0x1f\n"
      "beside_before:\n\tnop\n"
      "beside_iret:\n\tiret\n"
      "1:\n" ::: "eax", "memory", "cc");
  EQUAL("interrupts", taken, 1);
  EQUAL("pushed eip", pushed_eip, (u32)beside_before);
}

/* A program that gets to that address has no frame on its stack to come back by: it is interrupted like any other. Its
 * HLT goes to the harness, which raises the interrupt and moves it there. */
static void user_was_moved(struct frame *frame) {
  if (frame->vector != FIRST_IRQ + 3) leave_user(frame->vector);
  note_interrupt(frame);
}
USER_CODE(user_moves, "hlt\n");
TEST(user_at_the_iret) {
  begin_interrupts(INTERRUPT_GATE);
  on_trap = user_was_moved;
  EQUAL("the page fault behind it", enter_user(user_moves, 0, IF), 14);
  EQUAL("interrupts", taken, 1);
  EQUAL("pushed cs", pushed_cs, USER_CS);
  EQUAL("pushed eip", pushed_eip, (u32)noirq_iret);
}
#else
/* From noirq_start up to noirq_end no interrupt comes, whatever irq_enabled says. */
extern u8 quiet_start[], quiet_middle[], quiet_end[];
TEST(in_the_quiet_range) {
  u32 inside_first, inside;
  fill_data();
  data.noirq_start = (u32)quiet_start;
  data.noirq_end = (u32)quiet_end;
  data.blocked_interrupts = 0;
  call1(INIT, &data);
  catch_all(FIRST_IRQ + 3, INTERRUPT_GATE, 0);
  on_trap = note_interrupt;
  ask(ASK_RAISE, 3);
  data.irq_enabled = IF;
  __asm__ volatile(
      "mov $" LOOK_TEXT ", %%eax\n\tint $0x1f\n"
      "quiet_start:\n\tmov taken, %0\n\tmov $" LOOK_TEXT ", %%eax\n\tint $0x1f\n"
      "quiet_middle:\n\tmov taken, %1\n\tmov $" LOOK_TEXT ", %%eax\n\tint $0x1f\n"
      "quiet_end:\n\tnop\n"
      : "=&r"(inside_first), "=&r"(inside)::"eax", "memory", "cc");
  EQUAL("interrupts at the range's start", inside_first, 0);
  EQUAL("interrupts in the range", inside, 0);
  EQUAL("interrupts behind it", taken, 1);
  EQUAL("pushed eip", pushed_eip, (u32)quiet_end);
}

/* And the last address before it is an ordinary one. */
TEST(before_the_quiet_range) {
  extern u8 loud[], quiet[];
  fill_data();
  data.noirq_start = (u32)quiet;
  data.noirq_end = (u32)quiet + 1;
  data.blocked_interrupts = 0;
  call1(INIT, &data);
  catch_all(FIRST_IRQ + 3, INTERRUPT_GATE, 0);
  on_trap = note_interrupt;
  ask(ASK_RAISE, 3);
  data.irq_enabled = IF;
  __asm__ volatile("mov $" LOOK_TEXT ", %%eax\n\tint $0x1f\nloud:\tnop\nquiet:\tnop" ::: "eax", "memory", "cc");
  EQUAL("interrupts", taken, 1);
  EQUAL("pushed eip", pushed_eip, (u32)loud);
}
#endif

/* ---- Halting and the clock ---- */

TEST(halt_and_clock) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = 0; /* HALT is "enable and wait" */
  call1(SET_CLOCKEVENT, 1000000);
  call0(HALT);
  EQUAL("interrupts", taken, 1);
  EQUAL("which", order[0], 0);
  EQUAL("pushed IF", pushed_flags & IF, IF);
  EQUAL("irq_enabled in the handler", enabled_inside, 0);
  EQUAL("irq_enabled behind HALT", data.irq_enabled, IF);
}

TEST(clock_again_and_again) {
  begin_interrupts(INTERRUPT_GATE);
  for (u32 i = 1; i <= 20; i++) {
    call1(SET_CLOCKEVENT, 1 + i * 10000);
    call0(HALT);
    EQUAL("interrupts", taken, i);
  }
}

/* It is one shot: what comes after it needs another. */
TEST(clock_is_one_shot) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = IF;
  call1(SET_CLOCKEVENT, 1000);
  ask(ASK_SLEEP, 5);
  settle();
  EQUAL("interrupts", taken, 1);
  ask(ASK_SLEEP, 20);
  settle();
  EQUAL("interrupts, later", taken, 1);
}

TEST(clock_cancelled) {
  begin_interrupts(INTERRUPT_GATE);
  call1(SET_CLOCKEVENT, 20000000);
  call1(SET_CLOCKEVENT, 0);
  ask(ASK_SLEEP, 40);
  settle();
  EQUAL("irq_pending while disabled", PENDING, 0);
  enable();
  settle();
  EQUAL("interrupts", taken, 0);
  EQUAL("irq_pending", PENDING, 0);
}

/* A new time replaces the old one, in both directions. */
TEST(clock_replaced) {
  begin_interrupts(INTERRUPT_GATE);
  call1(SET_CLOCKEVENT, 0xffffffff); /* four seconds */
  call1(SET_CLOCKEVENT, 1000000);
  call0(HALT);
  EQUAL("interrupts", taken, 1);
  data.irq_enabled = 0;
  call1(SET_CLOCKEVENT, 10000000);
  call1(SET_CLOCKEVENT, 0xffffffff);
  ask(ASK_SLEEP, 30);
  settle();
  enable();
  settle();
  EQUAL("interrupts, later", taken, 1);
}

TEST(clock_in_ring) {
  begin_interrupts(INTERRUPT_GATE);
  in_ring(0, SET_CLOCKEVENT, 1000000, 0, 0);
  in_ring(1, HALT, 0, 0, 0);
  call0(FLUSH_ASYNC);
  EQUAL("interrupts", taken, 1);
}

/* What waits already ends a halt at once. */
TEST(halt_with_pending) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = 0;
  ask(ASK_RAISE, 6);
  call0(HALT);
  EQUAL("interrupts", taken, 1);
  EQUAL("which", order[0], 6);
  EQUAL("irq_enabled", data.irq_enabled, IF);
}

/* What is blocked does not: the clock has to. */
TEST(halt_with_blocked) {
  begin_interrupts(INTERRUPT_GATE);
  data.blocked_interrupts = 1 << 6;
  ask(ASK_RAISE, 6);
  call1(SET_CLOCKEVENT, 2000000);
  call0(HALT);
  EQUAL("interrupts", taken, 1);
  EQUAL("which", order[0], 0);
}

/* One without a handler wakes the Guest nevertheless. */
TEST(halt_without_handler) {
  begin_interrupts(INTERRUPT_GATE);
  call3(LOAD_IDT_ENTRY, FIRST_IRQ + 0, 0, 0);
  for (u32 i = 0; i < 3; i++) {
    data.irq_enabled = 0;
    /* At once, so that it is due when the Host is about to sleep. */
    in_ring(2 * i, SET_CLOCKEVENT, 1, 0, 0);
    in_ring(2 * i + 1, HALT, 0, 0, 0);
    call0(FLUSH_ASYNC);
    EQUAL("interrupts", taken, 0);
    EQUAL("irq_enabled", data.irq_enabled, IF);
  }
  catch_all(FIRST_IRQ, INTERRUPT_GATE, 0);
  look();
  EQUAL("interrupts with a handler", taken, 1);
}

/* A Guest that makes no hypercalls is interrupted all the same. */
TEST(busy_kernel) {
  begin_interrupts(INTERRUPT_GATE);
  data.irq_enabled = IF;
  for (u32 i = 1; i <= 5; i++) {
    call1(SET_CLOCKEVENT, 500000);
    while (taken < i) {
    }
  }
  EQUAL("interrupts", taken, 5);
  EQUAL("which", order[4], 0);
}

static void end_loop(struct frame *frame) {
  if (frame->vector == SYSTEM_CALL) leave_user(frame->ebx);
  EQUAL("vector", frame->vector, FIRST_IRQ);
  EQUAL("cs", frame->cs, USER_CS);
  EQUAL("ss", frame->ss, USER_DS);
  EQUAL("esp", frame->esp, (u32)user_stack_top);
  EQUAL("the frame's end", (u32)(&frame->ss + 1), (u32)stack_top);
  frame->ecx = 0;
  taken++;
}
USER_CODE(user_loop, "movl $1, %ecx\n\tmovl $0, %ebx\n1:\tincl %ebx\n\ttestl %ecx, %ecx\n\tjnz 1b\n\tmovl $9, %ebx\n" LEAVE_USER);
TEST(busy_user) {
  begin_interrupts(INTERRUPT_GATE);
  on_trap = end_loop;
  call1(SET_CLOCKEVENT, 500000);
  EQUAL("result", enter_user(user_loop, 0, IF), 9);
  EQUAL("interrupts", taken, 1);
}

/* The Host tells the time with each delivery. */
TEST(time_goes_on) {
  begin_interrupts(INTERRUPT_GATE);
  u32 seconds = data.time_seconds, nanoseconds = data.time_nanoseconds;
  data.time_seconds = data.time_nanoseconds = 0xffffffff;
  look();
  EQUAL("seconds without an interrupt", data.time_seconds, 0xffffffff);
  call1(SET_CLOCKEVENT, 2000000);
  call0(HALT);
  TRUE("nanoseconds are less than a second", data.time_nanoseconds < 1000000000);
  TRUE("time goes on", data.time_seconds - seconds < 600 &&
                           (data.time_seconds > seconds || data.time_nanoseconds > nanoseconds));
}

/* The harness has another thread interrupt the Host, until it has seen that. The Guest must not notice. */
TEST(halts_until_told) {
  begin_interrupts(INTERRUPT_GATE);
  for (u32 i = 1; !PARAMETERS->expected; i++) {
    call1(SET_CLOCKEVENT, 5000000);
    call0(HALT);
    EQUAL("interrupts", taken, i);
    ask(ASK_LOOK, 0);
  }
}

/* irq_enabled is a flags word: only its IF counts. */
TEST(enabled_is_if) {
  begin_interrupts(INTERRUPT_GATE);
  ask(ASK_RAISE, 3);
  data.irq_enabled = 0x46;
  look();
  EQUAL("interrupts", taken, 0);
  data.irq_enabled = 0x246;
  look();
  EQUAL("interrupts, enabled", taken, 1);
}
