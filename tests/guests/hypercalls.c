/* Hypercalls as such: numbers, registers, the ring's exact order, shutting down. Read first: lguest.h. */
#include "lguest.h"

static void bad(u32 call) {
  begin();
  call0(call);
  survived();
}
#if LG_OLDEST
TEST(bad_call_18) { bad(LOAD_GDT_ENTRY); }
TEST(bad_call_19) { bad(SEND_INTERRUPTS); }
#else
TEST(bad_call_3) { bad(LOAD_GDT); }
#endif
#if !LG_TS
TEST(bad_call_8) { bad(TS); }
#endif
TEST(bad_call_11) { bad(11); }
TEST(bad_call_13) { bad(13); }
#if LG_PCI
TEST(bad_call_17) { bad(NOTIFY); }
#endif
TEST(bad_call_20) { bad(20); }
TEST(bad_call_negative) { bad(0xffffffff); }

/* A hypercall changes nothing that the Guest can see but what it is for. */
TEST(registers_survive) {
  u32 r[8], after;
  begin();
  __asm__ volatile(
      "push %%ebp\n\t"
      "mov $0xb0b0b0b0, %%ebx\n\tmov $0xc1c1c1c1, %%ecx\n\tmov $0xd2d2d2d2, %%edx\n\t"
      "mov $0x51515151, %%esi\n\tmov $0xd1d1d1d1, %%ebp\n\txor %%eax, %%eax\n\t"
      "stc\n\tstd\n\t"
      "int $0x1f\n\t"
      "pushf\n\tpopl 28(%%edi)\n\tcld\n\t"
      "mov %%eax, (%%edi)\n\tmov %%ebx, 4(%%edi)\n\tmov %%ecx, 8(%%edi)\n\tmov %%edx, 12(%%edi)\n\t"
      "mov %%esi, 16(%%edi)\n\tmov %%edi, 20(%%edi)\n\tmov %%ebp, 24(%%edi)\n\t"
      "pop %%ebp"
      : "=D"(after)
      : "D"(r)
      : "eax", "ebx", "ecx", "edx", "esi", "memory", "cc");
  EQUAL("eax", r[0], FLUSH_ASYNC);
  EQUAL("ebx", r[1], 0xb0b0b0b0);
  EQUAL("ecx", r[2], 0xc1c1c1c1);
  EQUAL("edx", r[3], 0xd2d2d2d2);
  EQUAL("esi", r[4], 0x51515151);
  EQUAL("edi", r[5], (u32)r);
  EQUAL("ebp", r[6], 0xd1d1d1d1);
  EQUAL("carry, direction and interrupt flags", r[7] & 0x601, 0x601);
}

/* ---- The ring. What happened in it shows in the selectors that LAR accepts: entry n is written by the nth call. ---- */

#define FLAT_DATA 0x00cf9300
/* What the processor has in the GDT's entry, as LAR tells it: 0 if it may not be looked at. */
static u32 rights(u32 entry) {
  u32 value = 0;
  __asm__ volatile("lar %1, %0\n\tjz 1f\n\txor %0, %0\n1:" : "=&r"(value) : "r"(entry * 8 + 1) : "cc");
  return value & 0x00f0ff00;
}

/* A GDT entry whose limit's highest digit says which call wrote it. */
#define MARKED(mark) ((FLAT_DATA & ~0xf0000) | (mark) << 16)
#if LG_OLDEST
/* A whole table for each call; it has what the one before has. */
static u32 tables[RING + 1][32][2], *last_table;
static u32 *marked_table(u32 n, u32 entry, u32 mark) {
  u32 *table = &tables[n][0][0];
  for (u32 i = 0; i < 64; i++) table[i] = last_table ? last_table[i] : 0;
  table[KERNEL_CS / 4 & ~1] = table[KERNEL_DS / 4 & ~1] = table[2 * entry] = 0xffff;
  table[KERNEL_CS / 4 | 1] = 0x00cf9b00, table[KERNEL_DS / 4 | 1] = 0x00cf9300, table[2 * entry + 1] = MARKED(mark);
  return last_table = table;
}
static void entry_in_ring(u32 place, u32 entry, u32 mark) {
  in_ring(place, LOAD_GDT, (u32)marked_table(place, entry, mark), 32, 0);
}
static void entry_by_call(u32 entry, u32 mark) {
  call2(LOAD_GDT, marked_table(RING, entry, mark), 32);
}
#else
static void entry_in_ring(u32 place, u32 entry, u32 mark) {
  in_ring(place, LOAD_GDT_ENTRY, entry, 0xffff, MARKED(mark));
}
static void entry_by_call(u32 entry, u32 mark) {
  call3(LOAD_GDT_ENTRY, entry, 0xffff, MARKED(mark));
}
#endif
static u32 mark(u32 entry) {
  u32 value = 0xffffffff;
  __asm__ volatile("lsl %1, %0" : "+r"(value) : "r"(entry * 8 + 1) : "cc");
  return value >> 28; /* limits are in pages */
}

static void status(const char *what, u32 place, u32 wanted) {
  EQUAL(what, data.hcall_status[place], wanted);
}

TEST(ring_runs_in_order) {
  begin();
  entry_in_ring(0, 20, 1);
  entry_in_ring(1, 20, 2);
  entry_in_ring(2, 21, 3);
  EQUAL("rights of the entry, before", rights(20), 0);
  call0(FLUSH_ASYNC);
  EQUAL("mark of the entry written twice", mark(20), 2);
  EQUAL("mark of the other", mark(21), 3);
  for (u32 i = 0; i < RING; i++) status("a place, after", i, FREE);
}

TEST(ring_stops_at_gap) {
  begin();
  entry_in_ring(1, 20, 1);
  call0(FLUSH_ASYNC);
  status("the place behind the gap", 1, 0);
  EQUAL("rights", rights(20), 0);
  entry_in_ring(0, 20, 2);
  call0(FLUSH_ASYNC);
  status("place 0", 0, FREE);
  status("place 1", 1, FREE);
  EQUAL("mark", mark(20), 1);
}

/* Where the Host goes on is its own memory, not the first place that is ready. */
TEST(ring_has_a_cursor) {
  begin();
  entry_in_ring(0, 20, 1);
  entry_in_ring(1, 20, 2);
  call0(FLUSH_ASYNC);
  entry_in_ring(0, 20, 3);
  call0(FLUSH_ASYNC);
  status("place 0, behind the cursor", 0, 0);
  EQUAL("mark", mark(20), 2);
  for (u32 i = 2; i < RING; i++) entry_in_ring(i, 20, 4);
  call0(FLUSH_ASYNC);
  status("place 0, after a round", 0, FREE);
  EQUAL("mark, after a round", mark(20), 3);
}

TEST(ring_wraps) {
  begin();
  for (u32 i = 0; i < RING; i++) entry_in_ring(i, 20, i & 7);
  call0(FLUSH_ASYNC);
  for (u32 i = 0; i < RING; i++) status("a place of the full ring", i, FREE);
  EQUAL("mark of the last", mark(20), 7);
  for (u32 i = 0; i < 62; i++) entry_in_ring(i, 20, 1);
  call0(FLUSH_ASYNC);
  entry_in_ring(62, 20, 4);
  entry_in_ring(63, 20, 5);
  entry_in_ring(0, 20, 6);
  call0(FLUSH_ASYNC);
  EQUAL("mark behind the wrap", mark(20), 6);
  status("place 63", 63, FREE);
  status("place 0", 0, FREE);
}

TEST(ring_status_is_any) {
  begin();
  entry_in_ring(0, 20, 1);
  data.hcall_status[0] = 0x7f;
  entry_in_ring(1, 20, 2);
  data.hcall_status[1] = 0xfe;
  call0(FLUSH_ASYNC);
  EQUAL("mark", mark(20), 2);
}

/* Any hypercall has the ring done first. */
TEST(ring_precedes_call) {
  begin();
  entry_in_ring(0, 20, 1);
  entry_by_call(20, 2);
  EQUAL("mark", mark(20), 2);
  status("the place", 0, FREE);
}

TEST(ring_flush_in_ring) {
  begin();
  for (u32 i = 0; i < RING; i++) in_ring(i, i % 2 ? FLUSH_ASYNC : LOOK, 0, 0, 0);
  call0(LOOK);
  for (u32 i = 0; i < RING; i++) status("a place", i, FREE);
}

TEST(ring_bad_call) {
  begin();
  in_ring(0, FLUSH_ASYNC, 0, 0, 0);
  in_ring(1, 99, 0, 0, 0);
  call0(FLUSH_ASYNC);
  survived();
}

/* The first reason to die is the one that is told. */
TEST(ring_dies_once) {
  begin();
  in_ring(0, 98, 0, 0, 0);
  in_ring(1, 99, 0, 0, 0);
  call0(97);
  survived();
}

TEST(ring_shutdown) {
  static char text[128] = "from the ring";
  begin();
  in_ring(0, SHUTDOWN, (u32)text, POWEROFF, 0);
  call0(97);
  survived();
}

#if !LG_PCI
/* Each notification comes out once, and none with address 0. */
TEST(notify_once) {
  begin();
  call1(NOTIFY, 0x5000);
  call1(NOTIFY, 0);
  call1(NOTIFY, 0x5000);
  call1(NOTIFY, 0x8ffff123);
}

/* The harness looks at the ring when the notification arrives: see _cases.ts. */
TEST(notify_stops_ring) {
  begin();
  entry_in_ring(0, 20, 1);
  in_ring(1, NOTIFY, 0x6000, 0, 0);
  entry_in_ring(2, 20, 2);
  in_ring(3, NOTIFY, 0x7000, 0, 0);
  entry_in_ring(4, 21, 3);
  entry_by_call(20, 9);
  EQUAL("mark by the call behind the ring", mark(20), 9);
  EQUAL("mark by the ring's last", mark(21), 3);
}

/* A notification by a hypercall behind one in the ring. */
TEST(notify_behind_ring) {
  begin();
  in_ring(0, NOTIFY, 0x6000, 0, 0);
  call1(NOTIFY, 0x7000);
  in_ring(1, NOTIFY, 0x8000, 0, 0);
  call0(FLUSH_ASYNC);
}
#endif

/* ---- Shutting down ---- */

TEST(shutdown_text) {
  static char text[128] = "the quick brown fox";
  begin();
  call2(SHUTDOWN, text, POWEROFF);
}

TEST(shutdown_poweroff) {
  static char text[128] = "Power down";
  begin();
  call2(SHUTDOWN, text, POWEROFF);
}

/* 128 bytes are read, the last of them is not shown. */
TEST(shutdown_without_end) {
  static char text[129];
  for (int i = 0; i < 129; i++) text[i] = 'a' + i % 26;
  begin();
  call2(SHUTDOWN, text, POWEROFF);
}

TEST(shutdown_at_top) {
  char *text = (char *)(PARAMETERS->memory - 128);
  begin_paging();
#if !LG_PCI
  pgdir[1] = (u32)user_table | PRESENT | WRITABLE; /* the devices' page is behind RAM */
  for (u32 i = 0; i < 16; i++) user_table[i] = (PARAMETERS->ram + i * PAGE) | PRESENT | WRITABLE;
  flush_all();
#endif
  text[0] = 'u', text[1] = 'p', text[2] = 0;
  call2(SHUTDOWN, text, POWEROFF);
}

TEST(shutdown_beyond_memory) {
  begin();
  call2(SHUTDOWN, PARAMETERS->memory - 127, POWEROFF);
  survived();
}

TEST(shutdown_wrapping) {
  begin();
  call2(SHUTDOWN, -64, POWEROFF);
  survived();
}

TEST(restart) {
  static char text[128] = "again";
  begin();
  call2(SHUTDOWN, text, RESTART);
}

TEST(restart_in_ring) {
  static char text[128] = "again";
  begin();
  in_ring(0, SHUTDOWN, (u32)text, RESTART, 0);
  call0(FLUSH_ASYNC);
  survived();
}

/* What the first life leaves behind: a restarted Guest must find nothing of it (see after_restart). */
TEST(restart_dirty) {
  static char text[128] = "again";
  begin_traps();
  data.blocked_interrupts = 0;
  in_ring(0, FLUSH_ASYNC, 0, 0, 0);
  in_ring(1, FLUSH_ASYNC, 0, 0, 0);
  call0(FLUSH_ASYNC); /* the cursor is at 2 */
  set_segment(20, 0xffff, FLAT_DATA);
  call1(SET_CLOCKEVENT, 1000000);
  ask(ASK_RAISE, 5);
  call2(SHUTDOWN, text, RESTART);
}

TEST(after_restart) {
  begin();
  data.blocked_interrupts = 0;
  EQUAL("rights of a GDT entry of the life before", rights(20), 0);
  in_ring(0, FLUSH_ASYNC, 0, 0, 0);
  call0(FLUSH_ASYNC);
  status("the ring's first place", 0, FREE);
  ask(ASK_SLEEP, 5);
  for (u32 i = 0; i < 20000; i++) call0(LOOK);
#if !LG_OLDEST
  EQUAL("irq_pending", data.irq_pending, 0);
#endif
  PARAMETERS->expected = (u32)load;
  __asm__ volatile("ud2"); /* and no handler of that life */
}

#if LG_VMCALL
/* VMCALL becomes INT 0x1f; NOP, also where the Guest itself may not write. */
TEST(vmcall_is_rewritten) {
  extern u8 once[];
  begin_traps();
  __asm__ volatile("jmp 1f\nonce:\tvmcall\n\tret\n1:");
  low_table[(u32)once / PAGE] &= ~WRITABLE;
  flush_all();
  u32 result;
  for (int i = 0; i < 3; i++) {
    __asm__ volatile("call once" : "=a"(result) : "a"(FLUSH_ASYNC), "b"(0), "c"(0), "d"(0), "S"(0) : "memory");
    EQUAL("result", result, FLUSH_ASYNC);
  }
  EQUAL("first byte", once[0], 0xcd);
  EQUAL("second byte", once[1], 0x1f);
  EQUAL("third byte", once[2], 0x90);
  EQUAL("traps that the Guest saw", seen.count, 0);
}

USER_CODE(user_vmcall, "vmcall\n" LEAVE_USER);
#else
TEST(vmcall_is_undefined) {
  begin_traps();
  TRY("vmcall");
  trapped("VMCALL", 6, 0);
}

USER_CODE(user_vmcall, "vmcall\n" LEAVE_USER);
#endif

TEST(vmcall_from_user) {
  begin_traps();
  EQUAL("how user code ended", enter_user(user_vmcall, 0, IF), 0xbad);
  trapped("VMCALL", 6, 0);
  EQUAL("first byte", user_vmcall[0], 0x0f);
}
