/* SPDX-License-Identifier: MIT */
/*
 * scripted_device.h - a device of the vfio-user back end on a server whose answers are written
 * in the test; what it says is kept.
 *
 * Room:   tests/unit. The device room's files are part of the test.
 */
#ifndef RF_UNIT_SCRIPTED_DEVICE_H
#define RF_UNIT_SCRIPTED_DEVICE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "log.h"

/* One message, one sendmsg, whole. */
#include <sys/socket.h>
static ssize_t whole_sendmsg(int sock, const struct msghdr *msg, int flags);
#define sendmsg(sock, msg, flags) whole_sendmsg(sock, msg, flags)
#include "sandbox/device/vfio_user/vfio_user.c"
#undef sendmsg
#include "sandbox/device/core/bar.c"
#include "sandbox/device/core/config_space.c"
#include "sandbox/device/core/quirks.c"
#include "sandbox/device/core/dma.c"
#include "sandbox/device/core/doorbell.c"
#include "sandbox/device/core/interrupts.c"
#include "sandbox/device/vfio_user/json.c"
#include "sandbox/device/core/pci_bringup.c"
#include "sandbox/device/vfio_user/vfio_user_region.c"
#include "sandbox/device/vfio_user/vfio_user_device.c"
#include "sandbox/device/vfio_user/vfio_user_doorbell.c"
#include "sandbox/device/vfio_user/vfio_user_version.c"

#include "scripted_server.h"

const struct rf_backend_ops rf_backend_vfio;

static char said[4096];

void rf_log(const char *fmt, ...)
{
	size_t used = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + used, sizeof(said) - used - 1, fmt, ap);
	va_end(ap);
	strcat(said, "\n");
}

void rf_die(int code, const char *fmt, ...)
{
	fprintf(stderr, "died with %d: %s\n", code, fmt);
	abort();
}

void rf_close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

uint64_t rf_now_ns(void)
{
	return rf_clock_ns(CLOCK_MONOTONIC);
}

static inline ssize_t whole_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	struct rf_vu_header head;
	size_t bytes = 0;

	memcpy(&head, msg->msg_iov[0].iov_base, sizeof(head));
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += msg->msg_iov[i].iov_len;
	assert_int_equal(bytes, head.size);
	return (sendmsg)(sock, msg, flags);
}

/* ---- one device on one server ----------------------------------------------------------- */

static struct server    server;
static struct rf_device device;
static char data[4 << 20] __attribute__((aligned(4096))),
	queues[8192] __attribute__((aligned(4096))),
	admin[RF_ADMIN_BYTES] __attribute__((aligned(4096)));

static inline void put_fd(int fd, int number)
{
	SURE(dup2(fd, number) == number);
	close(fd);
}

/* The fds a device process has, by their numbers. No other fd may get one of these. */
static inline void give_fds(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 3; fd <= RF_DEVICE_FDS; fd++)
		SURE(dup2(null, fd) == fd);
	for (int fd = RF_DEVICE_FD_DATA; fd <= RF_DEVICE_FD_ADMIN; fd++)
		put_fd(memfd_create("memory", 0), fd);
	for (int fd = RF_DEVICE_FD_WAKE0; fd <= RF_DEVICE_FD_DEVICE; fd++)
		put_fd(eventfd(0, fd == RF_DEVICE_FD_DEVICE ? 0 : EFD_NONBLOCK),
		       fd); /* as it is given */
}

static inline struct rf_device *begin(void)
{
	SURE(dup2(RF_DEVICE_FD_SUPERVISOR, RF_DEVICE_FD_GROUP) == RF_DEVICE_FD_GROUP);
	said[0] = '\0';
	memset(&device, 0, sizeof(device));
	device.backend = &rf_backend_vfio_user;
	device.label = "disk0";
	device.vfio = device.error_event = device.gone_event = -1;
	device.cfg = (struct rf_device_config){ .interrupts = RF_IRQ_MSIX | RF_IRQ_MSI,
		.match_class = ~0u, .match_vendor = ~0u, .match_device = ~0u,
		.arena_bytes = sizeof(data), .queue_bytes = sizeof(queues) / 2, .queues = 1 };
	device.data = data;
	device.queues = queues;
	device.queue_count = 1;
	device.admin = admin;
	return &device;
}

static inline void start(struct server *s)
{
	server_start(s);
	put_fd(s->client, RF_DEVICE_FD_GROUP);
}

/* What main.c does, up to the interrupts. 0 or an exit code. */
static inline int open_all(struct rf_device *d)
{
	int err = d->backend->open(d);

	if (err)
		return err;
	config_find_msix(d);
	if (config_bus_master(d, true))
		return RF_EXIT_DEVICE;
	if ((err = dma_map_all(d)))
		return err;
	return irq_open(d);
}

static inline void end(struct rf_device *d)
{
	if (d->user && !d->user->dead) {
		close(d->user->sock);
		if (d->user->twin >= 0)
			close(d->user->twin);
	} else if (!d->user) {
		close(RF_DEVICE_FD_GROUP);
	}
	for (int i = 0; d->user && i < RF_VU_PCI_REGIONS; i++)
		if (d->user->region[i].fd > 2)
			close(d->user->region[i].fd);
	if (d->gone_event >= 0)
		close(d->gone_event);
	server_stop(&server);
}

static inline void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("wanted \"%s\" in: %s", what, said);
}

#endif
