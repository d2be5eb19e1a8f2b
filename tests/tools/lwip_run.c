/* SPDX-License-Identifier: MIT */
/*
 * lwip_run.c - starts rf-lwip on a TAP instead of a device, with the fds that the
 * supervisor would hand it.
 *
 *   lwip-run RF-LWIP CONFIG TAP MAC       (its configuration lines alone, of lwip_config.h)
 *   lwip-run RF-LWIP CONFIG fd:N MAC      (a frame a read and a write of fd N)
 *
 * Room:   tests/tools. rf-dial is looked for beside RF-LWIP.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"
#include "export.h"
#include "export_config.h"
#include "log.h"
#include "read.h"

#define HIGH 100 /* fds are collected up here, then put where they belong */

static int line(struct rf_words *w, void *arg)
{
	int err = rf_lwip_config_line(arg, w);

	return err == -ENOENT ? rf_words_error(w, "unknown key '%s'", w->word[0]) : err;
}

static int high(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

	if (up < 0)
		rf_die(70, "fd: %s", strerror(errno));
	close(fd);
	return up;
}

static int tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	if (!strncmp(name, "fd:", 3))
		return high(atoi(name + 3));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		rf_die(70, "TAP %s: %s", name, strerror(errno));
	return high(fd);
}

static int config_fd(const struct rf_lwip_config *c)
{
	int fd = memfd_create("lwip", MFD_CLOEXEC);

	if (fd < 0 || write(fd, c, sizeof(*c)) != sizeof(*c))
		rf_die(70, "memfd: %s", strerror(errno));
	return high(fd);
}

/* `fd` is `number` in the program to be started. */
static void hand(int fd, int number)
{
	if (dup2(fd, number) != number)
		rf_die(70, "dup2: %s", strerror(errno));
}

static void start_dial(const char *lwip, int socket_fd, int config)
{
	char path[512];

	snprintf(path, sizeof(path), "%.*srf-dial", (int)(strrchr(lwip, '/') - lwip + 1), lwip);
	pid_t pid = fork();
	if (pid < 0)
		rf_die(70, "fork: %s", strerror(errno));
	if (pid)
		return;
	hand(socket_fd, RF_DIAL_FD_STACK);
	hand(config, RF_DIAL_FD_CONFIG);
	execl(path, path, (char *)NULL);
	rf_die(70, "%s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
	static struct rf_lwip_config c;
	int listeners[RF_LWIP_SERVICES], pair[2] = { -1, -1 };

	rf_log_name = "lwip-run";
	if (argc != 5 || !strchr(argv[1], '/') ||
	    sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &c.mac[0], &c.mac[0], &c.mac[0],
		   &c.mac[0], &c.mac[0], &c.mac[0]) != 6)
		rf_die(64, "usage: lwip-run RF-LWIP CONFIG TAP|fd:N MAC");
	rf_lwip_config_init(&c);
	int err = rf_words_read(argv[2], line, &c);
	if (err)
		rf_die(65, "%s: %s", argv[2], strerror(-err));
	sscanf(argv[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &c.mac[0], &c.mac[1], &c.mac[2], &c.mac[3],
	       &c.mac[4], &c.mac[5]);
	c.flags |= RF_LWIP_LINK_FD;
	c.mtu = 1500;
	int link = tap(argv[3]);
	for (uint32_t i = 0; i < c.count; i++) {
		listeners[i] = -1;
		if (rf_lwip_on_host(&c.service[i])) {
			int fd = rf_lwip_listen(&c.service[i]);
			if (fd < 0)
				return 73;
			listeners[i] = high(fd);
		}
	}
	int config = config_fd(&c);
	if (rf_lwip_dials(&c)) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			rf_die(70, "socketpair: %s", strerror(errno));
		pair[0] = high(pair[0]);
		pair[1] = high(pair[1]);
		start_dial(argv[1], pair[1], config);
		close(pair[1]);
		hand(pair[0], RF_LWIP_FD_DIAL);
	}
	for (uint32_t i = 0; i < c.count; i++)
		if (listeners[i] >= 0)
			hand(listeners[i], RF_LWIP_FD_LISTEN + (int)i);
	hand(config, RF_LWIP_FD_CONFIG);
	hand(link, RF_EXPORT_FD_KICK);
	hand(link, RF_EXPORT_FD_WAKE0);
	execl(argv[1], argv[1], (char *)NULL);
	rf_die(70, "%s: %s", argv[1], strerror(errno));
}
