/*
 * Executes x87 instructions on the processor underneath, for the x87 tests.
 *
 * Standard input and output are sequences of records of 272 bytes:
 *   0 control word, 2 status word (with TOP), 4 abridged tags, 5 in: code length, out: signal (0 none),
 *   6 code (10 bytes), 16 EFLAGS, 20 out: EAX, 32 ST(0) to ST(7) in 16 bytes each, 160 memory at [RSI] (112 bytes).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct record {
	uint16_t control, status;
	uint8_t tags, length, code[10];
	uint32_t eflags, eax;
	uint8_t unused[8];
	uint8_t registers[128];
	uint8_t memory[112];
};

static sigjmp_buf escape;

static void on_signal(int number)
{
	siglongjmp(escape, number);
}

int main(void)
{
	static uint8_t image[512] __attribute__((aligned(16))), before[512] __attribute__((aligned(16)));
	static struct record record;
	static uint64_t results[2];
	struct sigaction action;
	uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* fxrstor [rdi]; xor eax, eax; push rcx; popf */
	static const uint8_t entry[] = { 0x0f, 0xae, 0x0f, 0x31, 0xc0, 0x51, 0x9d };
	/* pushf; pop r9; fxsave [rdx]; fninit; mov [r8], r9; mov [r8 + 8], rax; ret */
	static const uint8_t leave[] = { 0x9c, 0x41, 0x59, 0x0f, 0xae, 0x02, 0xdb, 0xe3, 0x4d, 0x89, 0x08,
					 0x49, 0x89, 0x40, 0x08, 0xc3 };

	if (code == MAP_FAILED)
		return 1;
	memset(&action, 0, sizeof action);
	action.sa_handler = on_signal;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGILL, &action, 0);
	sigaction(SIGFPE, &action, 0);
	sigaction(SIGSEGV, &action, 0);
	__asm__ volatile("fxsave %0" : "=m"(before));
	memcpy(code, entry, sizeof entry);
	while (fread(&record, sizeof record, 1, stdin) == 1) {
		int number = sigsetjmp(escape, 0);

		if (number == 0) {
			memcpy(code + sizeof entry, record.code, record.length);
			memcpy(code + sizeof entry + record.length, leave, sizeof leave);
			memcpy(image, before, sizeof image);
			memcpy(image, &record.control, 2);
			memcpy(image + 2, &record.status, 2);
			image[4] = record.tags;
			memcpy(image + 32, record.registers, 128);
			((void (*)(void *, void *, void *, uint64_t, void *))code)(image, record.memory, image,
										  record.eflags, results);
			memcpy(&record.control, image, 2);
			memcpy(&record.status, image + 2, 2);
			record.tags = image[4];
			memcpy(record.registers, image + 32, 128);
			record.eflags = results[0];
			record.eax = results[1];
		}
		record.length = number;
		if (fwrite(&record, sizeof record, 1, stdout) != 1)
			return 1;
	}
	return 0;
}
