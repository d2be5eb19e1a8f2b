/* SPDX-License-Identifier: MIT */
/* lwip_listen.c - sockets of the host that a stack listens on. Room: sandbox/base, trusted. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "lwip_config.h"

static int bind_unix(int fd, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int probe;

	memcpy(at.sun_path, path, strlen(path) + 1);
	if (!bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	/* Left over by a dead one, or in use? */
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe >= 0 && connect(probe, (struct sockaddr *)&at, sizeof(at)) && errno == ECONNREFUSED)
		unlink(path);
	if (probe >= 0)
		close(probe);
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) ? -errno : 0;
}

static int bind_tcp(int fd, const struct rf_lwip_place *p)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(p->port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(p->port) };
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	memcpy(&a4.sin_addr, p->address.bytes, 4);
	memcpy(&a6.sin6_addr, p->address.bytes, 16);
	bool six = p->address.family == 6;
	return bind(fd, six ? (void *)&a6 : (void *)&a4, six ? sizeof(a6) : sizeof(a4)) ? -errno : 0;
}

int rf_lwip_listen(const struct rf_lwip_service *s)
{
	const struct rf_lwip_place *p = &s->listen;
	char text[INET6_ADDRSTRLEN] = "every address";
	int family = p->kind == RF_LWIP_UNIX ? AF_UNIX : p->address.family == 6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = fd < 0 ? -errno : p->kind == RF_LWIP_UNIX ? bind_unix(fd, p->name) : bind_tcp(fd, p);

	if (!err && listen(fd, 64))
		err = -errno;
	if (!err)
		return fd;
	if (p->kind == RF_LWIP_UNIX)
		rf_log("cannot listen on unix:%s: %s", p->name, strerror(-err));
	else
		rf_log("cannot listen on tcp:%s port %u: %s", p->any ? text :
		       inet_ntop(family, p->address.bytes, text, sizeof(text)), p->port, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}
