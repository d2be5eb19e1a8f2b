/* SPDX-License-Identifier: MIT */
/* lwip_listen.c - sockets of the host that a stack listens on. Room: sandbox/proto, trusted. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "lwip_config.h"
#include "unix_listen.h"

static int listen_unix(const char *path)
{
	const char *why;
	int fd = rf_unix_listen(path, SOCK_STREAM, 0, &why);

	if (fd < 0)
		rf_log("cannot listen on unix:%s: %s", path, why);
	return fd;
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
	return bind(fd, six ? (void *)&a6 : (void *)&a4, six ? sizeof(a6) : sizeof(a4)) ? -errno :
											  0;
}

int rf_lwip_listen(const struct rf_lwip_service *s)
{
	const struct rf_lwip_place *p = &s->listen;
	char text[INET6_ADDRSTRLEN] = "every address";

	if (p->kind == RF_LWIP_UNIX)
		return listen_unix(p->name);
	int family = p->address.family == 6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = fd < 0 ? -errno : bind_tcp(fd, p);

	if (!err && listen(fd, 64))
		err = -errno;
	if (!err)
		return fd;
	rf_log("cannot listen on tcp:%s port %u: %s", p->any ? text :
	       inet_ntop(family, p->address.bytes, text, sizeof(text)), p->port, strerror(-err));
	if (fd >= 0)
		close(fd);
	return err;
}
