/* A virtqueue of 256 entries as a driver has it (virtio 1.2, 2.7), by hand. For bus.c and pci.c; read first: lguest.h. */
#pragma once
#include "lguest.h"

#define QUEUE 256
#define NEXT 1
#define WRITE 2

struct descriptor {
  u32 address, address_high, length;
  u16 flags, next;
};
struct queue {
  volatile struct descriptor *descriptors;
  volatile u16 *available; /* flags, index, ring */
  volatile u16 *used;      /* flags, index, ring of two words each */
};

static inline void describe(struct queue *queue, u32 n, const volatile void *buffer, u32 length, u16 flags, u16 next) {
  queue->descriptors[n] = (struct descriptor){(u32)buffer, 0, length, flags, next};
}
static inline void offer(struct queue *queue, u16 head) {
  u16 index = queue->available[1];
  queue->available[2 + index % QUEUE] = head;
  __asm__ volatile("" ::: "memory");
  queue->available[1] = index + 1;
}
static inline u32 used_head(struct queue *queue, u32 n) { return ((volatile u32 *)(queue->used + 2))[2 * n]; }
static inline u32 used_length(struct queue *queue, u32 n) { return ((volatile u32 *)(queue->used + 2))[2 * n + 1]; }

/* What the harness's source of random bytes gives: 1, 2, 3, ... for each request (_machine.ts). */
static inline void random_bytes(const char *what, const volatile u8 *bytes, u32 length) {
  for (u32 i = 0; i < length; i++) EQUAL(what, bytes[i], (i + 1) & 0xff);
}

/* Interrupts: counted by number. */
extern volatile u32 interrupts[32];
void begin_devices(void);
void expect_interrupt(u32 irq, u32 count);

#define TYPE_CONSOLE 3
#define TYPE_RNG 4
#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
#define FAILED 128
