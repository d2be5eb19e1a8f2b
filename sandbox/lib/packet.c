/* SPDX-License-Identifier: MIT */
/* packet.c - see packet.h. Room: sandbox/lib, trusted. */
#include "packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * RF_PACKET_FDS)];
};

static int send_with(int sock, const void *data, size_t bytes, const int *fds, int count, int flags)
{
	union fd_space space = { 0 };
	struct iovec iov = { .iov_base = (void *)data, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	RF_BUG_ON(count > RF_PACKET_FDS);
	if (count) {
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int rf_packet_send(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	return send_with(sock, data, bytes, fds, count, 0);
}

int rf_packet_post(int sock, const void *data, size_t bytes)
{
	return send_with(sock, data, bytes, NULL, 0, MSG_DONTWAIT);
}

int rf_packet_offer(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	return send_with(sock, data, bytes, fds, count, MSG_DONTWAIT);
}

static int packet_take_fds(struct msghdr *msg, int *fds)
{
	int count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		RF_BUG_ON(count + n > RF_PACKET_FDS);
		memcpy(fds + count, CMSG_DATA(c), sizeof(int) * (size_t)n);
		count += n;
	}
	return count;
}

int rf_packet_recv(int sock, void *data, size_t bytes, int *fds, int *count, int flags)
{
	union fd_space space;
	struct iovec iov = { .iov_base = data, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = space.bytes, .msg_controllen = sizeof(space.bytes) };
	ssize_t n;

	*count = 0;
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	*count = packet_take_fds(&msg, fds);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		rf_close_all(fds, *count);
		*count = 0;
		return -EMSGSIZE;
	}
	return (int)n;
}

void rf_close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}
