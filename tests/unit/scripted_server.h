/* SPDX-License-Identifier: MIT */
/*
 * scripted_server.h - a small, honest vfio-user device server in a thread, and a place
 * for a test to make it lie.
 *
 * Room:   tests/unit. The device is a PCI function with an NVMe-like BAR 0 of 16 KiB
 *         (registers, doorbells, MSI-X table, PBA) and is as strict as known servers
 *         are: no BAR without an address and Memory Enable, no vector without an eventfd,
 *         MSI-X Enable and an unmasked entry, nothing mappable in an answer too small.
 * Use:    set `twist` before server_start(): it sees each message first, and returns true
 *         if it dealt with it. Fields behind "seen" are for the test after server_stop().
 */
#ifndef RF_SCRIPTED_SERVER_H
#define RF_SCRIPTED_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio_user.h"

#define BAR0_BYTES   16384u
#define MSIX_TABLE   0x2000u
#define MSIX_PBA     0x3000u
#define MSIX_VECTORS 5u
#define MSIX_CAP     0x40u

#define SURE(cond)                                                                       \
	do {                                                                             \
		if (!(cond)) {                                                           \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond,    \
				strerror(errno));                                        \
			abort();                                                         \
		}                                                                        \
	} while (0)

struct server;
struct incoming {
	struct rf_vu_header head;
	uint32_t bytes;
	int      fds[16], fd_count;
	unsigned char data[RF_VU_MAX_MESSAGE];
};
typedef bool twist_fn(struct server *, struct incoming *);

struct server {
	int        sock, twin_ours, client; /* client: the end to give to the code under test */
	pthread_t  thread;
	/* what it is; defaults by server_init() */
	const char *json;
	uint16_t   major, minor;
	twist_fn  *twist;
	bool       mappable;       /* doorbell page: sparse area with an fd */
	bool       twin;
	bool       msix;           /* has the capability */
	uint32_t   irq_claim;      /* MSI-X vectors it claims */
	uint32_t   region_argsz;   /* what it wants to describe BAR 0 */
	uint32_t   regions, device_flags, bar0_bytes, config_bytes;
	uint32_t   io_type;        /* RF_VU_IO_*, ~0: no such message */
	bool       io_bogus;       /* something else than an eventfd */
	bool pinned; /* as the library that QEMU's server pins: one table of eventfds for
	                            * all kinds of interrupts, error and request among them, no ROM;
	                            * and it hangs up where a message is not known */
	int        n;              /* messages so far, for twists */
	/* seen */
	unsigned char config[4096], bar0[BAR0_BYTES];
	uint32_t   maps, map_flags[8], resets, set_irqs, unmask_actions, posted;
	struct rf_vu_dma_map map[8];
	int        vector[MSIX_VECTORS], page_fd, shadow_fd, bell_fd;
	uint64_t   writes[64];     /* offset << 32 | value of 2 and 4-byte BAR writes, in order */
	uint32_t   write_count;
	uint32_t   largest_read;
};

static void server_send(int sock, const void *a, size_t an, const void *b, size_t bn,
			const int *fds, int count)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * 32)]; } space = { 0 };
	struct iovec iov[2] = { { (void *)a, an }, { (void *)b, bn } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (count) {
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	}
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL); /* the client may have had enough */
}

static void reply_fds(struct server *s, struct incoming *m, const void *data, uint32_t bytes,
		      const int *fds, int count)
{
	struct rf_vu_header head = { .id = m->head.id,
				     .command = m->head.command,
				     .size = (uint32_t)sizeof(head) + bytes,
				     .flags = RF_VU_TYPE_REPLY };

	if (!(m->head.flags & RF_VU_NO_REPLY))
		server_send(s->sock, &head, sizeof(head), data, bytes, fds, count);
}

static void reply(struct server *s, struct incoming *m, const void *data, uint32_t bytes)
{
	reply_fds(s, m, data, bytes, NULL, 0);
}

static void refuse(struct server *s, struct incoming *m, uint32_t error)
{
	struct rf_vu_header head = { .id = m->head.id,
				     .command = m->head.command,
				     .size = sizeof(head),
				     .flags = RF_VU_TYPE_REPLY | RF_VU_ERROR,
				     .error = error };

	if (!(m->head.flags & RF_VU_NO_REPLY))
		server_send(s->sock, &head, sizeof(head), NULL, 0, NULL, 0);
}

/* false: the client has gone. */
static bool server_receive(int sock, struct incoming *m)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * 16)]; } space;
	struct iovec iov = { &m->head, sizeof(m->head) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.bytes,
			      .msg_controllen = sizeof(space.bytes) };
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	m->fd_count = 0;
	if (n <= 0)
		return false;
	SURE(n == sizeof(m->head));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		m->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), sizeof(int) * (size_t)m->fd_count);
	}
	SURE(m->head.size >= sizeof(m->head) && m->head.size <= sizeof(m->head) + sizeof(m->data));
	m->bytes = m->head.size - (uint32_t)sizeof(m->head);
	/* Known servers do not wait for the rest of a message: it must be there already, sent
	 * by the same sendmsg. */
	SURE(!m->bytes || recv(sock, m->data, m->bytes, MSG_DONTWAIT) == (ssize_t)m->bytes);
	return true;
}

/* ---- the device --------------------------------------------------------------------- */

static uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

static bool decodes(const struct server *s)
{
	return get16(s->config + PCI_COMMAND) & PCI_COMMAND_MEMORY &&
	       (get32(s->config + 0x10) & ~15u);
}

/* Raises a vector if everything that must be set up is. */
static __attribute__((unused)) bool server_interrupt(struct server *s, unsigned vector)
{
	uint64_t one = 1;
	uint16_t flags = get16(s->config + MSIX_CAP + PCI_MSIX_FLAGS);

	if (!(flags & PCI_MSIX_FLAGS_ENABLE) || flags & PCI_MSIX_FLAGS_MASKALL ||
	    get32(s->bar0 + MSIX_TABLE + 16 * vector + 12) & 1 || s->vector[vector] < 0)
		return false;
	return write(s->vector[vector], &one, 8) == 8;
}

static void do_version(struct server *s, struct incoming *m)
{
	unsigned char out[4 + RF_VU_MAX_JSON + 64];
	struct rf_vu_version v = { s->major, s->minor };
	uint32_t text = s->json ? (uint32_t)strlen(s->json) + 1 : 0;
	int pair[2];

	memcpy(out, &v, sizeof(v));
	if (text)
		memcpy(out + sizeof(v), s->json, text);
	if (!s->twin)
		return reply(s, m, out, 4 + text);
	SURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	s->twin_ours = pair[0];
	reply_fds(s, m, out, 4 + text, &pair[1], 1);
	close(pair[1]);
}

static void do_region_info(struct server *s, struct incoming *m)
{
	struct rf_vu_region_info ask;
	struct {
		struct rf_vu_region_info info;
		struct rf_vu_cap_sparse cap;
		struct rf_vu_sparse_area area;
	} out;

	memcpy(&ask, m->data, sizeof(ask));
	memset(&out, 0, sizeof(out));
	out.info =
		(struct rf_vu_region_info){ .argsz = sizeof(out.info),
					    .index = ask.index,
					    .flags = RF_VU_REGION_READ_OK | RF_VU_REGION_WRITE_OK,
					    .size = ask.index == 0            ? s->bar0_bytes :
						    ask.index == RF_VU_CONFIG ? s->config_bytes :
										0 };
	if (s->pinned && ask.index == RF_VU_ROM)
		return refuse(s, m, EINVAL);
	if (ask.index || !s->mappable)
		return reply(s, m, &out.info, sizeof(out.info));
	out.info.argsz = s->region_argsz;
	out.info.flags |= RF_VU_REGION_MMAP | RF_VU_REGION_CAPS;
	if (ask.argsz < s->region_argsz)
		return reply(s, m, &out.info, sizeof(out.info));
	out.info.cap_offset = sizeof(out.info);
	out.cap =
		(struct rf_vu_cap_sparse){ .cap = { RF_VU_CAP_SPARSE_MMAP, 1, 0 }, .nr_areas = 1 };
	out.area = (struct rf_vu_sparse_area){ 0x1000, 0x1000 };
	reply_fds(s, m, &out, sizeof(out), &s->page_fd, 1);
}

static void do_io_fds(struct server *s, struct incoming *m)
{
	struct { struct rf_vu_io_fds head; struct rf_vu_io_shadow e; } out = { 0 };
	int fds[2] = { s->bell_fd, s->shadow_fd };
	uint32_t each = s->io_type == RF_VU_IO_SHADOW ? 48 : 40;

	if (s->io_type == ~0u)
		return refuse(s, m, EINVAL);
	if (s->io_bogus)
		fds[0] = s->page_fd;
	out.head = (struct rf_vu_io_fds){ .argsz = 16 + each, .count = 1 };
	out.e = (struct rf_vu_io_shadow){
		.offset = 0x1000, .size = 0x1000, .type = s->io_type, .shadow_index = 1
	};
	reply_fds(s, m, &out, 16 + each, fds, s->io_type == RF_VU_IO_SHADOW ? 2 : 1);
}

static void config_write(struct server *s, uint32_t at, const unsigned char *data, uint32_t count)
{
	memcpy(s->config + at, data, count);
	/* BAR 0: 64 bits, memory, 16 KiB. The others are not there. */
	if (at == 0x10) {
		uint32_t v = (get32(data) & ~(BAR0_BYTES - 1)) | PCI_BASE_ADDRESS_MEM_TYPE_64;
		memcpy(s->config + at, &v, 4);
	} else if (at > 0x14 && at < 0x28) {
		memset(s->config + at, 0, count);
	}
}

static void do_access(struct server *s, struct incoming *m, bool write)
{
	struct rf_vu_region_access a;
	unsigned char out[sizeof(a) + 4096], *space;

	memcpy(&a, m->data, sizeof(a));
	uint32_t bytes = a.region == RF_VU_CONFIG ? s->config_bytes : a.region ? 0 : s->bar0_bytes;
	if (a.count > 4096 || a.offset > bytes || a.count > bytes - a.offset)
		return refuse(s, m, EINVAL);
	if (a.region == 0 && !decodes(s))
		return refuse(s, m, EINVAL);
	space = (a.region ? s->config : s->bar0) + a.offset;
	memcpy(out, &a, sizeof(a));
	if (!write) {
		if (a.count > s->largest_read)
			s->largest_read = a.count;
		memcpy(out + sizeof(a), space, a.count);
		return reply(s, m, out, (uint32_t)sizeof(a) + a.count);
	}
	SURE(m->bytes == sizeof(a) + a.count);
	if (a.region)
		config_write(s, (uint32_t)a.offset, m->data + sizeof(a), a.count);
	else
		memcpy(space, m->data + sizeof(a), a.count);
	if (!a.region && (a.count == 2 || a.count == 4) && s->write_count < 64)
		s->writes[s->write_count++] =
			a.offset << 32 |
			(a.count == 2 ? get16(m->data + sizeof(a)) : get32(m->data + sizeof(a)));
	s->posted += !!(m->head.flags & RF_VU_NO_REPLY);
	reply(s, m, out, sizeof(a));
}

static void do_set_irqs(struct server *s, struct incoming *m)
{
	struct rf_vu_set_irqs set;

	memcpy(&set, m->data, sizeof(set));
	s->set_irqs++;
	s->unmask_actions += !!(set.flags & RF_VU_SET_ACTION_UNMASK);
	if ((set.index == RF_VU_MSIX || s->pinned) && set.start < MSIX_VECTORS && set.count == 1 &&
	    m->fd_count == 1) {
		if (s->vector[set.start] >= 0)
			close(s->vector[set.start]);
		s->vector[set.start] = m->fds[0];
		m->fd_count = 0;
	}
	reply(s, m, NULL, 0);
}

static void do_default(struct server *s, struct incoming *m)
{
	struct rf_vu_device_info info = { 16, s->device_flags, s->regions, 5 };
	struct rf_vu_irq_info irq;

	switch (m->head.command) {
	case RF_VU_VERSION:
		return do_version(s, m);
	case RF_VU_DEVICE_GET_INFO:
		return reply(s, m, &info, sizeof(info));
	case RF_VU_GET_REGION_INFO:
		return do_region_info(s, m);
	case RF_VU_GET_REGION_IO_FDS:
		if (s->pinned)
			break;
		return do_io_fds(s, m);
	case RF_VU_GET_IRQ_INFO:
		memcpy(&irq, m->data, sizeof(irq));
		irq.flags = RF_VU_IRQ_EVENTFD;
		irq.count = irq.index == RF_VU_MSIX ? s->irq_claim :
						      s->pinned && irq.index > RF_VU_MSIX;
		return reply(s, m, &irq, sizeof(irq));
	case RF_VU_SET_IRQS:
		return do_set_irqs(s, m);
	case RF_VU_DMA_MAP:
		SURE(s->maps < 8 && m->bytes == sizeof(s->map[0]));
		memcpy(&s->map[s->maps], m->data, sizeof(s->map[0]));
		if (m->fd_count != 1)
			return refuse(s, m, EINVAL); /* unreachable memory */
		s->maps++;
		return reply(s, m, NULL, 0);
	case RF_VU_REGION_READ:
		return do_access(s, m, false);
	case RF_VU_REGION_WRITE:
		return do_access(s, m, true);
	case RF_VU_DEVICE_RESET:
		s->resets++;
		memset(s->config + PCI_COMMAND, 0, 2);
		memset(s->config + 0x10, 0, 8);
		s->config[MSIX_CAP + 3] = 0;
		for (unsigned i = 0; i < MSIX_VECTORS; i++)
			s->bar0[MSIX_TABLE + 16 * i + 12] = 1;
		return reply(s, m, NULL, 0);
	}
	if (s->pinned)
		shutdown(s->sock, SHUT_RDWR);
	else
		refuse(s, m, ENOTSUP);
}

static void *server_main(void *arg)
{
	struct server *s = arg;
	static _Thread_local struct incoming m;

	while (server_receive(s->sock, &m)) {
		s->n++;
		if (!s->twist || !s->twist(s, &m))
			do_default(s, &m);
		for (int i = 0; i < m.fd_count; i++)
			close(m.fds[i]);
	}
	return NULL;
}

static int server_memory(uint32_t bytes, int seals)
{
	int fd = memfd_create("server", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	SURE(fd >= 0 && !ftruncate(fd, bytes) && !fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void server_init(struct server *s)
{
	static const unsigned char head[16] = { 0x34, 0x12, 0x78, 0x56, 0, 0, 0x10, 0,
						1,    2,    8,    1,    0, 0, 0,    0 };

	memset(s, 0, sizeof(*s));
	s->json = "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":1048576}}";
	s->minor = 1;
	s->mappable = s->msix = true;
	s->irq_claim = MSIX_VECTORS;
	s->region_argsz = sizeof(struct rf_vu_region_info) + sizeof(struct rf_vu_cap_sparse) + 16;
	s->regions = RF_VU_PCI_REGIONS;
	s->device_flags = RF_VU_DEVICE_PCI | RF_VU_DEVICE_RESETS;
	s->bar0_bytes = BAR0_BYTES;
	s->config_bytes = 256;
	s->io_type = ~0u;
	s->twin_ours = -1;
	memcpy(s->config, head, sizeof(head));
	for (unsigned i = 0; i < MSIX_VECTORS; i++) {
		s->vector[i] = -1;
		s->bar0[MSIX_TABLE + 16 * i + 12] = 1;
	}
	s->page_fd = server_memory(BAR0_BYTES, F_SEAL_SHRINK);
	s->shadow_fd = server_memory(4096, F_SEAL_SHRINK);
	SURE((s->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
}

static void server_has_msix(struct server *s)
{
	s->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	s->config[PCI_CAPABILITY_LIST] = MSIX_CAP;
	s->config[MSIX_CAP] = PCI_CAP_ID_MSIX;
	s->config[MSIX_CAP + 2] = MSIX_VECTORS - 1;
	s->config[MSIX_CAP + 5] = MSIX_TABLE >> 8;
	s->config[MSIX_CAP + 9] = MSIX_PBA >> 8;
}

static __attribute__((unused)) void server_start(struct server *s)
{
	int pair[2];

	if (s->msix)
		server_has_msix(s);
	SURE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	s->sock = pair[0];
	s->client = pair[1];
	SURE(!pthread_create(&s->thread, NULL, server_main, s));
}

/* After the client's end was closed. */
static __attribute__((unused)) void server_stop(struct server *s)
{
	SURE(!pthread_join(s->thread, NULL));
	close(s->sock);
	if (s->twin_ours >= 0)
		close(s->twin_ours);
	for (unsigned i = 0; i < MSIX_VECTORS; i++)
		if (s->vector[i] >= 0)
			close(s->vector[i]);
	close(s->page_fd);
	close(s->shadow_fd);
	close(s->bell_fd);
}

#endif
