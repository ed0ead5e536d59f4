/* What the tests of page tables share: pages at LOW that are given frames. Read first: lguest.h. */
#pragma once
#include "lguest.h"

#define UNUSED __attribute__((unused))
#define PAGE_AT(i) (LOW + (i) * PAGE)
UNUSED static u32 frame(u32 i) { return (u32)frames[i]; }
UNUSED static volatile u32 *word(u32 i) { return (volatile u32 *)frames[i]; }

/* Give a page at LOW a frame, with flags. The Host hears of it if it was mapped before. */
UNUSED static void map(u32 page, u32 entry) {
  u32 old = user_table[page];
  user_table[page] = entry;
  if (old & PRESENT) call3(SET_PTE, pgdir, PAGE_AT(page), entry);
}
UNUSED static u32 bits(u32 page) { return user_table[page] & (ACCESSED | DIRTY); }

UNUSED static void fault(const char *what, u32 error, u32 address) {
  trapped(what, 14, error);
  EQUAL(what, seen.cr2, address);
}

USER_CODE(user_load, "movl (%eax), %ebx\n" LEAVE_USER);
USER_CODE(user_store, "movl $0x5707e, (%eax)\n\tmovl $0x5707e, %ebx\n" LEAVE_USER);
USER_CODE(user_jump, "jmp *%eax\n");

/* A kernel page is the same in all page tables: SET_PTE changes it in each of them. */
static volatile u32 other_pgdir[8][1024] __attribute__((aligned(4096)));

UNUSED static void make_other(u32 n) {
  for (int i = 0; i < 1024; i++) other_pgdir[n][i] = pgdir[i];
}
