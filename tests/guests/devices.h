/* The bodies that bus.c and pci.c share; included once by each. Read first: virtio.h. */
#pragma once
#include "virtio.h"

volatile u32 interrupts[32];
static u8 buffer[2 * PAGE] __attribute__((aligned(4096)));

static void count_interrupt(struct frame *frame) {
  TRUE("an interrupt", frame->vector >= FIRST_IRQ && frame->vector < FIRST_IRQ + 32);
  interrupts[frame->vector - FIRST_IRQ]++;
}

/* Traps, interrupts, and what lies behind RAM at its own address. */
void begin_devices(void) {
  begin_traps();
  for (u32 irq = 0; irq < 32; irq++) catch_all(FIRST_IRQ + irq, INTERRUPT_GATE, 0);
  on_trap = count_interrupt;
  pgdir[PARAMETERS->ram >> 22] = (u32)user_table | PRESENT | WRITABLE;
  for (u32 i = 0; i < 1024; i++) user_table[i] = (PARAMETERS->ram + i * PAGE) | PRESENT | WRITABLE;
  flush_all();
  data.blocked_interrupts = 0;
  data.irq_enabled = IF;
}

/* An interrupt comes soon after what caused it. */
void expect_interrupt(u32 irq, u32 count) {
  for (u32 i = 0; i < 1000 && interrupts[irq] < count; i++) call0(LOOK);
  EQUAL("interrupts", interrupts[irq], count);
}
