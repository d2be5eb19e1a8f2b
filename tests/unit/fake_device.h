/* SPDX-License-Identifier: MIT */
/*
 * fake_device.h - a device whose doings are noted, for tests of generation.c and what it calls.
 *
 * Room:   tests/unit. Noted in order, as test_ending.c says.
 */
#ifndef RF_FAKE_DEVICE_H
#define RF_FAKE_DEVICE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "bounded.h"
#include "device.h"
#include "export.h"
#include "log.h"
#include "packet.h"

static char noted[32];
static bool full; /* the supervisor takes no messages */

static inline void note(char what)
{
	size_t n = strlen(noted);

	assert_true(n + 1 < sizeof(noted));
	noted[n] = what;
}

int rf_packet_send(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	static const char ups[] = { [RF_DEV_DOWN] = 'D', [RF_DEV_UP] = 'U', [RF_DEV_WANT] = 'W',
				    [RF_DEV_KILL] = 'K', [RF_DEV_FAILED] = 'F' };
	static const char exports[] = {
		[RF_SVC_DOWN] = 'd', [RF_SVC_QUIESCED] = 'q', [RF_SVC_UP] = 'u',
		[RF_SVC_GONE] = 'g'
	};
	uint32_t type = *(const uint32_t *)data;

	(void)bytes, (void)fds, (void)count;
	if (full && sock == RF_DEVICE_FD_SUPERVISOR)
		return -EAGAIN;
	note(sock == RF_DEVICE_FD_SUPERVISOR ? ups[type] : exports[type]);
	return 0;
}

int rf_packet_offer(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	return rf_packet_send(sock, data, bytes, fds, count);
}

int rf_packet_post(int sock, const void *data, size_t bytes)
{
	return rf_packet_send(sock, data, bytes, NULL, 0);
}

static int drop_answer = -EOPNOTSUPP; /* of the device that is to lose a queue pair */

int device_drop_queue(struct rf_device *d, const struct rf_queue *q)
{
	assert_true(q->index < d->queue_count);
	if (drop_answer >= 0)
		note('Q');
	return drop_answer;
}

void quiesce_capture(struct rf_device *d, uint32_t generation)
{
	(void)d;
	assert_int_not_equal(generation, 0);
}

int device_quiesce(struct rf_device *d)
{
	(void)d;
	note('R');
	return RF_RESET_SOFT;
}

int config_bus_master(struct rf_device *d, bool on)
{
	(void)d, (void)on;
	return 0;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	(void)d, (void)queue;
	return (int)half;
}

int irq_back(struct rf_device *d)
{
	(void)d;
	return 0;
}

void link_forget(struct rf_device *d)
{
	(void)d;
}

void storm_forget(struct rf_device *d)
{
	(void)d;
}

bool rf_bounded_kick(int fd)
{
	static const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one);
}

void rf_log(const char *format, ...)
{
	(void)format;
}

void rf_die(int code, const char *format, ...)
{
	(void)format;
	exit(code);
}

#include "sandbox/lib/clock.c"
#include "sandbox/device/core/queue.c"
#include "sandbox/device/core/generation.c"
#include "sandbox/device/core/recovery.c"
#include "sandbox/device/core/left.c"
#include "sandbox/device/core/plan.c"
#include "sandbox/device/core/notify.c"

/* Generation 1 runs, 2 waits as standby. */
static inline void queue_runs(struct rf_device *d, uint32_t index)
{
	static struct rf_launch spec[2][2];
	static _Alignas(RF_PAGE) char boot[2][2][RF_PAGE];
	struct rf_queue *q = &d->queue[index];
	uint32_t n = d->cfg.queues, first = n + index, half = rf_number_half(first, n);

	*q = (struct rf_queue){ .index = index, .generation = first, .next = first + n,
				.quiet = true, .ready = true };
	for (int i = 0; i < 2; i++) {
		q->boot[i] = (void *)boot[index][i];
		q->spec[i] = &spec[index][i];
	}
	q->slot[half] = (struct rf_slot){ .state = SLOT_RUNNING, .generation = first, .pidfd = -1 };
	q->slot[!half] = (struct rf_slot){ .state = SLOT_STANDBY, .generation = first + n,
					   .pidfd = -1 };
}

static inline struct rf_device *running(void)
{
	static struct rf_backend_ops fake;
	static struct rf_stats_device stats;
	static char queues[4 * RF_PAGE];
	static struct rf_device d;

	d = (struct rf_device){ .backend = &fake,
				.service = RF_DEVICE_FD_SERVICE,
				.export_knows = true,
				.cfg = { .queues = 1, .queue_bytes = RF_PAGE },
				.queues = queues,
				.stats = &stats,
				.doorbell = { .event = -1 },
				.queue_count = 1,
				.enabled = true };
	queue_runs(&d, 0);
	memset(noted, 0, sizeof(noted));
	return &d;
}

static inline const char *it_changed(struct rf_device *d)
{
	return d->template.param[0] ? "all of it" : NULL;
}
static inline int no_header(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	(void)d, (void)at;
	memset(to, 0, bytes);
	return 0;
}

static inline int enables_it(struct rf_device *d, unsigned half)
{
	(void)d, (void)half;
	note('E');
	return 0;
}

static bool making_fails; /* once */
static inline int makes_it(struct rf_device *d, unsigned queue, unsigned half)
{
	(void)half;
	assert_true(queue < d->queue_count && d->left == RF_LEFT_ENABLED);
	note(making_fails ? 'n' : 'N');
	int err = making_fails ? -EIO : 0;
	making_fails = false;
	return err;
}

/* A device that a queue pair can be taken from, which it may find to have changed, with a cache. */
static inline struct rf_device *with_queues(void)
{
	static const struct rf_admin_ops control = { .changed = it_changed, .enable = enables_it,
						     .queue_make = makes_it };
	static const struct rf_backend_ops backend = { .config_read = no_header };
	struct rf_device *d = running();

	d->backend = &backend;
	d->admin_ops = &control;
	d->info.features = RF_BLK_HAS_FLUSH;
	left_as(d, RF_LEFT_ENABLED);
	drop_answer = RF_RESET_QUEUE;
	making_fails = false;
	return d;
}

static inline void fake_fds(void)
{
	for (int fd = RF_DEVICE_FD_WAKE0; fd <= RF_DEVICE_FD_WAKE1; fd++)
		dup2(eventfd(0, EFD_NONBLOCK), fd);
	for (int half = 0; half < 2; half++)
		dup2(eventfd(0, EFD_NONBLOCK), rf_device_wake(1, (uint32_t)half));
}

#endif
