/**
 * A small C program, compiled and run in the Guest. It prints integer and floating-point results; what they have to be
 * is computed here.
 */
import { assertEquals } from "@std/assert";
import type { Workbench } from "./_workbench.ts";

/** The packages that {@link checkCompiler} needs. */
export const COMPILER = ["libc6-dev", "tcc"] as const;

const TURNS = 100000;

const SOURCE = `
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf back;
static void caught(int number) { siglongjmp(back, number); }
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
static unsigned fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

int main(void) {
  unsigned long long state = 1;
  unsigned bits = 1;
  int numbers[1000], i;
  double root = 0;
  for (i = 0; i < ${TURNS}; i++) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    bits ^= bits << 13, bits ^= bits >> 17, bits ^= bits << 5;
    root += sqrt(i);
  }
  printf("%llu %llu %llu %u\\n", state, state / 1234567, state % 1234567, bits);
  printf("%lld %d %d\\n", (long long)state >> 7, (int)bits / 7, (int)bits % 7);
  printf("%.0f %u\\n", floor(root), fibonacci(20));
  for (i = 0; i < 1000; i++) numbers[i] = (i * 7919) % 1000;
  qsort(numbers, 1000, sizeof *numbers, compare);
  for (i = 0; i < 1000 && numbers[i] == i; i++);
  printf("%d\\n", i);
  signal(SIGSEGV, caught);
  signal(SIGFPE, caught);
  if ((i = sigsetjmp(back, 1)) == 0) *(volatile int *)16 = 1;
  printf("%s\\n", i == SIGSEGV ? "SIGSEGV" : "?");
  if ((i = sigsetjmp(back, 1)) == 0) printf("%d\\n", 1 / (i & 0));
  printf("%s\\n", i == SIGFPE ? "SIGFPE" : "?");
  fflush(stdout);
  for (i = 0; i < 20; i++) if (fork() == 0) _exit(i);
  int status, sum = 0;
  while (wait(&status) > 0) sum += WEXITSTATUS(status);
  printf("%d\\n", sum);
  return 7;
}
`;

/** The program, where {@link checkCompiler} expects it in the Guest. */
export const PROGRAM = { "/root/program.c": SOURCE };

/** Compile and run. */
export async function checkCompiler({ shell }: Workbench): Promise<void> {
  assertEquals(await shell.run("tcc -o program /root/program.c -lm && ./program"), { output: expected(), status: 7 });
  assertEquals(await shell.run("tcc -lm -run /root/program.c | md5sum; ./program | md5sum").then(same), true);
}

function same({ output }: { output: string }): boolean {
  const [first, second] = output.split("\n");
  return first === second;
}

function expected(): string {
  let state = 1n, bits = 1, root = 0;
  for (let i = 0; i < TURNS; i++) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    bits ^= bits << 13, bits ^= bits >>> 17, bits ^= bits << 5;
    root += Math.sqrt(i);
  }
  return [
    `${state} ${state / 1234567n} ${state % 1234567n} ${bits >>> 0}`,
    `${BigInt.asIntN(64, state) >> 7n} ${Math.trunc(bits / 7)} ${bits % 7}`,
    `${Math.floor(root)} 6765`,
    ...["1000", "SIGSEGV", "SIGFPE", "190", ""],
  ].join("\n");
}
