/*
 * One TCP connection that carries a known sequence of bytes one way: for Guest and host, tests and benchmark.
 *
 *     traffic listen PORT send|receive BYTES        prints "listening", then serves one connection
 *     traffic connect ADDRESS PORT send|receive BYTES
 *
 * The bytes repeat after a prime number of them, so that a piece that is lost, doubled or moved does not go unnoticed;
 * the sender needs no time to make them. The last line is "sent BYTES NANOSECONDS" or "received BYTES NANOSECONDS"; the
 * sender waits until the receiver has closed, so that its time, too, is that of the whole way. Status 1 if a byte was
 * wrong or missing.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 1048573
#define PIECE 65536

static uint8_t pattern[PERIOD + PIECE];

static void make_pattern(void)
{
	uint32_t state = 1;
	int i;

	for (i = 0; i < PERIOD; i++) {
		state = state * 1664525 + 1013904223;
		pattern[i] = state >> 24;
	}
	memcpy(pattern + PERIOD, pattern, PIECE);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die(host);
	return address;
}

static int accept_one(const char *port)
{
	struct sockaddr_in address = address_of("0.0.0.0", port);
	int on = 1, connection, listener = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (void *)&address, sizeof(address)) || listen(listener, 1))
		die("listen");
	puts("listening");
	fflush(stdout);
	connection = accept(listener, NULL, NULL);
	if (connection < 0)
		die("accept");
	return connection;
}

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in address = address_of(host, port);
	int connection = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(connection, (void *)&address, sizeof(address)))
		die("connect");
	return connection;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void send_all(int connection, uint64_t bytes)
{
	uint64_t at = 0;
	char none;

	while (at < bytes) {
		size_t piece = bytes - at < PIECE ? bytes - at : PIECE;
		ssize_t count = write(connection, pattern + at % PERIOD, piece);

		if (count <= 0)
			die("write");
		at += count;
	}
	shutdown(connection, SHUT_WR);
	if (read(connection, &none, 1) != 0)
		die("end");
}

static void receive_all(int connection, uint64_t bytes)
{
	static uint8_t piece[PIECE];
	uint64_t at = 0;
	ssize_t count;

	while ((count = read(connection, piece, PIECE)) > 0) {
		if (memcmp(piece, pattern + at % PERIOD, count)) {
			printf("wrong bytes after %llu\n", (unsigned long long)at);
			exit(1);
		}
		at += count;
	}
	if (count < 0)
		die("read");
	if (at != bytes) {
		printf("%llu bytes instead of %llu\n", (unsigned long long)at, (unsigned long long)bytes);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int connection, listening = argc == 5 && !strcmp(argv[1], "listen");
	const char *verb;
	uint64_t bytes, start;

	if (!listening && (argc != 6 || strcmp(argv[1], "connect"))) {
		fputs("usage: traffic listen PORT VERB BYTES | connect ADDRESS PORT VERB BYTES\n", stderr);
		return 2;
	}
	make_pattern();
	verb = argv[argc - 2];
	bytes = strtoull(argv[argc - 1], NULL, 10);
	connection = listening ? accept_one(argv[2]) : connect_to(argv[2], argv[3]);
	start = now();
	if (!strcmp(verb, "send"))
		send_all(connection, bytes);
	else
		receive_all(connection, bytes);
	printf("%s %llu %llu\n", strcmp(verb, "send") ? "received" : "sent", (unsigned long long)bytes,
	       (unsigned long long)(now() - start));
	return 0;
}
