/* SPDX-License-Identifier: MIT */
/*
 * test_ending.c - a driver at its last stop: its device is made quiet at once, and nothing of
 * its successor happens before it is dead.
 *
 * generation.c with a fake device; what it says and does is noted in order:
 *   D, U, W, K  to the supervisor: down, up, want, kill
 *   d, q, u     to the export: down, quiesced, up
 *   R        the device is made quiet
 *   Q, N, n  or only its queue pair is taken away; made anew; that fails
 *   E        it is enabled
 */
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

static void note(char what)
{
	size_t n = strlen(noted);

	assert_true(n + 1 < sizeof(noted));
	noted[n] = what;
}

int rf_packet_send(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	static const char ups[] = { [RF_DEV_DOWN] = 'D', [RF_DEV_UP] = 'U', [RF_DEV_WANT] = 'W',
				    [RF_DEV_KILL] = 'K' };
	static const char exports[] = {
		[RF_SVC_DOWN] = 'd', [RF_SVC_QUIESCED] = 'q', [RF_SVC_UP] = 'u'
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

int device_drop_queue(struct rf_device *d, unsigned queue)
{
	(void)d;
	assert_int_equal(queue, 0);
	if (drop_answer >= 0)
		note('Q');
	return drop_answer;
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

int irq_vector(struct rf_device *d, unsigned half)
{
	(void)d;
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
#include "sandbox/device/core/generation.c"
#include "sandbox/device/core/left.c"
#include "sandbox/device/core/plan.c"
#include "sandbox/device/core/notify.c"

/* Generation 1 runs, 2 waits as standby. */
static struct rf_device *running(void)
{
	static struct rf_backend_ops fake;
	static struct rf_launch spec[2];
	static _Alignas(RF_PAGE) char boot[2][RF_PAGE];
	static struct rf_stats_device stats;
	static char queues[2 * RF_PAGE];
	static struct rf_device d;

	d = (struct rf_device){ .backend = &fake,
				.service = RF_DEVICE_FD_SERVICE,
				.export_knows = true,
				.cfg = { .queues = 1, .queue_bytes = RF_PAGE },
				.queues = queues,
				.stats = &stats,
				.doorbell = { .event = -1 },
				.generation = 1,
				.next = 2 };
	for (int half = 0; half < 2; half++) {
		d.boot[half] = (void *)boot[half];
		d.spec[half] = &spec[half];
	}
	d.slot[1] = (struct rf_slot){ .state = SLOT_RUNNING, .generation = 1, .pidfd = -1 };
	d.slot[0] = (struct rf_slot){ .state = SLOT_STANDBY, .generation = 2, .pidfd = -1 };
	memset(noted, 0, sizeof(noted));
	return &d;
}

static const char *it_changed(struct rf_device *d)
{
	return d->queue.param[0] ? "all of it" : NULL;
}
static int no_header(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	(void)d, (void)at;
	memset(to, 0, bytes);
	return 0;
}

/* The export waits for answers. Only a device that has changed has its driver killed, once. */
static void a_look_at_the_device(void **state)
{
	static const struct rf_admin_ops control = { .changed = it_changed };
	static const struct rf_backend_ops backend = { .config_read = no_header };
	struct rf_device *d = running();

	(void)state;
	d->backend = &backend;
	d->admin_ops = &control;
	generation_look(d);
	left_as(d, RF_LEFT_ENABLED);
	generation_look(d);
	assert_string_equal(noted, "");
	d->queue.param[0] = 1;
	generation_look(d);
	generation_look(d);
	assert_string_equal(noted, "K");
}

static void quiet_at_the_last_stop_and_on_when_dead(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDRq");
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRq"); /* ready, and held back */
	assert_true(d->ready && d->down);
	generation_died(d, 1);
	assert_string_equal(noted, "dDRquU");
	assert_int_equal(d->generation, 2);
}

static void dead_before_its_ring_is_ready(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 1);
	generation_died(d, 1);
	assert_string_equal(noted, "dDRq");
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRquU");
}

static void without_a_stop(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_died(d, 1);
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRquU");
	generation_ending(d, 1); /* said late: about nobody */
	assert_string_equal(noted, "dDRquU");
}

static void of_a_standby_is_no_matter(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 2);
	generation_ending(d, 3); /* not even there */
	assert_string_equal(noted, "");
	assert_int_equal(d->slot[0].state, SLOT_STANDBY);
}

static void its_half_is_not_used_again_before_it_is_dead(void **state)
{
	struct rf_device *d = running();

	(void)state;
	d->slot[0] = (struct rf_slot){ .state = SLOT_EMPTY, .pidfd = -1 };
	d->cfg.flags |= RF_DEVICE_NO_STANDBY;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDWRq");     /* generation 2, of the other half, */
	generation_prepared(d, 2);
	generation_driver(d, 2, -1);             /* is there, and waits */
	assert_int_equal(d->slot[1].state, SLOT_ENDING);
	d->cfg.flags = 0;
	generation_want(d);
	assert_string_equal(noted, "dDWRq");
	generation_died(d, 1);
	assert_string_equal(noted, "dDWRquU");
	generation_want(d);
	assert_string_equal(noted, "dDWRquUW"); /* generation 3, in that half */
}

/* The running driver dies, and its standby runs. */
static void dies(struct rf_device *d)
{
	uint32_t generation = d->generation;

	generation_ending(d, generation);
	generation_prepared(d, generation + 1);
	generation_died(d, generation & 1);
}

/* The supervisor is stopped: what needs nobody but device and export goes on until there is no
 * standby any more. Once it reads it hears of all of that, once, in order, and is asked for the
 * next one. */
static void a_supervisor_that_takes_no_messages_holds_nothing_up(void **state)
{
	struct rf_device *d = running();

	(void)state;
	for (uint32_t g = 1; g < 20; g += 2) {
		memset(noted, 0, sizeof(noted));
		full = true;
		dies(d);
		assert_string_equal(noted, "dRqu");
		assert_int_equal(d->generation, g + 1);
		generation_want(d);
		generation_request_kill(d, RF_KILL_STALLED);
		generation_request_kill(d, RF_KILL_STALLED);
		dies(d);
		assert_string_equal(noted, "dRqudRq");
		full = false;
		if (notify_flush(d))
			generation_want(d);
		assert_string_equal(noted, "dRqudRqDUKDW");
		assert_false(notify_pending(d));
		generation_driver(d, g + 2, -1);
		assert_string_equal(noted, "dRqudRqDUKDWuU");
		generation_want(d);
		generation_driver(d, g + 3, -1);
	}
	assert_int_equal(d->downs, 20);
}

static void marks_it(struct rf_device *d)
{
	assert_int_equal(d->left, RF_LEFT_QUIET);
	note('M');
}
static int enables_it(struct rf_device *d, unsigned half)
{
	(void)d, (void)half;
	note('E');
	return 0;
}

/* Behind its reset and before anybody hears that it is quiet. */
static void a_device_at_rest_is_marked(void **state)
{
	static const struct rf_admin_ops control = { .mark = marks_it, .enable = enables_it };
	struct rf_device *d = running();

	(void)state;
	d->admin_ops = &control;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDRMqE");
}

static bool making_fails;
static int makes_it(struct rf_device *d, unsigned queue, unsigned half)
{
	(void)half;
	assert_true(!queue && d->left == RF_LEFT_IDLE);
	note(making_fails ? 'n' : 'N');
	return making_fails ? -EIO : 0;
}

/* A device that a queue pair can be taken from, which it may find to have changed, with a cache. */
static struct rf_device *with_queues(void)
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

static void a_queue_pair_alone_is_replaced(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	d->queue.param[0] = 1; /* nobody asks about it: answers say that it has not changed */
	generation_ending(d, 1);
	assert_string_equal(noted, "dDQqN");
	assert_int_equal(d->left, RF_LEFT_ENABLED);
	assert_int_equal(d->recovery.method, RF_RESET_QUEUE);
	assert_true(d->recovery.quiesced_ns);
	assert_int_equal(d->stats->losses, 0);
	drop_answer = -EOPNOTSUPP;
}

static void without_a_successor_its_queues_wait(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	d->slot[0] = (struct rf_slot){ .state = SLOT_EMPTY, .pidfd = -1 };
	generation_ending(d, 1);
	assert_string_equal(noted, "dDWQq");
	assert_int_equal(d->left, RF_LEFT_IDLE);
	generation_driver(d, 2, -1);
	assert_string_equal(noted, "dDWQqN");
	drop_answer = -EOPNOTSUPP;
}

static void a_pair_that_cannot_be_deleted(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	drop_answer = -ETIMEDOUT;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDRqE");
	assert_int_equal(d->recovery.method, RF_RESET_SOFT);
	assert_int_equal(d->stats->losses, 0);
	d = with_queues();
	drop_answer = -EIO;
	d->queue.param[0] = 1; /* because it has reset itself */
	generation_ending(d, 1);
	assert_string_equal(noted, "dDRqE");
	assert_int_equal(d->stats->losses, 1);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

static void a_pair_that_cannot_be_made_again(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	making_fails = true;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDQqnRqE");
	assert_int_equal(d->recovery.method, RF_RESET_SOFT);
	assert_int_equal(d->stats->losses, 0);
	d = with_queues();
	making_fails = true;
	d->queue.param[0] = 1;
	generation_ending(d, 1);
	assert_string_equal(noted, "dDQqnRqE");
	assert_int_equal(d->stats->losses, 1);
	assert_false(d->given_up);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_pair_alone_is_replaced),
		cmocka_unit_test(without_a_successor_its_queues_wait),
		cmocka_unit_test(a_pair_that_cannot_be_deleted),
		cmocka_unit_test(a_pair_that_cannot_be_made_again),
		cmocka_unit_test(a_look_at_the_device),
		cmocka_unit_test(quiet_at_the_last_stop_and_on_when_dead),
		cmocka_unit_test(dead_before_its_ring_is_ready),
		cmocka_unit_test(without_a_stop),
		cmocka_unit_test(of_a_standby_is_no_matter),
		cmocka_unit_test(its_half_is_not_used_again_before_it_is_dead),
		cmocka_unit_test(a_supervisor_that_takes_no_messages_holds_nothing_up),
		cmocka_unit_test(a_device_at_rest_is_marked),
	};

	for (int fd = RF_DEVICE_FD_WAKE0; fd <= RF_DEVICE_FD_WAKE1; fd++)
		dup2(eventfd(0, EFD_NONBLOCK), fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
