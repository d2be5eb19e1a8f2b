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
#include "sandbox/device/core/generation.c"
#include "sandbox/device/core/recovery.c"
#include "sandbox/device/core/left.c"
#include "sandbox/device/core/plan.c"
#include "sandbox/device/core/notify.c"

/* Generation 1 runs, 2 waits as standby. */
static void queue_runs(struct rf_device *d, uint32_t index)
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

static struct rf_device *running(void)
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

static const char *it_changed(struct rf_device *d)
{
	return d->template.param[0] ? "all of it" : NULL;
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
	recovery_look(d);
	left_as(d, RF_LEFT_ENABLED);
	recovery_look(d);
	assert_string_equal(noted, "");
	d->template.param[0] = 1;
	recovery_look(d);
	recovery_look(d);
	assert_string_equal(noted, "K");
}

static void quiet_at_the_last_stop_and_on_when_dead(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDRq");
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRq"); /* ready, and held back */
	assert_true(d->queue->ready && d->queue->down);
	generation_died(d, d->queue, 1);
	assert_string_equal(noted, "dDRquU");
	assert_int_equal(d->queue->generation, 2);
}

static void dead_before_its_ring_is_ready(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 1, 0);
	generation_died(d, d->queue, 1);
	assert_string_equal(noted, "dDRq");
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRquU");
}

static void without_a_stop(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_died(d, d->queue, 1);
	generation_prepared(d, 2);
	assert_string_equal(noted, "dDRquU");
	generation_ending(d, 1, 0); /* said late: about nobody */
	assert_string_equal(noted, "dDRquU");
}

static void of_a_standby_is_no_matter(void **state)
{
	struct rf_device *d = running();

	(void)state;
	generation_ending(d, 2, 0);
	generation_ending(d, 3, 0); /* not even there */
	assert_string_equal(noted, "");
	assert_int_equal(d->queue->slot[0].state, SLOT_STANDBY);
}

static void its_half_is_not_used_again_before_it_is_dead(void **state)
{
	struct rf_device *d = running();

	(void)state;
	d->queue->slot[0] = (struct rf_slot){ .state = SLOT_EMPTY, .pidfd = -1 };
	d->cfg.flags |= RF_DEVICE_NO_STANDBY;
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDWRq");     /* generation 2, of the other half, */
	generation_prepared(d, 2);
	generation_driver(d, 2, -1);             /* is there, and waits */
	assert_int_equal(d->queue->slot[1].state, SLOT_ENDING);
	d->cfg.flags = 0;
	generation_want(d, d->queue);
	assert_string_equal(noted, "dDWRq");
	generation_died(d, d->queue, 1);
	assert_string_equal(noted, "dDWRquU");
	generation_want(d, d->queue);
	assert_string_equal(noted, "dDWRquUW"); /* generation 3, in that half */
}

/* The running driver dies, and its standby runs. */
static void dies(struct rf_device *d)
{
	uint32_t generation = d->queue->generation;

	generation_ending(d, generation, 0);
	generation_prepared(d, generation + 1);
	generation_died(d, d->queue, generation & 1);
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
		assert_int_equal(d->queue->generation, g + 1);
		generation_want(d, d->queue);
		generation_request_kill(d, d->queue, RF_KILL_STALLED);
		generation_request_kill(d, d->queue, RF_KILL_STALLED);
		dies(d);
		assert_string_equal(noted, "dRqudRq");
		full = false;
		if (notify_flush(d))
			generation_want(d, d->queue);
		assert_string_equal(noted, "dRqudRqDUKDW");
		assert_false(notify_pending(d));
		generation_driver(d, g + 2, -1);
		assert_string_equal(noted, "dRqudRqDUKDWuU");
		generation_want(d, d->queue);
		generation_driver(d, g + 3, -1);
	}
	assert_int_equal(d->queue->downs, 20);
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
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDRMqE");
}

static bool making_fails; /* once */
static int makes_it(struct rf_device *d, unsigned queue, unsigned half)
{
	(void)half;
	assert_true(queue < d->queue_count && d->left == RF_LEFT_ENABLED);
	note(making_fails ? 'n' : 'N');
	int err = making_fails ? -EIO : 0;
	making_fails = false;
	return err;
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
	d->template.param[0] = 1; /* nobody asks about it: answers say that it has not changed */
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDQqN");
	assert_int_equal(d->left, RF_LEFT_ENABLED);
	assert_int_equal(d->queue->recovery.method, RF_RESET_QUEUE);
	assert_true(d->queue->recovery.quiesced_ns);
	assert_int_equal(d->stats->losses, 0);
	drop_answer = -EOPNOTSUPP;
}

static void without_a_successor_its_queues_wait(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	d->queue->slot[0] = (struct rf_slot){ .state = SLOT_EMPTY, .pidfd = -1 };
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDWQq");
	assert_int_equal(d->left, RF_LEFT_ENABLED);
	assert_true(d->queue->quiet && !d->queue->ready);
	generation_driver(d, 2, -1);
	assert_string_equal(noted, "dDWQqN");
	drop_answer = -EOPNOTSUPP;
}

static void a_pair_that_cannot_be_deleted(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	drop_answer = -ETIMEDOUT;
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDRqEN");
	assert_int_equal(d->queue->recovery.method, RF_RESET_SOFT);
	assert_int_equal(d->stats->losses, 0);
	d = with_queues();
	drop_answer = -EIO;
	d->template.param[0] = 1; /* because it has reset itself */
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDRqEN");
	assert_int_equal(d->stats->losses, 1);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

static void a_pair_that_cannot_be_made_again(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	making_fails = true;
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDQqnRqEN");
	assert_int_equal(d->queue->recovery.method, RF_RESET_SOFT);
	assert_int_equal(d->stats->losses, 0);
	d = with_queues();
	making_fails = true;
	d->template.param[0] = 1;
	generation_ending(d, 1, 0);
	assert_string_equal(noted, "dDQqnRqEN");
	assert_int_equal(d->stats->losses, 1);
	assert_false(d->given_up);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

/* Two queues: 2 and 3 run, 4 and 5 wait. */
static struct rf_device *with_two(void)
{
	struct rf_device *d = with_queues();

	d->cfg.queues = d->queue_count = 2;
	queue_runs(d, 0);
	queue_runs(d, 1);
	return d;
}

static void one_of_two_goes_on(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	generation_ending(d, 3, 0);
	assert_string_equal(noted, "dDQqN");
	assert_true(d->queue[1].down && !d->queue[0].down);
	generation_prepared(d, 5);
	generation_died(d, &d->queue[1], 1);
	assert_string_equal(noted, "dDQqNuU");
	assert_int_equal(d->queue[1].generation, 5);
	assert_int_equal(d->queue[0].generation, 2);
	assert_int_equal(d->queue[0].kill_requested, 0);
	drop_answer = -EOPNOTSUPP;
}

/* Its queue pair cannot be deleted: the other driver is killed, and its death brings the reset
 * about, which each hears of, and one of them of what it may have lost. */
static void two_are_reset_together(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	drop_answer = -ETIMEDOUT;
	d->template.param[0] = 1; /* it has reset itself */
	generation_ending(d, 3, 0);
	assert_string_equal(noted, "dDK");
	assert_int_equal(d->queue[0].kill_reason, RF_KILL_RESET);
	generation_prepared(d, 5);
	generation_died(d, &d->queue[1], 1);
	assert_string_equal(noted, "dDK"); /* nothing runs before that */
	generation_ending(d, 2, 0);
	assert_string_equal(noted, "dDKdDRqqENNuU");
	assert_int_equal(d->stats->losses, 1);
	generation_prepared(d, 4);
	generation_died(d, &d->queue[0], 1);
	assert_string_equal(noted, "dDKdDRqqENNuUuU");
	assert_false(any_down(d) || d->reset);
	d->stats->losses = 0;
	drop_answer = -EOPNOTSUPP;
}

/* The second queue cannot be made after any reset: at some time the device is given up. */
static void a_pair_that_can_never_be_made(void **state)
{
	struct rf_device *d = with_two();

	(void)state;
	drop_answer = -ETIMEDOUT;
	for (int i = 0; i < 20 && !d->given_up; i++) {
		memset(noted, 0, sizeof(noted));
		d->resets = i;
		making_fails = true;
		d->queue[1].down = true;
		d->queue[1].ready = false;
		d->queue[1].quiet = true;
		d->enabled = true;
		d->reset = false;
		generation_start(d, &d->queue[1]);
	}
	assert_true(d->given_up);
	making_fails = false;
	drop_answer = -EOPNOTSUPP;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_pair_alone_is_replaced),
		cmocka_unit_test(without_a_successor_its_queues_wait),
		cmocka_unit_test(a_pair_that_cannot_be_deleted),
		cmocka_unit_test(a_pair_that_cannot_be_made_again),
		cmocka_unit_test(one_of_two_goes_on),
		cmocka_unit_test(two_are_reset_together),
		cmocka_unit_test(a_pair_that_can_never_be_made),
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
	for (int half = 0; half < 2; half++)
		dup2(eventfd(0, EFD_NONBLOCK), rf_device_wake(1, (uint32_t)half));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
