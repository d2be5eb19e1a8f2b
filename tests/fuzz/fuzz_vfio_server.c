/* SPDX-License-Identifier: MIT */
/*
 * fuzz_vfio_server.c - the vfio-user server, with the NVMe model behind it, against a client
 * that sends anything and then hangs up.
 *
 * Room:   tests/fuzz. Input: one byte of options (an honest handshake first? memory mapped
 *         and the controller's registers within reach first?), then records: a control
 *         byte (SEND_*), a command number, a 16-bit length, that many bytes. An honest header
 *         is put before them unless the control byte says that they are the whole message.
 *         The rest of sources is linked beside (tests/fuzz/fuzz.mk).
 * Judged: when the client is gone nothing of it is left: no session, no maps, no events.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

#include "tests/models/server/loop.c"
#define main nvme_main
#include "tests/models/nvme.c"
#undef main

#define SEND_RAW      0x01u /* the bytes are header and all */
#define SEND_NO_REPLY 0x02u
#define SEND_MEMORY   0x04u /* a memfd comes with it */
#define SEND_EVENT    0x08u /* an eventfd comes with it */
#define SEND_EVENTS   0x10u /* seven more */
#define SEND_SPLIT    0x20u /* in two writes */

#define FIRST_GREETING 0x01u
#define FIRST_MEMORY   0x02u

#define MEMORY (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *rf_log_name;

void rf_die(int code, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct server *s;
static int memory = -1, event = -1;

void rf_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap); /* formatted all the same */
	va_end(ap);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char *options[] = { "model", "--socket", "/nowhere", "--size", "1M" };

	(void)argc;
	(void)argv;
	memory = memfd_create("client", MFD_CLOEXEC);
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	nvme.store.block = 512;
	nvme.queues = 8;
	nvme.mdts = MDTS_DEFAULT;
	s = server_new(&model);
	if (memory < 0 || ftruncate(memory, MEMORY) || options_parse(s, 5, options) ||
	    !(s->dev = s->model->open(s, &s->pci)) || pci_open(s))
		abort();
	irq_open(s);
	dma_guard(s);
	device_reset(s, RESET_POWER);
	return 0;
}

static void send_bytes(int fd, const void *bytes, size_t n, const int *fds, int count)
{
	struct iovec io = { (void *)(uintptr_t)bytes, n };
	union { char bytes[CMSG_SPACE(sizeof(int) * 8)]; struct cmsghdr align; } room = { { 0 } };
	struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };

	if (count) {
		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	}
	(void)!sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void command(int fd, uint16_t number, uint32_t flags, const void *body, uint32_t bytes,
		    const int *fds, int count, bool split)
{
	static unsigned char message[65536];
	struct rf_vu_header h = {
		.id = 7, .command = number, .size = (uint32_t)sizeof(h) + bytes, .flags = flags
	};

	memcpy(message, &h, sizeof(h));
	memcpy(message + sizeof(h), body, bytes);
	if (split) {
		send_bytes(fd, message, 5, fds, count);
		send_bytes(fd, message + 5, sizeof(h) + bytes - 5, NULL, 0);
	} else
		send_bytes(fd, message, sizeof(h) + bytes, fds, count);
}

static void greet(int fd)
{
	static const char text[] =
		"\0\0\2\0{\"capabilities\":{\"max_msg_fds\":8,\"twin_socket\":{\"supported\":true},"
		"\"ringfence\":{\"doorbell_sleep\":true}}}";

	command(fd, RF_VU_VERSION, 0, text, sizeof(text), NULL, 0, false);
}

/* Memory at IOVA 0, memory decoding and bus mastering on. */
static void bring_up(int fd)
{
	struct rf_vu_dma_map map = { .argsz = sizeof(map),
				     .flags = RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE,
				     .size = MEMORY };
	struct { struct rf_vu_region_access access; uint16_t value; } __attribute__((packed)) w = {
		.access = { .offset = 4, .region = RF_VU_CONFIG, .count = 2 }, .value = 6 };

	command(fd, RF_VU_DMA_MAP, 0, &map, sizeof(map), &memory, 1, false);
	command(fd, RF_VU_REGION_WRITE, 0, &w, sizeof(w), NULL, 0, false);
}

static const uint8_t *record(int fd, const uint8_t *at, const uint8_t *end)
{
	uint8_t how = at[0], number = at[1];
	uint32_t bytes = (uint32_t)(at[2] | at[3] << 8) % 4096;
	int fds[8], count = 0;

	at += 4;
	if (bytes > (size_t)(end - at))
		bytes = (uint32_t)(end - at);
	if (how & SEND_MEMORY)
		fds[count++] = memory;
	for (int i = 0; i < (how & SEND_EVENTS ? 7 : how & SEND_EVENT ? 1 : 0); i++)
		fds[count++] = event;
	if (how & SEND_RAW && bytes)
		send_bytes(fd, at, bytes, fds, count);
	else if (!(how & SEND_RAW))
		command(fd, number, how & SEND_NO_REPLY ? RF_VU_NO_REPLY : 0, at, bytes, fds, count,
			how & SEND_SPLIT);
	return at + bytes;
}

static void swallow(int fd)
{
	static char sink[65536];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* One turn of the server. False: the client is gone. */
static bool turn(int fd)
{
	swallow(fd);
	if (s->session.fd >= 0)
		session_readable(s);
	work(s);
	return s->session.fd >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data + 1, *end = data + size;
	int pair[2], turns = 0;

	if (!size)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		abort();
	session_open(s, pair[0]);
	if (data[0] & FIRST_GREETING)
		greet(pair[1]);
	if (data[0] & FIRST_MEMORY)
		bring_up(pair[1]);
	turn(pair[1]);
	for (int records = 0; end - at >= 4 && records < 64 && s->session.fd >= 0; records++) {
		at = record(pair[1], at, end);
		/* A model that would wait for answers (DMA by messages) is only let go once the
		 * line is closed: then it finds that out at once. */
		if (s->maps == 0 || s->map[0].memory)
			turn(pair[1]);
	}
	shutdown(pair[1], SHUT_WR);
	while (turn(pair[1]) && ++turns < 1000)
		;
	close(pair[1]);
	while (s->session.fd >= 0 && ++turns < 2000)
		turn(pair[1]);
	if (s->session.fd >= 0 || s->maps || s->session.postponed_count)
		abort();
	for (unsigned i = 0; i < s->pci.msix_vectors; i++)
		if (s->msix[i].event >= 0)
			abort();
	return 0;
}
