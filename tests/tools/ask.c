/* SPDX-License-Identifier: MIT */
/*
 * ask.c - a small NBD client: does what its words say, in turn, and stops at the first that
 * fails. Starts in no time, also where the processor is emulated.
 *
 *   ask SOCKET WORD...
 *     r:AT:BYTES[:BYTE]  reads, and compares with BYTE where it is given
 *     x:AT:BYTES         reads, to stdout in hexadecimal
 *     w:AT:BYTES:BYTE    writes BYTE all over
 *     f:AT:FILE          writes the file
 *     o:N:ARG            order N of tests/fault/evil_nvme.c, with this argument
 *
 * Room:   tests/tools. NBD protocol: fixed newstyle, EXPORT_NAME, simple replies.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define MOST (1u << 20)

static unsigned char data[MOST];
static int server;

static void get(void *to, size_t bytes)
{
	for (char *p = to; bytes;) {
		ssize_t n = read(server, p, bytes);

		if (n <= 0)
			rf_die(2, "the server hung up");
		p += n;
		bytes -= (size_t)n;
	}
}

static void put(const void *from, size_t bytes)
{
	for (const char *p = from; bytes;) {
		ssize_t n = write(server, p, bytes);

		if (n <= 0)
			rf_die(2, "the server hung up");
		p += n;
		bytes -= (size_t)n;
	}
}

static void server_open(const char *path)
{
	static const unsigned char hello[] = {0, 0, 0, 3, 'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T',
					      0, 0, 0, 1, 0, 0, 0, 0};
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&at, sizeof(at)))
		rf_die(2, "%s: %m", path);
	get(data, 18);
	put(hello, sizeof(hello));
	get(data, 10);
}

static void request(uint16_t type, uint64_t at, uint32_t bytes)
{
	struct {
		uint32_t magic;
		uint16_t flags, type;
		uint64_t handle, at;
		uint32_t bytes;
	} __attribute__((packed))
	r = { htobe32(0x25609513), 0, htobe16(type), 1, htobe64(at), htobe32(bytes) };
	struct {
		uint32_t magic, error;
		uint64_t handle;
	} reply;

	if (bytes > MOST)
		rf_die(64, "at most 1 MiB at a time");
	put(&r, sizeof(r));
	if (type)
		put(data, bytes);
	get(&reply, sizeof(reply));
	if (reply.error)
		rf_die(1, "%s of %u bytes at %#llx: error %u", type ? "write" : "read", bytes,
		       (unsigned long long)at, be32toh(reply.error));
	if (!type)
		get(data, bytes);
}

static void order(uint64_t what, uint64_t arg)
{
	for (unsigned k = 0; k < 4; k++)
		request(0, (1ull << 30) + ((uint64_t)k << 28) + (arg >> 16 * k & 0xffff) * 4096,
			4096);
	request(0, (2ull << 30) + (what << 20), 4096);
}

static uint32_t file(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, data, sizeof(data));

	if (n < 0)
		rf_die(2, "%s: %m", path);
	close(fd);
	return (uint32_t)n;
}

static void obey(char *word)
{
	char *end = word + 1;
	uint64_t n[3] = {0};
	int given = 0;

	if (*word == 'f') {
		uint64_t at = strtoull(word + 2, &end, 0);
		return request(1, at, file(end + 1));
	}
	while (*end == ':' && given < 3)
		n[given++] = strtoull(end + 1, &end, 0);
	if (*end || word[1] != ':')
		rf_die(64, "what is %s?", word);
	uint32_t bytes = (uint32_t)n[1];
	if (*word == 'o')
		return order(n[0], n[1]);
	if (*word == 'w') {
		memset(data, (int)n[2], bytes < MOST ? bytes : MOST);
		return request(1, n[0], bytes);
	}
	request(0, n[0], bytes);
	for (uint32_t i = 0; i < bytes; i++)
		if (*word == 'x')
			printf("%02x%c", data[i], i % 16 == 15 ? '\n' : ' ');
		else if (given == 3 && data[i] != n[2])
			rf_die(1, "byte %u behind %#llx is %#x, not %#llx", i,
			       (unsigned long long)n[0], data[i], (unsigned long long)n[2]);
}

int main(int argc, char **argv)
{
	rf_log_name = "ask";
	if (argc < 3)
		rf_die(64, "ask SOCKET WORD...");
	server_open(argv[1]);
	for (int i = 2; i < argc; i++)
		obey(argv[i]);
	return 0;
}
