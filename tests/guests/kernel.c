/*
 * What all test kernels share: finding the test, telling how it ended, hypercalls, page tables, gates. Read first:
 * lguest.h.
 */
#include "lguest.h"

volatile struct data data __attribute__((aligned(16)));
volatile struct seen seen;
volatile u32 pgdir[1024] __attribute__((aligned(4096)));
volatile u32 low_table[1024] __attribute__((aligned(4096)));
volatile u32 high_table[1024] __attribute__((aligned(4096)));
volatile u32 user_table[1024] __attribute__((aligned(4096)));
u8 frames[16][PAGE] __attribute__((aligned(4096)));
void (*on_trap)(struct frame *);
void *volatile resume_at;

static const char *running = "no test";
static char message[128];

/* ---- How a test ends ---- */

static void add_text(u32 *at, const char *text) {
  while (*text && *at < sizeof(message) - 1) message[(*at)++] = *text++;
}

static void add_number(u32 *at, u32 value) {
  char digits[11] = "0x00000000";
  for (int i = 9; i > 1; i--, value >>= 4) digits[i] = "0123456789abcdef"[value & 15];
  add_text(at, digits);
}

static void __attribute__((noreturn)) shut_down(const char *text) {
  for (;;) call2(SHUTDOWN, text, POWEROFF);
}

void ok(void) {
  static char text[128] = "OK";
  shut_down(text);
}

void survived(void) {
  fail_text("survived");
}

void fail_text(const char *what) {
  u32 at = 0;
  add_text(&at, running);
  add_text(&at, ": ");
  add_text(&at, what);
  shut_down(message);
}

void fail(const char *what, u32 got, u32 wanted) {
  u32 at = 0;
  add_text(&at, running);
  add_text(&at, ": ");
  add_text(&at, what);
  add_text(&at, " is ");
  add_number(&at, got);
  add_text(&at, ", not ");
  add_number(&at, wanted);
  shut_down(message);
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

extern const struct test __start_tests[], __stop_tests[];

void kernel_main(void) {
  PARAMETERS->data = (u32)&data;
  for (const struct test *test = __start_tests; test < __stop_tests; test++) {
    if (same(test->name, COMMAND_LINE)) {
      running = test->name;
      test->run();
      ok();
    }
  }
  begin();
  fail_text("not among the tests");
}

/* ---- Hypercalls ---- */

u32 hypercall(u32 call, u32 a, u32 b, u32 c, u32 d) {
  __asm__ volatile(
#if LG_VMCALL
      "vmcall" /* which the Host replaces by what follows here */
#else
      "int $0x1f"
#endif
      : "+a"(call)
      : "b"(a), "c"(b), "d"(c), "S"(d)
      : "memory");
  return call;
}

void in_ring(u32 place, u32 call, u32 a, u32 b, u32 c) {
  data.hcalls[place] = (struct async_call){call, {a, b, c}};
  data.hcall_status[place] = 0;
}

void ask(u32 what, u32 value) {
  u32 word = what << 24 | value;
#if LG_PCI
  __asm__ volatile("outl %%eax, %%dx" ::"a"(word), "d"(ASK_PORT) : "memory");
#else
  call1(NOTIFY, word);
#endif
}

/* ---- The stages of a beginning ---- */

void fill_data(void) {
  for (int i = 0; i < RING; i++) data.hcall_status[i] = FREE;
  data.irq_enabled = 0;
  data.blocked_interrupts = 1; /* the clock */
  data.kernel_address = HIGH;
  data.syscall_vec = SYSTEM_CALL;
#if !LG_RANGE
  data.noirq_iret = (u32)noirq_iret;
#else
  data.noirq_start = (u32)noirq_iret;
  data.noirq_end = (u32)noirq_end;
#endif
}

void begin(void) {
  fill_data();
  call1(INIT, &data);
}

void begin_paging(void) {
  begin();
  for (u32 i = 0; i < 1024; i++) {
    u32 here = i * PAGE;
    u32 user = here >= (u32)user_start && here < (u32)user_end ? USER : 0;
    low_table[i] = here | PRESENT | WRITABLE | user;
    high_table[i] = here | PRESENT | WRITABLE;
    user_table[i] = 0;
  }
  for (int i = 0; i < 1024; i++) pgdir[i] = 0;
  pgdir[0] = (u32)low_table | PRESENT | WRITABLE | USER;
  pgdir[HIGH >> 22] = (u32)high_table | PRESENT | WRITABLE;
  pgdir[LOW >> 22] = (u32)user_table | PRESENT | WRITABLE | USER;
  call1(NEW_PGTABLE, pgdir);
}

void flush_all(void) {
  call1(FLUSH_TLB, 1);
}

void begin_traps(void) {
  begin_paging();
  /* Flat segments for user code, as Linux has them: entries 14 and 15. */
  set_segment(USER_CS >> 3, 0x0000ffff, 0x00cffb00);
  set_segment(USER_DS >> 3, 0x0000ffff, 0x00cff300);
  call3(SET_STACK, KERNEL_DS, stack_top, 1);
  for (u32 vector = 0; vector < 32; vector++) catch_all(vector, INTERRUPT_GATE, 0);
  catch_all(SYSTEM_CALL, TRAP_GATE, 3);
}

/* ---- Segments, gates and traps ---- */

void set_segment(u32 entry, u32 low, u32 high) {
#if LG_OLDEST
  static u32 gdt[32][2] = {[KERNEL_CS >> 3] = {0xffff, 0x00cf9b00}, [KERNEL_DS >> 3] = {0xffff, 0x00cf9300}};
  if (entry < 32) gdt[entry][0] = low, gdt[entry][1] = high;
  call2(LOAD_GDT, gdt, entry < 32 ? 32 : entry + 1);
#else
  call3(LOAD_GDT_ENTRY, entry, low, high);
#endif
}

void set_gate(u32 vector, void *handler, u32 type, u32 level) {
  u32 address = (u32)handler;
  call3(LOAD_IDT_ENTRY, vector, (u32)(KERNEL_CS & ~3) << 16 | (address & 0xffff),
        (address & 0xffff0000) | 0x8000 | level << 13 | type << 8);
}

void catch_all(u32 vector, u32 type, u32 level) {
  set_gate(vector, stubs + 16 * vector, type, level);
}

/* Called by start.S. */
void trap(struct frame *frame) {
  if (frame->vector != SYSTEM_CALL) seen.count++;
  seen.vector = frame->vector;
  seen.error = frame->error;
  seen.eip = frame->eip;
  seen.cs = frame->cs;
  seen.eflags = frame->eflags;
  if (frame->cs & 2) seen.esp = frame->esp, seen.ss = frame->ss;
  seen.irq_enabled = data.irq_enabled;
  seen.cr2 = data.cr2;
  if (on_trap) return on_trap(frame);
  if (frame->vector == SYSTEM_CALL && frame->eax == LEAVE) leave_user(frame->ebx);
  if (frame->vector == SYSTEM_CALL) return;
  if (frame->cs == USER_CS) leave_user(0xbad);
  if (!resume_at) fail("a trap at a place that has none", frame->vector << 24 | (frame->eip & 0xffffff), 0);
  frame->eip = (u32)resume_at;
}

void trapped(const char *what, u32 vector, u32 error) {
  static u32 before;
  before++;
  EQUAL(what, seen.count, before);
  EQUAL(what, seen.vector, vector);
  EQUAL(what, seen.error, error);
}

u32 load(u32 address) {
  u32 value = 0xbadbad;
  __asm__ volatile("movl $991f, resume_at\n\tmovl (%1), %0\n991:\tmovl $0, resume_at"
                   : "+&r"(value)
                   : "r"(address)
                   : "memory");
  return value;
}

void store(u32 address, u32 value) {
  TRY("movl %0, (%1)", "r"(value), "r"(address));
}
