/* The floating-point unit: who owns it, and that its state survives all else. Read first: lguest.h. */
#include "lguest.h"

USER_CODE(user_pi, "fldpi\n\tfstp %st(0)\n\tmovl $3, %ebx\n" LEAVE_USER);

static void set_up(void) {
  static const double a = 3.25, b = -7.5;
  static const u32 words[4] __attribute__((aligned(16))) = {1, 2, 3, 4};
  __asm__ volatile("fninit\n\tfldl %0\n\tfldl %1\n\tmovaps %2, %%xmm0\n\tmovaps %2, %%xmm7" ::"m"(a), "m"(b), "m"(words));
}

static void compare(const char *what) {
  double a, b;
  u32 words[4] __attribute__((aligned(16)));
  __asm__ volatile("fstpl %0\n\tfstpl %1\n\tmovups %%xmm7, %2" : "=m"(b), "=m"(a), "=m"(words));
  const u32 *bits_a = (const u32 *)&a, *bits_b = (const u32 *)&b;
  EQUAL(what, bits_a[1], 0x400a0000);
  EQUAL(what, bits_b[1], 0xc01e0000);
  EQUAL(what, bits_a[0] | bits_b[0], 0);
  for (u32 i = 0; i < 4; i++) EQUAL(what, words[i], i + 1);
}

/* Who never asks for TS never hears of it. */
TEST(state_survives) {
  begin_traps();
  set_up();
  for (u32 i = 0; i < 50; i++) {
    call0(FLUSH_ASYNC);
    call1(NEW_PGTABLE, pgdir);
    load(0x40000000);
  }
  compare("a register after traps and hypercalls");
  EQUAL("a user's use of it", enter_user(user_pi, 0, IF), 3);
}

static volatile u32 interrupts;
static void count_interrupt(struct frame *frame) {
  EQUAL("vector", frame->vector, FIRST_IRQ);
  interrupts++;
}

TEST(state_survives_halt) {
  begin_traps();
  catch_all(FIRST_IRQ, INTERRUPT_GATE, 0);
  on_trap = count_interrupt;
  data.blocked_interrupts = 0;
  set_up();
  for (u32 i = 1; i <= 3; i++) {
    call1(SET_CLOCKEVENT, 100000);
    call0(HALT);
    EQUAL("interrupts", interrupts, i);
  }
  compare("a register after sleep");
}

#if LG_TS
/* With TS each use is a trap to the Guest, of kernel and user code alike, until it says otherwise. */
TEST(ts) {
  begin_traps();
  set_up();
  call1(TS, 1);
  TRY("fnop");
  trapped("FNOP", 7, 0);
  TRY("movaps %%xmm0, %%xmm1");
  trapped("MOVAPS", 7, 0);
  EQUAL("how user code ended", enter_user(user_pi, 0, IF), 0xbad);
  trapped("FLDPI", 7, 0);
  EQUAL("eip", seen.eip, (u32)user_pi);
  call1(TS, 0);
  compare("a register after TS");
  EQUAL("traps", seen.count, 3);
  EQUAL("how user code ended at last", enter_user(user_pi, 0, IF), 3);
}

TEST(ts_in_ring) {
  begin_traps();
  in_ring(0, TS, 0x80000000, 0, 0);
  call0(FLUSH_ASYNC);
  TRY("fnop");
  trapped("FNOP", 7, 0);
  in_ring(1, TS, 0, 0, 0);
  call0(FLUSH_ASYNC);
  TRY("fnop");
  EQUAL("traps", seen.count, 1);
}

/* As Linux does: the handler takes TS away, and the instruction runs again. */
static void lazy(struct frame *frame) {
  EQUAL("vector", frame->vector, 7);
  interrupts++;
  call1(TS, 0);
}
TEST(ts_lazily) {
  begin_traps();
  set_up();
  on_trap = lazy;
  for (u32 i = 1; i <= 20; i++) {
    call1(TS, 1);
    __asm__ volatile("fld1\n\tfstp %st(0)");
    EQUAL("traps", interrupts, i);
  }
  compare("a register after lazy switches");
}

TEST(ts_unhandled) {
  extern u8 fpu_here[];
  begin();
  PARAMETERS->expected = (u32)fpu_here;
  call1(TS, 1);
  __asm__ volatile("fpu_here:\tfnop");
  survived();
}
#endif
