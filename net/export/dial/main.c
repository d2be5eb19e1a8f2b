/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-dial: connects to the host for the network stack.
 *
 * Room:   net/export/dial, trusted, unprivileged.
 * Why:    rf-lwip parses what strangers send, so it may not connect to anything itself. It
 *         asks here for the target of a service by number, and gets a connected socket.
 *         Whoever takes rf-lwip over can reach what the configuration names, nothing else.
 * Start:  no arguments; fds RF_DIAL_FD_*.
 * Exit:   0 when rf-lwip is gone, 70 after one line in the log.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dial.h"
#include "lock.h"
#include "walls.h"
#include "log.h"
#include "lwip_config.h"
#include "packet.h"

static struct rf_lwip_config config;

static void dial_read_config(void)
{
	void *at = mmap(NULL, sizeof(config), PROT_READ, MAP_SHARED, RF_DIAL_FD_CONFIG, 0);

	if (at == MAP_FAILED)
		rf_die(RF_EXIT_BUG, "cannot map fd %d (config): %s", RF_DIAL_FD_CONFIG,
		       strerror(errno));
	memcpy(&config, at, sizeof(config));
	munmap(at, sizeof(config));
	if (config.count > RF_LWIP_SERVICES)
		rf_die(RF_EXIT_BUG, "the configuration is not one");
}

/* fd, or -errno. It may still be connecting: its first use tells. */
static int dial(const struct rf_lwip_place *to)
{
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(to->port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(to->port) };
	const void *at = &path;
	socklen_t length = sizeof(path);

	if (to->kind == RF_LWIP_UNIX) {
		memcpy(path.sun_path, to->name, sizeof(path.sun_path));
		path.sun_path[sizeof(path.sun_path) - 1] = '\0';
	} else if (to->address.family == 6) {
		memcpy(&six.sin6_addr, to->address.bytes, 16);
		at = &six;
		length = sizeof(six);
	} else {
		memcpy(&four.sin_addr, to->address.bytes, 4);
		at = &four;
		length = sizeof(four);
	}
	int fd = socket(((const struct sockaddr *)at)->sa_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, at, length) || errno == EINPROGRESS)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

int main(void)
{
	struct rf_dial_ask ask;
	int fds[RF_PACKET_FDS], count, n;

	rf_log_name = "rf-dial";
	dial_read_config();
	/* To connect is what it is there for. */
	if (rf_service_lock_without("export-dial", RF_WALL_BIT(RF_WALL_LANDLOCK)))
		return RF_EXIT_BUG;
	while ((n = rf_packet_recv(RF_DIAL_FD_STACK, &ask, sizeof(ask), fds, &count, 0)) > 0) {
		struct rf_dial_answer answer = { .error = -EINVAL };
		int fd = -EINVAL;

		rf_close_all(fds, count);
		if (n == sizeof(ask) && ask.service < config.count) {
			const struct rf_lwip_place *to = &config.service[ask.service].target;

			answer.id = ask.id;
			if (to->kind == RF_LWIP_UNIX || to->kind == RF_LWIP_TCP)
				fd = dial(to);
			answer.error = fd < 0 ? (fd) : 0;
		}
		n = rf_packet_send(RF_DIAL_FD_STACK, &answer, sizeof(answer), &fd, fd >= 0);
		if (fd >= 0)
			close(fd);
		if (n)
			break;
	}
	if (n && n != -EPIPE && n != -ECONNRESET)
		rf_die(RF_EXIT_BUG, "ends: socket of the stack: %s", strerror(-n));
	return 0;
}
