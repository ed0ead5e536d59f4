/*
 * What the benchmark times inside a Guest: every phase named on the command line runs once, in that order.
 *
 * For each phase two lines go to the console,
 *
 *     @begin NAME
 *     @end NAME NANOSECONDS CHECK
 *
 * the nanoseconds by the Guest's own clock (the host times the lines, too, since that clock may be wrong) and a value
 * that is the same on every machine that computes correctly. The host knows the names: see ../phases.ts. All loops
 * depend on their own results, so that no compiler shortens them. Built for i686 with SSE2, statically.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

/* About 12 instructions an iteration: shifts, logic, additions, a comparison and a branch. */
static uint64_t integer_loop(void)
{
	uint32_t a = 1, b = 0x9e3779b9, i;

	for (i = 0; i < 100000000; i++) {
		a ^= a << 5;
		a += b ^ i;
		b ^= b >> 3;
		b += a;
	}
	return a ^ b;
}

/* Byte stores with large strides over 4 MB, ten times; then a pass of byte loads. */
static uint64_t sieve(void)
{
	static uint8_t composite[4 << 20];
	const uint32_t size = sizeof(composite);
	uint32_t i, j, round, count = 0;

	for (round = 0; round < 10; round++) {
		memset(composite, 0, size);
		for (i = 2; i * i < size; i++) {
			if (composite[i])
				continue;
			for (j = i * i; j < size; j += i)
				composite[j] = 1;
		}
		for (i = 2; i < size; i++)
			count += !composite[i];
	}
	return count;
}

/* Calls and returns: neither inlined nor turned into a loop. */
NOINLINE __attribute__((optimize("O1"))) static uint32_t fib(uint32_t n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t recursion(void)
{
	return fib(34);
}

NOINLINE static uint32_t step0(uint32_t x) { return x + 1; }
NOINLINE static uint32_t step1(uint32_t x) { return x ^ 0x55; }
NOINLINE static uint32_t step2(uint32_t x) { return x * 3; }
NOINLINE static uint32_t step3(uint32_t x) { return x - 7; }
NOINLINE static uint32_t step4(uint32_t x) { return x >> 1; }
NOINLINE static uint32_t step5(uint32_t x) { return ~x; }
NOINLINE static uint32_t step6(uint32_t x) { return x << 2; }
NOINLINE static uint32_t step7(uint32_t x) { return x + 0x1234567; }

static uint32_t (*volatile const steps[8])(uint32_t) = {
	step0, step1, step2, step3, step4, step5, step6, step7,
};

/* 30 million calls through pointers, in an order that no predictor knows. */
static uint64_t indirect(void)
{
	uint32_t x = 1, random = 1, i;

	for (i = 0; i < 30000000; i++) {
		random = random * 1664525 + 1013904223;
		x = steps[random >> 29](x);
	}
	return x;
}

/* A Mandelbrot set in scalar doubles of SSE2. */
__attribute__((target("sse2,fpmath=sse"))) static uint64_t mandelbrot(void)
{
	const int width = 480, height = 360, limit = 256;
	uint32_t total = 0;
	int x, y, i;

	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++) {
			double cr = 3.0 * x / width - 2.0, ci = 2.0 * y / height - 1.0;
			double zr = 0, zi = 0;

			for (i = 0; i < limit; i++) {
				double rr = zr * zr, ii = zi * zi;

				if (rr + ii > 4.0)
					break;
				zi = 2.0 * zr * zi + ci;
				zr = rr - ii + cr;
			}
			total += i;
		}
	}
	return total;
}

/* Doubles in the old unit, whose registers have 80 bits: a logistic map, with a division. */
__attribute__((target("fpmath=387"))) static uint64_t x87(void)
{
	double x = 0.3, sum = 0;
	uint64_t bits;
	int i;

	for (i = 0; i < 10000000; i++) {
		x = 3.9 * x * (1.0 - x);
		sum += x / (1.0 + sum);
	}
	memcpy(&bits, &sum, sizeof(bits));
	return bits;
}

/* The cheapest system call, the old way. */
static uint64_t system_calls(void)
{
	int i, result, parent = getppid();
	uint32_t right = 0;

	for (i = 0; i < 1000000; i++) {
		asm volatile("int $0x80" : "=a"(result) : "0"(64 /* getppid */) : "memory");
		right += result == parent;
	}
	return right;
}

/* The same as the C library does it: through the vDSO, which takes SYSENTER where there is one. */
static uint64_t fast_system_calls(void)
{
	int i, parent = getppid();
	uint32_t right = 0;

	for (i = 0; i < 1000000; i++)
		right += getppid() == parent;
	return right;
}

/* Run a script with the shell; the check is what its exit status says. */
static uint64_t shell(const char *script)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* FNV-1a of a file, so that a wrong byte shows. */
static uint64_t file_hash(const char *path)
{
	static uint8_t buffer[65536];
	uint32_t hash = 0x811c9dc5;
	size_t count, i;
	FILE *file = fopen(path, "rb");

	if (!file)
		return -1;
	while ((count = fread(buffer, 1, sizeof(buffer), file)) > 0)
		for (i = 0; i < count; i++)
			hash = (hash ^ buffer[i]) * 0x01000193;
	fclose(file);
	return hash;
}

static uint64_t gzip(void)
{
	return shell("for i in 1 2 3; do gzip -6 </data >/tmp/data.gz || exit 1; done");
}

static uint64_t ash(void)
{
	return shell("i=0; s=0; while [ $i -lt 20000 ]; do s=$(((s * 3 + i) % 251)); i=$((i + 1)); done; exit $s");
}

static uint64_t fork_exec(void)
{
	return shell("i=0; while [ $i -lt 200 ]; do /bin/busybox true || exit 1; i=$((i + 1)); done");
}

static uint64_t gzip_check(uint64_t result)
{
	return result ? result : file_hash("/tmp/data.gz");
}

static const struct phase {
	const char *name;
	uint64_t (*run)(void);
	uint64_t (*check)(uint64_t result);	/* untimed */
} phases[] = {
	{ "integer", integer_loop, NULL },
	{ "sieve", sieve, NULL },
	{ "recursion", recursion, NULL },
	{ "indirect", indirect, NULL },
	{ "mandelbrot", mandelbrot, NULL },
	{ "x87", x87, NULL },
	{ "syscalls", system_calls, NULL },
	{ "sysenter", fast_system_calls, NULL },
	{ "gzip", gzip, gzip_check },
	{ "ash", ash, NULL },
	{ "forkexec", fork_exec, NULL },
};

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void run(const struct phase *phase)
{
	uint64_t started, took, result;

	printf("@begin %s\n", phase->name);
	fflush(stdout);
	started = nanoseconds();
	result = phase->run();
	took = nanoseconds() - started;
	printf("@end %s %llu ", phase->name, (unsigned long long)took);
	if (phase->check)
		result = phase->check(result);
	printf("%llx\n", (unsigned long long)result);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t i;
	int word;

	for (word = 1; word < argc; word++) {
		for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
			if (!strcmp(phases[i].name, argv[word]))
				run(&phases[i]);
	}
	return 0;
}
