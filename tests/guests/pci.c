/* Devices on PCI (4.x), driven by hand through ports and registers, rightly and wrongly. Read first: virtio.h. */
#include "devices.h"

#if LG_PCI
#define ADDRESS 0xcf8
#define DATA 0xcfc
enum { CONSOLE = 1, RNG = 2 };

static void out32(u32 port, u32 value) { __asm__ volatile("outl %0, %%dx" ::"a"(value), "d"(port)); }
static void out16(u32 port, u32 value) { __asm__ volatile("outw %%ax, %%dx" ::"a"(value), "d"(port)); }
static u32 in32(u32 port) {
  u32 value;
  __asm__ volatile("inl %%dx, %0" : "=a"(value) : "d"(port));
  return value;
}
static u32 in16(u32 port) {
  u32 value = 0;
  __asm__ volatile("inw %%dx, %%ax" : "+a"(value) : "d"(port));
  return value;
}
static u32 in8(u32 port) {
  u32 value = 0;
  __asm__ volatile("inb %%dx, %%al" : "+a"(value) : "d"(port));
  return value;
}

static void select(u32 device, u32 at) { out32(ADDRESS, 0x80000000 | device << 11 | (at & ~3u)); }
static u32 config32(u32 device, u32 at) {
  select(device, at);
  return in32(DATA);
}
static u32 config8(u32 device, u32 at) {
  select(device, at);
  return in8(DATA + (at & 3));
}

TEST(pci_identity) {
  begin_devices();
  EQUAL("console", config32(CONSOLE, 0), 0x10431af4);
  EQUAL("rng", config32(RNG, 0), 0x10441af4);
  EQUAL("nothing", config32(RNG + 1, 0), 0xffffffff);
  EQUAL("the last slot", config32(31, 0), 0xffffffff);
  EQUAL("console's interrupt", config8(CONSOLE, 0x3c), 1);
  EQUAL("rng's interrupt", config8(RNG, 0x3c), 2);
  EQUAL("capabilities", config32(RNG, 4) >> 16 & 0x10, 0x10);
}

TEST(pci_port_widths) {
  begin_devices();
  select(RNG, 0);
  EQUAL("byte 1", in8(DATA + 1), 0x1a);
  EQUAL("byte 3", in8(DATA + 3), 0x10);
  EQUAL("word 2", in16(DATA + 2), 0x1044);
  EQUAL("the address", in32(ADDRESS), 0x80000000 | RNG << 11);
  out32(ADDRESS, RNG << 11);
  EQUAL("not enabled", in32(DATA), 0xffffffff);
  EQUAL("an empty port", in8(0x3f8), 0xff);
  EQUAL("an empty port, wide", in32(0x3f8), 0xffffffff);
  EQUAL("the keyboard's status", in8(0x64), 1);
}

/* Where a device's registers are, by its capabilities. */
static u32 common, notify, multiplier, isr, specific, bar_size;
static void find_registers(u32 device) {
  for (u32 at = config8(device, 0x34), n = 0; at && n < 20; at = config8(device, at + 1), n++) {
    if (config8(device, at) != 9) continue;
    u32 bar = config32(device, 0x10 + 4 * config8(device, at + 4)) & ~15u, here = bar + config32(device, at + 8);
    switch (config8(device, at + 3)) {
      case 1: common = here; break;
      case 2: notify = here, multiplier = config32(device, at + 16); break;
      case 3: isr = here; break;
      case 4: specific = here; break;
    }
  }
  TRUE("registers were found", common && notify && isr);
  TRUE("they are where devices are", common >= PARAMETERS->memory && common < PARAMETERS->device_limit);
  select(device, 4);
  out16(DATA, 6); /* memory space, bus master */
}

TEST(pci_bar_size) {
  begin_devices();
  for (u32 device = CONSOLE; device <= RNG; device++) {
    u32 bar = 0;
    while (!(config32(device, 0x10 + bar) & ~15u)) bar += 4;
    u32 old = config32(device, 0x10 + bar);
    out32(DATA, 0xffffffff);
    bar_size = -(in32(DATA) & ~15u);
    out32(DATA, old);
    EQUAL("BAR", in32(DATA), old);
    TRUE("a power of two", bar_size && !(bar_size & (bar_size - 1)));
    EQUAL("address in units of size", (old & ~15u) % bar_size, 0);
  }
}

/* The registers of the common structure (virtio 1.2, 4.1.4.3). */
enum { FEATURE_SELECT = 0, FEATURE = 4, DRIVER_SELECT = 8, DRIVER_FEATURE = 12, QUEUES = 18, STATUS = 20,
       QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_ENABLE = 28, NOTIFY_OFF = 30, DESCRIPTORS = 32, AVAILABLE = 40, USED = 48 };

#define READ(width, suffix, type)                                                              \
  static u32 read##width(u32 address) {                                                        \
    type value;                                                                                \
    __asm__ volatile("mov" suffix " (%1), %0" : "=q"(value) : "r"(address) : "memory");         \
    return value;                                                                              \
  }                                                                                            \
  static void write##width(u32 address, u32 value) {                                           \
    __asm__ volatile("mov" suffix " %0, (%1)" ::"q"((type)value), "r"(address) : "memory");     \
  }
READ(8, "b", u8)
READ(16, "w", u16)
READ(32, "l", u32)

static void set_status(u32 status) { write8(common + STATUS, status); }

static void negotiate(u32 device) {
  find_registers(device);
  EQUAL("status at first", read8(common + STATUS), 0);
  set_status(ACKNOWLEDGE);
  set_status(ACKNOWLEDGE | DRIVER);
  write32(common + FEATURE_SELECT, 1);
  EQUAL("VERSION_1", read32(common + FEATURE) & 1, 1);
  write32(common + DRIVER_SELECT, 1);
  write32(common + DRIVER_FEATURE, 1);
  set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
  EQUAL("status", read8(common + STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static struct queue set_queue(u32 n) {
  struct queue queue = {(void *)frames[3 * n], (void *)frames[3 * n + 1], (void *)frames[3 * n + 2]};
  for (u32 i = 0; i < 3 * PAGE; i++) ((volatile u8 *)queue.descriptors)[i] = 0;
  write16(common + QUEUE_SELECT, n);
  EQUAL("queue size", read16(common + QUEUE_SIZE), QUEUE);
  write32(common + DESCRIPTORS, (u32)queue.descriptors);
  write32(common + AVAILABLE, (u32)queue.available);
  write32(common + USED, (u32)queue.used);
  write16(common + QUEUE_ENABLE, 1);
  return queue;
}

static void finish(void) { set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK); }

static struct queue start(u32 device, u32 n) {
  negotiate(device);
  struct queue queue = set_queue(n);
  finish();
  return queue;
}

static struct queue drive(u32 device, u32 n) {
  begin_devices();
  return start(device, n);
}

static void kick(u32 n) {
  write16(common + QUEUE_SELECT, n);
  write16(notify + read16(common + NOTIFY_OFF) * multiplier, n);
}

static void ask_rng(struct queue *queue, u32 count) {
  for (u32 n = 0; n < 100; n++) buffer[n] = 0xee;
  describe(queue, 5, buffer, 10, WRITE | NEXT, 9);
  describe(queue, 9, buffer + 20, 30, WRITE, 0);
  offer(queue, 5);
  kick(0);
  EQUAL("used index", queue->used[1], count);
  EQUAL("used head", used_head(queue, count - 1), 5);
  EQUAL("used length", used_length(queue, count - 1), 40);
  random_bytes("a byte in the first part", buffer, 10);
  EQUAL("a byte between", buffer[10], 0xee);
  EQUAL("the last byte", buffer[49], 40);
}

TEST(pci_rng) {
  struct queue queue = drive(RNG, 0);
  data.irq_enabled = 0;
  ask_rng(&queue, 1);
  EQUAL("interrupt status", read8(isr), 1);
  EQUAL("interrupt status, read again", read8(isr), 0);
  data.irq_enabled = IF;
  expect_interrupt(2, 1);
  ask_rng(&queue, 2);
  expect_interrupt(2, 2);
  queue.available[0] = 1; /* no interrupt, please */
  ask_rng(&queue, 3);
  expect_interrupt(2, 2);
  EQUAL("other interrupts", interrupts[1] + interrupts[3], 0);
}

TEST(pci_reset) {
  struct queue queue = drive(RNG, 0);
  ask_rng(&queue, 1);
  set_status(0);
  EQUAL("status", read8(common + STATUS), 0);
  offer(&queue, 5);
  struct queue again = start(RNG, 0);
  ask_rng(&again, 1);
}

TEST(pci_console) {
  static const char text[] = "hello, pci\n";
  begin_devices();
  negotiate(CONSOLE);
  EQUAL("queues", read16(common + QUEUES), 2);
  set_queue(0);
  struct queue queue = set_queue(1);
  finish();
  describe(&queue, 0, text, 6, NEXT, 1);
  describe(&queue, 1, text + 6, 5, 0, 0);
  offer(&queue, 0);
  kick(1);
  EQUAL("used index", queue.used[1], 1);
  expect_interrupt(1, 1);
}

TEST(pci_emergency) {
  begin_devices();
  find_registers(CONSOLE);
  for (const char *text = "early words\n"; *text; text++) write32(specific + 8, *text);
}

/* The registers through configuration space, as Linux's early console has them (4.1.4.7). */
TEST(pci_window) {
  begin_devices();
  find_registers(RNG);
  u32 window = config8(RNG, 0x34);
  while (window && !(config8(RNG, window) == 9 && config8(RNG, window + 3) == 5)) window = config8(RNG, window + 1);
  TRUE("there is a window", window != 0);
  u32 bar_at = config8(RNG, window + 4);
  u32 base = config32(RNG, 0x10 + 4 * bar_at) & ~15u;
  select(RNG, window + 8);
  out32(DATA, common - base + QUEUES);
  select(RNG, window + 12);
  out32(DATA, 2);
  select(RNG, window + 16);
  EQUAL("queues", in16(DATA), 1);
}

/* Ports and registers that are nobody's: a trap for the kernel, or silence. */
static void count_trap(struct frame *frame) {
  interrupts[frame->vector & 31]++;
  frame->eip += 2;
}
TEST(pci_no_register) {
  begin_devices();
  on_trap = count_trap;
  __asm__ volatile("movl (%0), %%eax" ::"b"(PARAMETERS->device_limit - PAGE) : "eax", "memory");
  EQUAL("page faults", interrupts[14], 1);
}

TEST(pci_reboot) {
  static char text[128];
  struct queue queue = drive(RNG, 0);
  ask_rng(&queue, 1);
  select(RNG, 0x10);
  out32(DATA, 0);
  call2(SHUTDOWN, text, RESTART);
}
TEST(pci_after_reboot) {
  struct queue queue = drive(RNG, 0);
  ask_rng(&queue, 1);
  expect_interrupt(2, 1);
}

/* ---- What stops the Guest ---- */

TEST(pci_status_jumps) {
  begin_devices();
  find_registers(RNG);
  set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  survived();
}
TEST(pci_features_not_offered) {
  begin_devices();
  find_registers(RNG);
  set_status(ACKNOWLEDGE);
  set_status(ACKNOWLEDGE | DRIVER);
  write32(common + DRIVER_SELECT, 0);
  write32(common + DRIVER_FEATURE, 1 << 15);
  survived();
}
TEST(pci_queue_beyond) {
  begin_devices();
  negotiate(RNG);
  write16(common + QUEUE_SELECT, 0);
  write32(common + DESCRIPTORS, PARAMETERS->memory - 16);
  write32(common + AVAILABLE, (u32)frames[1]);
  write32(common + USED, (u32)frames[2]);
  write16(common + QUEUE_ENABLE, 1);
  finish();
  survived();
}
TEST(pci_wrong_width) {
  begin_devices();
  find_registers(RNG);
  write32(common + STATUS, ACKNOWLEDGE);
  survived();
}
static void wrong(u32 length, u16 flags, u16 next, u32 address) {
  struct queue queue = drive(RNG, 0);
  describe(&queue, 0, (void *)address, length, flags, next);
  offer(&queue, 0);
  kick(0);
  survived();
}
TEST(pci_buffer_beyond) { wrong(64, WRITE, 0, 0xfffff000); }
TEST(pci_buffer_in_registers) { wrong(8, WRITE, 0, PARAMETERS->memory + 0x100000); }
TEST(pci_chain_loops) { wrong(8, WRITE | NEXT, 0, (u32)buffer); }
TEST(pci_next_beyond) { wrong(8, WRITE | NEXT, QUEUE, (u32)buffer); }
TEST(pci_readable) { wrong(8, 0, 0, (u32)buffer); }
TEST(pci_index_jumps) {
  struct queue queue = drive(RNG, 0);
  queue.available[1] = QUEUE + 1;
  kick(0);
  survived();
}
#endif
