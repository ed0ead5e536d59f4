/*
 * Writes records until it is killed, and says which are safe.
 *
 *     recorder DEVICE DIRECTORY SEED FIRST
 *
 * Record N, from FIRST on, goes to the device at N * 4096 and into the file DIRECTORY/N, made anew; after both
 * are flushed the line "flushed N" is printed. Its bytes follow from SEED and N: see recordBytes() in
 * ../../tests/boots/_records.ts, which checks them.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 4096
#define LONGEST 4

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void fill(uint32_t *words, uint32_t count, uint32_t seed, uint32_t number)
{
	uint32_t state = seed ^ number * 2654435761u, i;

	for (i = 0; i < count; i++) {
		state = state * 1664525 + 1013904223;
		words[i] = state ^ state >> 15;
	}
}

int main(int argc, char **argv)
{
	static uint32_t words[LONGEST * BLOCK / 4];
	uint32_t seed, number;
	char path[256];
	int device;

	if (argc != 5)
		return 2;
	device = open(argv[1], O_WRONLY);
	if (device < 0)
		die(argv[1]);
	seed = strtoul(argv[3], NULL, 10);
	for (number = strtoul(argv[4], NULL, 10);; number++) {
		ssize_t length = (number % LONGEST + 1) * BLOCK - number % 7 * 100;
		int file;

		fill(words, LONGEST * BLOCK / 4, seed, number);
		if (pwrite(device, words, BLOCK, (off_t)number * BLOCK) != BLOCK || fdatasync(device))
			die(argv[1]);
		snprintf(path, sizeof(path), "%s/%u", argv[2], number);
		file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (file < 0 || write(file, words, length) != length || fsync(file) || close(file))
			die(path);
		printf("flushed %u\n", number);
		fflush(stdout);
	}
}
