/* SPDX-License-Identifier: MIT */
/* tap.c - see tap.h. Room: sandbox/supervisor, privileged. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

static int refused(const struct rf_device *d, int err)
{
	const char *name = d->listen;

	if (err == EBUSY) {
		rf_log("%s: interface %s is in use by another program", d->name, name);
		return RF_EXIT_IN_USE;
	}
	if (err == EINVAL) {
		rf_log("%s: an interface %s exists already, and it is not a TAP of one queue: choose "
		       "another name or remove it", d->name, name);
		return RF_EXIT_IN_USE;
	}
	rf_log("%s: cannot make interface %s: %s%s", d->name, name, strerror(err),
	       err == EPERM ? " (run as root, or in a user and network namespace of your own)" : "");
	return RF_EXIT_SYSTEM;
}

int rf_tap_open(const struct rf_device *d, int *out)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		rf_log("%s: /dev/net/tun: %s; load the module tun", d->name, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->listen);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		int code = refused(d, errno);
		close(fd);
		return code;
	}
	bool given = d->owner == ~0u || !ioctl(fd, TUNSETOWNER, (unsigned long)d->owner);
	if (!given || ioctl(fd, TUNSETPERSIST, 1ul)) {
		rf_log("%s: cannot %s interface %s: %s%s", d->name,
		       given ? "keep" : "give away", d->listen, strerror(errno),
		       given ? "" : " (is the owner a user of this user namespace?)");
		close(fd);
		return RF_EXIT_SYSTEM;
	}
	*out = fd;
	return 0;
}

int rf_tap_configure(const struct rf_device *d, uint16_t mtu, const uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->listen);
	ifr.ifr_mtu = mtu;
	if (sock < 0 || ioctl(sock, SIOCSIFMTU, &ifr))
		err = errno;
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (!err && ioctl(sock, SIOCSIFHWADDR, &ifr))
		err = errno;
	if (sock >= 0)
		close(sock);
	if (err)
		rf_log("%s: cannot give interface %s its address and MTU %u: %s", d->name,
		       d->listen, mtu, strerror(err));
	return err ? RF_EXIT_SYSTEM : 0;
}
