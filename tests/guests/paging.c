/* Page tables: what is mapped when, what the Host writes back, what it forgets. Read first: lguest.h, paging.h. */
#include "paging.h"

#if !LG_PGDIR
TEST(linear_at_first) {
  volatile u32 *top = (volatile u32 *)(PARAMETERS->memory - PAGE);
  begin();
  *top = 0x12345678;
  EQUAL("the last page", *top, 0x12345678);
}

/* Nothing is behind memory, with or without page tables (in 4.x: but devices). */
TEST(linear_beyond) {
  begin();
  load(LG_PCI ? PARAMETERS->device_limit : PARAMETERS->memory);
  survived();
}
#endif

TEST(mapped_elsewhere) {
  begin_paging();
  *word(0) = 1111;
  *word(1) = 2222;
  map(0, frame(1) | PRESENT | WRITABLE);
  map(5, frame(0) | PRESENT);
  EQUAL("page 0", load(PAGE_AT(0)), 2222);
  EQUAL("page 5", load(PAGE_AT(5)), 1111);
  store(PAGE_AT(0), 3333);
  EQUAL("the frame behind page 0", *word(1), 3333);
  EQUAL("kernel's window", *(volatile u32 *)(HIGH + frame(1)), 3333);
}

TEST(accessed_and_dirty) {
  begin_paging();
  map(0, frame(0) | PRESENT | WRITABLE);
  map(1, frame(1) | PRESENT | WRITABLE);
  map(2, frame(2) | PRESENT);
  EQUAL("bits before", bits(0) | bits(1) | bits(2), 0);
  load(PAGE_AT(0));
  EQUAL("after a read", bits(0), ACCESSED);
  load(PAGE_AT(0));
  EQUAL("after another read", bits(0), ACCESSED);
  store(PAGE_AT(0), 1);
  EQUAL("after a read and a write", bits(0), ACCESSED | DIRTY);
  store(PAGE_AT(1), 1);
  EQUAL("after a write", bits(1), ACCESSED | DIRTY);
  load(PAGE_AT(2));
  EQUAL("after a read of a read-only page", bits(2), ACCESSED);
  EQUAL("the rest of the entry", user_table[0] & ~0x60u, frame(0) | PRESENT | WRITABLE);
  /* An XCHG or a read-modify-write is a write. */
  map(3, frame(3) | PRESENT | WRITABLE);
  __asm__ volatile("incl (%0)" ::"r"(PAGE_AT(3)) : "memory", "cc");
  EQUAL("after INC", bits(3), ACCESSED | DIRTY);
}

/* Bits that the Guest takes away come back, once the Host has heard of it. */
TEST(dirty_again) {
  begin_paging();
  map(0, frame(0) | PRESENT | WRITABLE);
  store(PAGE_AT(0), 1);
  map(0, frame(0) | PRESENT | WRITABLE);
  EQUAL("bits that were taken away", bits(0), 0);
  store(PAGE_AT(0), 2);
  EQUAL("after SET_PTE and a write", bits(0), ACCESSED | DIRTY);
  user_table[0] = frame(0) | PRESENT | WRITABLE | ACCESSED;
  call1(FLUSH_TLB, 0);
  store(PAGE_AT(0), 2);
  EQUAL("after FLUSH_TLB and a write", bits(0), ACCESSED | DIRTY);
  map(0, frame(0) | PRESENT | WRITABLE);
  load(PAGE_AT(0));
  EQUAL("after SET_PTE and a read", bits(0), ACCESSED);
}

TEST(accessed_and_dirty_by_user) {
  begin_traps();
  *word(0) = 77;
  map(0, frame(0) | PRESENT | WRITABLE | USER);
  map(1, frame(1) | PRESENT | WRITABLE | USER);
  EQUAL("what user code reads", enter_user(user_load, PAGE_AT(0), IF), 77);
  EQUAL("after a read", bits(0), ACCESSED);
  EQUAL("what user code writes", enter_user(user_store, PAGE_AT(1), IF), 0x5707e);
  EQUAL("after a write", bits(1), ACCESSED | DIRTY);
  EQUAL("what was written", *word(1), 0x5707e);
}

TEST(accessed_by_execution) {
  begin_traps();
  for (int i = 0; i < 16; i++) frames[0][i] = user_load[i];
  map(0, frame(0) | PRESENT | USER);
  *word(1) = 0;
  map(1, frame(1) | PRESENT | USER);
  EQUAL("how code in a new page ends", enter_user((void *)PAGE_AT(0), PAGE_AT(1), IF), 0);
  EQUAL("bits of the code", bits(0), ACCESSED);
}

TEST(faults_of_kernel) {
  begin_traps();
  map(1, frame(1) | PRESENT);
  EQUAL("a read of nothing", load(PAGE_AT(0) + 12), 0xbadbad);
  fault("a read of nothing", 0, PAGE_AT(0) + 12);
  store(PAGE_AT(0) + 16, 1);
  fault("a write to nothing", 2, PAGE_AT(0) + 16);
  /* The entry is there although the page was never touched: lguest-field-notes, 1. */
  store(PAGE_AT(1) + 20, 1);
  fault("a write to an untouched read-only page", 3, PAGE_AT(1) + 20);
  load(PAGE_AT(1));
  store(PAGE_AT(1) + 24, 1);
  fault("a write to a read-only page", 3, PAGE_AT(1) + 24);
  load(0x40000000);
  fault("a read where there is no table", 0, 0x40000000);
  store(0xbffffffc, 1);
  fault("a write where there is no table", 2, 0xbffffffc);
  EQUAL("what was written", *word(1), 0);
}

TEST(faults_of_user) {
  begin_traps();
  map(1, frame(1) | PRESENT | USER);
  map(2, frame(2) | PRESENT | WRITABLE);
  EQUAL("a read of nothing", enter_user(user_load, PAGE_AT(0) + 12, IF), 0xbad);
  fault("a read of nothing", 4, PAGE_AT(0) + 12);
  enter_user(user_store, PAGE_AT(0) + 16, IF);
  fault("a write to nothing", 6, PAGE_AT(0) + 16);
  enter_user(user_store, PAGE_AT(1) + 20, IF);
  fault("a write to an untouched read-only page", 7, PAGE_AT(1) + 20);
  enter_user(user_load, PAGE_AT(2) + 24, IF);
  fault("a read of the kernel's untouched page", 5, PAGE_AT(2) + 24);
  load(PAGE_AT(2));
  enter_user(user_load, PAGE_AT(2) + 28, IF);
  fault("a read of the kernel's page", 5, PAGE_AT(2) + 28);
  enter_user(user_store, PAGE_AT(2) + 32, IF);
  fault("a write to the kernel's page", 7, PAGE_AT(2) + 32);
  enter_user(user_load, (u32)&data, IF);
  fault("a read of lguest_data", 5, (u32)&data);
  enter_user(user_load, HIGH, IF);
  fault("a read of the kernel's window", 5, HIGH);
  EQUAL("what was written", *word(2), 0);
  /* Where it faults there is a frame as of any trap. */
  EQUAL("eip", seen.eip, (u32)user_load);
  EQUAL("cs", seen.cs, USER_CS);
  EQUAL("ss", seen.ss, USER_DS);
  EQUAL("esp", seen.esp, (u32)user_stack_top);
}

/* A table's own rights count as well as the page's. */
TEST(rights_of_tables) {
  begin_traps();
  map(0, frame(0) | PRESENT | WRITABLE | USER);
  pgdir[LOW >> 22] = (u32)user_table | PRESENT | WRITABLE;
  call2(SET_PGD, pgdir, LOW >> 22);
  enter_user(user_load, PAGE_AT(0), IF);
  fault("a user's read through the kernel's table", 5, PAGE_AT(0));
  pgdir[LOW >> 22] = (u32)user_table | PRESENT | USER;
  call2(SET_PGD, pgdir, LOW >> 22);
  EQUAL("a user's read through a read-only table", enter_user(user_load, PAGE_AT(0), IF), 0);
  enter_user(user_store, PAGE_AT(0), IF);
  fault("a user's write through a read-only table", 7, PAGE_AT(0));
  store(PAGE_AT(0), 1);
  fault("the kernel's write through a read-only table", 3, PAGE_AT(0));
}

/* The next instruction is in a page that is not there. */
TEST(fault_of_execution) {
  begin_traps();
  frames[0][PAGE - 1] = 0x90;
  map(0, frame(0) | PRESENT | USER);
  enter_user((void *)(PAGE_AT(1) - 1), 0, IF);
  fault("going on into nothing", 4, PAGE_AT(1));
  EQUAL("eip", seen.eip, PAGE_AT(1));
  /* An instruction whose second half is: the address is that of the half. */
  frames[0][PAGE - 1] = 0xb8;
  enter_user((void *)(PAGE_AT(1) - 1), 0, IF);
  fault("half an instruction", 4, PAGE_AT(1));
  EQUAL("eip", seen.eip, PAGE_AT(1) - 1);
}

/* ---- Flushes: what was cached may be used until then, and not after ---- */

TEST(flush_user) {
  begin_paging();
  for (u32 i = 0; i < 4; i++) *word(i) = 100 + i;
  for (u32 i = 0; i < 4; i++) map(i, frame(i) | PRESENT | WRITABLE);
  for (u32 i = 0; i < 4; i++) EQUAL("before", load(PAGE_AT(i)), 100 + i);
  for (u32 i = 0; i < 4; i++) user_table[i] = frame(3 - i) | PRESENT | WRITABLE;
  call1(FLUSH_TLB, 0);
  for (u32 i = 0; i < 4; i++) EQUAL("after", load(PAGE_AT(i)), 103 - i);
}

TEST(flush_user_removes) {
  begin_traps();
  map(0, frame(0) | PRESENT | WRITABLE);
  store(PAGE_AT(0), 1);
  user_table[0] = 0;
  call1(FLUSH_TLB, 0);
  load(PAGE_AT(0));
  fault("a read of what is gone", 0, PAGE_AT(0));
  user_table[0] = frame(0) | PRESENT;
  call1(FLUSH_TLB, 0);
  store(PAGE_AT(0), 2);
  fault("a write of what is now read-only", 3, PAGE_AT(0));
  EQUAL("the word", load(PAGE_AT(0)), 1);
}

/* The last page of what FLUSH_TLB(0) is about: just below kernel_address. */
TEST(flush_user_to_the_top) {
  u32 at = HIGH - PAGE;
  begin_paging();
  *word(0) = 1, *word(1) = 2;
  pgdir[at >> 22] = (u32)user_table | PRESENT | WRITABLE;
  user_table[1023] = frame(0) | PRESENT | WRITABLE;
  EQUAL("before", load(at), 1);
  user_table[1023] = frame(1) | PRESENT | WRITABLE;
  call1(FLUSH_TLB, 0);
  EQUAL("after", load(at), 2);
}

TEST(flush_kernel) {
  u32 at = HIGH + 0x300000;
  begin_paging();
  *word(0) = 1, *word(1) = 2;
  high_table[0x300] = frame(0) | PRESENT | WRITABLE;
  flush_all();
  EQUAL("before", load(at), 1);
  high_table[0x300] = frame(1) | PRESENT | WRITABLE;
  flush_all();
  EQUAL("after", load(at), 2);
  high_table[0x300] = frame(0) | PRESENT | WRITABLE;
  call1(FLUSH_TLB, 0x80000000); /* anything but 0 */
  EQUAL("at last", load(at), 1);
}

TEST(flush_in_ring) {
  begin_paging();
  *word(0) = 1, *word(1) = 2;
  map(0, frame(0) | PRESENT);
  EQUAL("before", load(PAGE_AT(0)), 1);
  user_table[0] = frame(1) | PRESENT;
  in_ring(0, SET_PTE, (u32)pgdir, PAGE_AT(0), user_table[0]);
  call0(FLUSH_ASYNC);
  EQUAL("after", load(PAGE_AT(0)), 2);
}

TEST(set_pte) {
  begin_traps();
  *word(0) = 1, *word(1) = 2;
  map(0, frame(0) | PRESENT | WRITABLE);
  map(1, frame(0) | PRESENT | WRITABLE);
  EQUAL("before", load(PAGE_AT(0)), 1);
  map(0, frame(1) | PRESENT | WRITABLE | ACCESSED | DIRTY);
  EQUAL("another frame", load(PAGE_AT(0)), 2);
  EQUAL("the page beside it", load(PAGE_AT(1)), 1);
  map(0, frame(1) | PRESENT | ACCESSED);
  store(PAGE_AT(0), 3);
  fault("a write of what is now read-only", 3, PAGE_AT(0));
  map(0, 0);
  load(PAGE_AT(0));
  fault("a read of what is gone", 0, PAGE_AT(0));
  map(0, frame(0) | PRESENT | WRITABLE);
  EQUAL("the first frame again", load(PAGE_AT(0)), 1);
}

TEST(set_kernel_pte_in_all) {
  u32 at = HIGH + 0x300000;
  begin_paging();
  make_other(0);
  *word(0) = 1, *word(1) = 2;
  high_table[0x300] = frame(0) | PRESENT | WRITABLE;
  flush_all();
  EQUAL("in the first", load(at), 1);
  call1(NEW_PGTABLE, other_pgdir[0]);
  EQUAL("in the other", load(at), 1);
  high_table[0x300] = frame(1) | PRESENT | WRITABLE;
  call3(SET_PTE, other_pgdir[0], at, high_table[0x300]);
  EQUAL("in the other, after", load(at), 2);
  call1(NEW_PGTABLE, pgdir);
  EQUAL("in the first, after", load(at), 2);
  high_table[0x300] = frame(0) | PRESENT | WRITABLE;
  call3(SET_PTE, other_pgdir[0], at, high_table[0x300]); /* whichever is named */
  EQUAL("in the first, at last", load(at), 1);
}

TEST(set_pgd) {
  begin_traps();
  *word(0) = 1;
  map(0, frame(0) | PRESENT);
  EQUAL("before", load(PAGE_AT(0)), 1);
  pgdir[LOW >> 22] = 0;
  call2(SET_PGD, pgdir, LOW >> 22);
  load(PAGE_AT(0));
  fault("a read of what is gone", 0, PAGE_AT(0));
  for (int i = 0; i < 1024; i++) other_pgdir[0][i] = 0;
  *word(1) = 2;
  other_pgdir[0][0] = frame(1) | PRESENT;
  pgdir[LOW >> 22] = (u32)other_pgdir[0] | PRESENT | WRITABLE;
  call2(SET_PGD, pgdir, LOW >> 22);
  EQUAL("through another table", load(PAGE_AT(0)), 2);
}

/* The Host may hear of tables that it does not know. */
TEST(set_of_strangers) {
  begin_paging();
  *word(0) = 1;
  map(0, frame(0) | PRESENT);
  EQUAL("before", load(PAGE_AT(0)), 1);
  call3(SET_PTE, 0x345000, PAGE_AT(0), frame(1) | PRESENT);
  call2(SET_PGD, 0xfffff000, LOW >> 22);
  EQUAL("after", load(PAGE_AT(0)), 1);
}

/* More tables than any cache of them has room for, in turns. */
TEST(eight_page_tables) {
  static volatile u32 tables[8][1024] __attribute__((aligned(4096)));
  begin_traps();
  for (u32 n = 0; n < 8; n++) {
    make_other(n);
    other_pgdir[n][LOW >> 22] = (u32)tables[n] | PRESENT | WRITABLE | USER;
    tables[n][0] = frame(n) | PRESENT | WRITABLE | USER;
    *word(n) = 500 + n;
  }
  for (u32 turn = 0; turn < 40; turn++) {
    u32 n = (turn * 5 + turn / 8) % 8;
    call1(NEW_PGTABLE, other_pgdir[n]);
    u32 count = *word(n);
    EQUAL("the kernel's read", load(PAGE_AT(0)), count);
    EQUAL("the user's read", enter_user(user_load, PAGE_AT(0), IF), count);
    store(PAGE_AT(0), count + 8);
    EQUAL("the frame", *word(n), count + 8);
  }
  /* One is changed while another is in use. */
  call1(NEW_PGTABLE, other_pgdir[0]);
  tables[1][0] = frame(8) | PRESENT | WRITABLE | USER;
  call3(SET_PTE, other_pgdir[1], PAGE_AT(0), tables[1][0]);
  *word(8) = 42;
  EQUAL("the one in use", load(PAGE_AT(0)), *word(0));
  call1(NEW_PGTABLE, other_pgdir[1]);
  EQUAL("the changed one", load(PAGE_AT(0)), 42);
}

/* A table that is loaded anew need not look as it did: its user part, at least, is read again... by a flush. */
TEST(same_table_changed) {
  begin_paging();
  make_other(0);
  *word(0) = 1, *word(1) = 2;
  map(0, frame(0) | PRESENT);
  EQUAL("before", load(PAGE_AT(0)), 1);
  call1(NEW_PGTABLE, other_pgdir[0]);
  user_table[0] = frame(1) | PRESENT;
  call1(NEW_PGTABLE, pgdir);
  call1(FLUSH_TLB, 0);
  EQUAL("after", load(PAGE_AT(0)), 2);
}
