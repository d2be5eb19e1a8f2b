/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user_edges.c - virtio's doorbells behind a device server: what is stored is a queue's
 * number, always the same, so that each store has to be passed on.
 *
 * Room:   tests/unit.
 */
#include "doorbells.h"

/* What is stored is the queue's number, each time the same: each time is told. */
static void a_doorbell_that_repeats_itself_is_passed_on(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	assert_int_equal(place(d, 0x3000, 0x3004, BAR0_BYTES, true), 0);
	d->backend->doorbell_clear(d, 0);
	uint32_t before = writes_arrived(d);
	for (int i = 0; i < 3; i++)
		ring_proxy(d, 0x3000, 0);
	ring_proxy(d, 0x3004, 1);
	ring_proxy(d, 0x3008, 0);    /* no doorbell of this driver's */
	store(d, 0x3004, 1);
	ring_proxy(d, 0x3000, 4711); /* not its queue's number: told is its own */
	const uint64_t told[] = { 0x3000ull << 32,     0x3000ull << 32, 0x3000ull << 32,
				  0x3004ull << 32 | 1, 0x3000ull << 32, 0x3004ull << 32 | 1 };
	assert_int_equal(writes_arrived(d) - before, sizeof(told) / sizeof(told[0]));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		assert_int_equal(server.writes[before + i], told[i]);
	drop_doorbells(d);
	end(d);
}

/* A multiplier of 0: all queues have one doorbell, and a store of one hides the other's. */
static void one_doorbell_for_two_queues_rings_both(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	assert_int_equal(place(d, 0x3000, 0x3000, BAR0_BYTES, true), 0);
	d->doorbell.last_queue = 1;
	d->backend->doorbell_clear(d, 0);
	uint32_t before = writes_arrived(d);
	store(d, 0x3000, 0);
	ring_proxy(d, 0x3000, 1);
	assert_int_equal(writes_arrived(d) - before, 2);
	assert_int_equal(server.writes[before], 0x3000ull << 32);
	assert_int_equal(server.writes[before + 1], 0x3000ull << 32 | 1);
	drop_doorbells(d);
	end(d);
}

/* A disk with three queues, a driver each; their doorbells `step` apart. */
static struct rf_device *with_three_queues(uint32_t step)
{
	struct rf_device *d = begin();

	server_init(&server);
	server.mappable = false;
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->queue_count = 3;
	for (int i = 0; i < 3; i++)
		d->queue[i].down = false;
	d->doorbell = (struct rf_doorbells){ .submit = 0x3000, .complete = 0x3000, .edge = true,
					     .queues = 3, .step = step };
	assert_int_equal(doorbell_open(d), 0);
	assert_int_equal(d->doorbell.mode, RF_DOORBELL_PROXY);
	for (uint32_t i = 0; i < 3; i++)
		d->backend->doorbell_clear(d, i);
	return d;
}

static void each_queue_has_its_doorbell(void **state)
{
	struct rf_device *d = with_three_queues(4);
	uint32_t before = writes_arrived(d);

	(void)state;
	ring_proxy(d, 0x3004, 1);
	ring_proxy(d, 0x3004, 1);
	store(d, 0x3008, 2);
	ring_proxy(d, 0x3000, 0);
	ring_proxy(d, 0x300c, 3);    /* of no queue that is used */
	d->queue[1].down = true;
	store(d, 0x3004, 1);         /* of a driver that is dead */
	ring_proxy(d, 0x3008, 4711); /* not its queue's number: told is its own */
	d->backend->doorbell_clear(d, 1);
	d->queue[1].down = false;
	ring_proxy(d, 0x3000, 0);
	const uint64_t told[] = { 0x3004ull << 32 | 1, 0x3004ull << 32 | 1, 0x3000ull << 32,
				  0x3008ull << 32 | 2, 0x3008ull << 32 | 2, 0x3000ull << 32 };
	assert_int_equal(writes_arrived(d) - before, sizeof(told) / sizeof(told[0]));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		assert_int_equal(server.writes[before + i], told[i]);
	drop_doorbells(d);
	end(d);
}

/* A multiplier of 0. What one has stored hides another's, so all that run are rung. */
static void one_doorbell_for_all_queues_rings_all(void **state)
{
	struct rf_device *d = with_three_queues(0);

	(void)state;
	ring_proxy(d, 0x3000, 0); /* what the page began with is gone */
	uint32_t before = writes_arrived(d);
	store(d, 0x3000, 2);
	d->queue[1].down = true;
	d->backend->doorbell_clear(d, 1); /* which is another's ring, too */
	ring_proxy(d, 0x3000, 0);
	const uint64_t told[] = { 0x3000ull << 32, 0x3000ull << 32 | 2 };
	assert_int_equal(writes_arrived(d) - before, sizeof(told) / sizeof(told[0]));
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		assert_int_equal(server.writes[before + i], told[i]);
	store(d, 0x3000, 2);
	d->backend->doorbell_clear(d, 1);
	assert_int_equal(*(volatile uint16_t *)(d->user->proxy +
						(0x3000 - d->doorbell.page)), 2);
	drop_doorbells(d);
	end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_doorbell_that_repeats_itself_is_passed_on),
		cmocka_unit_test(one_doorbell_for_two_queues_rings_both),
		cmocka_unit_test(each_queue_has_its_doorbell),
		cmocka_unit_test(one_doorbell_for_all_queues_rings_all),
	};

	give_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
