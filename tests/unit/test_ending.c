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
#include "fake_device.h"

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
		queue_request_kill(d, d->queue, RF_KILL_STALLED);
		queue_request_kill(d, d->queue, RF_KILL_STALLED);
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

	fake_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
