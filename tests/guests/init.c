/* The first hypercall: what it demands, what it writes. Read first: lguest.h. */
#include "lguest.h"

/* As the last instruction before the kernel's, with nothing but the start address given. */
TEST(first_registers) {
  begin();
  EQUAL("eax", first.eax, 0);
  EQUAL("ebx", first.ebx, 0);
  EQUAL("ecx", first.ecx, 0);
  EQUAL("edx", first.edx, 0);
  EQUAL("esi, the zero page", first.esi, 0);
  EQUAL("edi", first.edi, 0);
  EQUAL("ebp", first.ebp, 0);
  EQUAL("esp", first.esp, 0);
  EQUAL("eflags", first.eflags, IF | 2);
  EQUAL("cs", first.cs & 0xffff, KERNEL_CS);
  EQUAL("ds", first.ds & 0xffff, KERNEL_DS);
  EQUAL("es", first.es & 0xffff, KERNEL_DS);
  EQUAL("ss", first.ss & 0xffff, KERNEL_DS);
  EQUAL("fs", first.fs & 0xffff, 0);
  EQUAL("gs", first.gs & 0xffff, 0);
}

TEST(halt_before_init) {
  call0(HALT);
  survived();
}

TEST(shutdown_before_init) {
  call2(SHUTDOWN, "too early", POWEROFF);
  survived();
}

TEST(negative_before_init) {
  call0(0xffffffff);
  survived();
}

TEST(init_twice) {
  begin();
  call1(INIT, &data);
  survived();
}

TEST(init_in_ring) {
  begin();
  in_ring(0, INIT, (u32)&data, 0, 0);
  call0(FLUSH_ASYNC);
  survived();
}

TEST(init_beyond_memory) {
  fill_data();
  call1(INIT, PARAMETERS->memory - sizeof(struct data) + 4);
  survived();
}

TEST(init_wrapping) {
  fill_data();
  call1(INIT, -64);
  survived();
}

/* The last bytes that there are will do. Not where the Host's first page tables lie there. */
TEST(init_at_top) {
  u32 top = PARAMETERS->memory - sizeof(struct data);
  volatile struct data *at = (volatile struct data *)top;
  fill_data();
  for (u32 i = 0; i < sizeof(struct data); i++) ((volatile u8 *)at)[i] = ((volatile u8 *)&data)[i];
  at->reserve_mem = 0;
  EQUAL("result", call1(INIT, top), INIT);
  TRUE("reserve_mem was written", at->reserve_mem != 0);
}

TEST(init_bad_vector) {
  fill_data();
  data.syscall_vec = 0x81;
  call1(INIT, &data);
  survived();
}

TEST(init_kernel_in_switcher) {
  fill_data();
  data.kernel_address = 0xfffff000;
  call1(INIT, &data);
  survived();
}

TEST(init_writes) {
  fill_data();
  data.irq_enabled = IF;
  data.blocked_interrupts = 0x12345679;
  data.cr2 = 0xc2c2c2c2;
#if !LG_OLDEST
  data.irq_pending = 0;
#endif
  data.time_seconds = data.time_nanoseconds = 0xffffffff;
  data.reserve_mem = data.tsc_khz = 0xdeadbeef;
#if LG_PGDIR
  data.pgdir = 0xdeadbeef;
#endif
  EQUAL("result", call1(INIT, &data), INIT);
  TRUE("seconds since 1970 are plausible", data.time_seconds > 1500000000u && data.time_seconds < 0xffffffff);
  TRUE("nanoseconds are less than a second", data.time_nanoseconds < 1000000000);
  TRUE("tsc_khz was written", data.tsc_khz != 0xdeadbeef);
  TRUE("reserve_mem was written", data.reserve_mem != 0xdeadbeef);
  TRUE("something is reserved", data.reserve_mem != 0);
  EQUAL("reserved are whole pages:", data.reserve_mem % PAGE, 0);
  TRUE("at most 4 MiB are reserved", data.reserve_mem <= 4 << 20);
  EQUAL("irq_enabled", data.irq_enabled, IF);
  EQUAL("blocked_interrupts", data.blocked_interrupts, 0x12345679);
  EQUAL("cr2", data.cr2, 0xc2c2c2c2);
  for (int i = 0; i < RING; i++) EQUAL("a place in the ring", data.hcall_status[i], FREE);
#if !LG_RANGE
  EQUAL("noirq_iret", data.noirq_iret, (u32)noirq_iret);
#else
  EQUAL("noirq_start", data.noirq_start, (u32)noirq_iret);
  EQUAL("noirq_end", data.noirq_end, (u32)noirq_end);
#endif
  EQUAL("kernel_address", data.kernel_address, HIGH);
  EQUAL("syscall_vec", data.syscall_vec, SYSTEM_CALL);
}

/* INIT is only INIT: what is in the ring waits for the next hypercall. */
TEST(init_leaves_ring) {
  fill_data();
  in_ring(0, FLUSH_ASYNC, 0, 0, 0);
  call1(INIT, &data);
  EQUAL("the ring's first place after INIT", data.hcall_status[0], 0);
  call0(FLUSH_ASYNC);
  EQUAL("the ring's first place at last", data.hcall_status[0], FREE);
}

#if LG_PGDIR
/* The Host has made page tables at the top of RAM: all of it at its own address, and at the kernel's. */
TEST(init_page_tables) {
  begin();
  volatile u32 *top = (volatile u32 *)data.pgdir;
  EQUAL("the page directory's offset in its page", data.pgdir % PAGE, 0);
  EQUAL("the page directory's address", data.pgdir, PARAMETERS->ram - PAGE);
  EQUAL("flags of the first table", top[0] & 7, PRESENT | WRITABLE | USER);
  EQUAL("the table at PAGE_OFFSET", top[HIGH >> 22] & ~0x60u, top[0] & ~0x60u);
  EQUAL("the table behind RAM", top[PARAMETERS->ram >> 22], 0);
  volatile u32 *table = (volatile u32 *)(top[0] & ~0xfffu);
  for (u32 i = 0; i < PARAMETERS->ram / PAGE; i++) EQUAL("a page", table[i] & ~0x60u, i * PAGE | 7);
  EQUAL("memory at PAGE_OFFSET", *(volatile u32 *)(HIGH + 0x100000), *(volatile u32 *)0x100000);
}
#endif
