/* Instructions that level 1 may not use: passed on, emulated or given to the Launcher. Read first: lguest.h. */
#include "lguest.h"

#define REFUSED(name, instruction, ...)                  \
  do {                                                   \
    u32 at_;                                             \
    __asm__ volatile("mov $1f, %0\n\tjmp 2f\n"           \
                     "1:\t" instruction "\n\tjmp 3f\n"   \
                     "2:\tmovl $3f, resume_at\n\tjmp 1b\n" \
                     "3:\tmovl $0, resume_at"            \
                     : "=&S"(at_)                        \
                     : "a"(0), "c"(0), "d"(0)            \
                     : "memory", "cc");                  \
    trapped(name, 13, 0);                                \
    EQUAL(name, seen.eip, at_);                          \
  } while (0)

TEST(refused_in_kernel) {
  static u32 table[2];
  begin_traps();
  table[1] = 0;
  REFUSED("HLT", "hlt");
  REFUSED("STI", "sti");
  REFUSED("MOV CR0", "mov %%eax, %%cr0");
  REFUSED("MOV from CR0", "mov %%cr0, %%eax");
  REFUSED("MOV CR3", "mov %%eax, %%cr3");
  REFUSED("MOV CR4", "mov %%eax, %%cr4");
  REFUSED("MOV DR7", "mov %%eax, %%dr7");
  REFUSED("LGDT", "lgdt (%%eax)");
  REFUSED("LIDT", "lidt (%%eax)");
  REFUSED("LLDT", "lldt %%ax");
  REFUSED("LTR", "ltr %%ax");
  REFUSED("LMSW", "lmsw %%ax");
  REFUSED("CLTS", "clts");
  REFUSED("INVLPG", "invlpg (%%eax)");
  REFUSED("INVD", "invd");
  REFUSED("WBINVD", "wbinvd");
  REFUSED("RDMSR", "rdmsr");
  REFUSED("WRMSR", "wrmsr");
  REFUSED("SYSENTER", "sysenter");
  EQUAL("table", table[1], 0);
}

USER_CODE(user_hlt, "hlt\n");
USER_CODE(user_cli, "cli\n");
USER_CODE(user_in, "inb $0x80, %al\n");
USER_CODE(user_out, "outb %al, $0x80\n");
USER_CODE(user_in_dx, "inl %dx, %eax\n");
USER_CODE(user_cr, "mov %eax, %cr0\n");
USER_CODE(user_sysenter, "sysenter\n");

/* User code gets its fault, and nothing is emulated for it. */
TEST(refused_to_user) {
  static u8 *const code[] = {user_hlt, user_cli, user_in, user_out, user_in_dx, user_cr, user_sysenter};
  begin_traps();
  for (u32 i = 0; i < sizeof(code) / sizeof(*code); i++) {
    EQUAL("how it ended", enter_user(code[i], 0, IF), 0xbad);
    trapped("privileged instruction", 13, 0);
    EQUAL("eip", seen.eip, (u32)code[i]);
    EQUAL("cs", seen.cs, USER_CS);
  }
}

/* CLI is passed over; the flag that counts is irq_enabled. */
TEST(cli) {
  begin_traps();
  data.irq_enabled = IF;
  __asm__ volatile("cli");
  EQUAL("traps", seen.count, 0);
  EQUAL("irq_enabled", data.irq_enabled, IF);
  EQUAL("IF", flags() & IF, IF);
}

/* POPF does not trap: without the right to change IF it leaves it. */
TEST(popf_leaves_if) {
  begin_traps();
  __asm__ volatile("pushl $2\n\tpopf" ::: "cc", "memory");
  EQUAL("IF", flags() & IF, IF);
}

#if !LG_PCI
/* Ports, where the Host emulates them itself: all ones are read, writes go nowhere. The bits that an instruction does
 * not read stay as they are, from 3.1 on. */
#define KEPT (!LG_PGDIR ? 0xffffffff : 0)
#define READ(name, instruction, read)                                                       \
  do {                                                                                      \
    u32 value = 0x12345600, after;                                                          \
    __asm__ volatile("xor %1, %1\n\t" instruction "\n\tinc %1" : "+a"(value), "=&c"(after) : "d"(0x3f8)); \
    EQUAL(name, value & ((read) | KEPT), (0x12345600 | (read)) & ((read) | KEPT));          \
    EQUAL(name " and went on", after, 1);                                                   \
  } while (0)
TEST(ports) {
  begin_traps();
  READ("IN AL, imm", "inb $0x61, %%al", 0xff);
  READ("IN AX, imm", "inw $0x61, %%ax", 0xffff);
  READ("IN EAX, imm", "inl $0x61, %%eax", 0xffffffff);
  READ("IN AL, DX", "inb %%dx, %%al", 0xff);
  READ("IN AX, DX", "inw %%dx, %%ax", 0xffff);
  READ("IN EAX, DX", "inl %%dx, %%eax", 0xffffffff);
  READ("OUT imm, AL", "outb %%al, $0x61", 0);
  READ("OUT imm, AX", "outw %%ax, $0x61", 0);
  READ("OUT imm, EAX", "outl %%eax, $0x61", 0);
  READ("OUT DX, AL", "outb %%al, %%dx", 0);
  READ("OUT DX, AX", "outw %%ax, %%dx", 0);
  READ("OUT DX, EAX", "outl %%eax, %%dx", 0);
  EQUAL("traps", seen.count, 0);
}

TEST(ports_before_init) {
  u32 value = 0;
  __asm__ volatile("inb $0x61, %%al" : "+a"(value));
  begin();
  EQUAL("IN AL", value & 0xff, 0xff);
}

TEST(string_ports) {
  begin_traps();
  TRY("movl $0x61, %%edx\n\tinsb", "D"(frames[0]));
  trapped("INS", 13, 0);
}
#else
/* ---- 4.x: what the Launcher hears. _cases.ts compares. ---- */

static u8 *const window = (u8 *)LOW;

/* The first 7 bytes from the instruction on, be they in one page or two, or half of them nowhere. */
TEST(instruction_bytes) {
  begin_traps();
  for (u32 i = 0; i < 16; i++) frames[0][PAGE - 16 + i] = 0x90;
  frames[0][PAGE - 1] = 0xf4; /* HLT */
  for (u32 i = 0; i < 16; i++) frames[5][i] = 0xa0 + i, frames[1][i] = 0x55;
  user_table[0] = (u32)frames[0] | PRESENT;
  for (u32 turn = 0; turn < 2; turn++) {
    user_table[1] = turn ? 0 : (u32)frames[5] | PRESENT;
    flush_all();
    TRY("jmp *%0", "r"(window + PAGE - 1));
    trapped("HLT at a page's end", 13, 0);
  }
  frames[0][PAGE - 8] = 0xf4;
  TRY("jmp *%0", "r"(window + PAGE - 8));
  trapped("HLT 8 bytes before it", 13, 0);
}

/* In linear memory, before the first page table: one byte before the end of memory. */
TEST(instruction_at_top) {
  u8 *top = (u8 *)(PARAMETERS->memory - 3);
  begin();
  for (u32 vector = 0; vector < 32; vector++) catch_all(vector, INTERRUPT_GATE, 0);
  top[0] = 0xf4, top[1] = 0x11, top[2] = 0x22;
  TRY("jmp *%0", "r"(top));
  trapped("HLT", 13, 0);
}

static u32 registers_after[8], registers_stack;

/* The harness looks at all registers at the OUT, and changes those that it may. */
TEST(registers) {
  u32 after[8], stack;
  begin_traps();
  set_segment(20, 0xffff, 0x00cf9200);
  __asm__ volatile(
      "pusha\n\tmov %%esp, %1\n\t"
      "mov $0xa1, %%eax\n\tmov %%eax, %%fs\n\tmov %%eax, %%gs\n\t"
      "mov $0xa1a1a1a1, %%eax\n\tmov $0xb2b2b2b2, %%ebx\n\tmov $0xc3c3c3c3, %%ecx\n\tmov $0xa5c, %%edx\n\t"
      "mov $0x51515151, %%esi\n\tmov $0xd1d1d1d1, %%edi\n\tmov $0xb9b9b9b9, %%ebp\n\t"
      "stc\n"
      "registers_at:\n\toutw %%ax, %%dx\n\t"
      "ud2\n\t" /* passed over by the harness */
      "mov %%eax, %0\n\tmov %%ebx, 4+%0\n\tmov %%ecx, 8+%0\n\tmov %%edx, 12+%0\n\t"
      "mov %%esi, 16+%0\n\tmov %%edi, 20+%0\n\tmov %%ebp, 24+%0\n\tmov %%esp, 28+%0\n\t"
      "mov %1, %%esp\n\tpopa"
      : "=m"(*(u32(*)[8])registers_after), "=m"(registers_stack)
      :
      : "memory", "cc");
  for (int i = 0; i < 8; i++) after[i] = registers_after[i];
  stack = registers_stack;
  EQUAL("eax", after[0], 0x11111111);
  EQUAL("ebx", after[1], 0x22222222);
  EQUAL("ecx", after[2], 0x33333333);
  EQUAL("edx", after[3], 0x44444444);
  EQUAL("esi", after[4], 0x55555555);
  EQUAL("edi", after[5], 0x66666666);
  EQUAL("ebp", after[6], 0x77777777);
  EQUAL("esp", after[7], stack - 64);
  __asm__ volatile("mov %0, %%fs\n\tmov %0, %%gs" ::"r"(0));
}

/* The harness injects a trap that nobody handles, and hears so. */
TEST(inject_unhandled) {
  begin();
  ask(ASK_LOOK, 0);
}

/* And one that somebody does: between the OUT and what follows. */
static u32 traps;
static void note(struct frame *frame) {
  traps++;
  EQUAL("vector", frame->vector, 14);
}
TEST(inject_handled) {
  begin_traps();
  on_trap = note;
  ask(ASK_LOOK, 0);
  EQUAL("traps", traps, 1);
}
#endif
