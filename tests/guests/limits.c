/* What a Guest may not map, where its stack may not be, and what is no memory. Read first: lguest.h, paging.h. */
#include "paging.h"

/* ---- What kills ---- */

static void bad_entry(u32 entry) {
  begin_traps();
  user_table[0] = entry;
  load(PAGE_AT(0));
  survived();
}

TEST(bad_pte_pfn) { bad_entry((LG_PCI ? PARAMETERS->device_limit : PARAMETERS->memory) | PRESENT); }
TEST(bad_pte_pfn_huge) { bad_entry(0xfffff000 | PRESENT); }
TEST(bad_pte_pse) { bad_entry(frame(0) | PRESENT | 0x80); }
TEST(bad_pte_by_user) {
  begin_traps();
  user_table[0] = 0xfffff000 | PRESENT | USER;
  enter_user(user_load, PAGE_AT(0), IF);
  survived();
}
TEST(bad_pte_set) {
  begin_traps();
  map(0, frame(0) | PRESENT);
  load(PAGE_AT(0));
  map(0, 0xfffff000 | PRESENT | ACCESSED);
  load(PAGE_AT(0));
  survived();
}
/* Whoever may not use it does not find out that it is bad. */
TEST(bad_pte_out_of_reach) {
  begin_traps();
  user_table[0] = 0xfffff000 | PRESENT;
  enter_user(user_load, PAGE_AT(0), IF);
  fault("a read of the kernel's page", 5, PAGE_AT(0));
  store(PAGE_AT(0), 1);
  fault("a write to a read-only page", 3, PAGE_AT(0));
}

/* PWT, PCD, GLOBAL and the three bits that belong to the Guest do no harm in a page's entry. */
TEST(harmless_flags) {
  begin_paging();
  *word(0) = 1;
  map(0, frame(0) | PRESENT | 0xf18);
  EQUAL("the word", load(PAGE_AT(0)), 1);
  EQUAL("the entry", user_table[0], frame(0) | PRESENT | ACCESSED | 0xf18);
}

static void bad_directory(u32 entry) {
  begin_traps();
  pgdir[0x100] = entry;
  load(0x40000000);
  survived();
}

TEST(bad_pgd_pfn) { bad_directory(PARAMETERS->memory | PRESENT); }
TEST(bad_pgd_pfn_huge) { bad_directory(0xfffff000 | PRESENT); }
TEST(bad_pgd_pse) { bad_directory(0x00000083); }
TEST(bad_pgd_pwt) { bad_directory((u32)user_table | PRESENT | 8); }
TEST(bad_pgd_global) { bad_directory((u32)user_table | PRESENT | 0x100); }

TEST(good_pgd_flags) {
  begin_paging();
  *word(0) = 1;
  user_table[0] = frame(0) | PRESENT;
  pgdir[0x100] = (u32)user_table | 0x67;
  EQUAL("the word", load(0x40000000), 1);
}

TEST(pgtable_beyond_memory) {
  begin_paging();
  call1(NEW_PGTABLE, PARAMETERS->memory);
  survived();
}

/* The top of the address space is the Host's. */
TEST(switcher_read) {
  begin_traps();
  u32 at = -data.reserve_mem;
  pgdir[at >> 22] = (u32)user_table | PRESENT | WRITABLE;
  user_table[(at >> 12) & 1023] = frame(0) | PRESENT | WRITABLE;
  flush_all();
  store(at, 1);
  trapped("a write to the Switcher", 14, seen.error);
  EQUAL("cr2", seen.cr2, at);
  EQUAL("what was written", *word(0), 0);
}

TEST(below_switcher) {
  begin_traps();
  u32 at = -data.reserve_mem - PAGE;
  pgdir[at >> 22] = (u32)user_table | PRESENT | WRITABLE;
  user_table[(at >> 12) & 1023] = frame(0) | PRESENT | WRITABLE;
  flush_all();
  store(at, 1);
  EQUAL("what was written", *word(0), 1);
}

TEST(switcher_set_pte) {
  begin_paging();
  call3(SET_PTE, pgdir, -data.reserve_mem, frame(0) | PRESENT);
  survived();
}

TEST(set_pgd_beyond) {
  begin_paging();
  call2(SET_PGD, pgdir, 1025);
  survived();
}

/* ---- The stack for traps from user code ---- */

TEST(stack_bad_segment) {
  begin_paging();
  call3(SET_STACK, 0x68, stack_top, 1);
  survived();
}
TEST(stack_bad_segment_3) {
  begin_paging();
  call3(SET_STACK, 0x6b, stack_top, 1);
  survived();
}
TEST(stack_too_many_pages) {
  begin_paging();
  call3(SET_STACK, KERNEL_DS, stack_top, 3);
  survived();
}
TEST(stack_not_there) {
  begin_paging();
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 1);
  survived();
}
TEST(stack_second_not_there) {
  begin_paging();
  map(1, frame(1) | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(2), 2);
  survived();
}
TEST(stack_read_only) {
  begin_paging();
  map(0, frame(0) | PRESENT);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 1);
  survived();
}
TEST(stack_in_switcher) {
  begin_paging();
  call3(SET_STACK, KERNEL_DS, -data.reserve_mem + PAGE, 1);
  survived();
}
TEST(stack_gone_with_table) {
  begin_paging();
  make_other(0);
  other_pgdir[0][LOW >> 22] = 0;
  map(0, frame(0) | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 1);
  user_table[0] = 0;
  flush_all(); /* which maps the stack again, or cannot */
  survived();
}
TEST(stack_of_no_pages) {
  begin_paging();
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 0);
  ok();
}

static u32 stack_word;
static void note_stack(struct frame *frame) {
  stack_word = (u32)(&frame->ss + 1);
  leave_user(0);
}

/* The stack is a virtual address: its frame may change, and its pages need not be neighbours. */
TEST(stack_moves) {
  begin_traps();
  map(0, frame(0) | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 1);
  on_trap = note_stack;
  enter_user(user_load, 0x40000000, IF);
  EQUAL("the stack's top", stack_word, PAGE_AT(1));
  EQUAL("ss there", word(0)[1023], USER_DS);
  EQUAL("esp there", word(0)[1022], (u32)user_stack_top);
  map(0, frame(5) | PRESENT | WRITABLE);
  word(0)[1023] = 0;
  enter_user(user_load, 0x40000000, IF);
  EQUAL("ss in the new frame", word(5)[1023], USER_DS);
  EQUAL("ss in the old frame", word(0)[1023], 0);
}

TEST(stack_across_pages) {
  begin_traps();
  map(0, frame(7) | PRESENT | WRITABLE);
  map(1, frame(3) | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1) + 8, 2);
  on_trap = note_stack;
  enter_user(user_load, 0x40000000, IF);
  EQUAL("the stack's top", stack_word, PAGE_AT(1) + 8);
  EQUAL("ss", word(3)[1], USER_DS);
  EQUAL("esp", word(3)[0], (u32)user_stack_top);
  EQUAL("cs, in the page below", word(7)[1022], USER_CS);
  EQUAL("eip", word(7)[1021], (u32)user_load);
}

/* A fault that the Host must pass on, and the stack is gone. */
TEST(stack_bad_at_fault) {
  begin_traps();
  map(0, frame(0) | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(0) + 0x800, 1);
  user_table[0] = 0;
  user_table[1] = 0;
  call3(SET_PTE, pgdir, PAGE_AT(0), 0);
  enter_user(user_load, 0x40000000, IF);
  survived();
}

#if LG_PCI
/* ---- Devices' registers (4.x): frames from `memory` up to `device_limit`. The harness plays the device. ---- */

TEST(mmio_linear) {
  begin();
  u32 value = 0;
  __asm__ volatile("movl (%%ebx), %%eax" : "=a"(value) : "b"(PARAMETERS->memory + 8) : "memory");
  EQUAL("value", value, 0xd0000000 | (PARAMETERS->memory + 8));
}

TEST(mmio_mapped) {
  begin_paging();
  u32 value = 0;
  map(3, PARAMETERS->memory | PRESENT | WRITABLE);
  map(4, (PARAMETERS->device_limit - PAGE) | PRESENT | WRITABLE);
  __asm__ volatile("movl (%%ebx), %%eax" : "=a"(value) : "b"(PAGE_AT(3) + 0x124) : "memory");
  EQUAL("value from the first page", value, 0xd0000000 | (PARAMETERS->memory + 0x124));
  __asm__ volatile("movl (%%ebx), %%eax" : "=a"(value) : "b"(PAGE_AT(4) + 0xffc) : "memory");
  EQUAL("value from the last page", value, 0xd0000000 | (PARAMETERS->device_limit - 4));
  __asm__ volatile("movl %%eax, (%%ebx)" ::"a"(0x12345678), "b"(PAGE_AT(3) + 0x10) : "memory");
  EQUAL("bits", bits(3) | bits(4), 0);
}

/* Rights come first. */
TEST(mmio_read_only) {
  begin_traps();
  map(0, PARAMETERS->memory | PRESENT);
  store(PAGE_AT(0), 1);
  fault("a write to a read-only register", 3, PAGE_AT(0));
  enter_user(user_load, PAGE_AT(0), IF);
  fault("a user's read of the kernel's register", 5, PAGE_AT(0));
}

TEST(mmio_set_pte) {
  begin_paging();
  u32 value = 0;
  map(0, frame(0) | PRESENT | WRITABLE);
  load(PAGE_AT(0));
  map(0, PARAMETERS->memory | PRESENT | WRITABLE | ACCESSED | DIRTY);
  __asm__ volatile("movl (%%ebx), %%eax" : "=a"(value) : "b"(PAGE_AT(0)) : "memory");
  EQUAL("value", value, 0xd0000000 | PARAMETERS->memory);
}

/* The harness does not know this instruction and has the Guest take the fault. */
TEST(mmio_injected) {
  begin_traps();
  map(0, PARAMETERS->memory | PRESENT | WRITABLE);
  TRY("addl $1, (%0)", "r"(PAGE_AT(0)));
  EQUAL("traps", seen.count, 1);
  EQUAL("vector", seen.vector, 14);
}

TEST(mmio_beyond) {
  begin_traps();
  map(0, PARAMETERS->device_limit | PRESENT);
  load(PAGE_AT(0));
  survived();
}

TEST(stack_in_mmio) {
  begin_paging();
  map(0, PARAMETERS->memory | PRESENT | WRITABLE);
  call3(SET_STACK, KERNEL_DS, PAGE_AT(1), 1);
  survived();
}
#endif
