/* SPDX-License-Identifier: MIT */
/*
 * vfio_user.c - messages to and from a vfio-user server. See user.h.
 *
 * Room:   sandbox/device/vfio_user.
 * Rules:  one sendmsg(2) a message, its fds with it: known servers drop a connection
 *         whose header or payload comes in pieces. One request is under way at a time.
 *         An error answer is a bare header.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "range.h"
#include "user.h"
#include "wait.h"

struct message {
	struct rf_vu_header head;
	uint32_t bytes;              /* of payload, in rf_vfio_user.in */
	int      fds[RF_VU_MAX_FDS];
	int      fd_count;
};

static void close_fds(int *fds, int *count)
{
	for (int i = 0; i < *count; i++)
		close(fds[i]);
	*count = 0;
}

int user_dead(struct rf_vfio_user *u, const char *fmt, ...)
{
	char what[200];
	va_list ap;

	if (u->dead)
		return -ENODEV;
	u->dead = true;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	rf_log("%s: its vfio-user server %s", u->label, what);
	/* The server learns of the end now, not when this process is gone. */
	close(u->sock);
	if (u->twin >= 0)
		close(u->twin);
	u->sock = u->twin = -1;
	return -ENODEV;
}

/* ---- sending ------------------------------------------------------------------- */

/* Waits for one of the sockets. 0, or -ENODEV at the deadline. */
static int wait_for(struct rf_vfio_user *u, struct pollfd *p, nfds_t count, uint64_t deadline,
		    const char *what)
{
	for (;;) {
		uint64_t now = rf_now_ns();
		int n = now >= deadline ?
				0 :
				rf_wait_fds(p, count, (int)((deadline - now) / 1000000 + 1));

		if (n > 0)
			return 0;
		if (!n)
			return user_dead(u, "does not %s in time", what);
		if (errno != EINTR)
			return user_dead(u, "cannot be waited for: %s", strerror(errno));
	}
}

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * RF_VU_MAX_FDS)];
};

static void attach_fds(struct msghdr *msg, union fd_space *space, const int *fds, int count)
{
	memset(space, 0, sizeof(*space));
	msg->msg_control = space->bytes;
	msg->msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
}

static int send_message(struct rf_vfio_user *u, int sock, struct rf_vu_header *head,
			const struct user_call *c)
{
	union fd_space space;
	struct iovec iov[3] = {
		{ head, sizeof(*head) },
		{ (void *)c->head, c->head_bytes },
		{ (void *)c->data, c->data_bytes },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	uint64_t deadline = rf_now_ns() + u->within_ns;
	ssize_t n;

	if (u->dead)
		return -ENODEV;
	RF_BUG_ON(c->fd_count > (int)RF_VU_MAX_FDS || c->data_bytes > RF_VU_MAX_DATA);
	head->size = (uint32_t)sizeof(*head) + c->head_bytes + c->data_bytes;
	if (c->fd_count)
		attach_fds(&msg, &space, c->fds, c->fd_count);
	while ((n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
		struct pollfd p = { .fd = sock, .events = POLLOUT };

		if (errno != EINTR && errno != EAGAIN)
			return user_dead(u, "closed the connection (%s)", strerror(errno));
		int err = errno == EAGAIN ? wait_for(u, &p, 1, deadline, "read") : 0;
		if (err)
			return err;
	}
	return n == (ssize_t)head->size ? 0 : user_dead(u, "took a part of a message only");
}

/* ---- receiving ----------------------------------------------------------------- */

/* Takes the fds out of a message. false: more came than there was room for. */
static bool vfio_user_take_fds(struct msghdr *msg, struct message *m)
{
	bool fit = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (int i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof(fd));
			if (m->fd_count < (int)RF_VU_MAX_FDS) {
				m->fds[m->fd_count++] = fd;
			} else {
				close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* Exactly `bytes` of the stream. Fds may come with the first byte of a header only, and where
 * none is awaited none is let into this process: closing one may be up to who sent it. */
static int receive_bytes(struct rf_vfio_user *u, int sock, void *to, uint32_t bytes,
			 struct message *m, uint64_t deadline)
{
	for (uint32_t got = 0; got < bytes;) {
		union fd_space space;
		struct iovec iov = { (char *)to + got, bytes - got };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		struct pollfd p = { .fd = sock, .events = POLLIN };
		int before = m->fd_count;
		if (u->awaits_fds) {
			msg.msg_control = space.bytes;
			msg.msg_controllen = sizeof(space.bytes);
		}
		ssize_t n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			int err = wait_for(u, &p, 1, deadline, "finish a message");
			if (err)
				return err;
			continue;
		}
		if (n <= 0)
			return user_dead(u, "closed the connection");
		if (!vfio_user_take_fds(&msg, m))
			return user_dead(u, u->awaits_fds ? "sent more fds than it may" :
							    "sent fds with the answer to a message "
							    "that asked for none");
		if (m->fd_count > before && (got || to == u->in))
			return user_dead(u, "sent fds in the middle of a message");
		got += (uint32_t)n;
	}
	return 0;
}

static int receive_message(struct rf_vfio_user *u, int sock, struct message *m, uint64_t deadline)
{
	m->fd_count = 0;
	int err = receive_bytes(u, sock, &m->head, sizeof(m->head), m, deadline);

	if (!err &&
	    (m->head.size < sizeof(m->head) || m->head.size > sizeof(m->head) + sizeof(u->in)))
		err = user_dead(u, "sent a message of %u bytes", m->head.size);
	if (!err) {
		m->bytes = m->head.size - (uint32_t)sizeof(m->head);
		err = receive_bytes(u, sock, u->in, m->bytes, m, deadline);
	}
	if (err)
		close_fds(m->fds, &m->fd_count);
	return err;
}

/* ---- what the server asks --------------------------------------------------------- */

/* Memory behind [iova, iova + bytes), all of it in one map that allows this. */
static void *dma_find(const struct rf_vfio_user *u, uint64_t iova, uint64_t bytes, bool write)
{
	for (uint32_t i = 0; i < u->maps; i++) {
		const struct user_map *m = &u->map[i];

		if (rf_range_inside(iova, bytes, m->iova, m->bytes) && (m->writable || !write))
			return m->p + (iova - m->iova);
	}
	return NULL;
}

/* 0 and the payload of the answer, or the errno of a refusal. */
static uint32_t dma_access(struct rf_vfio_user *u, const struct message *m, struct user_call *reply,
			   struct rf_vu_dma_access *a)
{
	bool write = m->head.command == RF_VU_DMA_WRITE;

	if (m->bytes < sizeof(*a))
		return EINVAL;
	memcpy(a, u->in, sizeof(*a));
	if (a->count > RF_VU_MAX_DATA || m->bytes != sizeof(*a) + (write ? a->count : 0))
		return EINVAL;
	char *p = dma_find(u, a->address, a->count, write);
	if (!p)
		return EFAULT;
	reply->head = a;
	reply->head_bytes = sizeof(*a);
	if (write) {
		memcpy(p, u->in + sizeof(*a), a->count);
	} else {
		/* A copy: the answer must not change under sendmsg's hands. */
		memcpy(u->in, p, a->count);
		reply->data = u->in;
		reply->data_bytes = (uint32_t)a->count;
	}
	return 0;
}

static int serve_command(struct rf_vfio_user *u, int sock, struct message *m)
{
	struct rf_vu_header head = { .id = m->head.id, .command = m->head.command,
				     .flags = RF_VU_TYPE_REPLY };
	struct user_call reply = { 0 };
	struct rf_vu_dma_access a;

	close_fds(m->fds, &m->fd_count);
	if (m->head.command == RF_VU_DMA_READ || m->head.command == RF_VU_DMA_WRITE)
		head.error = dma_access(u, m, &reply, &a);
	else
		head.error = ENOTSUP;
	if (head.error)
		head.flags |= RF_VU_ERROR;
	return m->head.flags & RF_VU_NO_REPLY ? 0 : send_message(u, sock, &head, &reply);
}

static bool is_reply(const struct message *m)
{
	return (m->head.flags & RF_VU_TYPE_MASK) == RF_VU_TYPE_REPLY;
}

static int receive_command(struct rf_vfio_user *u, int sock, uint64_t deadline)
{
	struct message m;
	int err = receive_message(u, sock, &m, deadline);

	if (err)
		return err;
	if ((m.head.flags & RF_VU_TYPE_MASK) != RF_VU_TYPE_COMMAND) {
		close_fds(m.fds, &m.fd_count);
		return user_dead(u, "sent an answer nobody waits for (command %u)", m.head.command);
	}
	return serve_command(u, sock, &m);
}

int user_serve(struct rf_vfio_user *u, int sock)
{
	return u->dead ? -ENODEV : receive_command(u, sock, rf_now_ns() + u->within_ns);
}

/* ---- requests ------------------------------------------------------------------------ */

/* The next message on sock, the twin's commands served on the way. */
static int next_message(struct rf_vfio_user *u, struct message *m, uint64_t deadline)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = u->sock, .events = POLLIN },
				       { .fd = u->twin, .events = POLLIN } };
		int err = wait_for(u, p, 2, deadline, "answer");

		if (!err && p[1].revents)
			err = receive_command(u, u->twin, deadline);
		if (err)
			return err;
		if (p[0].revents)
			return receive_message(u, u->sock, m, deadline);
	}
}

/* The answer to request `id`, everything about it checked. */
static int take_reply(struct rf_vfio_user *u, struct message *m, struct user_call *c, uint16_t id)
{
	const struct rf_vu_header *h = &m->head;

	if (h->id != id || h->command != c->command)
		return user_dead(
			u, "answered message %u, command %u, when asked message %u, command %u",
			h->id, h->command, id, c->command);
	if (h->flags & RF_VU_ERROR) {
		if (m->bytes)
			return user_dead(u, "sent an error with %u bytes behind it", m->bytes);
		/* ENODEV is what we call a dead connection. */
		return h->error && h->error < 4096 && h->error != ENODEV ? -(int)h->error :
									   -EREMOTEIO;
	}
	if (m->bytes < c->reply_min || m->bytes > c->reply_room)
		return user_dead(u, "answered command %u with %u bytes instead of %u to %u",
				 c->command, m->bytes, c->reply_min, c->reply_room);
	if (m->fd_count && !c->reply_fds)
		return user_dead(u, "sent fds with the answer to command %u", c->command);
	if (m->bytes)
		memcpy(c->reply, u->in, m->bytes);
	if (c->reply_fds)
		memcpy(c->reply_fds, m->fds, sizeof(int) * (size_t)m->fd_count);
	c->reply_fd_count = m->fd_count;
	m->fd_count = 0;
	return (int)m->bytes;
}

int user_call(struct rf_vfio_user *u, struct user_call *c)
{
	struct rf_vu_header head = { .id = ++u->id, .command = c->command };
	uint64_t deadline = rf_now_ns() + (c->within_ns ? c->within_ns : u->within_ns);
	struct message m;
	int err = send_message(u, u->sock, &head, c);

	c->reply_fd_count = 0;
	u->awaits_fds = c->reply_fds != NULL;
	while (!err) {
		if ((err = next_message(u, &m, deadline)))
			break;
		if (is_reply(&m)) {
			err = take_reply(u, &m, c, head.id);
			close_fds(m.fds, &m.fd_count);
			break;
		}
		if ((m.head.flags & RF_VU_TYPE_MASK) != RF_VU_TYPE_COMMAND) {
			close_fds(m.fds, &m.fd_count);
			return user_dead(u, "sent a message that is neither command nor answer");
		}
		err = serve_command(u, u->sock, &m);
	}
	u->awaits_fds = false;
	return err;
}

int user_post(struct rf_vfio_user *u, const struct user_call *c)
{
	struct rf_vu_header head = { .id = ++u->id,
				     .command = c->command,
				     .flags = RF_VU_NO_REPLY };

	return send_message(u, u->sock, &head, c);
}
