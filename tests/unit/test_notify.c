/* SPDX-License-Identifier: MIT */
/*
 * test_notify.c - a device process and a supervisor that takes no messages: no call waits, nothing
 * is lost, nothing overtakes what was said before.
 *
 * Room:   tests/unit. notify.c over real sockets; the test is the supervisor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"
#include "sandbox/device/core/notify.c"

#define JUNK     0xffffu /* a message that fills the socket */
#define DEADLINE 60      /* seconds; SIGALRM ends a test that waits */

static struct rf_device dev;
static int supervisor; /* our end */
static unsigned asked; /* a WANT was made anew so often */

/* The main loop, when there is room. */
static void goes_on(struct rf_device *d)
{
	struct rf_dev_msg msg = { .type = RF_DEV_WANT };
	int fd = 2;

	if (!notify_flush(d))
		return;
	asked++;
	(void)notify_want(d, d->queue, &msg, &fd, 1);
}

static int setup(void **state)
{
	int pair[2];

	(void)state;
	alarm(DEADLINE);
	memset(&dev, 0, sizeof(dev));
	dev.queue_count = 1;
	asked = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	supervisor = fcntl(pair[0], F_DUPFD_CLOEXEC, 100);
	close(pair[0]);
	assert_int_equal(dup2(pair[1], RF_DEVICE_FD_SUPERVISOR), RF_DEVICE_FD_SUPERVISOR);
	if (pair[1] != RF_DEVICE_FD_SUPERVISOR)
		close(pair[1]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(supervisor);
	close(RF_DEVICE_FD_SUPERVISOR);
	return 0;
}

static unsigned fill(void)
{
	struct rf_dev_msg junk = { .type = JUNK };
	unsigned n = 0;

	while (!rf_packet_post(RF_DEVICE_FD_SUPERVISOR, &junk, sizeof(junk)))
		n++;
	return n;
}

/* What came, but for the junk: type << 8 | generation of each. */
static unsigned hear(uint32_t *list, unsigned room)
{
	int fds[RF_PACKET_FDS], count;
	struct rf_dev_msg msg;
	unsigned n = 0;

	while (rf_packet_recv(supervisor, &msg, sizeof(msg), fds, &count, MSG_DONTWAIT) ==
	       sizeof(msg)) {
		rf_close_all(fds, count);
		assert_true(msg.type == JUNK || n < room);
		if (msg.type != JUNK)
			list[n++] = msg.type << 8 | msg.generation;
	}
	return n;
}

static bool room(void)
{
	struct pollfd p = { .fd = RF_DEVICE_FD_SUPERVISOR, .events = POLLOUT };

	return rf_wait_fds(&p, 1, 0) == 1;
}

static void what_has_no_room_waits_and_goes_in_order(void **state)
{
	uint32_t heard[8];
	int fd = 2;

	(void)state;
	assert_true(fill() > 8);
	notify_supervisor(&dev, RF_DEV_DOWN, 1, 0);
	notify_supervisor(&dev, RF_DEV_UP, 2, 0);
	assert_int_equal(notify_want(&dev, dev.queue,
				   &(struct rf_dev_msg){ .type = RF_DEV_WANT, .generation = 3 },
				   &fd, 1),
			 0);
	notify_unresponsive(&dev, &(struct rf_dev_msg){ .type = RF_DEV_UNRESPONSIVE });
	notify_supervisor(&dev, RF_DEV_KILL, 2, 0);
	assert_true(notify_pending(&dev) && !room());
	assert_int_equal(hear(heard, 8), 0);
	assert_true(room());
	goes_on(&dev);
	assert_int_equal(asked, 1);
	assert_false(notify_pending(&dev));
	assert_int_equal(hear(heard, 8), 4);
	assert_int_equal(heard[0], RF_DEV_DOWN << 8 | 1);
	assert_int_equal(heard[1], RF_DEV_UP << 8 | 2);
	assert_int_equal(heard[2], RF_DEV_KILL << 8 | 2);
	assert_int_equal(heard[3] >> 8, RF_DEV_WANT);
}

/* There is room again before what waits has gone: the next message waits behind it. */
static void nothing_overtakes(void **state)
{
	uint32_t heard[8];
	int fd = 2;

	(void)state;
	fill();
	notify_supervisor(&dev, RF_DEV_DOWN, 1, 0);
	assert_int_equal(hear(heard, 8), 0);
	notify_supervisor(&dev, RF_DEV_UP, 2, 0);
	assert_false(notify_want(&dev, dev.queue, &(struct rf_dev_msg){ .type = RF_DEV_WANT },
				 &fd, 1));
	notify_unresponsive(&dev, &(struct rf_dev_msg){ .type = RF_DEV_UNRESPONSIVE });
	assert_int_equal(hear(heard, 8), 0);
	goes_on(&dev);
	assert_int_equal(hear(heard, 8), 3);
	assert_int_equal(heard[0], RF_DEV_DOWN << 8 | 1);
	assert_int_equal(heard[1], RF_DEV_UP << 8 | 2);
	assert_int_equal(heard[2] >> 8, RF_DEV_WANT);
}

/* Room for some of it only. */
static void what_waits_may_go_in_pieces(void **state)
{
	uint32_t heard[RF_UNSENT_MAX];
	unsigned n = 0, turns = 0;
	int small = 1;

	(void)state;
	assert_int_equal(setsockopt(RF_DEVICE_FD_SUPERVISOR, SOL_SOCKET, SO_SNDBUF, &small,
				    sizeof(small)),
			 0);
	assert_true(fill() < RF_UNSENT_MAX / 2);
	for (uint32_t i = 0; i < RF_UNSENT_MAX; i++)
		notify_supervisor(&dev, RF_DEV_UP, i, 0);
	for (; n < RF_UNSENT_MAX; turns++) {
		n += hear(heard + n, RF_UNSENT_MAX - n);
		goes_on(&dev);
	}
	assert_true(turns > 2);
	for (uint32_t i = 0; i < RF_UNSENT_MAX; i++)
		assert_int_equal(heard[i], RF_DEV_UP << 8 | i);
}

/* Another supervisor asks for all of it: what was for the last one is not said to it. */
static void what_waits_is_void_for_another_supervisor(void **state)
{
	uint32_t heard[8];

	(void)state;
	fill();
	notify_supervisor(&dev, RF_DEV_DOWN, 1, 0);
	notify_discard(&dev);
	notify_supervisor(&dev, RF_DEV_ADOPTED, 2, 0);
	assert_int_equal(hear(heard, 8), 0);
	goes_on(&dev);
	assert_int_equal(hear(heard, 8), 1);
	assert_int_equal(heard[0], RF_DEV_ADOPTED << 8 | 2);
}

/* Who is gone is not waited for: the main loop sees that its socket ends. */
static void one_that_is_gone_is_not_waited_for(void **state)
{
	int fd = 2;

	(void)state;
	fill();
	close(supervisor);
	notify_supervisor(&dev, RF_DEV_DOWN, 1, 0);
	assert_false(notify_want(&dev, dev.queue, &(struct rf_dev_msg){ .type = RF_DEV_WANT },
				 &fd, 1));
	assert_false(notify_pending(&dev));
	supervisor = dup(RF_DEVICE_FD_SUPERVISOR);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(what_has_no_room_waits_and_goes_in_order),
		ONE(nothing_overtakes),
		ONE(what_waits_may_go_in_pieces),
		ONE(what_waits_is_void_for_another_supervisor),
		ONE(one_that_is_gone_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
