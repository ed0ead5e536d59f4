/* Devices on the lguest bus (up to 3.19), driven by hand, rightly and wrongly. Read first: virtio.h. */
#include "devices.h"

#if !LG_PCI
/* A descriptor's bytes on the page behind RAM. */
enum { TYPE, QUEUES, FEATURE_LENGTH, CONFIG_LENGTH, STATUS, VQCONFIG };

static u8 *page(void) { return (u8 *)PARAMETERS->ram; }

static volatile u8 *find(u32 type) {
  volatile u8 *at = page();
  while (at < page() + PAGE && at[TYPE]) {
    if (at[TYPE] == type) return at;
    at += VQCONFIG + 8 * at[QUEUES] + 2 * at[FEATURE_LENGTH] + at[CONFIG_LENGTH];
  }
  fail_text("no such device");
}

static u32 two(volatile u8 *at) { return at[0] | at[1] << 8; }
static u32 ring_address(volatile u8 *device, u32 n) {
  volatile u8 *at = device + VQCONFIG + 8 * n + 4;
  return (two(at) | two(at + 2) << 16) * PAGE;
}
static u32 irq_of(volatile u8 *device, u32 n) { return two(device + VQCONFIG + 8 * n + 2); }

static struct queue queue_of(volatile u8 *device, u32 n) {
  u32 at = ring_address(device, n);
  return (struct queue){(void *)at, (void *)(at + 16 * QUEUE), (void *)(at + 2 * PAGE)};
}

static void set_status(volatile u8 *device, u32 status) {
  device[STATUS] = status;
  call1(NOTIFY, device);
}

static volatile u8 *start(u32 type) {
  volatile u8 *device = find(type);
  set_status(device, ACKNOWLEDGE);
  set_status(device, ACKNOWLEDGE | DRIVER);
  set_status(device, ACKNOWLEDGE | DRIVER | DRIVER_OK);
  return device;
}

static volatile u8 *drive(u32 type) {
  begin_devices();
  return start(type);
}

TEST(bus_descriptors) {
  begin_devices();
  volatile u8 *console = page(), *rng = find(TYPE_RNG);
  EQUAL("the first device's type", console[TYPE], TYPE_CONSOLE);
  EQUAL("its queues", console[QUEUES], 2);
  EQUAL("the second device's queues", rng[QUEUES], 1);
  EQUAL("its features", rng[FEATURE_LENGTH], 0);
  EQUAL("its configuration", rng[CONFIG_LENGTH], 0);
  EQUAL("status", console[STATUS] | rng[STATUS], 0);
  EQUAL("what follows", rng[VQCONFIG + 8], 0);
  EQUAL("a queue's entries", two(rng + VQCONFIG), QUEUE);
  EQUAL("console's first interrupt", irq_of(console, 0), 1);
  EQUAL("console's second interrupt", irq_of(console, 1), 2);
  EQUAL("rng's interrupt", irq_of(rng, 0), 3);
  EQUAL("console's first ring", ring_address(console, 0), PARAMETERS->ram + PAGE);
  EQUAL("console's second ring", ring_address(console, 1), PARAMETERS->ram + 4 * PAGE);
  EQUAL("rng's ring", ring_address(rng, 0), PARAMETERS->ram + 7 * PAGE);
  EQUAL("end of what the Guest may use", PARAMETERS->memory, PARAMETERS->ram + 10 * PAGE);
}

static void ask_rng(volatile u8 *rng, u32 count) {
  struct queue queue = queue_of(rng, 0);
  for (u32 n = 0; n < 100; n++) buffer[n] = 0xee;
  describe(&queue, 5, buffer, 10, WRITE | NEXT, 9);
  describe(&queue, 9, buffer + 20, 30, WRITE, 0);
  offer(&queue, 5);
  call1(NOTIFY, ring_address(rng, 0));
  EQUAL("used index", queue.used[1], count);
  EQUAL("used head", used_head(&queue, count - 1), 5);
  EQUAL("used length", used_length(&queue, count - 1), 40);
  random_bytes("a byte in the first part", buffer, 10);
  EQUAL("a byte between", buffer[10], 0xee);
  EQUAL("a byte in the second part", buffer[20], 11);
  EQUAL("the last byte", buffer[49], 40);
  EQUAL("a byte behind", buffer[50], 0xee);
}

TEST(bus_rng) {
  volatile u8 *rng = drive(TYPE_RNG);
  ask_rng(rng, 1);
  expect_interrupt(3, 1);
  ask_rng(rng, 2);
  expect_interrupt(3, 2);
  struct queue queue = queue_of(rng, 0);
  queue.available[0] = 1; /* no interrupt, please */
  ask_rng(rng, 3);
  expect_interrupt(3, 2);
  EQUAL("other interrupts", interrupts[1] + interrupts[2] + interrupts[4], 0);
}

/* Drivers of that time may kick before DRIVER_OK; and what waits is seen at DRIVER_OK. */
TEST(bus_early_start) {
  begin_devices();
  volatile u8 *rng = find(TYPE_RNG);
  set_status(rng, ACKNOWLEDGE | DRIVER);
  ask_rng(rng, 1);
  set_status(rng, ACKNOWLEDGE | DRIVER | DRIVER_OK);
  ask_rng(rng, 2);
}

TEST(bus_reset) {
  volatile u8 *rng = drive(TYPE_RNG);
  struct queue queue = queue_of(rng, 0);
  ask_rng(rng, 1);
  set_status(rng, 0);
  EQUAL("available index", queue.available[1], 0);
  EQUAL("used index", queue.used[1], 0);
  offer(&queue, 5);
  call1(NOTIFY, ring_address(rng, 0));
  EQUAL("used index without a driver", queue.used[1], 0);
  queue.available[1] = 0;
  set_status(rng, ACKNOWLEDGE | DRIVER | DRIVER_OK);
  ask_rng(rng, 1);
  set_status(rng, FAILED | DRIVER);
  EQUAL("used index after FAILED", queue.used[1], 0);
}

TEST(bus_console) {
  static const char text[] = "hello, bus\n";
  volatile u8 *console = drive(TYPE_CONSOLE);
  struct queue queue = queue_of(console, 1);
  describe(&queue, 0, text, 6, NEXT, 1);
  describe(&queue, 1, text + 6, 5, 0, 0);
  offer(&queue, 0);
  call1(NOTIFY, ring_address(console, 1));
  EQUAL("used index", queue.used[1], 1);
  expect_interrupt(2, 1);
}

TEST(bus_early_console) {
  static const char text[] = "early words\n";
  begin();
  call1(NOTIFY, text);
}

TEST(bus_reboot) {
  static char text[128];
  volatile u8 *rng = drive(TYPE_RNG);
  ask_rng(rng, 1);
  for (u32 i = 0; i < PAGE; i++) page()[i] = 0xff;
  call2(SHUTDOWN, text, RESTART);
}
TEST(bus_after_reboot) {
  begin_devices();
  volatile u8 *rng = find(TYPE_RNG);
  EQUAL("status", rng[STATUS], 0);
  EQUAL("used index", queue_of(rng, 0).used[1], 0);
  ask_rng(start(TYPE_RNG), 1);
}

/* A page that says nothing sensible is the Guest's own loss. */
TEST(bus_page_corrupted) {
  volatile u8 *rng = drive(TYPE_RNG);
  u32 ring = ring_address(rng, 0);
  struct queue queue = queue_of(rng, 0);
  for (u32 i = 0; i < PAGE; i++) page()[i] = 0xff & ~FAILED;
  describe(&queue, 0, buffer, 8, WRITE, 0);
  offer(&queue, 0);
  call1(NOTIFY, ring);
  EQUAL("used index", queue.used[1], 1);
  for (u32 i = 0; i < PAGE; i++) page()[i] = 0xff;
  call1(NOTIFY, rng);
  call1(NOTIFY, find(0xff));
  call1(NOTIFY, ring);
  EQUAL("used index after FAILED", queue.used[1], 0);
}

/* ---- What stops the Guest ---- */

TEST(bus_notify_beyond) {
  begin();
  call1(NOTIFY, PARAMETERS->memory);
  survived();
}

static void wrong(u32 length, u16 flags, u16 next, u32 address) {
  volatile u8 *rng = drive(TYPE_RNG);
  struct queue queue = queue_of(rng, 0);
  describe(&queue, 0, (void *)address, length, flags, next);
  offer(&queue, 0);
  call1(NOTIFY, ring_address(rng, 0));
  survived();
}
TEST(bus_buffer_beyond) { wrong(64, WRITE, 0, 0xfffff000); }
TEST(bus_buffer_across) { wrong(0xffffffff, WRITE, 0, 0x1000); }
TEST(bus_chain_loops) { wrong(8, WRITE | NEXT, 0, (u32)buffer); }
TEST(bus_next_beyond) { wrong(8, WRITE | NEXT, QUEUE, (u32)buffer); }
TEST(bus_readable) { wrong(8, 0, 0, (u32)buffer); }
TEST(bus_head_beyond) {
  volatile u8 *rng = drive(TYPE_RNG);
  struct queue queue = queue_of(rng, 0);
  offer(&queue, QUEUE);
  call1(NOTIFY, ring_address(rng, 0));
  survived();
}
TEST(bus_index_jumps) {
  volatile u8 *rng = drive(TYPE_RNG);
  queue_of(rng, 0).available[1] = QUEUE + 1;
  call1(NOTIFY, ring_address(rng, 0));
  survived();
}
#endif
