/*
 * The processor underneath as an oracle: executes single instructions in user mode and tells what they did.
 *
 * Enters on stdin: u32 count, then so many `struct request`. Leaves on stdout: u32 bytes, then so many `struct reply`.
 * Both for each batch, until stdin ends. A case is run by returning from a signal that never was: rt_sigreturn sets
 * every register at once, ESP and TF included; the single-step trap (or the fault) then stores them all in the next
 * signal's frame, on the alternate stack. This handles branches, faults and stack switches alike.
 *
 * Freestanding, so that `gcc -m32` needs neither headers nor libraries. Read first: protocol.h. Read next: oracle.ts.
 */
#include "protocol.h"

#define SYS_EXIT 1
#define SYS_READ 3
#define SYS_WRITE 4
#define SYS_MODIFY_LDT 123
#define SYS_MPROTECT 125
#define SYS_RT_SIGACTION 174
#define SYS_SIGALTSTACK 186
#define SYS_MMAP2 192
#define SYS_MUNMAP 91

#define TF 0x100

/* Linux arch/x86/include/uapi/asm/sigcontext.h, struct sigcontext_32. */
struct sigcontext {
  u16 gs, gs_high, fs, fs_high, es, es_high, ds, ds_high;
  u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
  u32 trapno, err, eip;
  u16 cs, cs_high;
  u32 eflags, esp_at_signal;
  u16 ss, ss_high;
  u32 fpstate, oldmask, cr2;
};

struct stack {
  u32 sp, flags, size;
};

struct ucontext {
  u32 flags, link;
  struct stack stack;
  struct sigcontext context;
  u32 sigmask[2];
};

/* What lies on the stack when a signal handler returns into rt_sigreturn. */
struct frame {
  u32 sig, info_at, context_at;
  u8 info[128];
  struct ucontext context;
};

struct region {
  u32 start;
  u32 executable;
  u32 present;
  u8 *pristine;
};

static struct region regions[REGIONS] = {
    {REGION_LOW, 0, 0, 0},
    {REGION_MID, 0, 0, 0},
    {REGION_HIGH, 0, 0, 0},
    {REGION_CODE, 1, 0, 0},
};
static u8 pristine[REGIONS][WRITABLE * PAGE] __attribute__((aligned(4096)));
static u8 handler_stack[64 * 1024] __attribute__((aligned(4096)));
static struct frame launch __attribute__((aligned(16)));
static struct request requests[MAX_BATCH] __attribute__((aligned(16)));
static u8 replies[MAX_BATCH * (sizeof(struct reply) + 256)];
static struct ucontext *stopped;
static u32 steps;
static u32 repeat_at, repeating;

/* asm.S */
extern void run_frame(struct frame *frame);
extern void back_to_runner(void);
extern void restorer(void);
extern void handler_entry(void);

static int call(int number, u32 a, u32 b, u32 c, u32 d) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
}

/* mmap2 has six arguments: the sixth goes into EBP, which the compiler will not give away. */
static u32 map(u32 address, u32 length, u32 protection) {
  u32 result;
  const u32 flags = 0x100022; /* MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_PRIVATE */
  __asm__ volatile("push %%ebp\n xor %%ebp, %%ebp\n int $0x80\n pop %%ebp"
                   : "=a"(result)
                   : "a"(SYS_MMAP2), "b"(address), "c"(length), "d"(protection), "S"(flags), "D"(-1)
                   : "memory");
  return result;
}

void *memcpy(void *to, const void *from, u32 length) {
  void *result = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
  return result;
}

void *memset(void *to, int value, u32 length) {
  void *result = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
  return result;
}

static void die(int status) {
  call(SYS_EXIT, status, 0, 0, 0);
  __builtin_unreachable();
}

static int read_all(void *to, u32 length) {
  u8 *at = to;
  while (length > 0) {
    int got = call(SYS_READ, 0, (u32)at, length, 0);
    if (got <= 0) return 0;
    at += got;
    length -= got;
  }
  return 1;
}

static void write_all(const void *from, u32 length) {
  const u8 *at = from;
  while (length > 0) {
    int put = call(SYS_WRITE, 1, (u32)at, length, 0);
    if (put <= 0) die(3);
    at += put;
    length -= put;
  }
}

/* The content of every page: runs of equal bytes, so that REPE and REPNE have something to do. As in machine.ts. */
static void fill(u32 address, u8 *to, u32 length) {
  for (u32 i = 0; i < length; i++) {
    u32 block = (address + i) >> 3;
    u32 mixed = block * 0x9e3779b1u;
    to[i] = mixed >> 31 ? (u8)(mixed >> 20) : (u8)(mixed >> (16 + ((address + i) & 7)));
  }
}

/* The stack and whatever else the kernel put at the top of the address space must not be hit by a case. */
static void unmap_top(void) {
  const u32 start = 0xe8000000u, end = 0xffffe000u;
  call(SYS_MUNMAP, start, end - start, 0, 0);
}

static void map_regions(void) {
  for (int i = 0; i < REGIONS; i++) {
    struct region *region = &regions[i];
    u32 start = region->start + PAGE;
    u32 length = (WRITABLE + 1) * PAGE;
    if (map(start, length, 7) != start) {
      if (i == 0) continue;
      die(4);
    }
    region->present = 1;
    region->pristine = pristine[i];
    fill(start, (u8 *)start, length);
    if (region->executable) memset((u8 *)start, 0xf4 /* HLT */, WRITABLE * PAGE);
    memcpy(region->pristine, (u8 *)start, WRITABLE * PAGE);
    call(SYS_MPROTECT, start, WRITABLE * PAGE, region->executable ? 7 : 3, 0);
    call(SYS_MPROTECT, start + WRITABLE * PAGE, PAGE, region->executable ? 0 : 1, 0);
  }
}

struct action {
  u32 handler, flags, restorer, mask[2];
};

static void catch_signals(void) {
  static const int signals[] = {4, 5, 7, 8, 11};
  struct stack stack = {(u32)handler_stack, 0, sizeof handler_stack};
  struct action action = {(u32)handler_entry, 0x4c000004, (u32)restorer, {0, 0}}; /* SIGINFO ONSTACK RESTORER NODEFER */
  call(SYS_SIGALTSTACK, (u32)&stack, 0, 0, 0);
  for (u32 i = 0; i < sizeof signals / sizeof *signals; i++) call(SYS_RT_SIGACTION, signals[i], (u32)&action, 0, 8);
}

/* Returns to continue with the context as it stands (the next iteration of a repeated string instruction). */
void handle(int signal, void *info, struct ucontext *context) {
  (void)info;
  const struct sigcontext *at = &context->context;
  if (signal == 5 && at->trapno == 1 && repeating && at->eip == repeat_at && ++steps < MAX_STEPS) return;
  stopped = context;
  back_to_runner();
}

static int writable(u32 address) {
  for (int i = 0; i < REGIONS; i++) {
    u32 offset = address - regions[i].start - PAGE;
    if (regions[i].present && offset < WRITABLE * PAGE) return 1;
  }
  return 0;
}

static void prepare(const struct request *request) {
  for (u32 i = 0; i < request->length; i++) {
    if (writable(request->code_at + i)) *(u8 *)(request->code_at + i) = request->code[i];
  }
  for (u32 i = 0; i < request->pokes && i < POKES; i++) {
    for (u32 j = 0; j < 4; j++) {
      u32 address = request->poke[i].address + j;
      if (writable(address)) *(u8 *)address = request->poke[i].value >> (8 * j);
    }
  }
  launch.context.stack.sp = (u32)handler_stack;
  launch.context.stack.size = sizeof handler_stack;
  struct sigcontext *to = &launch.context.context;
  to->eax = request->regs[0];
  to->ecx = request->regs[1];
  to->edx = request->regs[2];
  to->ebx = request->regs[3];
  to->esp = request->regs[4];
  to->ebp = request->regs[5];
  to->esi = request->regs[6];
  to->edi = request->regs[7];
  to->eflags = request->eflags | TF;
  to->eip = request->eip;
  to->es = request->segments[0];
  to->cs = request->segments[1];
  to->ss = request->segments[2];
  to->ds = request->segments[3];
  to->fs = request->segments[4];
  to->gs = request->segments[5];
  repeating = request->flags & CASE_REPEAT;
  repeat_at = request->eip;
  steps = 0;
}

typedef long long vector __attribute__((vector_size(16), may_alias));

/* Collects what changed and undoes it. */
static u32 *changes(u32 *out, u32 *count) {
  for (int i = 0; i < REGIONS; i++) {
    if (!regions[i].present) continue;
    u8 *page = (u8 *)(regions[i].start + PAGE);
    const u8 *before = regions[i].pristine;
    for (u32 at = 0; at < WRITABLE * PAGE; at += 64) {
      const vector *a = (const vector *)(page + at), *b = (const vector *)(before + at);
      vector difference = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
      if (!(difference[0] | difference[1])) continue;
      for (u32 word = at; word < at + 64; word += 4) {
        u32 old = *(const u32 *)(before + word), now = *(u32 *)(page + word);
        if (old == now) continue;
        *(u32 *)(page + word) = old;
        if (*count >= MAX_CHANGES) continue;
        *out++ = (u32)page + word;
        *out++ = now;
        ++*count;
      }
    }
  }
  return out;
}

static u8 *answer(u8 *out) {
  struct reply *reply = (struct reply *)out;
  const struct sigcontext *from = &stopped->context;
  reply->regs[0] = from->eax;
  reply->regs[1] = from->ecx;
  reply->regs[2] = from->edx;
  reply->regs[3] = from->ebx;
  reply->regs[4] = from->esp;
  reply->regs[5] = from->ebp;
  reply->regs[6] = from->esi;
  reply->regs[7] = from->edi;
  reply->eflags = from->eflags;
  reply->eip = from->eip;
  reply->trap = steps >= MAX_STEPS ? TRAP_TOO_LONG : from->trapno;
  reply->error = from->err;
  reply->cr2 = from->cr2;
  reply->segments[0] = from->es;
  reply->segments[1] = from->cs;
  reply->segments[2] = from->ss;
  reply->segments[3] = from->ds;
  reply->segments[4] = from->fs;
  reply->segments[5] = from->gs;
  reply->changes = 0;
  return (u8 *)changes((u32 *)(reply + 1), &reply->changes);
}

/* Segments for the cases that are not flat: Linux struct user_desc, through modify_ldt(2). See segments.ts. */
struct user_desc {
  u32 entry, base, limit, bits;
};

static u32 set_ldt(void) {
  struct user_desc entries[16];
  u32 count = 0;
  if (!read_all(&count, 4) || count > 16 || !read_all(entries, count * sizeof *entries)) die(5);
  u32 done = 0;
  for (u32 i = 0; i < count; i++) {
    if (call(SYS_MODIFY_LDT, 0x11, (u32)&entries[i], sizeof *entries, 0) == 0) done++;
  }
  return done == count;
}

void main_loop(void) {
  unmap_top();
  map_regions();
  catch_signals();
  u32 hello[2] = {set_ldt(), regions[0].present};
  write_all(hello, sizeof hello);
  for (;;) {
    u32 count;
    if (!read_all(&count, 4)) die(0);
    if (count > MAX_BATCH) die(2);
    if (!read_all(requests, count * sizeof *requests)) die(2);
    u8 *out = replies + 4;
    u32 done = 0;
    for (; done < count; done++) {
      if (out + sizeof(struct reply) + 8 * MAX_CHANGES > replies + sizeof replies) break;
      prepare(&requests[done]);
      run_frame(&launch);
      out = answer(out);
    }
    *(u32 *)replies = out - replies - 4;
    write_all(replies, out - replies);
    if (done < count) die(6); /* the sum of changes of a batch was too large */
  }
}
