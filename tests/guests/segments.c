/* The GDT, as the Host lets it through, and threads' segments. Read first: lguest.h. */
#include "lguest.h"

#define DATA(level) (0x00c09200 | (level) << 13)
#define NOTHING 0xffffffff

/* What the processor has in the GDT's entry, as LAR tells it to a selector of that level. */
static u32 rights(u32 entry, u32 level) {
  u32 value = NOTHING;
  __asm__ volatile("lar %1, %0\n\tjz 1f\n\tmov $-1, %0\n1:" : "+&r"(value) : "r"(entry * 8 + level) : "cc");
  return value == NOTHING ? NOTHING : value & 0x00f0ff00;
}

TEST(gdt_at_first) {
  begin();
  EQUAL("the kernel's code", rights(KERNEL_CS >> 3, 1), 0x00c0bb00);
  EQUAL("the kernel's data", rights(KERNEL_DS >> 3, 1), 0x00c0b300);
  for (u32 n = 1; n < 32; n++)
    if (n != KERNEL_CS >> 3 && n != KERNEL_DS >> 3) EQUAL("another entry", rights(n, 1), NOTHING);
}

/* Level 0 becomes level 1, and the accessed bit is set; other levels stay. */
TEST(gdt_is_fixed) {
  begin();
  set_segment(20, 0xffff, DATA(0));
  EQUAL("rights of level 0", rights(20, 1), DATA(1) | 0x100);
  EQUAL("what a selector of level 3 may see", rights(20, 3), NOTHING);
  set_segment(21, 0xffff, DATA(1));
  EQUAL("rights of level 1", rights(21, 1), DATA(1) | 0x100);
  set_segment(22, 0xffff, DATA(2));
  EQUAL("rights of level 2", rights(22, 2), DATA(2) | 0x100);
  set_segment(23, 0xffff, DATA(3));
  EQUAL("rights of level 3", rights(23, 3), DATA(3) | 0x100);
  set_segment(20, 0xffff, DATA(3));
  EQUAL("the same entry again", rights(20, 3), DATA(3) | 0x100);
}

/* An entry of zeros gets the same: level 1, type 1. It is not present. */
TEST(gdt_zero_entry) {
  begin();
  set_segment(20, 0, 0);
  EQUAL("rights", rights(20, 1), 0x2100);
}

/* The Host's own entries stay: its two segments, the task, the double fault's task. */
TEST(gdt_ignored) {
  static const u32 own[] = {10, 11, 16, 31};
  begin();
  for (int i = 0; i < 4; i++) {
    set_segment(own[i], 0xffff, DATA(1));
    EQUAL("rights of the Host's own entry", rights(own[i], 1), NOTHING);
  }
  set_segment(30, 0xffff, DATA(1));
  EQUAL("rights of the last of ours", rights(30, 1), DATA(1) | 0x100);
}

TEST(gdt_too_many) {
  begin();
  set_segment(32, 0xffff, DATA(1));
  survived();
}

/* A segment with a base; the processor uses what was loaded last. */
TEST(gdt_base) {
  static u32 words[2] = {0x11111111, 0x22222222};
  u32 value, base = (u32)words;
  begin();
  set_segment(20, base << 16 | 7, (base >> 16 & 0xff) | (base & 0xff000000) | 0x00409200);
  __asm__ volatile("mov %1, %%fs\n\tmov %%fs:4, %0\n\tmov %2, %%fs" : "=&r"(value) : "r"(20 * 8 + 1), "r"(0));
  EQUAL("the word in the segment", value, 0x22222222);
}

TEST(gdt_limit) {
  static u32 words[2];
  u32 base = (u32)words;
  begin_traps();
  set_segment(20, base << 16 | 7, (base >> 16 & 0xff) | (base & 0xff000000) | 0x00409200);
  TRY("mov %0, %%fs\n\tmov %%fs:5, %%eax", "r"(20 * 8 + 1));
  __asm__ volatile("mov %0, %%fs" ::"r"(0));
  trapped("beyond the limit", 13, 0);
}

TEST(load_not_present) {
  begin_traps();
  set_segment(20, 0xffff, DATA(1) & ~0x8000);
  TRY("mov %0, %%fs", "r"(20 * 8 + 1));
  trapped("a segment that is not present", 11, 20 * 8);
}

TEST(load_bad_selectors) {
  begin_traps();
  TRY("mov %0, %%fs", "r"(0xfffb));
  trapped("a selector beyond the GDT", 13, 0xfff8);
  TRY("mov %0, %%es", "r"(0x68 + 7));
  trapped("a selector in the LDT", 13, 0x6c);
  TRY("mov %0, %%es", "r"(10 * 8 + 1));
  trapped("the Host's code", 13, 10 * 8);
  TRY("mov %0, %%es", "r"(11 * 8 + 1));
  trapped("the Host's data", 13, 11 * 8);
  TRY("mov %0, %%ss", "r"(0));
  trapped("no stack", 13, 0);
}

/* ---- LOAD_TLS: entries 6 to 8 ---- */

static struct { u32 low, high; } tls[3];
static void area(u32 n, const void *base) {
  u32 at = (u32)base;
  tls[n].low = at << 16 | 0xffff;
  tls[n].high = (at >> 16 & 0xff) | (at & 0xff000000) | 0x00cff200;
}

USER_CODE(user_tls,
          "movl %eax, %gs\n\tmovl %gs:0, %ebx\n\txorl %eax, %eax\n\tmovl %eax, %gs\n" LEAVE_USER);
USER_CODE(user_keeps_tls, "movl %eax, %gs\n\tmovl $1, %eax\n\tint $0x80\n\tmovl %gs:0, %ebx\n\t"
                          "xorl %eax, %eax\n\tmovl %eax, %gs\n" LEAVE_USER);
extern u8 user_words[];
__asm__(".section .userdata, \"aw\", @progbits\nuser_words: .long 0x61, 0x62, 0x63, 0x64\n.previous");

TEST(tls_from_user) {
  begin_traps();
  for (u32 n = 0; n < 3; n++) area(n, user_words + 4 * n);
  call2(LOAD_TLS, tls, 0);
  for (u32 n = 0; n < 3; n++)
    EQUAL("the word of a thread's area", enter_user(user_tls, (6 + n) * 8 + 3, IF), 0x61 + n);
  area(1, user_words + 12);
  tls[0].high = tls[2].high = tls[0].low = tls[2].low = 0;
  call2(LOAD_TLS, tls, 0);
  EQUAL("the word of the new area", enter_user(user_tls, 7 * 8 + 3, IF), 0x64);
  EQUAL("rights of an area that is gone", rights(6, 1), 0x2100);
  /* Where the GDT comes as a whole, all of it is mended. */
  EQUAL("the entry before", rights(5, 1), LG_OLDEST ? 0x2100 : NOTHING);
  EQUAL("the entry behind", rights(9, 1), LG_OLDEST ? 0x2100 : NOTHING);
}

/* A call that changes nothing of it leaves the user's segment alone. */
TEST(tls_is_kept) {
  begin_traps();
  area(0, user_words + 8);
  call2(LOAD_TLS, tls, 0);
  EQUAL("the word", enter_user(user_keeps_tls, 6 * 8 + 3, IF), 0x63);
}

TEST(tls_in_ring) {
  begin_traps();
  area(0, user_words + 4);
  in_ring(0, LOAD_TLS, (u32)tls, 0, 0);
  call0(FLUSH_ASYNC);
  EQUAL("the word", enter_user(user_tls, 6 * 8 + 3, IF), 0x62);
}

/* Level 0 becomes 1 here too: out of the user's reach. */
TEST(tls_is_fixed) {
  begin_traps();
  area(0, user_words);
  tls[0].high &= ~0x6000u;
  call2(LOAD_TLS, tls, 0);
  EQUAL("rights", rights(6, 1), 0x00c0b300);
  EQUAL("how the user's load ended", enter_user(user_tls, 6 * 8 + 3, IF), 0xbad);
  trapped("the kernel's segment", 13, 6 * 8);
}

TEST(tls_beyond_memory) {
  begin();
  call2(LOAD_TLS, PARAMETERS->memory - 23, 0);
  survived();
}

#if LG_OLDEST
TEST(gdt_beyond_memory) {
  begin();
  call2(LOAD_GDT, PARAMETERS->memory - 255, 32);
  survived();
}
#endif

TEST(tls_wrapping) {
  begin();
  call2(LOAD_TLS, -8, 0);
  survived();
}

/* The Guest goes on with a segment that is gone: the Host notices when it loads it. */
TEST(segment_vanishes) {
  begin_traps();
  area(0, user_words);
  call2(LOAD_TLS, tls, 0);
  __asm__ volatile("mov %0, %%gs" ::"r"(6 * 8 + 3));
  tls[0].low = tls[0].high = 0;
  call2(LOAD_TLS, tls, 0);
  survived();
}

TEST(stack_segment_vanishes) {
  begin_traps();
  set_segment(KERNEL_DS >> 3, 0, 0);
  survived();
}
