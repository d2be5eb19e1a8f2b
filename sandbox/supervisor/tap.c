/* SPDX-License-Identifier: MIT */
/*
 * tap.c - the interface a TAP export serves: made, named, given its owner here, because
 * that needs privilege; its frames are moved by rf-tap, which has none.
 *
 * Room:   sandbox/supervisor, privileged. Nothing is read from the interface here.
 * Stays:  the interface is persistent: addresses and routes the operator gave it survive
 *         drivers, exports and ringfence itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

static int refused(const struct dev *d, int err)
{
	const char *name = d->cfg->listen;

	if (err == EBUSY) {
		rf_log("%s: interface %s is in use by another program", d->cfg->name, name);
		return RF_EXIT_IN_USE;
	}
	if (err == EINVAL) {
		rf_log("%s: an interface %s exists already, and it is not a TAP of one queue: choose "
		       "another name or remove it", d->cfg->name, name);
		return RF_EXIT_IN_USE;
	}
	rf_log("%s: cannot make interface %s: %s%s", d->cfg->name, name, strerror(err),
	       err == EPERM ? " (run as root, or in a user and network namespace of your own)" : "");
	return RF_EXIT_SYSTEM;
}

int tap_open(struct dev *d)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		rf_log("%s: /dev/net/tun: %s; load the module tun", d->cfg->name, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	strcpy(ifr.ifr_name, d->cfg->listen);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		int code = refused(d, errno);
		close(fd);
		return code;
	}
	bool given = d->cfg->owner == ~0u || !ioctl(fd, TUNSETOWNER, (unsigned long)d->cfg->owner);
	if (!given || ioctl(fd, TUNSETPERSIST, 1ul)) {
		rf_log("%s: cannot %s interface %s: %s%s", d->cfg->name,
		       given ? "keep" : "give away", d->cfg->listen, strerror(errno),
		       given ? "" : " (is the owner a user of this user namespace?)");
		close(fd);
		return RF_EXIT_SYSTEM;
	}
	d->fd[FD_LISTEN] = fd;
	return 0;
}

int tap_configure(struct dev *d)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	strcpy(ifr.ifr_name, d->cfg->listen);
	ifr.ifr_mtu = d->net.mtu;
	if (sock < 0 || ioctl(sock, SIOCSIFMTU, &ifr))
		err = errno;
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, d->net.mac, sizeof(d->net.mac));
	if (!err && ioctl(sock, SIOCSIFHWADDR, &ifr))
		err = errno;
	if (sock >= 0)
		close(sock);
	if (err)
		rf_log("%s: cannot give interface %s its address and MTU %u: %s", d->cfg->name,
		       d->cfg->listen, d->net.mtu, strerror(err));
	return err ? RF_EXIT_SYSTEM : 0;
}
