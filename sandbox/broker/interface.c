/* SPDX-License-Identifier: MIT */
/* interface.c - see interface.h. Room: sandbox/broker, root behind a list. */
#include "interface.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"

static int interface_refused(const struct rf_config_device *d, int err)
{
	const char *name = d->listen;

	if (err == EBUSY) {
		rf_log("%s: interface %s is in use by another program", d->name, name);
		return RF_EXIT_IN_USE;
	}
	if (err == EINVAL) {
		rf_log("%s: an interface %s exists already, and it is not a TAP of one queue: "
		       "choose "
		       "another name or remove it",
		       d->name, name);
		return RF_EXIT_IN_USE;
	}
	rf_log("%s: cannot make interface %s: %s%s", d->name, name, strerror(err),
	       err == EPERM ? " (run as root, or in a user and network namespace of your own)" :
			      "");
	return RF_EXIT_SYSTEM;
}

/* Resets the TAP to defaults. One that another program made keeps its header sizes, offloads,
 * filters and limits. rf-tap sets later what its device can do. */
static int make_plain(int fd, struct ifreq *ifr)
{
	const short kind = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int header = sizeof(struct virtio_net_hdr), room = INT_MAX, no = 0, none = -1;
	struct tun_filter every = { 0 };

	if (ioctl(fd, TUNSETVNETHDRSZ, &header) || ioctl(fd, TUNSETOFFLOAD, 0ul) ||
	    ioctl(fd, TUNSETSNDBUF, &room) || ioctl(fd, TUNSETTXFILTER, &every) ||
	    ioctl(fd, TUNDETACHFILTER, NULL) || ioctl(fd, TUNGETIFF, ifr))
		return -errno;
	/* Fails on kernels that lack these, where there is nothing to reset. */
	(void)ioctl(fd, TUNSETFILTEREBPF, &none);
	(void)ioctl(fd, TUNSETVNETBE, &no);
	return (ifr->ifr_flags & (kind | IFF_TUN | IFF_MULTI_QUEUE)) == kind ? 0 : -EINVAL;
}

int rf_tap_open(const struct rf_config_device *d, int *out)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		rf_log("%s: /dev/net/tun: %s; load the module tun", d->name, strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->listen);
	int err = ioctl(fd, TUNSETIFF, &ifr) ? -errno : make_plain(fd, &ifr);
	if (err) {
		close(fd);
		return interface_refused(d, -err);
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

int rf_tap_configure(const struct rf_config_device *d, uint16_t mtu, const uint8_t mac[6])
{
	struct ifreq ifr = { 0 };
	static const uint8_t nobody[6];

	/* Address and MTU are the device's claims. */
	if (mtu < 68 || mac[0] & 1 || !memcmp(mac, nobody, 6)) {
		rf_log("%s: its device has an MTU of %u and an address that no station has: no "
		       "interface",
		       d->name, mtu);
		return RF_EXIT_DEVICE;
	}
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
