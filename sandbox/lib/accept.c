/* SPDX-License-Identifier: MIT */
/* accept.c - see accept.h. Room: sandbox/lib, trusted. */
#include "accept.h"

#include <errno.h>
#include <string.h>

#include "log.h"

/* Linux hands errors of the network that are pending on the new socket to accept(). */
static int accept_failed(int err)
{
	switch (err) {
	case EAGAIN:
		return -EAGAIN;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EFAULT:
		rf_die(RF_EXIT_BUG, "cannot accept clients: %s", strerror(err));
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EPERM:
		return -ENOBUFS;
	default:
		return -ECONNABORTED;
	}
}

int rf_accept(int listener, struct sockaddr *peer, socklen_t *length)
{
	int fd = accept4(listener, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd >= 0 ? fd : accept_failed(errno);
}
