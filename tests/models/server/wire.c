/* SPDX-License-Identifier: MIT */
/*
 * wire.c - messages in and out of a stream socket, and the protocol faults.
 *
 * Room:   tests/models/server.
 * Fds:    a message is read header first, then exactly its body, so that fds that come
 *         with any byte of it are its own and never its successor's.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

static void take_fds(struct message *m, struct msghdr *h)
{
	m->too_many_fds |= (h->msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (m->fds < (int)MAX_FDS) {
				m->fd[m->fds++] = fd;
			} else {
				close(fd);
				m->too_many_fds = true;
			}
		}
	}
}

int message_receive(int fd, struct message *m)
{
	const uint32_t head = sizeof(m->header);

	for (;;) {
		uint32_t want = m->have < head ? head : m->header.size;
		if (m->have >= head && m->have == want)
			return 1;
		union {
			char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
			struct cmsghdr align;
		} room;
		unsigned char *at = m->have < head ? (unsigned char *)&m->header + m->have :
						     m->body + (m->have - head);
		struct iovec  io = { .iov_base = at, .iov_len = want - m->have };
		struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room.bytes,
				    .msg_controllen = sizeof(room.bytes) };
		ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -EPIPE;
		take_fds(m, &h);
		m->have += (uint32_t)n;
		if (m->have == head &&
		    (m->header.size < head || m->header.size > head + sizeof(m->body)))
			return -EPROTO; /* nobody knows where the next message starts */
	}
}

void message_drop(struct message *m)
{
	for (int i = 0; i < m->fds; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->fds = 0;
	m->have = 0;
	m->too_many_fds = false;
}

/* All of it, waiting for room at most CLIENT_NS. */
static int send_all(int fd, struct msghdr *h)
{
	uint64_t deadline = server_now() + CLIENT_NS;

	for (;;) {
		ssize_t n = sendmsg(fd, h, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -EPIPE;
		if (n > 0) {
			h->msg_control = NULL;
			h->msg_controllen = 0;
			while (h->msg_iovlen && (size_t)n >= h->msg_iov->iov_len) {
				n -= (ssize_t)h->msg_iov->iov_len;
				h->msg_iov++;
				h->msg_iovlen--;
			}
			if (!h->msg_iovlen)
				return 0;
			h->msg_iov->iov_base = (char *)h->msg_iov->iov_base + n;
			h->msg_iov->iov_len -= (size_t)n;
			continue;
		}
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		if (server_now() > deadline)
			return -ETIMEDOUT;
		poll(&p, 1, 100);
	}
}

int message_send(int fd, const struct rf_vu_header *header, const void *fixed, uint32_t fixed_bytes,
		 const void *data, uint32_t data_bytes, const int *fds, int fd_count)
{
	struct iovec io[3] = { { (void *)(uintptr_t)header, sizeof(*header) },
			       { (void *)(uintptr_t)fixed, fixed_bytes },
			       { (void *)(uintptr_t)data, data_bytes } };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * RF_VU_MAX_FDS)];
		struct cmsghdr align;
	} room;
	struct msghdr h = { .msg_iov = io, .msg_iovlen = data_bytes ? 3 : fixed_bytes ? 2 : 1 };

	if (fd_count) {
		memset(&room, 0, sizeof(room));
		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fd_count);
	}
	return send_all(fd, &h);
}

static void nap_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = (time_t)(ms / 1000),
				      .tv_nsec = (long)(ms % 1000) * 1000000 },
		  NULL);
}

static void send_garbage(struct server *s)
{
	uint64_t noise[8];

	for (unsigned i = 0; i < 8; i++)
		noise[i] = fault_random(&s->faults);
	(void)!send(s->session.fd, noise, sizeof(noise), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Faults that replace the reply. True: nothing more is to be sent. */
static bool reply_spoilt(struct server *s, struct rf_vu_header *h, const void *fixed,
			 uint32_t fixed_bytes, const void *data, uint32_t data_bytes)
{
	if (fault_fires(&s->faults, &s->fault[F_LATE]))
		nap_ms(fault_arg(&s->fault[F_LATE], 100));
	if (fault_fires(&s->faults, &s->fault[F_LOST]))
		return true;
	if (fault_fires(&s->faults, &s->fault[F_GARBAGE])) {
		send_garbage(s);
		return true;
	}
	if (fault_fires(&s->faults, &s->fault[F_DISCONNECT])) {
		uint32_t half = fixed_bytes / 2;
		(void)message_send(s->session.fd, h, fixed, half, data, half ? 0 : data_bytes / 2,
				   NULL, 0);
		s->closing = true;
		return true;
	}
	if (fault_fires(&s->faults, &s->fault[F_SHORT])) {
		h->size = (uint32_t)sizeof(*h) + fixed_bytes / 2;
		(void)message_send(s->session.fd, h, fixed, fixed_bytes / 2, NULL, 0, NULL, 0);
		return true;
	}
	if (fault_fires(&s->faults, &s->fault[F_WRONG_ID]))
		h->id++;
	return false;
}

void reply_send(struct server *s, const struct rf_vu_header *to, int error, const void *fixed,
		uint32_t fixed_bytes, const void *data, uint32_t data_bytes, const int *fds,
		int fd_count)
{
	struct rf_vu_header h = { .id = to->id, .command = to->command, .flags = RF_VU_TYPE_REPLY };

	if (error)
		count(s, C_ERRORS);
	if (to->flags & RF_VU_NO_REPLY || s->session.fd < 0)
		return;
	if (fault_fires(&s->faults, &s->fault[F_ERROR]))
		error = EIO;
	if (error) {
		h.flags |= RF_VU_ERROR;
		h.error = (uint32_t)error;
		fixed_bytes = data_bytes = 0;
		fd_count = 0;
	}
	h.size = (uint32_t)sizeof(h) + fixed_bytes + data_bytes;
	if (s->faults.armed && reply_spoilt(s, &h, fixed, fixed_bytes, data, data_bytes))
		return;
	if (message_send(s->session.fd, &h, fixed, fixed_bytes, data, data_bytes, fds, fd_count))
		s->closing = true;
}
