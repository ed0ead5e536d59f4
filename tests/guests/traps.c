/* Traps, system calls and the IDT, from both levels. Read first: lguest.h. */
#include "lguest.h"

static void absent(u32 vector) {
  call3(LOAD_IDT_ENTRY, vector, 0, 0);
}

TEST(traps_of_kernel) {
  u32 at, below;
  begin_traps();
  __asm__ volatile("mov %%esp, %0" : "=r"(below));
  TRY("xorl %%ecx, %%ecx\n\tdivl %%ecx");
  trapped("divide error", 0, 0);
  EQUAL("cs", seen.cs, KERNEL_CS);
  __asm__ volatile("mov $1f, %0\n\tmovl $991f, resume_at\n1:\tud2\n991:\tmovl $0, resume_at" : "=&r"(at)::"memory");
  trapped("invalid opcode", 6, 0);
  EQUAL("eip of a fault", seen.eip, at);
  catch_all(3, INTERRUPT_GATE, 3);
  __asm__ volatile("mov $1f, %0\n\tmovl $991f, resume_at\n\tint3\n1:\tnop\n991:\tmovl $0, resume_at" : "=&r"(at)::"memory");
  trapped("breakpoint", 3, 0);
  EQUAL("eip of a trap", seen.eip, at);
  catch_all(4, INTERRUPT_GATE, 3);
  TRY("movb $0x7f, %%al\n\taddb $1, %%al\n\tinto");
  trapped("overflow", 4, 0);
  static u32 bounds[2] = {5, 6};
  TRY("movl $7, %%eax\n\tboundl %%eax, (%0)", "r"(bounds));
  trapped("bounds", 5, 0);
  TRY("movl %0, %%ds", "r"(0x1234));
  trapped("general protection", 13, 0x1234 & ~3);
  load(0x40000000);
  trapped("page fault", 14, 0);
}

USER_CODE(user_divide, "xorl %ecx, %ecx\n\tdivl %ecx\n");
USER_CODE(user_ud2, "ud2\n");
USER_CODE(user_int3, "int3\n" LEAVE_USER);
USER_CODE(user_segment, "movl $0x1234, %eax\n\tmovl %eax, %fs\n");
USER_CODE(user_load, "movl (%eax), %ebx\n" LEAVE_USER);
USER_CODE(user_leave, LEAVE_USER);

static void frame_of_user(const char *what, u32 eip) {
  EQUAL(what, seen.eip, eip);
  EQUAL(what, seen.cs, USER_CS);
  EQUAL(what, seen.esp, (u32)user_stack_top);
  EQUAL(what, seen.ss, USER_DS);
}

static u32 frame_end;
static void note_frame(struct frame *frame) {
  u32 ss;
  frame_end = (u32)(&frame->ss + 1);
  __asm__ volatile("mov %%ss, %0" : "=r"(ss));
  EQUAL("ss in the handler", ss & 0xffff, KERNEL_DS);
  leave_user(0);
}

/* Through both kinds of gates: those of type 15 need not pass the Host. */
static void traps_of_user(u32 type) {
  begin_traps();
  for (u32 vector = 0; vector < 32; vector++) catch_all(vector, type, 0);
  catch_all(3, type, 3);
  EQUAL("divide", enter_user(user_divide, 0, IF), 0xbad);
  trapped("divide error", 0, 0);
  frame_of_user("divide error's frame", (u32)user_divide + 2);
  enter_user(user_ud2, 0, IF);
  trapped("invalid opcode", 6, 0);
  frame_of_user("invalid opcode's frame", (u32)user_ud2);
  enter_user(user_int3, 0, IF);
  trapped("breakpoint", 3, 0);
  frame_of_user("breakpoint's frame", (u32)user_int3 + 1);
  enter_user(user_segment, 0, IF);
  trapped("general protection", 13, 0x1234 & ~3);
  enter_user(user_load, 0x40000000, IF);
  trapped("page fault", 14, 4);
  frame_of_user("page fault's frame", (u32)user_load);
  on_trap = note_frame;
  enter_user(user_ud2, 0, IF);
  EQUAL("the frame's end", frame_end, (u32)stack_top);
}
TEST(traps_of_user_by_interrupt_gates) { traps_of_user(INTERRUPT_GATE); }
TEST(traps_of_user_by_trap_gates) { traps_of_user(TRAP_GATE); }

/* ---- System calls, and what becomes of the interrupt flag ---- */

/* Adds 1 to EAX and EBX until EBX is 10, by a system call each. */
USER_CODE(user_calls,
          "movl $100, %eax\n\tmovl $0, %ebx\n\tmovl $0x33333333, %ecx\n\tmovl $0x44444444, %edx\n\t"
          "movl $0x55555555, %esi\n\tmovl $0x66666666, %edi\n\tmovl $0x77777777, %ebp\n"
          "1:\tincl %ebx\n\tint $0x80\n\tcmpl $10, %ebx\n\tjb 1b\n\t"
          "addl %ecx, %ebx\n\taddl %edx, %ebx\n\taddl %esi, %ebx\n\taddl %edi, %ebx\n\taddl %ebp, %ebx\n\t"
          "addl %eax, %ebx\n" LEAVE_USER);
static u32 calls;
static void count_call(struct frame *frame) {
  EQUAL("vector", frame->vector, SYSTEM_CALL);
  EQUAL("the frame's end", (u32)(&frame->ss + 1), (u32)stack_top);
  if (frame->eax == LEAVE) leave_user(frame->ebx);
  calls++;
  frame->eax++;
}

static void system_calls(u32 type) {
  begin_traps();
  catch_all(SYSTEM_CALL, type, 3);
  on_trap = count_call;
  u32 sum = 10 + 110 + 0x33333333u + 0x44444444 + 0x55555555 + 0x66666666 + 0x77777777;
  EQUAL("the sum of the user's registers", enter_user(user_calls, 0, IF), sum);
  EQUAL("calls", calls, 10);
}
TEST(system_calls_by_trap_gate) { system_calls(TRAP_GATE); }
TEST(system_calls_by_interrupt_gate) { system_calls(INTERRUPT_GATE); }

/* A trap gate leaves irq_enabled alone; an interrupt gate clears it, and the pushed flags have what it was. */
TEST(irq_enabled_and_trap_gate) {
  begin_traps();
  catch_all(6, TRAP_GATE, 0);
  enter_user(user_leave, 0, IF);
  EQUAL("irq_enabled in the handler", seen.irq_enabled, IF);
  EQUAL("pushed IF", seen.eflags & IF, IF);
  /* Here a trap gate leads past the Host, and the processor knows nothing of irq_enabled. */
  enter_user(user_leave, 0, 0);
  EQUAL("irq_enabled in the handler, off", seen.irq_enabled, 0);
  EQUAL("pushed IF, off", seen.eflags & IF, IF);
  data.irq_enabled = IF;
  TRY("ud2");
  EQUAL("irq_enabled in the kernel's handler", seen.irq_enabled, IF);
  EQUAL("the kernel's pushed IF", seen.eflags & IF, IF);
}

TEST(irq_enabled_and_interrupt_gate) {
  begin_traps();
  catch_all(SYSTEM_CALL, INTERRUPT_GATE, 3);
  enter_user(user_leave, 0, IF);
  EQUAL("irq_enabled in the handler", seen.irq_enabled, 0);
  EQUAL("pushed IF", seen.eflags & IF, IF);
  enter_user(user_leave, 0, 0);
  EQUAL("irq_enabled in the handler, off", seen.irq_enabled, 0);
  EQUAL("pushed IF, off", seen.eflags & IF, 0);
  data.irq_enabled = IF;
  TRY("ud2");
  EQUAL("irq_enabled in the kernel's handler", seen.irq_enabled, 0);
  EQUAL("the kernel's pushed IF", seen.eflags & IF, IF);
  EQUAL("irq_enabled after the kernel's return", data.irq_enabled, IF);
  data.irq_enabled = 0;
  TRY("ud2");
  EQUAL("the kernel's pushed IF, off", seen.eflags & IF, 0);
  EQUAL("irq_enabled after the kernel's return, off", data.irq_enabled, 0);
  data.irq_enabled = 0x46; /* a word of flags: only IF counts */
  TRY("ud2");
  EQUAL("the kernel's pushed IF, with other flags", seen.eflags & IF, 0);
}

/* A page fault always passes the Host, whatever its gate; so a trap gate's pushed flags are right. */
TEST(irq_enabled_and_page_fault) {
  begin_traps();
  catch_all(14, TRAP_GATE, 0);
  enter_user(user_load, 0x40000000, IF);
  EQUAL("irq_enabled in the handler", seen.irq_enabled, IF);
  EQUAL("pushed IF", seen.eflags & IF, IF);
  enter_user(user_load, 0x40000000, 0);
  EQUAL("irq_enabled in the handler, off", seen.irq_enabled, 0);
  EQUAL("pushed IF, off", seen.eflags & IF, 0);
  catch_all(14, INTERRUPT_GATE, 0);
  enter_user(user_load, 0x40000000, IF);
  EQUAL("irq_enabled in the interrupt gate's handler", seen.irq_enabled, 0);
}

/* The kernel's flags as such pass unharmed, in both directions. */
TEST(flags_survive) {
  u32 before, after;
  begin_traps();
  __asm__ volatile(
      "movl $991f, resume_at\n\tpushl $0xcd7\n\tpopf\n\tpushf\n\tpop %0\n\tud2\n991:\tpushf\n\tpop %1\n\t"
      "cld\n\tmovl $0, resume_at"
      : "=&r"(before), "=&r"(after)::"memory", "cc");
  EQUAL("flags in the frame", seen.eflags & 0xcd5, 0xcd5);
  EQUAL("flags before", before & ~IF, after & ~IF);
}

/* A trap in a trap's handler: the same stack, no change of it. */
static u32 depth, stacks[3];
static void nested(struct frame *frame) {
  u32 here = depth++;
  stacks[here] = (u32)frame;
  if (frame->vector == SYSTEM_CALL && frame->eax == LEAVE) leave_user(frame->ebx);
  if (here == 0) {
    EQUAL("first vector", frame->vector, SYSTEM_CALL);
    frame->ebx += load(0x40000000);
    EQUAL("depth after the inner traps", depth, 3);
    depth = 2;
  } else if (here == 1) {
    EQUAL("second vector", frame->vector, 14);
    EQUAL("second cs", frame->cs, KERNEL_CS);
    void *back = resume_at;
    TRY("ud2");
    frame->eip = (u32)back;
  } else if (frame->vector == 6) {
    frame->eip = (u32)resume_at;
  }
}
USER_CODE(user_nested, "movl $1, %ebx\n\tmovl $1, %eax\n\tint $0x80\n" LEAVE_USER);

TEST(nested_traps) {
  begin_traps();
  on_trap = nested;
  EQUAL("result", enter_user(user_nested, 0, IF), 1 + 0xbadbad);
  TRUE("the second frame is below the first", stacks[1] < stacks[0] && stacks[1] > (u32)stack_top - PAGE);
}

/* ---- INT by number ---- */

USER_CODE(user_int_1, "int $1\n");
USER_CODE(user_int_1f, "movl $2, %eax\n\tint $0x1f\n" LEAVE_USER);
USER_CODE(user_int_20, "int $0x20\n");
USER_CODE(user_int_81, "int $0x81\n");

TEST(int_by_level) {
  begin_traps();
  enter_user(user_int_1, 0, IF);
  trapped("a user's INT of a kernel's gate", 13, 1 * 8 + 2);
  catch_all(1, INTERRUPT_GATE, 3);
  enter_user(user_int_1, 0, IF);
  trapped("a user's INT of a user's gate", 1, 0);
  catch_all(1, TRAP_GATE, 0);
  enter_user(user_int_1, 0, IF);
  trapped("a user's INT of a kernel's trap gate", 13, 1 * 8 + 2);
  catch_all(1, TRAP_GATE, 3);
  enter_user(user_int_1, 0, IF);
  trapped("a user's INT of a user's trap gate", 1, 0);
  catch_all(1, INTERRUPT_GATE, 1);
  TRY("int $1");
  trapped("the kernel's INT of its own gate", 1, 0);
  enter_user(user_int_1f, 0, IF);
  trapped("a user's hypercall", 13, HYPERCALL_VECTOR * 8 + 2);
}

/* A vector whose fault has an error code has none if it is an INT: the frame is three words. */
extern u8 bare_handler[];
__asm__("bare_handler:\n\tmov %esp, %eax\n\tiret\n");
TEST(int_has_no_error_code) {
  static const u8 vectors[] = {10, 11, 12, 17};
  begin_traps();
  for (u32 i = 0; i < sizeof(vectors); i++) set_gate(vectors[i], bare_handler, TRAP_GATE, 1);
#define BARE(vector)                                                                            \
  do {                                                                                          \
    u32 before, inside;                                                                         \
    __asm__ volatile("mov %%esp, %0\n\tint $" #vector : "=&r"(before), "=&a"(inside)::"memory"); \
    EQUAL("bytes of the frame of INT " #vector, before - inside, 12);                           \
  } while (0)
  BARE(10);
  BARE(11);
  BARE(12);
  BARE(17);
}

/* These vectors are the Host's, whatever the Guest's gates allow. */
TEST(int_of_hosts_vectors) {
  begin_traps();
  for (u32 vector = FIRST_IRQ; vector < FIRST_IRQ + 4; vector++) catch_all(vector, INTERRUPT_GATE, 3);
  catch_all(0x81, TRAP_GATE, 3);
  catch_all(13, INTERRUPT_GATE, 3);
  catch_all(14, INTERRUPT_GATE, 3);
  catch_all(7, INTERRUPT_GATE, 3);
  TRY("int $0x20");
  trapped("INT of the clock's vector", 13, 0x20 * 8 + 2);
  enter_user(user_int_20, 0, IF);
  trapped("a user's INT of the clock's vector", 13, 0x20 * 8 + 2);
  TRY("int $0x81");
  trapped("INT of another vector", 13, 0x81 * 8 + 2);
  enter_user(user_int_81, 0, IF);
  trapped("a user's INT of another vector", 13, 0x81 * 8 + 2);
  TRY("int $13");
  trapped("INT 13", 13, 13 * 8 + 2);
  TRY("int $14");
  trapped("INT 14", 13, 14 * 8 + 2);
  TRY("int $7");
  trapped("INT 7", 13, 7 * 8 + 2);
  TRY("int $2");
  trapped("INT 2", 13, 2 * 8 + 2);
}

/* ---- The gates as the Host lets them through ---- */

TEST(idt_ignored) {
  begin();
  static const u32 own[] = {2, 8, 15, 31};
  /* Type 5 would be death elsewhere. */
  for (int i = 0; i < 4; i++) call3(LOAD_IDT_ENTRY, own[i], 0, 0x8500);
  call0(FLUSH_ASYNC); /* the hypercalls' vector is what it was */
}

TEST(idt_out_of_range) {
  begin();
  call3(LOAD_IDT_ENTRY, 256, 0, 0x8e00);
  survived();
}
TEST(idt_out_of_range_absent) {
  begin();
  call3(LOAD_IDT_ENTRY, 0x10003, 0, 0);
  survived();
}
TEST(idt_bad_type) {
  begin();
  call3(LOAD_IDT_ENTRY, 3, 0, 0x8500);
  survived();
}
TEST(idt_bad_type_task) {
  begin();
  call3(LOAD_IDT_ENTRY, 255, 0, 0xe5ff);
  survived();
}

/* The selector is the Host's choice; of the rest only address, presence, level and type count. */
TEST(idt_is_filtered) {
  u32 address;
  begin_traps();
  address = (u32)stubs + 6 * 16;
  call3(LOAD_IDT_ENTRY, 6, 0x1234u << 16 | (address & 0xffff), (address & 0xffff0000) | 0x9eff);
  TRY("ud2");
  trapped("invalid opcode", 6, 0);
  u32 cs;
  __asm__ volatile("mov %%cs, %0" : "=r"(cs));
  EQUAL("cs", cs & 0xffff, KERNEL_CS);
  call3(LOAD_IDT_ENTRY, 6, 0x1234u << 16 | (address & 0xffff), (address & 0xffff0000) | 0xffff);
  TRY("ud2");
  trapped("invalid opcode by a trap gate", 6, 0);
  call3(LOAD_IDT_ENTRY, 6, 0, 0x0500); /* absent: of any type */
  call3(LOAD_IDT_ENTRY, 6, address & 0xffff, (address & 0xffff0000) | 0x8e00);
  TRY("ud2");
  trapped("invalid opcode by a new gate", 6, 0);
}

TEST(idt_in_ring) {
  begin_traps();
  u32 address = (u32)stubs + 16 * 4;
  in_ring(0, LOAD_IDT_ENTRY, 6, address & 0xffff, (address & 0xffff0000) | 0x8e00);
  call0(FLUSH_ASYNC);
  TRY("ud2");
  trapped("invalid opcode by another stub", 4, 0);
}

/* ---- Traps that nobody waits for ---- */

extern u8 here[];
static void expect(void *eip) { PARAMETERS->expected = (u32)eip; }

TEST(unhandled_divide) {
  begin();
  expect(here);
  __asm__ volatile("xorl %%ecx, %%ecx\nhere:\tdivl %%ecx" ::: "eax", "ecx", "edx");
  survived();
}

TEST(unhandled_undefined) {
  begin_traps();
  absent(6);
  expect(user_ud2);
  enter_user(user_ud2, 0, IF);
  survived();
}

TEST(unhandled_page_fault) {
  begin_traps();
  absent(14);
  expect(user_load);
  enter_user(user_load, 0x40001234, IF);
  survived();
}

TEST(unhandled_protection) {
  begin_traps();
  absent(13);
  expect(user_segment + 5);
  enter_user(user_segment, 0, IF);
  survived();
}

TEST(unhandled_system_call) {
  begin_traps();
  absent(SYSTEM_CALL);
  absent(13);
  expect(user_leave + 5);
  enter_user(user_leave, 0, IF);
  survived();
}

/* Before INIT there is no lguest_data to put an address into. */
TEST(unhandled_before_init) {
  extern u8 early[];
  expect(early);
#if LG_PGDIR
  __asm__ volatile("early:\tmovl 0x7f001230, %%eax" ::: "eax");
#else
  __asm__ volatile("early:\tud2");
#endif
  survived();
}

/* ---- Odd returns ---- */

TEST(iret_to_nowhere) {
  begin_traps();
  __asm__ volatile(
      "movl $991f, resume_at\n\tmov %%esp, %%ebx\n\tpushl $0x2\n\tpushl $0x1237\n\tpushl $0\n\tiret\n"
      "991:\tmov %%ebx, %%esp\n\tmovl $0, resume_at" ::: "ebx", "memory");
  trapped("an IRET to no segment", 13, 0x1234);
}

/* User code, one instruction at a time. */
static u32 steps;
static void step(struct frame *frame) {
  if (frame->vector == SYSTEM_CALL) leave_user(frame->ebx);
  EQUAL("vector", frame->vector, 1);
  EQUAL("TF in the frame", frame->eflags & 0x100, 0x100);
  EQUAL("TF in the handler", flags() & 0x100, 0);
  steps++;
}
USER_CODE(user_steps, "movl $5, %ebx\n\tincl %ebx\n\tincl %ebx\n\tnop\n" LEAVE_USER);

static void single_steps(u32 type) {
  begin_traps();
  catch_all(1, type, 3);
  on_trap = step;
  EQUAL("result", enter_user(user_steps, 0, IF | 0x100), 7);
  EQUAL("steps", steps, 5);
}
TEST(single_steps_by_trap_gate) { single_steps(TRAP_GATE); }
#if LG_PCI
/* Before 4.x the Host leaves TF set in such a handler, and steps on. */
TEST(single_steps_by_interrupt_gate) { single_steps(INTERRUPT_GATE); }
#endif

/* A thousand of each, so that code in use is translated as well as interpreted. */
static void again(struct frame *frame) {
  if (frame->vector == SYSTEM_CALL && frame->eax == LEAVE) leave_user(frame->ebx);
  if (frame->vector == 6) frame->eip += 2;
  if (frame->vector == 14) frame->eip += 2, frame->edx = data.cr2;
  calls++;
}
USER_CODE(user_thousand,
          "movl $1000, %ecx\n\txorl %ebx, %ebx\n"
          "1:\tmovl $3, %eax\n\tint $0x80\n\taddl %eax, %ebx\n\tud2\n\tmovl $0x40000000, %esi\n\taddl %ecx, %esi\n\t"
          "movb (%esi), %al\n\tcmpl %esi, %edx\n\tjne 2f\n\tloop 1b\n2:\taddl %ecx, %ebx\n" LEAVE_USER);
TEST(thousand_traps) {
  begin_traps();
  on_trap = again;
  EQUAL("result", enter_user(user_thousand, 0, IF), 3000);
  EQUAL("traps", calls, 3000);
}
