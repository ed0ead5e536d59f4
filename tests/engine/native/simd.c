/*
 * Runs single SIMD instructions on the processor underneath. What enters: records on standard input until its end. What
 * leaves: the same records on standard output, with the state after the instruction, and the number of the exception
 * that it raised, if any. Who makes and reads them: simd_native.ts, where the layout is written down too.
 *
 * The instruction is copied into a writable and executable page, behind it a jump back. Its memory operand is at [rdi].
 * Only what encodes the same in 64-bit mode can be run: no general registers above EDI, no REX.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct record {
  uint8_t code[16];
  uint32_t length, offset, mxcsr, flags;
  uint32_t general[8];
  uint16_t control, status, tags, unused;
  uint32_t trap;
  uint32_t pad[5];
  uint8_t stack[8][16]; /* relative to TOP, as in FXSAVE */
  uint8_t xmm[8][16];
  uint8_t memory[64];
};

struct fx {
  uint16_t control, status, tags, opcode;
  uint64_t ip, dp;
  uint32_t mxcsr, mask;
  uint8_t stack[8][16];
  uint8_t xmm[16][16];
  uint8_t unused[96];
} __attribute__((aligned(16)));

struct fx fx_in, fx_out;
uint64_t general_in[8], general_out[8], flags_in, flags_out, saved_stack;
uint8_t *code_at;
static uint8_t memory[4096] __attribute__((aligned(4096)));
static volatile uint32_t trap;

void enter(void);
void returned(void);
void leave(void);

__asm__(
    ".text\n.globl enter, returned, leave\n"
    "enter:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp, saved_stack(%rip)\n"
    "fxrstor fx_in(%rip)\n"
    "push flags_in(%rip)\npopfq\n"
    "mov general_in(%rip), %rax\nmov general_in+8(%rip), %rcx\nmov general_in+16(%rip), %rdx\n"
    "mov general_in+24(%rip), %rbx\nmov general_in+40(%rip), %rbp\nmov general_in+48(%rip), %rsi\n"
    "mov general_in+56(%rip), %rdi\n"
    "jmp *code_at(%rip)\n"
    "returned:\n"
    "mov %rax, general_out(%rip)\nmov %rcx, general_out+8(%rip)\nmov %rdx, general_out+16(%rip)\n"
    "mov %rbx, general_out+24(%rip)\nmov %rbp, general_out+40(%rip)\nmov %rsi, general_out+48(%rip)\n"
    "pushfq\npop flags_out(%rip)\n"
    "fxsave fx_out(%rip)\n"
    "leave:\n"
    "fnclex\nfninit\n"
    "push $2\npopfq\n"
    "push $0x1f80\nldmxcsr (%rsp)\nadd $8, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\n"
    "ret\n");

static void caught(int number, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  (void)number, (void)info;
  if ((uint8_t *)g[REG_RIP] != code_at) _exit(3); /* not the instruction's own fault */
  trap = g[REG_TRAPNO];
  general_out[0] = g[REG_RAX], general_out[1] = g[REG_RCX], general_out[2] = g[REG_RDX], general_out[3] = g[REG_RBX];
  general_out[5] = g[REG_RBP], general_out[6] = g[REG_RSI];
  flags_out = g[REG_EFL];
  memcpy(&fx_out, uc->uc_mcontext.fpregs, sizeof fx_out);
  uc->uc_mcontext.fpregs->swd = 0;
  uc->uc_mcontext.fpregs->cwd = 0x37f;
  uc->uc_mcontext.fpregs->mxcsr = 0x1f80;
  g[REG_RIP] = (greg_t)leave;
  g[REG_RSP] = saved_stack;
  g[REG_EFL] = 2;
}

static void run(struct record *r) {
  static const uint8_t jump[6] = {0xff, 0x25, 0, 0, 0, 0};
  uint64_t back = (uint64_t)returned;
  if (r->length > 15 || r->offset > 48) exit(4);
  memcpy(code_at, r->code, r->length);
  memcpy(code_at + r->length, jump, 6);
  memcpy(code_at + r->length + 6, &back, 8);
  memset(&fx_in, 0, sizeof fx_in);
  fx_in.control = r->control, fx_in.status = r->status, fx_in.tags = r->tags, fx_in.mxcsr = r->mxcsr;
  memcpy(fx_in.stack, r->stack, 128);
  memcpy(fx_in.xmm, r->xmm, 128);
  memcpy(memory, r->memory, 64);
  for (int i = 0; i < 8; i++) general_in[i] = r->general[i];
  general_in[7] = (uint64_t)memory + r->offset;
  flags_in = r->flags;
  trap = 0;
  enter();
  r->trap = trap;
  for (int i = 0; i < 7; i++) if (i != 4) r->general[i] = general_out[i];
  r->flags = flags_out;
  r->control = fx_out.control, r->status = fx_out.status, r->tags = fx_out.tags, r->mxcsr = fx_out.mxcsr;
  memcpy(r->stack, fx_out.stack, 128);
  memcpy(r->xmm, fx_out.xmm, 128);
  memcpy(r->memory, memory, 64);
}

int main(void) {
  static const int signals[] = {SIGSEGV, SIGILL, SIGFPE, SIGBUS};
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER};
  struct record r;
  for (int i = 0; i < 4; i++) sigaction(signals[i], &action, NULL);
  code_at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code_at == MAP_FAILED) {
    fprintf(stderr, "no executable memory: %s\n", strerror(errno));
    return 2;
  }
  while (fread(&r, sizeof r, 1, stdin) == 1) {
    run(&r);
    fwrite(&r, sizeof r, 1, stdout);
  }
  return 0;
}
