/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_queues.c - the queue of a dead driver is taken from a virtio device, or the device is
 * reset: on whatever a device may do, or not do, when it is told to reset a queue.
 *
 * Room:   tests/unit. The admin plane's files on the registers of virtio_registers.h.
 */
#include "virtio_registers.h"

#include "sandbox/device/admin/virtio_pci.c"
#include "sandbox/device/admin/virtio_queues.c"

static struct virtio_pci v;
static unsigned char memory[2 * QUEUES * QUEUE_BYTES];

/* A device whose queues were learned; nothing is enabled. */
static struct rf_device *device(enum answer answer)
{
	static struct rf_device d;

	memset(&hw, 0, sizeof(hw));
	hw.answer = answer;
	hw.num_queues = QUEUES;
	hw.multiplier = 4;
	hw.offered = VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_RESET;
	for (uint16_t i = 0; i < QUEUES; i++) {
		hw.size[i] = 64;
		hw.off[i] = i;
	}
	memset(memory, 0x5a, sizeof(memory));
	d = (struct rf_device){ .label = "it", .queues = memory, .queues_iova = QUEUES_IOVA,
				.queue_count = QUEUES,
				.cfg = { .queue_reset_ms = 500, .queue_bytes = QUEUE_BYTES,
					 .queue_entries = 64, .queues = QUEUES } };
	v = (struct virtio_pci){ .features = hw.offered };
	v.window[VIRTIO_PCI_COMMON] = (struct virtio_window){ 4, 0, VIRTIO_COMMON_RESET_BYTES };
	v.window[VIRTIO_PCI_NOTIFY] = (struct virtio_window){ 4, NOTIFY_AT, RF_PAGE };
	for (uint32_t i = 0; i < QUEUES; i++)
		d.queue[i] = (struct rf_queue){ .index = i, .down = true, .generation = i };
	said[0] = '\0';
	return &d;
}

static int learn(struct rf_device *d, uint32_t most)
{
	v.multiplier = hw.multiplier;
	return virtio_queues_learn(d, &v, most);
}

/* All queues are enabled, and their drivers, 4 to 7, run. */
static struct rf_device *running(enum answer answer)
{
	struct rf_device *d = device(answer);

	assert_int_equal(learn(d, QUEUES), 0);
	assert_int_equal(virtio_queues_enable(d, &v), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		unsigned half = driver_half(d, QUEUES + i);

		assert_int_equal(virtio_queues_make(d, &v, i, half), 0);
		d->queue[i].generation = QUEUES + i;
		d->queue[i].down = false;
	}
	d->left = RF_LEFT_ENABLED;
	assert_null(virtio_changed(d, &v));
	said[0] = '\0';
	return d;
}

static void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("wanted \"%s\" in: %s", what, said);
}

/* ---- made ------------------------------------------------------------------------------------ */

/* 3.1.1: all before DRIVER_OK, each in the half of the driver that comes next. */
static void all_queues_are_there_before_the_device_runs(void **state)
{
	struct rf_device *d = device(OBEYS);

	(void)state;
	assert_int_equal(learn(d, QUEUES), 0);
	d->queue[2].generation = 6; /* it died once more than the others */
	assert_int_equal(virtio_queues_enable(d, &v), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		unsigned half = i == 2 ? 0 : 1;
		uint64_t iova = QUEUES_IOVA + (half * QUEUES + i) * QUEUE_BYTES;

		assert_int_equal(hw.queue[i].enabled, 1);
		assert_int_equal(hw.queue[i].desc, iova);
		assert_int_equal(hw.queue[i].vector, 1 + 2 * i + half);
		assert_int_equal(virtio_queues_make(d, &v, i, half), 0);
	}
	assert_int_equal(hw.late, 0);
	assert_true(hw.status & VIRTIO_STATUS_DRIVER_OK);
	/* Never in a half that its driver does not have. */
	assert_int_equal(virtio_queues_make(d, &v, 2, 1), -EIO);
}

/* A device may look at a queue at once: nothing of a dead driver's is in it, and what a driver
 * that waits was given stays. */
static void a_queue_begins_empty(void **state)
{
	struct rf_device *d = device(OBEYS);

	(void)state;
	assert_int_equal(learn(d, QUEUES), 0);
	d->queue[0].slot[1].state = SLOT_STANDBY;
	d->queue[1].slot[1].state = SLOT_WANTED;
	d->queue[2].slot[1].state = SLOT_ENDING;
	assert_int_equal(virtio_queues_enable(d, &v), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		const unsigned char *other = memory + i * QUEUE_BYTES;
		const unsigned char *used = memory + (QUEUES + i) * QUEUE_BYTES;

		assert_int_equal(other[0], 0x5a);
		assert_int_equal(used[0], i < 2 ? 0x5a : 0);
		assert_int_equal(used[QUEUE_BYTES - 1], i < 2 ? 0x5a : 0);
	}
}

/* ---- taken away ------------------------------------------------------------------------------ */

static void a_queue_is_reset_and_made(void **state)
{
	struct rf_device *d = running(OBEYS);

	(void)state;
	hw.takes_ns = 400000000;
	assert_int_equal(virtio_queues_drop(d, &v, 2), 0);
	assert_false(hw.queue[2].enabled);
	assert_null(virtio_changed(d, &v)); /* all else is as it was left */
	assert_int_equal(virtio_queues_make(d, &v, 2, 0), 0);
	assert_int_equal(hw.queue[2].desc, QUEUES_IOVA + 2 * QUEUE_BYTES);
	assert_int_equal(hw.queue[2].vector, 5);
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_int_equal(hw.queue[i].was_reset, i == 2);
	assert_int_equal(hw.late, 0);
	assert_string_equal(said, "");
	hw.queue[2].enabled = 0;
	assert_string_equal(virtio_changed(d, &v), "its queues");
}

static const struct {
	enum answer answer;
	int err;
	const char *said;
} refusals[] = {
	{ NEVER, -ETIMEDOUT, "is not reset in time" },
	{ KEEPS, -EBADMSG, "is enabled still, after its reset" },
	{ RESETS, -EIO, "the device has another status" },
	{ BREAKS, -EIO, "the device has another status" },
	{ LEAVES, -ENODEV, "registers read all ones" },
};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* Whatever a device does, other than to do as it is told. */
static void a_queue_that_is_not_reset(void **state)
{
	(void)state;
	for (size_t i = 0; i < REFUSALS; i++) {
		struct rf_device *d = running(refusals[i].answer);
		uint64_t from = now_ns;

		assert_int_equal(virtio_queues_drop(d, &v, 1), refusals[i].err);
		assert_said("it: queue 1 ");
		assert_said(refusals[i].said);
		assert_said("resetting the device");
		/* Only one that is there and says that it is at it is waited for. */
		assert_in_range(now_ns - from, refusals[i].answer == NEVER ? 500000000 : 0,
				refusals[i].answer == NEVER ? 502000000 : 100000);
		/* That a queue is half away is our doing. The rest shows whether it has changed. */
		bool same = refusals[i].answer == NEVER || refusals[i].answer == KEEPS;
		assert_int_equal(!virtio_changed(d, &v), same);
	}
}

static void a_queue_that_cannot_be_made_again(void **state)
{
	struct rf_device *d = running(OBEYS);

	(void)state;
	assert_int_equal(virtio_queues_drop(d, &v, 1), 0);
	hw.no_enable = true;
	assert_int_equal(virtio_queues_make(d, &v, 1, 0), -EIO);
	assert_said("queue 1 is not enabled as it was set up");
	/* It has reset itself between the two: the queue is there, and the device does not run. */
	d = running(OBEYS);
	assert_int_equal(virtio_queues_drop(d, &v, 1), 0);
	all_reset();
	assert_int_equal(virtio_queues_make(d, &v, 1, 0), -EIO);
	assert_string_equal(virtio_changed(d, &v), "its status");
}

/* ---- at start -------------------------------------------------------------------------------- */

static void the_check_at_start(void **state)
{
	struct rf_device *d = device(OBEYS);

	(void)state;
	assert_int_equal(learn(d, QUEUES), 0);
	assert_int_equal(virtio_queues_check(d, &v), 0);
	assert_true(d->queue_reset);
	assert_int_equal(memory[0], 0);
	/* Made, reset, made and reset: each reset may fail, and the second making. */
	for (size_t i = 0; i < 2 * REFUSALS + 2; i++) {
		d = device(refusals[i / 2 % REFUSALS].answer);
		hw.obeys = i & 1;
		if (i >= 2 * REFUSALS) {
			hw.answer = OBEYS;
			hw.no_enable = i & 1;
			hw.takes_ns = i & 1 ? 0 : 130000000; /* a quarter of the time is over */
		}
		assert_int_equal(learn(d, QUEUES), 0);
		assert_int_equal(virtio_queues_check(d, &v), 0);
		assert_false(d->queue_reset);
		assert_false(v.features & VIRTIO_F_RING_RESET);
		assert_said("does not pass the check of queues (queue 0 ");
	}
	/* One that does not offer it is not asked. */
	d = device(LEAVES);
	assert_int_equal(learn(d, QUEUES), 0);
	v.features &= ~VIRTIO_F_RING_RESET;
	said[0] = '\0';
	assert_int_equal(virtio_queues_check(d, &v), 0);
	assert_false(d->queue_reset);
	assert_string_equal(said, "");
}

static void what_a_device_has(void **state)
{
	struct rf_device *d = device(OBEYS);

	(void)state;
	hw.size[3] = 16;
	assert_int_equal(learn(d, 9), 0);
	assert_int_equal(d->queue_count, 4);
	for (uint32_t i = 0; i < QUEUES; i++)
		assert_int_equal(v.size[i], 16);
	assert_int_equal(d->doorbell.submit, NOTIFY_AT);
	assert_int_equal(d->doorbell.complete, NOTIFY_AT);
	assert_int_equal(d->doorbell.queues, 4);
	assert_int_equal(d->doorbell.step, 4);
	d = device(OBEYS);
	assert_int_equal(learn(d, 2), 0);
	assert_int_equal(d->queue_count, 2);
	assert_said("has 2 queues, not 4");
	d = device(OBEYS);
	assert_int_equal(learn(d, 0), -EINVAL);
	assert_said("says that it has no queue");
	/* It says four here and three there. */
	d = device(OBEYS);
	hw.num_queues = 3;
	assert_int_equal(learn(d, 4), -EOPNOTSUPP);
	assert_said("has fewer than 4 queues");
}

static void doorbells_at_no_fixed_distance(void **state)
{
	static const uint16_t places[][QUEUES] = {
		{ 0, 1, 2, 4 }, { 3, 2, 1, 0 }, { 0, 0, 1, 1 }, { 1, 0, 0, 0 }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct rf_device *d = device(OBEYS);

		memcpy(hw.off, places[i], sizeof(hw.off));
		assert_int_equal(learn(d, QUEUES), 0);
		assert_int_equal(d->queue_count, 1);
		assert_int_equal(d->doorbell.step, 0);
		assert_said("has 1 queue, not 4: their doorbells");
	}
	/* One for all is a distance, too. */
	struct rf_device *d = device(OBEYS);
	hw.multiplier = 0;
	assert_int_equal(learn(d, QUEUES), 0);
	assert_int_equal(d->queue_count, 4);
	assert_int_equal(d->doorbell.step, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_queues_are_there_before_the_device_runs),
		cmocka_unit_test(a_queue_begins_empty),
		cmocka_unit_test(a_queue_is_reset_and_made),
		cmocka_unit_test(a_queue_that_is_not_reset),
		cmocka_unit_test(a_queue_that_cannot_be_made_again),
		cmocka_unit_test(the_check_at_start),
		cmocka_unit_test(what_a_device_has),
		cmocka_unit_test(doorbells_at_no_fixed_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
